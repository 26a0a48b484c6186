"""What a person did with a run is taken back: to the same place and moment, or not at all; also while workers run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from panel import clock
from panel.errors import UserError
from panel.journeys import pausing, taking_back
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine.advance import advance
from panel.journeys.engine.persisting import persist
from panel.journeys.engine.route import route
from panel.messages.personal import UNDO_FOR
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.journeys.engine.world import World
from tests.journeys.test_pausing import JOURNEY, broken, run_of, said, started

A_MOMENT = timedelta(seconds=3)


def place(world: World, id_: int) -> dict[str, Any]:  # noqa: F811
    run = run_of(world, id_)
    names = ("version_id", "step_id", "seq", "phase", "wait", "status", "reason", "due_at", "step_began_at", "data")
    messages = [(one.id, one.status, one.reason, one.not_before) for one in world.messages(enrolment_id=id_)]
    return {name: getattr(run, name) for name in names} | {"messages": messages}


@pytest.mark.parametrize("at", ["wait", "message", "paused"])
@pytest.mark.parametrize("act", ["skip", "move"])
def test_a_run_stands_again_exactly_where_it_stood(world: World, act: str, at: str) -> None:  # noqa: F811
    [run] = started(world)
    if at == "message":
        with clock.hold(world.now):
            advance()
    else:
        world.work()
    if at == "paused":
        world.do(pausing.pause, run, now=world.now)
    before, sent, trace = place(world, run), len(world.sent()), world.trace()
    seen = before["seq"]
    for _ in range(2):  # a second click is the same click
        if act == "skip":
            done, can_undo = world.do(taking_back.skip_for_now, run, seen=seen, now=world.now)
        else:
            done, can_undo = world.do(taking_back.move_for_now, run, "rest_again", seen=seen, now=world.now)
        assert can_undo
    assert run_of(world, run).seq == seen + 1
    world.now += A_MOMENT
    world.work()  # a worker that looks meanwhile leaves it in peace
    world.do(taking_back.step_back, run, now=world.now)
    assert place(world, run) == before
    assert world.trace() == trace
    assert len(world.sent()) == sent
    with pytest.raises(UserError, match="Too late: the journey has gone on"):
        world.do(taking_back.step_back, run, now=world.now)
    assert place(world, run) == before
    assert said(world)[-1] == "journey_step_back"
    if at == "paused":
        world.do(pausing.go_on, run, now=world.now)
    world.play(timedelta(days=3))
    assert [one.split("\n")[0] for one in world.sent()] == ["one", "two", "three"]
    assert broken(world) == {}


@pytest.mark.parametrize("act", ["skip", "move"])
def test_once_the_next_step_was_taken_nothing_is_changed(world: World, act: str) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    if act == "skip":
        world.do(taking_back.skip_for_now, run, now=world.now)
    else:
        world.do(taking_back.move_for_now, run, "send_three", now=world.now)
    world.play(UNDO_FOR + A_MOMENT)
    assert len(world.sent()) == 2
    before = place(world, run)
    with pytest.raises(UserError, match="Too late: the journey has gone on"):
        world.do(taking_back.step_back, run, now=world.now)
    assert place(world, run) == before


def test_the_last_step_that_is_skipped_ends_the_journey_and_says_that_it_cannot_come_back(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(taking_back.move_for_now, run, "send_three", now=world.now)
    world.do(pausing.pause, run, now=world.now)
    _, can_undo = world.do(taking_back.skip_for_now, run, now=world.now)
    assert not can_undo
    assert run_of(world, run).status == "finished"
    with pytest.raises(UserError, match="Too late: the journey has gone on"):
        world.do(taking_back.step_back, run, now=world.now)


def test_a_start_that_was_taken_back_never_was_and_may_be_made_again(world: World) -> None:  # noqa: F811
    world.template("one"), world.template("two"), world.template("three")
    world.publish(JOURNEY.replace("re_enter: always", "re_enter: never"))
    contact = world.contact("Noa")
    outcome = world.do(taking_back.start_for_now, contact, "series", now=world.now)
    world.now += A_MOMENT
    world.work()
    assert world.sent() == []
    world.do(taking_back.undo_start, outcome.enrolment_id, now=world.now)
    with pytest.raises(UserError, match="Too late: the journey has gone on"):
        world.do(taking_back.undo_start, outcome.enrolment_id, now=world.now)
    world.play(timedelta(minutes=1))
    assert world.sent() == []
    again = world.do(taking_back.start_for_now, contact, "series", now=world.now)
    assert again.code == "entered"
    world.play(UNDO_FOR)
    assert len(world.sent()) == 1
    with pytest.raises(UserError, match="Too late: the journey has begun"):
        world.do(taking_back.undo_start, again.enrolment_id, now=world.now)
    assert world.do(taking_back.start_for_now, contact, "series", now=world.now).code == "already_in"
    assert [one.run_no for one in world.runs()] == [1, 2]
    assert broken(world) == {}


def test_a_start_that_ended_the_run_before_it_says_so(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.publish(JOURNEY.replace("re_enter: always", "re_enter: always\n  if_already_in: restart"), number=2)
    contact = run_of(world, run).contact_id
    world.now += A_MOMENT
    assert world.do(taking_back.start_for_now, contact, "series", now=world.now).detail["restarted"] == run


@pytest.mark.parametrize("act", ["skip", "start"])
def test_taking_back_while_workers_run_is_all_or_nothing(app: Flask, world: World, act: str) -> None:  # noqa: F811
    runs = started(world, 20)
    refused: list[int] = []
    if act == "skip":
        world.work()
        for id_ in runs:
            world.do(taking_back.skip_for_now, id_, now=world.now)
    before = {id_: run_of(world, id_).seq for id_ in runs}
    at = world.now + UNDO_FOR  # this very moment the worker takes them

    def take_back(session: Any, id_: int) -> None:
        undo = taking_back.step_back if act == "skip" else taking_back.undo_start
        undo(session, id_, now=at)

    def work(number: int) -> None:
        with app.app_context(), clock.hold(at):
            if number % 3 == 0:
                advance(5)
                return
            id_ = runs[number // 3]
            try:
                persist(lambda session: take_back(session, id_))
            except UserError:
                refused.append(id_)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    world.now = at
    for id_ in runs:
        run = run_of(world, id_)
        taken = refused.count(id_) < 2
        if act == "start":
            assert (run.reason == "start_taken_back") == taken
            assert bool(world.messages(enrolment_id=id_)) != taken
        else:
            assert (run.step_id == "rest") == taken
            assert run.seq == before[id_] - 1 if taken else run.seq >= before[id_]
            assert len(world.messages(enrolment_id=id_)) == (1 if taken else 2)
    world.work()
    assert broken(world) == {}


ASKS = """
asks:
  name: Asks
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  steps:
    - wait_for: {event: order_paid}
      up_to: 5 days
      id: asked
      then: [{send: two}]
      on_timeout: [{send: three}]
    - {wait: 1 day, id: rest}
"""


def test_what_came_while_a_step_was_skipped_is_seen_where_the_run_stands_again(world: World) -> None:  # noqa: F811
    for name in ("two", "three"):
        world.template(name)
    world.publish(ASKS)
    world.do(start_by_hand, world.contact(), "asks", now=world.now)
    world.work()
    [run] = world.runs()
    world.do(taking_back.skip_for_now, run.id, seen=run.seq, now=world.now)
    world.now += A_MOMENT
    world.event(run.contact_id, "order_paid", amount="5")
    with clock.hold(world.now):
        route(20)  # it says "look again"; no worker has looked yet
    world.do(taking_back.step_back, run.id, now=world.now)
    world.work()
    assert ("asked", "event_came") in world.trace()
    assert len(world.sent()) == 1
