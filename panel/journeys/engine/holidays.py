"""Holiday calendars by name, for `holidays: skip`.

Two are built in and declared like those of a plugin (`register_holidays`), because journeys of the first hour use them
and a calendar that can be switched off by mistake is one more way to write to people on Yom Kippur:

israel             the festivals on which work stops (pyluach), and Independence Day. Shabbat is a matter of `days`.
israel_with_eves   the same, and the days before them.
iran               the official holidays of the solar calendar. Those of the lunar calendar (Ashura, Eid al-Fitr, ...)
                   move with the sighting of the moon and are announced each year: they are NOT in it. A business that
                   closes on them pauses its journeys, or installs a plugin that knows the announced days.

Without `calendar:` it is that of the business's country, else that of its time zone. A calendar that is not there is
never taken for one without holidays: nothing is sent until it is back (`UnknownCalendarError`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel import clock
from panel.i18n import N_
from panel.journeys.engine.facts import Company
from panel.plugin_manager import manager
from panel.sdk.holidays import HolidayCalendar

_ISRAEL = {
    "Rosh Hashana": N_("Rosh Hashanah"),
    "Yom Kippur": N_("Yom Kippur"),
    "Succos": N_("Sukkot"),
    "Shmini Atzeres": N_("Simchat Torah"),
    "Pesach": N_("Passover"),
    "Shavuos": N_("Shavuot"),
}
_EVES = {
    N_("Rosh Hashanah"): N_("the eve of Rosh Hashanah"),
    N_("Yom Kippur"): N_("the eve of Yom Kippur"),
    N_("Sukkot"): N_("the eve of Sukkot"),
    N_("Simchat Torah"): N_("the eve of Simchat Torah"),
    N_("Passover"): N_("the eve of Passover"),
    N_("Shavuot"): N_("the eve of Shavuot"),
    N_("Independence Day"): N_("Memorial Day"),
}
_IRAN = {  # month, day of the solar Hijri year
    **dict.fromkeys([(1, 1), (1, 2), (1, 3), (1, 4)], N_("Nowruz")),
    (1, 12): N_("Islamic Republic Day"),
    (1, 13): N_("Nature Day"),
    (3, 14): N_("14 Khordad"),
    (3, 15): N_("15 Khordad"),
    (11, 22): N_("22 Bahman"),
    (12, 29): N_("Oil Nationalisation Day"),
}


log = logging.getLogger(__name__)
# How far a decision looks: what does not open within 60 days is a mistake (see `hours`).
DAYS_BACK, DAYS_AHEAD = 7, 70
MOST_DAYS = 4_000
BELIEVED = 600.0  # seconds


class UnknownCalendarError(LookupError):
    """`holidays: skip` with a calendar that nobody offers (its plugin is off or fails), or none for this country."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@cache
def israeli_holiday(day: date) -> str | None:
    hebrew = HebrewDate.from_pydate(day)
    festival = hebrew.festival(israel=True, include_working_days=False)
    if festival is not None:
        return _ISRAEL.get(festival, festival)
    return "Independence Day" if day == _independence_day(hebrew.year) else None


@cache
def _independence_day(year: int) -> date:
    """5 Iyar, but never on or next to Shabbat: the law moves it to the Thursday before, or from Monday to Tuesday."""
    day = HebrewDate(year, 2, 5).to_pydate()
    return day + timedelta(days={4: -1, 5: -2, 0: 1}.get(day.weekday(), 0))


@cache
def israeli_holiday_or_eve(day: date) -> str | None:
    today, tomorrow = israeli_holiday(day), israeli_holiday(day + timedelta(days=1))
    return today or (_EVES.get(tomorrow) if tomorrow else None)


@cache
def iranian_holiday(day: date) -> str | None:
    there = JalaliDate(day)
    return _IRAN.get((there.month, there.day))


NO_HOLIDAYS = HolidayCalendar("none", "", lambda _day: None)
BUILT_IN = {
    one.name: one
    for one in (
        HolidayCalendar("israel", N_("Israel: festivals on which work stops"), israeli_holiday),
        HolidayCalendar("israel_with_eves", N_("Israel: festivals and their eves"), israeli_holiday_or_eve),
        HolidayCalendar("iran", N_("Iran: Nowruz and the other holidays of the solar calendar"), iranian_holiday),
    )
}
_OF_COUNTRY = {"IL": "israel", "IR": "iran"}
_OF_ZONE = {"Asia/Jerusalem": "israel", "Asia/Tel_Aviv": "israel", "Asia/Tehran": "iran"}


class _Answers:
    """What a plugin's calendar said, day by day; believed for a while, for somebody may correct its days.

    Nothing is decided by a calendar before it has answered for all the days that a decision may look at: one that
    raises, leaves or talks nonsense in the middle would stop everybody whose turn it is.
    """

    def __init__(self, calendar: HolidayCalendar) -> None:
        self.calendar = calendar
        self.known: dict[date, str | None] = {}
        self.looked_at: tuple[date, int] | None = None

    def are_sound(self, today: date) -> bool:
        turn = int(time.monotonic() // BELIEVED)
        if self.looked_at == (today, turn):
            return True
        self.known.clear()
        try:
            for ahead in range(-DAYS_BACK, DAYS_AHEAD):
                self._ask(today + timedelta(days=ahead))
        except (Exception, SystemExit):
            log.exception("the holiday calendar %s failed", self.calendar.name)
            return False
        self.looked_at = today, turn
        return True

    def holiday(self, day: date) -> str | None:
        try:
            return self._ask(day)
        except (Exception, SystemExit):  # a day far off, that only a plan asks about
            log.exception("the holiday calendar %s failed", self.calendar.name)
            return None

    def _ask(self, day: date) -> str | None:
        if day not in self.known:
            answer = self.calendar.holiday(day)
            if not isinstance(answer, str | None):
                raise TypeError(f"{type(answer).__name__} instead of the name of a holiday or None")
            if len(self.known) >= MOST_DAYS:
                self.known.clear()
            self.known[day] = answer
        return self.known[day]


_answers: WeakKeyDictionary[HolidayCalendar, _Answers] = WeakKeyDictionary()


def _of_a_plugin(name: str) -> HolidayCalendar | None:
    """The calendar of this name that a plugin offers; None when none does, or when it fails."""
    offered = manager.current().holiday_calendars().get(name)
    if offered is None:
        return None
    answers = _answers.setdefault(offered, _Answers(offered))
    if not answers.are_sound(clock.now().date()):
        return None
    return HolidayCalendar(offered.name, offered.label, answers.holiday)


def calendars() -> dict[str, HolidayCalendar]:
    """Every calendar that a journey may name, by name. Needs an application context (for the plugins)."""
    return {**manager.current().holiday_calendars(), **BUILT_IN}


def calendar_for(name: str | None, country: str = "", time_zone: str = "") -> HolidayCalendar:
    """The calendar of this name, else of the business's country, else of its zone. Raises UnknownCalendarError."""
    wanted = name or _OF_COUNTRY.get(country) or ("" if country else _OF_ZONE.get(time_zone, ""))
    found = BUILT_IN.get(wanted) or (_of_a_plugin(wanted) if wanted else None)
    if found is None:
        raise UnknownCalendarError(wanted or country or time_zone)
    return found


def holidays_of(hours: Mapping[str, Any] | None, business: Company) -> HolidayCalendar:
    """The calendar that these hours ask for; one without holidays when they do not ask. Raises UnknownCalendarError."""
    if not hours or hours.get("holidays") != "skip":
        return NO_HOLIDAYS
    return calendar_for(hours.get("calendar"), business.country, business.time_zone)
