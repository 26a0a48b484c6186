"""Allowed hours: when a message may go out, on the contact's clock. Pure.

Hours say when sending IS allowed (`from` before `to`, so no window crosses midnight), per channel. Nothing is ever sent
without this check: a contact without a zone is judged by the journey's fallback zone. A moment is judged by what the
clock on the wall of that zone shows in that moment, so in the hour that happens twice a window may open twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from panel.journeys.engine.lengths import at_local, parse_clock

HORIZON_DAYS = 60
# The last allowed moment leaves a busy worker time for the sending itself; windows shorter than this open with it.
BEFORE_CLOSING = timedelta(minutes=15)
IsHoliday = Callable[[date], bool]


def never_holiday(_day: date) -> bool:
    return False


def hours_for(settings: Mapping[str, Any], channel: str, own: Any = None) -> Mapping[str, Any] | None:
    """The hours that hold for a message: the send step's own, else the channel's, else the general ones.

    None means any time. A step's own hours replace the general part; a channel named in the settings keeps its rule
    unless the step itself names hours (language rule 2d.15).
    """
    if own == "any":
        return None
    if own:
        named: Mapping[str, Any] | None = (own.get("channels") or {}).get(channel, own)
        return named
    table = settings.get("send_hours") or {}
    if channel in table:
        return table[channel]
    return table.get("any")


def is_open(hours: Mapping[str, Any] | None, moment: datetime, zone: ZoneInfo, is_holiday: IsHoliday) -> bool:
    if not hours:
        return True
    there = moment.astimezone(zone)
    if not _day_is_open(hours, there.date(), is_holiday):
        return False
    clock = there.time()
    return parse_clock(hours["from"]) <= clock and (hours["to"] == "24:00" or clock < parse_clock(hours["to"]))


def why_closed(
    hours: Mapping[str, Any], moment: datetime, zone: ZoneInfo, is_holiday: IsHoliday
) -> Literal["hours", "holiday"]:
    """What closes a moment that is not open: a holiday, when the hours alone would have allowed it."""
    return "holiday" if is_open({**hours, "holidays": "ignore"}, moment, zone, is_holiday) else "hours"


def next_open(
    hours: Mapping[str, Any] | None, moment: datetime, zone: ZoneInfo, is_holiday: IsHoliday = never_holiday
) -> datetime | None:
    """The first allowed moment at or after `moment`; None when nothing opens within 60 days."""
    if not hours or is_open(hours, moment, zone, is_holiday):
        return moment
    first = moment.astimezone(zone).date()
    opening = parse_clock(hours["from"])
    for ahead in range(HORIZON_DAYS + 1):
        day = first + timedelta(days=ahead)
        if not _day_is_open(hours, day, is_holiday):
            continue
        for opens in _openings(day, opening, zone):
            if opens >= moment and is_open(hours, opens, zone, is_holiday):
                return opens
    return None


def last_open(
    hours: Mapping[str, Any], moment: datetime, zone: ZoneInfo, is_holiday: IsHoliday = never_holiday
) -> datetime | None:
    """The last allowed moment before `moment`, for `outside: earlier`: a quarter of an hour before the window closes,
    or when it opens if it is no longer than that. None when nothing was open in the 60 days before."""
    first = moment.astimezone(zone).date()
    for back in range(HORIZON_DAYS + 1):
        day = first - timedelta(days=back)
        if not _day_is_open(hours, day, is_holiday):
            continue
        ends = day + timedelta(days=1) if hours["to"] == "24:00" else day
        closing = at_local(ends, time(0) if hours["to"] == "24:00" else parse_clock(hours["to"]), zone)
        for found in (closing - BEFORE_CLOSING, at_local(day, parse_clock(hours["from"]), zone)):
            if found < moment and is_open(hours, found, zone, is_holiday):
                return found
    return None


def _openings(day: date, opening: time, zone: ZoneInfo) -> list[datetime]:
    """When a window may open on that day: at its time, and where the clocks change. Spring can leave its time out (it
    is open from the change on, or not at all); autumn can lead back into it."""
    changes = _clocks_change(day, zone)
    opens = at_local(day, opening, zone)
    return [opens] if changes is None else sorted({opens, changes})


@lru_cache(maxsize=4096)
def _clocks_change(day: date, zone: ZoneInfo) -> datetime | None:
    """The moment of that day at which the clocks go forward or back."""
    low, high = at_local(day, time(0), zone), at_local(day + timedelta(days=1), time(0), zone)
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return None
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _day_is_open(hours: Mapping[str, Any], day: date, is_holiday: IsHoliday) -> bool:
    if day.weekday() not in hours["days"]:
        return False
    return not (hours.get("holidays") == "skip" and is_holiday(day))
