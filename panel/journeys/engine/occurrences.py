"""On which days a date or a schedule comes round. Pure: no contact, no clock, no database.

A rule has a calendar. Its days are counted there and given back as ordinary (Gregorian) days:

gregorian     29 February in other years: 28 February, 1 March, or not at all (`feb_29`).
solar_hijri   30 Esfand in years that have only 29 days of it: `feb_29` likewise says 29 Esfand, 1 Farvardin or skip.
hebrew        As birthdays are kept (Reingold and Dershowitz, Calendrical Calculations, "hebrew-birthday"):
              a day of Adar of an ordinary year, and of Adar II, comes round in the last month before Nisan (Adar, or
              Adar II in a leap year); a day of Adar I in Adar I, or in Adar when there is only one;
              30 Cheshvan, 30 Kislev and 30 Adar I come round on the first of the following month in years without them.

every: year    the same day of the year. The day itself counts as well (year 0), see `dates` for when it is used.
every: month   the same day of the month, or the day that `on` says; in shorter months the last day.
every: week    the same weekday, or the one that `on` says. Nothing comes round before the date itself.
no `every`     the date itself, once.

A schedule is a rule without a date: `on` missing means the first day of the month, or Sunday.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel.journeys.engine.lengths import Length, add_months, at_local, parse_clock

YEARS_BACK = 200  # a date older than this does not come round any more
SUNDAY = 6

Calendar = Literal["gregorian", "hebrew", "solar_hijri"]
Parts = tuple[int, int, int]


@dataclass(frozen=True)
class Rule:
    """When something comes round, and which moment that is: so long before or after the day, at `at` of that day.

    `offset` moves on the calendar in months and days, then exactly in seconds. Without `at` it is the beginning of the
    day; what is sent then waits for the allowed hours.
    """

    every: Literal["year", "month", "week", "day"] | None
    calendar: Calendar = "gregorian"
    feb_29: Literal["feb_28", "mar_1", "skip"] = "feb_28"
    day: int | None = None
    at: time = time(0)
    offset: Length = field(default_factory=dict, compare=False)
    sign: int = 1


def rule_of(trigger: Mapping[str, Any]) -> Rule:
    """The rule of a `date` or `schedule` trigger of a program."""
    return Rule(
        every=trigger.get("every"),
        calendar=trigger.get("calendar") or "gregorian",
        feb_29=trigger.get("feb_29") or "feb_28",
        day=trigger.get("day"),
        at=parse_clock(trigger["at"]) if trigger.get("at") else time(0),
        offset=trigger.get("offset") or {},
        sign=int(trigger.get("sign") or 1),
    )


def moment_of(rule: Rule, occurrence: date, zone: ZoneInfo) -> datetime:
    """The UTC moment at which an occurrence is due on the clock of `zone`."""
    months, days = rule.offset.get("months", 0), rule.offset.get("days", 0)
    day = add_months(occurrence, rule.sign * months) + timedelta(days=rule.sign * days)
    return at_local(day, rule.at, zone) + timedelta(seconds=rule.sign * rule.offset.get("seconds", 0))


def days_around(rule: Rule, first: date, last: date) -> tuple[date, date]:
    """Between which days an occurrence must lie for its moment to fall between `first` and `last` in some zone."""
    rest = rule.offset.get("days", 0) + rule.offset.get("seconds", 0) // 86_400
    shortest, longest = rule.offset.get("months", 0) * 28 + rest, rule.offset.get("months", 0) * 31 + rest
    if rule.sign < 0:
        return first + timedelta(days=shortest - 2), last + timedelta(days=longest + 2)
    return first - timedelta(days=longest + 2), last - timedelta(days=shortest - 2)


def occurrences(rule: Rule, source: date | None, first: date, last: date) -> Iterator[date]:
    """The days from `first` to `last` (both included) on which the rule comes round, in order.

    `source` is the date it counts from; None for a schedule.
    """
    if source is not None and first < source:
        first = source
    if first > last:
        return
    if rule.every is None:
        if source is not None and first <= source <= last:
            yield source
    elif rule.every == "day":
        yield from (first + timedelta(days=n) for n in range((last - first).days + 1))
    elif rule.every == "week":
        weekday = rule.day if rule.day is not None else source.weekday() if source is not None else SUNDAY
        day = first + timedelta(days=(weekday - first.weekday()) % 7)
        while day <= last:
            yield day
            day += timedelta(days=7)
    elif rule.every == "month":
        number = rule.day or (_parts(rule.calendar, source)[2] if source is not None else 1)
        year, month, _ = _parts(rule.calendar, first)
        while (day := _day_of_month(rule.calendar, year, month, number)) <= last:
            if day >= first:
                yield day
            year, month = _next_month(rule.calendar, year, month)
    else:
        begin = _first_month(rule.calendar) if source is None else None
        for year in range(_parts(rule.calendar, first)[0] - 1, _parts(rule.calendar, last)[0] + 2):
            if begin is not None:
                found: date | None = _day(rule.calendar, year, begin, 1)
            else:
                found = anniversary(rule.calendar, rule.feb_29, source, year)
            if found is not None and first <= found <= last:
                yield found


@lru_cache(maxsize=65_536)
def anniversary(calendar: Calendar, feb_29: str, source: date, year: int) -> date | None:
    """The day in `year` (of that calendar) on which `source` comes round; None when it does not."""
    _, month, day = _parts(calendar, source)
    if calendar == "hebrew":
        return _hebrew_anniversary(source, year, month, day)
    length = _month_length(calendar, year, month)
    if day <= length:
        return _day(calendar, year, month, day)
    # Only 29 February and 30 Esfand can be missing.
    if feb_29 == "skip":
        return None
    return _day(calendar, year, month, length) + timedelta(days=feb_29 == "mar_1")


def _hebrew_anniversary(source: date, year: int, month: int, day: int) -> date:
    source_year = _parts("hebrew", source)[0]
    if month == 13 or (month == 12 and not _is_hebrew_leap(source_year)):
        month = 13 if _is_hebrew_leap(year) else 12
    length = _month_length("hebrew", year, month)
    return _day("hebrew", year, month, min(day, length)) + timedelta(days=day > length)


def sources(rule: Rule, first: date, last: date) -> set[date] | None:
    """Which dates come round between `first` and `last`; None when that cannot be said in a list (all may).

    This is how the contacts of a day are found by an index instead of looking at everybody.
    """
    if rule.every is None:
        return {first + timedelta(days=n) for n in range((last - first).days + 1)}
    if rule.every in ("day", "week") or rule.day is not None:
        return None
    found: set[date] = set()
    for n in range((last - first).days + 1):
        found |= _sources_of_day(rule.every, rule.calendar, rule.feb_29, first + timedelta(days=n))
    return found


@lru_cache(maxsize=512)
def _sources_of_day(every: str, calendar: Calendar, feb_29: str, day: date) -> frozenset[date]:
    year, month, number = _parts(calendar, day)
    if every == "month":
        last = _month_length(calendar, year, month)
        numbers = [number] if number < last else range(number, 32)
        return frozenset(
            found
            for back in range(YEARS_BACK + 1)
            for each in _months_of(calendar, year - back)
            for n in numbers
            if n <= _month_length(calendar, year - back, each)
            and (found := _day(calendar, year - back, each, n)) <= day
        )
    listed: set[date] = set()
    for back in range(YEARS_BACK + 1):
        for each, n in _might_come_round(calendar, month, number):
            source_year = year - back
            if each in _months_of(calendar, source_year) and n <= _month_length(calendar, source_year, each):
                source = _day(calendar, source_year, each, n)
                if source <= day and day in (
                    anniversary(calendar, feb_29, source, year),
                    anniversary(calendar, feb_29, source, year - 1),  # 30 Esfand on 1 Farvardin of the next year
                ):
                    listed.add(source)
    return frozenset(listed)


def _might_come_round(calendar: Calendar, month: int, number: int) -> set[tuple[int, int]]:
    """Days of the year that come round on this one in some year: itself, and the days that a year may lack."""
    if calendar == "gregorian":
        lacking = {(2, 28): (2, 29), (3, 1): (2, 29)}
    elif calendar == "solar_hijri":
        lacking = {(12, 29): (12, 30), (1, 1): (12, 30)}
    else:
        same = {(one, number) for one in (12, 13)} if month in (12, 13) else {(month, number)}
        lacking = {(9, 1): (8, 30), (10, 1): (9, 30), (1, 1): (12, 30)}
        return same | ({lacking[(month, number)]} if (month, number) in lacking else set())
    return {(month, number)} | ({lacking[(month, number)]} if (month, number) in lacking else set())


# --- the three calendars ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def _parts(calendar: Calendar, day: date) -> Parts:
    if calendar == "hebrew":
        hebrew = HebrewDate.from_pydate(day)
        return hebrew.year, hebrew.month, hebrew.day
    if calendar == "solar_hijri":
        solar = JalaliDate(day)
        return solar.year, solar.month, solar.day
    return day.year, day.month, day.day


@lru_cache(maxsize=65_536)
def _day(calendar: Calendar, year: int, month: int, day: int) -> date:
    if calendar == "hebrew":
        return HebrewDate(year, month, day).to_pydate()
    if calendar == "solar_hijri":
        return JalaliDate(year, month, day).to_gregorian()
    return date(year, month, day)


@lru_cache(maxsize=16_384)
def _month_length(calendar: Calendar, year: int, month: int) -> int:
    following = _next_month(calendar, year, month)
    return (_day(calendar, *following, 1) - _day(calendar, year, month, 1)).days


def _day_of_month(calendar: Calendar, year: int, month: int, number: int) -> date:
    return _day(calendar, year, month, min(number, _month_length(calendar, year, month)))


def _is_hebrew_leap(year: int) -> bool:
    return (7 * year + 1) % 19 < 7


def _first_month(calendar: Calendar) -> int:
    return 7 if calendar == "hebrew" else 1  # the Hebrew year begins with Tishrei, counted from Nisan


def _months_of(calendar: Calendar, year: int) -> range:
    return range(1, 14 if calendar == "hebrew" and _is_hebrew_leap(year) else 13)


def _next_month(calendar: Calendar, year: int, month: int) -> tuple[int, int]:
    if calendar == "hebrew":
        if month == 6:  # Elul is the last of the year, Nisan the seventh
            return year + 1, 7
        return (year, 1) if month == _months_of(calendar, year)[-1] else (year, month + 1)
    return (year + 1, 1) if month == 12 else (year, month + 1)
