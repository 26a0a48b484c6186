"""Messages a second: what a channel declares is kept, whoever and however many hand over."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from panel import clock
from panel.db import db, reading, writing
from panel.installation.models import ChannelLine
from panel.jobs import bells
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import deliver as delivering
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.rates import Line
from panel.sdk.channels import ChannelFacts
from panel.sdk.testing import RecordingChannel
from tests.fixtures.processes import start, stop, wait_until
from tests.journeys.engine.world import World

JOURNEY = """
letters:
  name: Letters
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps: [{send: letter}]
"""
ROOT = Path(__file__).parents[3]
SECOND = 1_000_000_000


def queue(world: World, count: int) -> None:
    world.now = clock.now()
    world.template("letter", "Hello [[first name]]")
    world.publish(JOURNEY)
    for number in range(count):
        world.do(start_by_hand, world.contact(f"Contact{number} Levi"), "letters", now=world.now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivering, "claim", lambda *_: [])
        world.work()


@contextmanager
def workers(app: Flask, redis_url: str, log: Path, count: int, **more: str) -> Iterator[list[Any]]:
    config = app.config["PANEL"]
    environment = {
        **os.environ,
        "PANEL_INSTANCE": str(config.instance),
        "PANEL_DATABASE_URL": config.database_url,
        "PANEL_REDIS_URL": redis_url,
        "RATED_LOG": str(log),
        **more,
    }
    command = [sys.executable, "-m", "tests.journeys.engine.rated_worker"]
    running = []
    try:
        running = [start([*command, str(number)], cwd=ROOT, env=environment) for number in range(count)]
        yield running
    finally:
        for one in running:
            stop(one)


def busiest_second(moments: list[int]) -> int:
    moments = sorted(moments)
    return max(sum(first <= one < first + SECOND for one in moments) for first in moments)


def test_w12_four_workers_together_never_ask_for_more_than_the_rate_in_any_second(
    app: Flask, world: World, redis_url: str, tmp_path: Path
) -> None:
    queue(world, 30)
    log = tmp_path / "asked.log"
    log.touch()

    def asked() -> list[list[str]]:
        for name in ("deliver",) * 2:
            bells.ring(name, "email", rings=4, url=redis_url)
        return [line.split() for line in log.read_text().splitlines()]

    with workers(app, redis_url, log, 4, RATED_RATE="10") as running:
        wait_until(lambda: len(asked()) >= 30, seconds=60, what="thirty messages")
        assert [one.poll() for one in running] == [None] * 4
    lines = asked()
    assert len(lines) == len({key for _, key in lines}) == 30
    # One burst, which is one message at this rate, is for a machine that lets a process stand between turn and log.
    assert busiest_second([int(moment) for moment, _ in lines]) <= 10 + Line("email", 10).at_once
    wait_until(lambda: {one.status for one in world.messages()} == {"sent"}, what="all results")


STEP = 4_200_000  # microseconds, of a message every four seconds


@pytest.fixture
def lines(app: Flask) -> tuple[Line, Line]:
    return Line("email", 0.25), Line("email", 0.25)


def end_of_the_line() -> int:
    with reading() as session:
        return session.scalars(select(ChannelLine.free_at)).one()


def test_turns_are_further_apart_than_the_rate_asks_and_nobody_queues_behind_one_who_waits(
    lines: tuple[Line, Line],
) -> None:
    first, second = lines
    assert first.enter()
    assert second.enter(), "one may wait"
    assert second.free_at - first.free_at == STEP
    assert not Line("email", 0.25).enter(), "two need not"
    assert end_of_the_line() == second.free_at
    assert Line("sms", 0.25).enter(), "another channel has a line of its own"


def test_a_turn_that_nobody_needs_is_given_back_unless_others_stand_behind_it(lines: tuple[Line, Line]) -> None:
    first, second = lines
    assert first.enter()
    first.leave()
    assert end_of_the_line() == first.free_at - STEP
    assert first.enter()
    assert second.enter()
    first.leave()
    assert end_of_the_line() == second.free_at, "what is given back late changes nothing"


def test_who_comes_too_late_for_his_turn_takes_another(app: Flask) -> None:
    line = Line("email", 10)
    assert line.enter()
    missed = line.free_at
    assert line.mine is not None
    line.mine -= 10  # it was ten seconds ago
    line.turn()
    assert line.free_at > missed
    assert line.mine is None, "a turn is used once"


def test_a_clock_that_was_set_back_stops_nobody(lines: tuple[Line, Line]) -> None:
    first, second = lines
    assert first.enter()
    with writing() as session:
        session.execute(update(ChannelLine).values(free_at=ChannelLine.free_at + 86_400_000_000))
    assert second.enter()
    assert second.mine is not None
    assert second.mine < time.monotonic() + 60


@pytest.mark.parametrize(
    ("rate", "at_once", "turns", "share"),
    [(0.5, 1, 1, 1), (1, 1, 1, 1), (10, 1, 10, 2), (24.9, 1, 24, 6), (130, 5, 26, 32), (1000, 40, 25, 250)],
)
def test_within_a_second_lie_no_more_turns_than_the_rate_allows(
    rate: float, at_once: int, turns: int, share: int
) -> None:
    line = Line("email", rate)
    assert (line.at_once, line.share(1000)) == (at_once, share)
    assert turns * at_once <= max(1, rate)
    span = max(1, 1 / rate)
    assert turns * line.step - line.grace == pytest.approx(span), "the first late, the one after the last on time"


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_only_a_channel_with_a_rate_pays_for_it(
    world: World, channels: dict[str, RecordingChannel], rate: float | None
) -> None:
    queue(world, 3)
    channels["email"].facts = ChannelFacts(batch_size=50, rate=rate)
    said: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    with clock.hold(world.now):
        while deliver("email"):
            pass
    assert len(world.sent()) == 3
    assert any("channel_lines" in one for one in said) == (rate is not None)
