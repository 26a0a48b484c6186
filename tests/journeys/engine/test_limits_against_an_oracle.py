"""Limits and hours against an oracle that tries every moment: in random stories, and by themselves.

A thousand more of either are played by raising `STORIES` and `CASES`; each is known by its seed.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from panel.journeys.engine.admission import admit
from panel.journeys.engine.holidays import israeli_holiday
from panel.journeys.engine.limits import Cap
from panel.journeys.language.scalars import limit as read_limit
from tests.journeys.engine.limits_oracle import QUARTER, TICK, Hours, Limit, is_full, is_open
from tests.journeys.engine.limits_plans import LIMITS, ZONES, some_hours
from tests.journeys.engine.limits_scenarios import Scenario
from tests.journeys.engine.world import World

STORIES = (0, 6, 10, 12)  # each of them has found something
CASES = 300


def test_every_decision_of_random_stories_is_the_right_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Families with one mailbox, journeys with other limits, hours, zones and priorities; people write by hand, move,
    correct addresses, pause and publish; sends fail, are put off and stay in doubt; workers come in between each other.

    Never too often, never outside of the hours, everything sent once or left out with a reason, put off to the first
    moment that is free.
    """
    world.template("note", channels=("email", "sms"))
    judged = {"go": 0, "wait": 0, "skip": 0}
    for seed in STORIES:
        with monkeypatch.context() as patch:
            story = Scenario(world, seed, patch)
            story.play()
        assert story.faults == []
        for verdict, n in story.judged.items():
            judged[verdict] += n
    assert min(judged.values()) > 10, "nothing was tried"


@pytest.mark.databases("sqlite")
def test_the_earliest_moment_is_the_earliest() -> None:
    """Limits with what went and what a place is kept for, hours and holidays, over changes of the clocks."""
    found_later = 0
    for seed in range(CASES):
        chance = random.Random(seed)
        zone = ZoneInfo(chance.choice(ZONES))
        now = datetime(2027, chance.choice([3, 4, 9, 10, 12]), chance.randint(1, 28), tzinfo=UTC)
        now += QUARTER * chance.randrange(96)
        limits = [Limit(one) for one in chance.sample(LIMITS, chance.choice([1, 2, 3]))]
        around = [chance.choice([1, 3, 10, 40]) * 1440 for _ in limits]
        times = [
            [now + timedelta(minutes=chance.randint(-span, span)) for _ in range(chance.randint(0, 5))]
            for span in around
        ]
        hours = some_hours(chance) if chance.random() < 0.7 else None

        def is_free(moment: datetime, hours: Hours | None = hours, zone: ZoneInfo = zone) -> bool:
            full = any(is_full(one, moment, theirs, zone) for one, theirs in zip(limits, times, strict=True))  # noqa: B023
            return is_open(hours, moment, zone) and not full

        caps = [Cap(read_limit(one.text), theirs) for one, theirs in zip(limits, times, strict=True)]
        found = admit(as_resolved(hours), caps, now, zone, lambda day: bool(israeli_holiday(day))).at
        assert found is not None
        assert is_free(found), seed
        exact = [
            at + timedelta(**{f"{one.unit}s": one.every}) + TICK
            for one, theirs in zip(limits, times, strict=True)
            if one.unit in ("minute", "hour")
            for at in theirs
        ]
        quarters = [now + QUARTER * n for n in range(int((found - now) / QUARTER) + 1)]
        assert not [one for one in (*quarters, *exact) if now <= one < found and is_free(one)], seed
        found_later += found > now
    assert found_later > CASES / 3


def as_resolved(hours: Hours | None) -> dict[str, object] | None:
    """As the language gives them to the engine."""
    if hours is None:
        return None
    days = [("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day) for day in hours.days]
    holidays = "skip" if hours.skips_holidays else "ignore"
    return {"days": sorted(days), "from": hours.opens, "to": hours.closes, "holidays": holidays}
