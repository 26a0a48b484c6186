"""Public holidays by calendar name, for `holidays: skip`. Pure; results are cached per year.

Israel: the festivals on which work stops (pyluach). Iran: the fixed solar Hijri holidays; the lunar ones move with the
sighting of the moon and are announced each year, so they are left to the business's own dates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache

from persiantools.jdatetime import JalaliDate
from pyluach import dates as hebrew_dates

# Month, day of the solar Hijri year: Nowruz, Republic Day, Nature Day, mourning of 14 and 15 Khordad,
# Revolution Day, Oil Nationalisation Day.
IRAN_FIXED = frozenset({(1, 1), (1, 2), (1, 3), (1, 4), (1, 12), (1, 13), (3, 14), (3, 15), (11, 22), (12, 29)})

COUNTRY_CALENDARS = {"IL": "israel", "IR": "iran"}


@cache
def is_israeli_holiday(day: date) -> bool:
    return hebrew_dates.HebrewDate.from_pydate(day).festival(israel=True, include_working_days=False) is not None


@cache
def is_iranian_holiday(day: date) -> bool:
    there = JalaliDate(day)
    return (there.month, there.day) in IRAN_FIXED


def no_holidays(_day: date) -> bool:
    return False


CALENDARS: dict[str, Callable[[date], bool]] = {"israel": is_israeli_holiday, "iran": is_iranian_holiday}


def calendar_for(name: str | None, country: str = "") -> Callable[[date], bool]:
    """The calendar named in the hours, else the one of the business's country, else one without holidays."""
    return CALENDARS.get(name or COUNTRY_CALENDARS.get(country, ""), no_holidays)
