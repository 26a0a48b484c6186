"""Allowed hours: when a message may go out, on the contact's clock. Pure.

Hours say when sending IS allowed (`from` before `to`, so no window crosses midnight), per channel. Nothing is ever sent
without this check: a contact without a zone is judged by the journey's fallback zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from panel.journeys.engine.lengths import at_local, parse_clock

HORIZON_DAYS = 60
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
    clock = there.time().replace(tzinfo=None)
    return parse_clock(hours["from"]) <= clock < _closing(hours)


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
        opens = at_local(day, opening, zone)
        if opens >= moment:
            return opens
    return None


def last_open(
    hours: Mapping[str, Any], moment: datetime, zone: ZoneInfo, is_holiday: IsHoliday = never_holiday
) -> datetime | None:
    """The last allowed moment before `moment` (for `outside: earlier`): a minute before the window closed."""
    first = moment.astimezone(zone).date()
    for back in range(HORIZON_DAYS + 1):
        day = first - timedelta(days=back)
        if not _day_is_open(hours, day, is_holiday):
            continue
        closes = at_local(day, _closing(hours), zone) - timedelta(minutes=1)
        if closes <= moment:
            return closes
    return None


def _closing(hours: Mapping[str, Any]) -> time:
    # "24:00" is the end of the day; the window is open up to its last microsecond.
    return time.max if hours["to"] == "24:00" else parse_clock(hours["to"])


def _day_is_open(hours: Mapping[str, Any], day: date, is_holiday: IsHoliday) -> bool:
    if day.weekday() not in hours["days"]:
        return False
    return not (hours.get("holidays") == "skip" and is_holiday(day))
