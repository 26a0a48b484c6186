"""What may go when, judged by brute force: written from the language and the design, sharing nothing with the engine.

Moments are tried one by one, windows are counted one by one, the whole ledger is read, nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from panel.journeys.engine.holidays import israeli_holiday

QUARTER = timedelta(minutes=15)  # hours, days and changes of the clocks all begin on quarters of an hour
TICK = timedelta(microseconds=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GONE = ("on_wire", "sent", "delivered", "bounced", "unknown")


@dataclass(frozen=True)
class Limit:
    """`3 per week`, as it is written."""

    text: str

    @property
    def count(self) -> int:
        return int(self.text.split()[0])

    @property
    def every(self) -> int:
        words = self.text.split()
        return int(words[2]) if len(words) == 4 else 1

    @property
    def unit(self) -> str:
        return self.text.split()[-1].rstrip("s")


@dataclass(frozen=True)
class Hours:
    days: tuple[str, ...]
    opens: str
    closes: str
    skips_holidays: bool = False
    outside: str = "wait"

    def is_open(self, moment: datetime, zone: ZoneInfo) -> bool:
        there = moment.astimezone(zone)
        if DAYS[there.weekday()] not in self.days:
            return False
        if self.skips_holidays and israeli_holiday(there.date()):
            return False
        return self.opens <= f"{there:%H:%M}" < self.closes

    def __str__(self) -> str:
        holidays = ", holidays: skip, calendar: israel" if self.skips_holidays else ", holidays: ignore"
        days = ", ".join(self.days)
        return f"{{days: [{days}], from: {self.opens}, to: {self.closes}{holidays}, outside: {self.outside}}}"


def is_open(hours: Hours | None, moment: datetime, zone: ZoneInfo) -> bool:
    return hours is None or hours.is_open(moment, zone)


@cache
def _number(unit: str, moment: datetime, zone: ZoneInfo) -> int:
    """The day, week, month or year of a moment, numbered through. Weeks begin on Sunday."""
    day = moment.astimezone(zone).date()
    if unit == "day":
        return day.toordinal()
    if unit == "week":
        return day.toordinal() // 7  # 7 January of the year 1 was a Sunday
    return day.year * 12 + day.month if unit == "month" else day.year


def is_full(limit: Limit, moment: datetime, others: Sequence[datetime], zone: ZoneInfo) -> bool:
    """Whether some window of the limit that holds `moment` holds as many others as it may."""
    if limit.unit in ("minute", "hour"):
        length = timedelta(**{f"{limit.unit}s": limit.every})
        firsts = [one for one in (moment, *others) if one <= moment <= one + length]
        lasts = [one - length for one in (moment, *others) if one - length <= moment <= one]
        return any(sum(start <= one <= start + length for one in others) >= limit.count for start in firsts + lasts)
    here, numbers = _number(limit.unit, moment, zone), [_number(limit.unit, one, zone) for one in others]
    windows = [range(first, first + limit.every) for first in range(here - limit.every + 1, here + 1)]
    return any(sum(one in window for one in numbers) >= limit.count for window in windows)


def has_gone(row: Mapping[str, Any]) -> bool:
    """On the wire, or in doubt: also what is queued again because nobody knows."""
    return row["wire_at"] is not None and row["status"] in (*GONE, "queued", "claimed")


def mailbox(address: str | None) -> str:
    """Where a mail to this address ends up: Gmail knows no dots, nobody knows what is behind a plus."""
    local, at, domain = (address or "").partition("@")
    if not at:
        return address or ""
    local = local.split("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        return local.replace(".", "") + "@gmail.com"
    return f"{local}@{domain}"


@dataclass(frozen=True)
class Rules:
    """What a journey said when the run of a message came to it."""

    limits: tuple[Limit, ...] = ()
    of_channel: Mapping[str, tuple[Limit, ...]] | None = None
    when_over: str = "wait"
    hours: Hours | None = None
    too_late_after: timedelta = timedelta(days=3)
    time_zone: str = "contact"
    ignores_limits: bool = False

    def for_channel(self, channel: str) -> list[tuple[Limit, bool]]:
        own = (self.of_channel or {}).get(channel, ())
        return [(one, False) for one in self.limits] + [(one, True) for one in own]


@dataclass
class Case:
    """One message at one moment, and everything else that the ledger holds."""

    message: Mapping[str, Any]
    address: str | None
    rules: Rules
    zone: ZoneInfo
    ledger: Sequence[Mapping[str, Any]]
    now: datetime

    def __post_init__(self) -> None:
        mine, box = self.message, mailbox(self.address)
        same = [
            one
            for one in self.ledger
            if one["id"] != mine["id"]
            and one["kind"] == "message"
            and (one["contact_id"] == mine["contact_id"] or (box and mailbox(one["address"]) == box))
        ]
        self.gone = [(one["channel"], one["wire_at"]) for one in same if has_gone(one)]
        self.kept = [
            (one["channel"], max(one["not_before"], self.now))
            for one in same
            if one["status"] in ("queued", "claimed")
            and one["wire_at"] is None
            and one["priority"] < mine["priority"]
            and (one["expires_at"] is None or one["expires_at"] > self.now)
            and not one["is_paused"]
        ]
        self.family = [
            one["wire_at"]
            for one in self.ledger
            if box
            and mailbox(one["address"]) == box
            and one["journey_id"] == mine["journey_id"]
            and one["contact_id"] != mine["contact_id"]
            and has_gone(one)
        ]

    @property
    def is_free(self) -> bool:
        return self.message["journey_id"] is None or self.rules.ignores_limits

    def in_the_way(self, moment: datetime, *, kept: bool = True) -> str | None:
        """What keeps the message from going at a moment, if anything does."""
        if not is_open(self.rules.hours, moment, self.zone):
            return "hours"
        return None if self.is_free else self.full(moment, kept=kept)

    def full(self, moment: datetime, *, kept: bool = True) -> str | None:
        channel = self.message["channel"]
        for limit, own in self.rules.for_channel(channel):
            others = [at for name, at in self.gone + (self.kept if kept else []) if name == channel or not own]
            if is_full(limit, moment, others, self.zone):
                return limit.text
        return "family" if is_full(Limit("1 per day"), moment, self.family, self.zone) else None

    def moments(self, until: datetime) -> Iterable[datetime]:
        """Every moment at which something may open: now, the quarters of the hours, and where exact limits end."""
        found = {self.now}
        first = self.now.replace(minute=self.now.minute // 15 * 15, second=0, microsecond=0) + QUARTER
        found |= {first + n * QUARTER for n in range(int((until - first) / QUARTER) + 1)}
        for limit, _ in self.rules.for_channel(self.message["channel"]):
            if limit.unit in ("minute", "hour"):
                ends = timedelta(**{f"{limit.unit}s": limit.every}) + TICK
                found |= {at + ends for _, at in self.gone + self.kept}
        return sorted(one for one in found if self.now <= one <= until)

    def earliest(self, until: datetime) -> datetime | None:
        return next((one for one in self.moments(until) if self.in_the_way(one) is None), None)

    def too_late_from(self) -> datetime:
        """`too_late_after` counts from the first allowed moment, on the clock of today."""
        first = self.message["planned_at"]
        while not is_open(self.rules.hours, first, self.zone):
            first = first.replace(minute=first.minute // 15 * 15, second=0, microsecond=0) + QUARTER
        if self.rules.too_late_after % timedelta(days=1):
            return first + self.rules.too_late_after
        there = (
            first.astimezone(self.zone).replace(tzinfo=None) + self.rules.too_late_after
        )  # days keep the time of day
        return there.replace(tzinfo=self.zone).astimezone(UTC)
