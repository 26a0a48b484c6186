"""When a contact is usually there, on their own clock, if there is enough to say so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from panel.engagement.score import Doing
from panel.engagement.signs import OPEN, SIGNS

ENOUGH = 8  # different half hours in which something was done
SPAN = 2  # hours
ON_A_DAY = (4, 0.25)  # so many of them, and such a share of all, on one day of the week in these two hours
ANY_DAY = (5, 0.35)  # the same whatever the day; by chance two waking hours would hold about a seventh


@dataclass(frozen=True)
class BestTime:
    """`hits` of `of` moments fell between `start` and `start + 2` o'clock; `weekday` (Monday is 0) None: on any day."""

    weekday: int | None
    start: int
    hits: int
    of: int

    @property
    def end(self) -> int:
        return (self.start + SPAN) % 24


def moments(doings: Sequence[Doing]) -> list[Doing]:
    """What tells of a person being there; several things done within half an hour are one moment."""
    return list({one.at: one for one in doings if one.kind in SIGNS or one.kind == OPEN}.values())


def best_time(doings: Sequence[Doing], zone: ZoneInfo) -> BestTime | None:
    """The two hours in which this contact is there most, or None when there is too little or no habit."""
    seen = [one.at.astimezone(zone) for one in moments(doings)]
    if len(seen) < ENOUGH:
        return None
    days = Counter((at.weekday(), at.hour) for at in seen)
    hours = Counter(at.hour for at in seen)
    weekday, start = max(
        ((day, hour) for day in range(7) for hour in range(24 - SPAN + 1)),
        key=lambda place: sum(days[(place[0], place[1] + more)] for more in range(SPAN)),
    )
    hits = sum(days[(weekday, start + more)] for more in range(SPAN))
    if hits >= ON_A_DAY[0] and hits / len(seen) >= ON_A_DAY[1]:
        return BestTime(weekday, start, hits, len(seen))
    start = max(range(24), key=lambda hour: sum(hours[(hour + more) % 24] for more in range(SPAN)))
    hits = sum(hours[(start + more) % 24] for more in range(SPAN))
    if hits >= ANY_DAY[0] and hits / len(seen) >= ANY_DAY[1]:
        return BestTime(None, start, hits, len(seen))
    return None
