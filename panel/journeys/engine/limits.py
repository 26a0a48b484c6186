"""How often one contact may be messaged. Pure.

A limit counts the messages of every journey that went on the wire (or may have). "1 per day" is a calendar day on the
contact's clock; "1 per 24 hours" is exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from panel.journeys.engine.lengths import add, add_months, at_local


@dataclass(frozen=True)
class Over:
    """A limit that is full, and from when there is room again."""

    limit: Mapping[str, Any]
    free_at: datetime


def limits_for(settings: Mapping[str, Any], channel: str) -> list[tuple[Mapping[str, Any], bool]]:
    """The limits that hold for a channel, each with whether it counts this channel only."""
    table = settings.get("limits") or {}
    return [(one, False) for one in table.get("messages", ())] + [(one, True) for one in table.get(channel, ())]


def window_start(limit: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> datetime:
    """From when on messages count against the limit."""
    per = limit["per"]
    if not limit.get("calendar"):
        return add(now, per, zone, -1)
    today = now.astimezone(zone).date()
    if per.get("months"):
        return at_local(
            add_months(_period(today, per["months"]), _length(per["months"]) - per["months"]), time(0), zone
        )
    days = per.get("days", 1)
    if days % 7 == 0:
        # Weeks start on Sunday: the working week of both countries we serve first has begun by then.
        start = today - timedelta(days=(today.weekday() + 1) % 7)
        return at_local(start - timedelta(days=days - 7), time(0), zone)
    return at_local(today - timedelta(days=days - 1), time(0), zone)


def first_over(
    limits: Sequence[tuple[Mapping[str, Any], bool]],
    sent: Sequence[tuple[str, datetime]],
    channel: str,
    now: datetime,
    zone: ZoneInfo,
) -> Over | None:
    """The full limit that frees latest, or None when there is room under all. `sent` is (channel, on the wire at)."""
    worst: Over | None = None
    for limit, own_channel in limits:
        start = window_start(limit, now, zone)
        times = sorted(at for name, at in sent if at >= start and (not own_channel or name == channel))
        if len(times) < limit["count"]:
            continue
        # There is room again when the message that fills the last place has left the window.
        leaving = times[len(times) - limit["count"]]
        free = _leaves_window(limit, leaving, zone)
        if worst is None or free > worst.free_at:
            worst = Over(limit, free)
    return worst


def _leaves_window(limit: Mapping[str, Any], sent_at: datetime, zone: ZoneInfo) -> datetime:
    per = limit["per"]
    if not limit.get("calendar"):
        return add(sent_at, per, zone) + timedelta(microseconds=1)
    day = sent_at.astimezone(zone).date()
    if per.get("months"):
        return at_local(add_months(_period(day, per["months"]), per["months"]), time(0), zone)
    days = per.get("days", 1)
    if days % 7 == 0:
        start = day - timedelta(days=(day.weekday() + 1) % 7)
        return at_local(start + timedelta(days=days), time(0), zone)
    return at_local(day + timedelta(days=days), time(0), zone)


def _length(months: int) -> int:
    """The calendar unit of a limit in months: a year when it is whole years, else a month."""
    return 12 if months % 12 == 0 else 1


def _period(day: date, months: int) -> date:
    return day.replace(month=1, day=1) if _length(months) == 12 else day.replace(day=1)
