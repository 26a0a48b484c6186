"""A year of a contact in weeks: what was done when, the busiest week, and how the last month compares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from panel.engagement.score import DAY, Doing
from panel.engagement.signs import OPEN, SIGNS

WEEKS = 52
YEAR = timedelta(days=7 * WEEKS)
LATELY = timedelta(days=30)
HISTORY = timedelta(days=90)  # before the last 30 days; with less there is no "usual"
ENOUGH = 3  # things done in that time, for the same reason
BUSY = 3  # answers in a week before it is called the busiest


@dataclass(frozen=True)
class Week:
    """Seven days from `first` on: things done by the contact, and opens that a person seems to have made."""

    first: date
    answers: int = 0
    opens: int = 0

    @property
    def last(self) -> date:
        return self.first + timedelta(days=6)


class Compared(StrEnum):
    UNKNOWN = "unknown"
    LESS = "less"
    USUAL = "usual"
    MORE = "more"


@dataclass(frozen=True)
class Lately:
    """Things done in the last 30 days, and in 30 days of the time before (None: too little is known)."""

    count: int
    usual: float | None

    @property
    def compared(self) -> Compared:
        if self.usual is None:
            return Compared.UNKNOWN
        if self.usual >= 1 and self.count <= self.usual / 2:
            return Compared.LESS
        if self.count >= 3 and self.count >= 2 * self.usual:
            return Compared.MORE
        return Compared.USUAL


def weeks(doings: Sequence[Doing], now: datetime, zone: ZoneInfo) -> list[Week]:
    """The last 52 weeks, the oldest first; the newest ends today on the reader's clock."""
    today = now.astimezone(zone).date()
    answers, opens = [0] * WEEKS, [0] * WEEKS
    for one in doings:
        back = (today - one.at.astimezone(zone).date()).days // 7
        if 0 <= back < WEEKS:
            if one.kind in SIGNS:
                answers[back] += one.count
            elif one.kind == OPEN:
                opens[back] += one.count
    return [Week(today - timedelta(days=7 * back + 6), answers[back], opens[back]) for back in range(WEEKS - 1, -1, -1)]


def busiest(some: Sequence[Week]) -> Week | None:
    """The week with the most answers (the newer of equals), when there is one worth naming."""
    found = max(reversed(some), key=lambda week: week.answers, default=None)
    return found if found is not None and found.answers >= BUSY else None


def lately(doings: Sequence[Doing], now: datetime, known_since: datetime) -> Lately:
    """The last 30 days beside the contact's own year before. `known_since`: when the contact came to us."""
    begin = max(now - YEAR, known_since)
    before = now - LATELY - begin
    answers = [one for one in doings if one.kind in SIGNS and one.at >= begin]
    recent = sum(one.count for one in answers if one.at > now - LATELY)
    earlier = sum(one.count for one in answers) - recent
    if before < HISTORY or earlier < ENOUGH:
        return Lately(recent, None)
    return Lately(recent, earlier / (before / DAY) * 30)
