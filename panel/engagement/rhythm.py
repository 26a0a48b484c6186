"""The rhythm of a contact: how often they usually answer, whether they went quiet, whether they woke up. Pure.

Everybody is measured against their own past. A *visit* is a stretch of doing something (clicks, replies, forms, pages,
purchases), however many things were done in it. Quiet is who has done nothing for three times as long as usual, and for
30 days at least; with fewer than four visits there is no "usual", so nothing is said. Woken up is who did something
after having been quiet, for the 30 days that follow.

Each answer holds until a moment that is known beforehand (`next_change`), so nobody has to look at everybody every day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median

ENOUGH = 4  # visits before a rhythm can be spoken of
TIMES = 3
AT_LEAST = timedelta(days=30)
AWAKE = timedelta(days=30)
ONE_VISIT = timedelta(hours=12)
GAPS = 12  # the newest gaps between visits say what is usual


class State(StrEnum):
    UNKNOWN = "unknown"  # too little to say
    USUAL = "usual"
    QUIET = "quiet"
    WOKE_UP = "woke_up"


@dataclass(frozen=True)
class Rhythm:
    """`usual`: the middle one of the gaps between visits. `limit`: how long without a sign is quiet.

    `quiet_from`: when the limit is over. `woke_at`: the visit that ended the newest quiet time, which began after
    `silent_since` (the visit before it).
    """

    visits: int = 0
    last_at: datetime | None = None
    usual: timedelta | None = None
    limit: timedelta | None = None
    quiet_from: datetime | None = None
    woke_at: datetime | None = None
    silent_since: datetime | None = None

    def state(self, now: datetime) -> State:
        if self.quiet_from is None:
            return State.UNKNOWN
        if now >= self.quiet_from:
            return State.QUIET
        if self.woke_at is not None and self.woke_at <= now < self.woke_at + AWAKE:
            return State.WOKE_UP
        return State.USUAL

    def next_change(self, now: datetime) -> datetime | None:
        """When the answer changes if nothing happens; None: never."""
        moments = [self.quiet_from] if self.quiet_from is not None else []
        if self.woke_at is not None:
            moments.append(self.woke_at + AWAKE)
        return min((moment for moment in moments if moment > now), default=None)


def visits(moments: Iterable[datetime]) -> list[datetime]:
    """Moments that follow each other closely are one visit; it stands at the last of them."""
    found: list[datetime] = []
    for moment in sorted(moments):
        if found and moment - found[-1] < ONE_VISIT:
            found[-1] = moment
        else:
            found.append(moment)
    return found


def quiet_after(seen: Sequence[datetime]) -> tuple[timedelta, timedelta] | None:
    """(usual gap, how long without a sign is quiet) after these visits, oldest first; None: too few."""
    if len(seen) < ENOUGH:
        return None
    newest = seen[-(GAPS + 1) :]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(newest)]
    usual = timedelta(seconds=median(gaps))
    return usual, max(AT_LEAST, TIMES * usual)


def rhythm(moments: Iterable[datetime]) -> Rhythm:
    """Read the rhythm from everything the contact did, in any order."""
    seen = visits(moments)
    if not seen:
        return Rhythm()
    woke_at = silent_since = None
    for number in range(len(seen) - 1, ENOUGH - 1, -1):
        before = quiet_after(seen[:number])
        if before is not None and seen[number] - seen[number - 1] >= before[1]:
            woke_at, silent_since = seen[number], seen[number - 1]
            break
    measured = quiet_after(seen)
    if measured is None:
        return Rhythm(len(seen), seen[-1])
    usual, limit = measured
    return Rhythm(len(seen), seen[-1], usual, limit, seen[-1] + limit, woke_at, silent_since)
