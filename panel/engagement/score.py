"""The engagement of a contact as a number: points for what happened, halved every so many days. Pure.

The number is a sum over events, points x 0.5^(age / half-life), so it can be worked out for any moment, the past
included, from the events alone. Nothing is stored that could be wrong: new rules hold at the next look. Because every
event fades at the same pace, the sum at one moment also gives the sum at any later one (`faded`), plus what came since.

This is not the field `score`: that one is raised and lowered by journeys with the step `score`, and never fades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAY = timedelta(days=1)
TREND = timedelta(days=28)
COUNTED_HALVINGS = 10  # after ten, less than a thousandth is left; older events are not looked at

DEFAULT_POINTS: Mapping[str, float] = {
    "message_replied": 12,
    "order_paid": 15,
    "accounting.payment_received": 15,
    "form_submitted": 10,
    "link_clicked": 8,
    "page_visited": 3,
    "message_opened": 1,
    "message_bounced": -5,
    "opted_out": -25,
    "message_complained": -40,
}
DEFAULT_HALF_LIFE = 30
HALF_LIVES = (1, 365)
MOST_POINTS = 1000


@dataclass(frozen=True)
class Rules:
    """Points by kind of event, and after how many days an event counts half."""

    points: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_POINTS))
    half_life: int = DEFAULT_HALF_LIFE

    @property
    def reach(self) -> timedelta:
        """How far back an event still counts."""
        return DAY * self.half_life * COUNTED_HALVINGS


@dataclass(frozen=True)
class Doing:
    """`count` events of one kind within the half hour that begins at `at`; a machine's are left out."""

    kind: str
    at: datetime
    count: int = 1


@dataclass(frozen=True)
class Line:
    """What the events of one kind bring now."""

    kind: str
    count: int
    last_at: datetime
    points: float


@dataclass(frozen=True)
class Score:
    """The number now and four weeks ago, and the lines that it is made of, the weightiest first."""

    value: float
    before: float
    lines: Sequence[Line]

    @property
    def change(self) -> int:
        return round(self.value) - round(self.before)


def faded(points: float, over: timedelta, half_life: int) -> float:
    """What is left of points after a while."""
    return float(points * 0.5 ** (over / (DAY * half_life)))


def value_at(doings: Iterable[Doing], rules: Rules, at: datetime) -> float:
    """The number as it is (or was) at a moment: events after it do not count."""
    return sum(
        faded(rules.points[one.kind] * one.count, at - one.at, rules.half_life)
        for one in doings
        if one.kind in rules.points and timedelta(0) <= at - one.at <= rules.reach
    )


def score(doings: Sequence[Doing], rules: Rules, now: datetime) -> Score:
    lines = []
    by_kind: dict[str, list[Doing]] = {}
    for one in doings:
        if rules.points.get(one.kind) and timedelta(0) <= now - one.at <= rules.reach:
            by_kind.setdefault(one.kind, []).append(one)
    for kind, those in by_kind.items():
        points = value_at(those, rules, now)
        lines.append(Line(kind, sum(one.count for one in those), max(one.at for one in those), points))
    lines.sort(key=lambda line: (-abs(line.points), line.kind))
    return Score(sum(line.points for line in lines), value_at(doings, rules, now - TREND), tuple(lines))
