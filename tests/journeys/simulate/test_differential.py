"""What was foretold is what then happens: random journeys, simulated and explained first and then lived.

DIFFERENTIAL_CASES=300 looks longer, DIFFERENTIAL_FROM=17 begins there.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from panel import clock
from panel.calendars import Reader
from panel.db import reading
from panel.journeys.explain import explain
from panel.journeys.simulate.beginning import begin
from panel.journeys.simulate.one import Asked, simulate
from panel.journeys.simulate.part import Share, play_share
from panel.journeys.simulate.stage import snapshot
from panel.journeys.simulate.story import Line
from panel.journeys.simulate.wishes import Happens, Wishes
from panel.messages.models import Message
from tests.journeys.engine.world import World
from tests.journeys.simulate.lives import EVENTS, Life, marks, really, scene, somebody

HERE = ZoneInfo("Asia/Jerusalem")
pytestmark = pytest.mark.databases("sqlite")
FIRST = int(os.environ.get("DIFFERENTIAL_FROM", "0"))
CASES = range(FIRST, FIRST + int(os.environ.get("DIFFERENTIAL_CASES", "3")))


def plain(lines: list[Line]) -> list[tuple[str, ...]]:
    return [
        (line.at.isoformat(timespec="seconds"), line.kind, line.journey_id, line.step_id or "", line.code, line.words,
         *line.more)
        for line in lines if line.kind != "happened"
    ]  # fmt: skip


@pytest.mark.parametrize("seed", CASES)
def test_a_simulated_life_is_the_life_then_lived(world: World, reader: Reader, seed: int) -> None:
    dice = random.Random(seed)
    names = scene(world, dice, 3)
    people = [somebody(world, dice, number) for number in range(3)]
    world.play(timedelta(days=dice.random() * 12))
    contact, name = dice.choice(people), dice.choice(names)

    def length(*hours: float | None) -> timedelta | None:
        found = dice.choice(hours)
        return timedelta(hours=found) if found else None

    wishes = Wishes(
        length(None, 1, 24), length(None, None, 2, 30), length(None, None, 5),
        tuple(Happens(dice.choice(EVENTS), timedelta(days=dice.random() * 30), {"amount": "60"}) for _ in range(2)),
    )  # fmt: skip
    foretold = simulate(Asked(contact, name, 40, trigger_no=0, wishes=wishes), reader, now=world.now)
    before, start = marks(world), world.now
    life = Life(world, contact, wishes)
    world.do(begin, contact, name, 0, {}, world.now)
    life.live(start + timedelta(days=40))
    assert plain(foretold.lines) == plain(really(world, contact, start, reader, before))


@pytest.mark.parametrize("seed", CASES)
def test_what_explain_says_comes_next_is_what_then_comes(world: World, reader: Reader, seed: int) -> None:
    dice = random.Random(seed)
    names = scene(world, dice, 3)
    people = [somebody(world, dice, number) for number in range(4)]
    for contact in people:
        for name in names:
            if dice.random() < 0.7:
                world.do(begin, contact, name, 0, {}, world.now)
    world.play(timedelta(days=dice.random() * 12))
    before, start = marks(world), world.now
    said = {}
    for contact in people:
        for name in names:
            with reading() as session:
                said[contact, name] = explain(session, contact, name, now=world.now, reader=reader)
    world.play(timedelta(days=100))
    for (contact, name), told in said.items():
        if told.runs and told.runs[-1].status == "held":
            continue  # a person has to help first
        is_inside = bool(told.runs) and told.runs[-1].status == "active"
        passed_over = ("entered", "refused") if is_inside else ()
        real = really(world, contact, start, reader, before)
        mine = [line for line in real if line.journey_id == name and line.kind not in passed_over]
        if not is_inside and not any(line.kind in ("entered", "refused") for line in mine):
            mine = []
        assert bool(told.coming) == bool(mine)
        assert [(one.at.isoformat(timespec="seconds"), one.words) for one in told.coming] == [
            (line.at.isoformat(timespec="seconds"), line.words) for line in mine[: len(told.coming)]
        ], (contact, name, told.runs)


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize("seed", CASES)
def test_a_forecast_counts_per_day_what_then_goes_out_and_who_enters(world: World, seed: int, shares: int) -> None:
    dice = random.Random(1000 + seed)
    names = scene(world, dice, 3)
    people = [somebody(world, dice, number) for number in range(10)]
    for contact in people:
        for name in names:
            if dice.random() < 0.5:
                world.do(begin, contact, name, 0, {}, world.now)
    world.play(timedelta(days=dice.random() * 5))
    start = world.now
    until = start + timedelta(days=30)
    whole = Share()
    for number in range(shares):
        with snapshot() as source, clock.hold(start):
            whole.add(play_share(source, start, until, number, shares, lambda _done: None))
    world.play(until)
    sent: Counter[tuple[str, str]] = Counter()
    for one in world.rows(Message):
        if one.wire_at is not None and start < one.wire_at <= until and one.status in ("sent", "delivered"):
            sent[one.channel, one.wire_at.astimezone(HERE).date().isoformat()] += 1
    entered: Counter[tuple[str, str]] = Counter()
    for run in world.runs():
        if start < run.entered_at <= until:
            entered[run.journey_id, run.entered_at.astimezone(HERE).date().isoformat()] += 1
    assert whole.sent == sent
    assert whole.entries == entered
