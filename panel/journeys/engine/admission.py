"""When a message may go: the earliest moment that its hours and every limit allow. Pure.

Each of them may push the moment on, and where it lands the other has its say again: so until both agree. Whatever is in
the way is named in the order in which it was met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from panel.journeys.engine.hours import IsHoliday, next_open, why_closed
from panel.journeys.engine.lengths import Length, add
from panel.journeys.engine.limits import Cap, worst_over

Obstacle = Literal["hours", "holiday", "limit", "address"]
ROUNDS = 500  # a year and a half of days; whoever is still not let in then never will be


@dataclass(frozen=True)
class Admission:
    """`at` is the earliest admissible moment (None: there is none), `met` what stood in the way, with what was seen."""

    at: datetime | None
    met: Sequence[tuple[Obstacle, Mapping[str, Any]]] = field(default=())

    def names(self) -> list[Obstacle]:
        return [name for name, _ in self.met]


def admit(
    hours: Mapping[str, Any] | None,
    caps: Sequence[Cap],
    moment: datetime,
    zone: ZoneInfo,
    is_holiday: IsHoliday,
    until: datetime | None = None,
) -> Admission:
    """The earliest admissible moment from `moment` on. Looking stops behind `until`: that moment is too late anyway."""
    met: list[tuple[Obstacle, Mapping[str, Any]]] = []
    at = moment
    for _ in range(ROUNDS):
        opens = next_open(hours, at, zone, is_holiday)
        if opens is None or (hours and opens > at):
            assert hours is not None
            met.append((why_closed(hours, at, zone, is_holiday), {"day": at.astimezone(zone).date().isoformat()}))
        if opens is None:
            return Admission(None, met)
        over = worst_over(caps, opens, zone)
        if over is None:
            return Admission(opens, met)
        met.append(
            ("address" if over.family else "limit", {"limit": dict(over.limit), "free_at": over.free_at.isoformat()})
        )
        at = over.free_at
        if until is not None and at > until:
            return Admission(at, met)
    return Admission(None, met)


def first_allowed(
    hours: Mapping[str, Any] | None, planned: datetime, zone: ZoneInfo, is_holiday: IsHoliday
) -> datetime:
    """The first allowed moment for what is planned at `planned`; that moment itself when the hours never open."""
    return next_open(hours, planned, zone, is_holiday) or planned


def too_late_from(
    hours: Mapping[str, Any] | None,
    planned: datetime,
    too_late_after: Length,
    zone: ZoneInfo,
    is_holiday: IsHoliday,
) -> datetime:
    """From when on a message is too late, counted from its first allowed moment (language rule 2d.5): a text that is
    planned for Thursday evening is not "2 days late" on Sunday morning. Being postponed gives it no more time."""
    return add(first_allowed(hours, planned, zone, is_holiday), too_late_after, zone)
