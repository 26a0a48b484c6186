"""One run in a person's hands: paused, let go on, moved along, taken out and put back; also while workers run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Lock
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from panel import clock
from panel.db import reading, writing
from panel.errors import UserError
from panel.issues.models import Issue
from panel.journeys import helping, pausing, planned
from panel.journeys.by_hand import retry, start_by_hand
from panel.journeys.engine import deliver as delivering
from panel.journeys.engine.advance import advance
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.persisting import persist
from panel.journeys.engine.watchdog import findings
from panel.journeys.models import Enrolment
from panel.journeys.reasons import PAUSED
from panel.staff.operations import create_user
from panel.timeline.models import Event
from tests.fixtures.processes import wait_until
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.journeys.engine.world import World

JOURNEY = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  stop_when: [{event: order_paid, reason: bought}]
  re_enter: always
  too_late_after: 2 days
  review_after: 1 year
  steps:
    - send: one
    - {wait: 1 day, id: rest}
    - send: two
    - {wait: 1 day, id: rest_again}
    - send: three
"""

# How many wait for what another transaction holds.
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def started(world: World, people: int = 1) -> list[int]:  # noqa: F811
    for name in ("one", "two", "three"):
        world.template(name)
    world.publish(JOURNEY)
    for number in range(people):
        world.do(start_by_hand, world.contact(f"Contact {number}"), "series", now=world.now)
    return [run.id for run in world.runs()]


def run_of(world: World, id_: int) -> Enrolment:  # noqa: F811
    [found] = world.runs(id=id_)
    return found


def broken(world: World) -> dict[str, int]:  # noqa: F811
    with reading() as session:
        return {one.key: one.count for one in findings(session.connection(), world.now) if one.count}


def said(world: World) -> list[str]:  # noqa: F811
    return [one.kind for one in world.rows(Event) if one.kind.startswith("journey_")]


def test_a_paused_run_keeps_its_place_and_sends_nothing_until_it_goes_on(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, why="on holiday", now=world.now)
    world.do(pausing.pause, run, now=world.now)  # a second click
    world.play(timedelta(days=1, hours=12))
    assert [run_of(world, run).status, run_of(world, run).reason] == ["held", "paused_by_person"]
    assert run_of(world, run).step_id == "rest"
    assert len(world.sent()) == 1
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert [one.split("\n")[0] for one in world.sent()] == ["one", "two"]
    assert run_of(world, run).step_id == "rest_again"
    assert said(world) == ["journey_entered", "journey_paused", "journey_resumed"]
    assert "paused" not in run_of(world, run).data


def test_after_a_long_pause_what_is_too_late_is_not_sent_and_nothing_comes_in_a_burst(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, now=world.now)
    world.play(timedelta(days=9))
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert len(world.sent()) == 1
    assert [(one.status, one.reason) for one in world.messages()][1] == ("skipped", "skipped_too_late")
    assert run_of(world, run).step_id == "rest_again"
    world.play(timedelta(days=1, minutes=1))
    assert [one.split("\n")[0] for one in world.sent()] == ["one", "three"]


def test_a_planned_message_waits_with_its_run_and_keeps_its_own_moment(world: World) -> None:  # noqa: F811
    [run] = started(world)
    with clock.hold(world.now):
        advance()
    [before] = world.messages()
    world.do(pausing.pause, run, now=world.now)
    [message] = world.messages()
    assert (message.status, message.reason) == ("held", "paused_by_person")
    world.work()
    assert world.sent() == []
    world.do(pausing.go_on, run, now=world.now)
    [message] = world.messages()
    assert (message.status, message.reason, message.not_before) == ("queued", before.reason, before.not_before)
    world.work()
    assert len(world.sent()) == 1


def test_a_message_left_out_or_put_back_during_a_pause_does_not_end_the_pause(world: World) -> None:  # noqa: F811
    [run] = started(world)
    with clock.hold(world.now):
        advance()
    [message] = world.messages()
    user = world.do(lambda session: create_user(session, "d@example.com", name="Dana", role="owner", by=None)[0].id)
    world.do(pausing.pause, run, now=world.now)
    world.do(planned.leave_out, message.id, by=user, now=world.now)
    assert run_of(world, run).status == "held"
    world.do(planned.put_back, message.id, by=user, now=world.now)
    assert [one.status for one in world.messages()] == ["held"]
    world.play(timedelta(hours=1))
    assert world.sent() == []
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert len(world.sent()) == 1


def test_what_stops_the_journey_counts_although_it_came_during_the_pause(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, now=world.now)
    world.event(run_of(world, run).contact_id, "order_paid", amount="5")
    world.play(timedelta(days=3))
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert (run_of(world, run).status, len(world.sent())) == ("stopped", 1)


def test_a_paused_run_is_nobodys_trouble(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, now=world.now)
    world.play(timedelta(days=3))
    assert broken(world) == {}
    with reading() as session:
        assert helping.ids_of(session, helping.behind(None, world.now)) == []
    assert world.rows(Issue, state="open") == []


def test_a_run_that_stands_still_for_a_reason_is_not_paused(world: World) -> None:  # noqa: F811
    world.publish(JOURNEY)
    world.do(start_by_hand, world.contact(), "series", now=world.now)
    world.work()
    [run] = world.runs()
    assert run.reason == "held_missing_template"
    with pytest.raises(UserError, match="stands still"):
        world.do(pausing.pause, run.id, now=world.now)
    with pytest.raises(UserError, match="Nobody paused"):
        world.do(pausing.go_on, run.id, now=world.now)
    # Moved past its trouble, the issue behind it is settled as well.
    world.do(pausing.skip, run.id, seen=run.seq, now=world.now)
    assert world.rows(Issue, state="open") == []


def test_what_a_person_saw_is_what_is_skipped(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    seen = run_of(world, run).seq
    world.play(timedelta(days=1, minutes=1))
    with pytest.raises(UserError, match="gone on"):
        world.do(pausing.skip, run, seen=seen, now=world.now)
    assert run_of(world, run).step_id == "rest_again"
    world.do(pausing.skip, run, seen=run_of(world, run).seq, now=world.now)
    world.work()
    assert run_of(world, run).status == "finished"
    assert world.trace(enrolment_id=run)[-2:] == [("rest_again", "skipped_by_person"), ("send_three", "done")]


def test_who_is_moved_while_paused_stays_paused_at_the_new_place(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, now=world.now)
    world.do(pausing.move, run, "send_three", seen=run_of(world, run).seq, now=world.now)
    world.work()
    assert (run_of(world, run).status, run_of(world, run).step_id) == ("held", "send_three")
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert [one.split("\n")[0] for one in world.sent()] == ["one", "three"]
    assert said(world)[1:4] == ["journey_paused", "journey_moved", "journey_resumed"]


def test_taking_out_is_undone_and_the_planned_message_comes_back(world: World) -> None:  # noqa: F811
    [run] = started(world)
    with clock.hold(world.now):
        advance()
    world.do(pausing.take_out, run, now=world.now)
    assert [(one.status, one.reason) for one in world.messages()] == [("cancelled", "cancelled_by_person")]
    world.work()
    world.do(pausing.put_back, run, now=world.now)
    world.work()
    assert [one.split("\n")[0] for one in world.sent()] == ["one"]
    assert (run_of(world, run).status, run_of(world, run).step_id) == ("active", "rest")
    world.play(timedelta(days=3))
    assert len(world.sent()) == 3
    world.do(lambda session: None)
    with pytest.raises(UserError, match="no longer be taken back"):
        world.do(pausing.put_back, run, now=world.now)


def test_who_came_in_again_is_not_put_back(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.take_out, run, now=world.now)
    world.do(start_by_hand, run_of(world, run).contact_id, "series", now=world.now)
    with pytest.raises(UserError, match="again meanwhile"):
        world.do(pausing.put_back, run, now=world.now)


def test_a_message_in_a_workers_hands_stays_here_when_the_pause_comes_first(
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [run] = started(world)
    with clock.hold(world.now):
        advance()

    def point(name: str) -> None:
        if name == "after_claim":
            world.do(pausing.pause, run, now=world.now)

    monkeypatch.setattr(delivering.crash, "point", point)
    with clock.hold(world.now):
        deliver("email")
    assert world.sent() == []
    [message] = world.messages()
    assert (message.status, message.reason) == ("held", "paused_by_person")
    monkeypatch.undo()


def test_a_message_on_the_wire_is_said_and_the_run_is_paused_all_the_same(
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [run] = started(world)
    with clock.hold(world.now):
        advance()
    told: list[Any] = []

    def point(name: str) -> None:
        if name == "after_on_wire_commit":
            told.append(world.do(pausing.pause, run, now=world.now))

    with monkeypatch.context() as patch:
        patch.setattr(delivering.crash, "point", point)
        with clock.hold(world.now):
            deliver("email")
    assert [one.on_the_way for one in told] == [1]
    assert len(world.sent()) == 1
    assert run_of(world, run).status == "held"
    world.work()
    world.do(pausing.go_on, run, now=world.now)
    world.work()
    assert run_of(world, run).step_id == "rest"
    assert len(world.sent()) == 1


@pytest.mark.parametrize("act", ["pause", "skip", "take_out"])
def test_people_and_workers_at_once_send_nothing_twice_and_lose_nobody(
    app: Flask,
    world: World,  # noqa: F811
    act: str,
) -> None:
    runs = started(world, 24)
    do = {
        "pause": lambda session, id_: pausing.pause(session, id_, now=world.now),
        "skip": lambda session, id_: pausing.skip(session, id_, now=world.now),
        "take_out": lambda session, id_: pausing.take_out(session, id_, now=world.now),
    }[act]

    delivers = Lock()  # a process delivers in one thread only: it keeps one journal of what it hands over

    def work(number: int) -> None:
        with app.app_context(), clock.hold(world.now):
            if number % 4 == 0:
                advance(5)
            elif number % 4 == 1:
                persist(lambda session: do(session, runs[number // 4]))
            else:
                with delivers:
                    deliver("email")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(len(runs) * 4)))
    world.work()
    contacts = [(one.contact_id, one.step_id) for one in world.messages(status="sent")]
    assert len(contacts) == len(set(contacts))
    assert len(world.sent()) == len(contacts)
    assert not world.messages(status="unknown")
    assert broken(world) == {}
    if act == "pause":
        assert {one.status for one in world.runs()} == {"held"}
        for id_ in runs:
            world.do(pausing.go_on, id_, now=world.now)
        world.work()
        assert len(world.sent()) == len(runs)
    if act == "take_out":
        assert {one.status for one in world.runs()} == {"removed"}


def test_trying_again_lets_a_paused_run_be(world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.pause, run, now=world.now)
    assert world.do(retry, [run], now=world.now) == 0
    assert (run_of(world, run).status, run_of(world, run).reason) == ("held", PAUSED)


@pytest.mark.databases("postgresql")
def test_a_run_that_is_taken_out_while_others_let_it_try_again_stays_out(app: Flask, world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    with writing() as session:
        session.get_one(Enrolment, run).status = "held"

    def try_again() -> int:
        with app.app_context(), clock.hold(world.now), writing() as session:
            return retry(session, [run])

    with ThreadPoolExecutor(1) as pool:
        with clock.hold(world.now), writing() as session:
            pausing.take_out(session, run)
            other = pool.submit(try_again)
            with reading() as looking:
                wait_until(lambda: looking.scalar(WAITING), what="the other one's waiting for this run")
        assert other.result() == 0
    assert run_of(world, run).status == "removed"


@pytest.mark.databases("postgresql")
def test_nobody_is_put_back_into_a_journey_that_they_enter_at_this_moment(app: Flask, world: World) -> None:  # noqa: F811
    [run] = started(world)
    world.work()
    world.do(pausing.take_out, run, now=world.now)

    def put_back() -> str:
        try:
            with app.app_context(), clock.hold(world.now), writing() as session:
                pausing.put_back(session, run)
        except UserError as error:
            return error.code
        return "back"

    with ThreadPoolExecutor(1) as pool:
        with clock.hold(world.now), writing() as session:
            start_by_hand(session, run_of(world, run).contact_id, "series")
            other = pool.submit(put_back)
            with reading() as looking:
                wait_until(lambda: looking.scalar(WAITING), what="the other one's waiting for this run")
        assert other.result() == "inside_again"
    assert [one.status for one in world.runs()] == ["removed", "active"]
