"""How often one contact, or one address, may be messaged. Pure.

A limit counts the messages of every journey that went on the wire (or may have), to the contact and to the address it
would use now, whoever else has that address. "1 per day" is a calendar day on the contact's clock; "1 per 24 hours" is
exactly that.

A place is kept for what is more urgent: a queued message of a journey with a higher priority counts as if it had gone
at the moment it is planned for, when that moment lies in the same window (the same calendar day, week, month; or less
than the length of the limit ahead). So a lower priority takes the last place only when nobody above it wants it.

The same journey writes to one address once a day at most, whoever of its contacts it is for (`FAMILY`): two people with
one mailbox, or one person imported twice.
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
    family: bool = False


FAMILY: Mapping[str, Any] = {"count": 1, "per": {"months": 0, "days": 1, "seconds": 0}, "calendar": True}


@dataclass(frozen=True)
class Cap:
    """A limit with the moments that count against it: of messages that went, and of those a place is kept for."""

    limit: Mapping[str, Any]
    times: Sequence[datetime]
    family: bool = False


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
    return worst_over(caps_of(limits, sent, channel), now, zone)


def caps_of(
    limits: Sequence[tuple[Mapping[str, Any], bool]], sent: Sequence[tuple[str, datetime]], channel: str
) -> list[Cap]:
    """The limits with what counts against each."""
    every = [at for _, at in sent]
    own = [at for name, at in sent if name == channel]
    return [Cap(limit, own if own_channel else every) for limit, own_channel in limits]


def worst_over(caps: Sequence[Cap], now: datetime, zone: ZoneInfo) -> Over | None:
    """The full one that frees latest at `now`, or None."""
    worst: Over | None = None
    for cap in caps:
        start = window_start(cap.limit, now, zone)
        end = leaves_window(cap.limit, now, zone)
        times = sorted(at for at in cap.times if start <= at < end)
        first = _fills_a_window(cap.limit, times, now, zone)
        if first is None:
            continue
        # There is room again when the message that fills the last place has left the window.
        free = max(leaves_window(cap.limit, first, zone), now + timedelta(microseconds=1))
        if worst is None or free > worst.free_at:
            worst = Over(cap.limit, free, cap.family)
    return worst


def _fills_a_window(
    limit: Mapping[str, Any], times: Sequence[datetime], now: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first of the latest messages that fill a window together in which `now` lies as well; None when no window is
    full. Those before and those a place is kept for after it need not lie in one window with each other."""
    count: int = limit["count"]
    if count < 1:
        return now  # "0 per day": there is never a place (the checker refuses it nowadays)
    for n in range(len(times) - count, -1, -1):
        first, last = times[n], times[n + count - 1]
        if max(last, now) < leaves_window(limit, min(first, now), zone):
            return first
    return None


def leaves_window(limit: Mapping[str, Any], sent_at: datetime, zone: ZoneInfo) -> datetime:
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
