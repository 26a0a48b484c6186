"""Lengths of time and moments on somebody's clock. Pure.

A length is `{"months": n, "days": n, "seconds": n}`: months and days move on the calendar and keep the clock time,
seconds are exact. So "3 days" over a change of the clocks keeps 10:00, "72 hours" does not.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

Length = Mapping[str, int]


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone)


def at_local(day: date, clock_time: time, zone: ZoneInfo) -> datetime:
    """The UTC moment of a local wall-clock time.

    A time that does not exist (clocks went forward) moves on by the gap: 02:30 becomes 03:30. A time that exists twice
    means the first of the two.
    """
    return datetime.combine(day, clock_time, tzinfo=zone).replace(fold=0).astimezone(UTC)


def add_months(day: date, months: int) -> date:
    """31 January + 1 month is the last day of February."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def add(moment: datetime, length: Length, zone: ZoneInfo, sign: int = 1) -> datetime:
    """`moment` plus (or minus) a length, on the clock of `zone`; returns UTC."""
    months, days, seconds = length.get("months", 0), length.get("days", 0), length.get("seconds", 0)
    if months:
        there = moment.astimezone(zone)
        moved = add_months(there.date(), sign * months) + timedelta(days=sign * days)
        result = at_local(moved, there.time().replace(tzinfo=None), zone)
    elif days:
        # Python adds to the clock on the wall, which is what a day means here.
        result = (moment.astimezone(zone) + timedelta(days=sign * days)).replace(fold=0).astimezone(UTC)
    else:
        result = moment.astimezone(UTC)
    return result + timedelta(seconds=sign * seconds) if seconds else result


@cache
def parse_clock(text: str) -> time:
    hours, minutes = text.split(":")
    return time(int(hours), int(minutes))


def next_at(moment: datetime, clock_time: time, zone: ZoneInfo) -> datetime:
    """The first moment at or after `moment` at which the clock of `zone` shows `clock_time`."""
    day = moment.astimezone(zone).date()
    found = at_local(day, clock_time, zone)
    return found if found >= moment else at_local(day + timedelta(days=1), clock_time, zone)
