"""When a `wait` step ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from panel.journeys.engine.lengths import Length, add, add_months, at_local, next_at, parse_clock


@dataclass(frozen=True)
class WaitEnd:
    """`at` None: the wait has no date to wait for (the field is empty). `is_past`: the named date had already gone when
    the step began."""

    at: datetime | None
    is_past: bool = False


def wait_end(step: Mapping[str, Any], began: datetime, zone: ZoneInfo, day_of_field: date | None = None) -> WaitEnd:
    """When the wait that began at `began` is over, on the clock of `zone`.

    `day_of_field` is the value of the date field that `until: {field: ...}` names, if it has one.
    """
    clock_time = parse_clock(step["at"]) if step.get("at") else None
    until = step.get("until")
    if until:
        day = _until_day(until, began, zone, clock_time, day_of_field)
        if day is None:
            return WaitEnd(None)
        exactly = _seconds(until)
        end = at_local(day, clock_time or time(0), zone) + exactly
        if end < began:
            # Today without a time of day is not past: the day has only begun.
            if clock_time is None and not exactly and day == began.astimezone(zone).date():
                return WaitEnd(began)
            return WaitEnd(end, is_past=True)
        return WaitEnd(end)
    end = began
    if step.get("for"):
        end = add(began, step["for"], zone)
    if clock_time is not None:
        end = next_at(end, clock_time, zone)
    return WaitEnd(end)


def _until_day(
    until: Mapping[str, Any], began: datetime, zone: ZoneInfo, clock_time: time | None, day_of_field: date | None
) -> date | None:
    today = began.astimezone(zone).date()
    if "day" in until:
        ahead = (int(until["day"]) - today.weekday()) % 7
        day = today + timedelta(days=ahead)
        # On that very weekday: later today when a time of day is named and still ahead, else the next one.
        if ahead == 0 and (clock_time is None or at_local(day, clock_time, zone) < began):
            day += timedelta(days=7)
        return day
    if "date" in until:
        return date.fromisoformat(until["date"])
    if "month_day" in until:
        return _next_month_day(today, int(until["month_day"]), began, zone, clock_time)
    if day_of_field is None:
        return None
    offset: Length | None = until.get("offset")
    if not offset:
        return day_of_field
    sign = int(until.get("sign", 1))
    moved = add_months(day_of_field, sign * offset.get("months", 0))
    return moved + timedelta(days=sign * offset.get("days", 0))


def _seconds(until: Mapping[str, Any]) -> timedelta:
    """The hours and minutes of an offset: they move the moment, not the day."""
    offset: Length = until.get("offset") or {}
    return timedelta(seconds=int(until.get("sign", 1)) * offset.get("seconds", 0))


def _next_month_day(today: date, number: int, began: datetime, zone: ZoneInfo, clock_time: time | None) -> date:
    """The next such day of a month; in a shorter month its last day."""
    for months in range(3):
        first = add_months(today.replace(day=1), months)
        last = (add_months(first, 1) - timedelta(days=1)).day
        day = first.replace(day=min(number, last))
        if at_local(day, clock_time or time(0), zone) >= began:
            return day
    raise AssertionError("three months hold every day of a month")
