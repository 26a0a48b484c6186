"""What a person decides about what is planned: left out, sent now, put off; a wait that ends sooner or later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel import clock
from panel.consent.operations import suppress
from panel.db import writing
from panel.errors import UserError
from panel.journeys import planned
from panel.journeys.engine.claiming import claim
from panel.journeys.engine.marking import mark
from panel.journeys.engine.written import write_out
from panel.journeys.models import StepRun
from panel.plugin_manager import manager
from panel.timeline.models import Event
from tests.journeys.engine.world import World

NIGHT = """
j:
  name: J
  purpose: service
  review_after: 6 months
  send_hours: {from: "09:00", to: "20:00"}
  start_when: [{manual: yes}, {event: asked}]
  stop_when: [{event: order_paid}]
  steps:
    - send: hello
    - tag: after
"""
WAITING = """
j:
  name: J
  purpose: service
  review_after: 6 months
  start_when: [{event: asked}]
  steps:
    - wait: 2 days
    - send: hello
"""
WAITING_FOR = """
j:
  name: J
  purpose: service
  review_after: 6 months
  start_when: [{event: asked}]
  steps:
    - wait_for: {event: order_paid}
      up_to: 5 days
      then: [{tag: paid}]
      on_timeout: [{tag: late}]
"""
ELEVEN = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)  # 23:00 in Jerusalem
ME = 7


@pytest.fixture
def at_night(world: World) -> tuple[World, int]:
    """A message that waits for the morning."""
    world.now = ELEVEN
    world.template("hello")
    world.publish(NIGHT)
    contact = world.contact(time_zone="Asia/Jerusalem")
    world.event(contact, "asked")
    world.work()
    assert [one.status for one in world.messages()] == ["queued"]
    return world, contact


def refused(code: str, world: World, operation: Any, *args: Any, **more: Any) -> None:
    with pytest.raises(UserError) as error:
        world.do(operation, *args, by=ME, **more)
    assert error.value.code == code


def test_what_is_left_out_is_not_sent_and_the_run_goes_on_without_it(at_night):
    world, contact = at_night
    [message] = world.messages()
    world.do(planned.leave_out, message.id, by=ME)
    world.play(timedelta(days=2))
    assert world.sent() == []
    [message] = world.messages()
    assert (message.status, message.reason) == ("skipped", "skipped_by_person")
    assert [run.status for run in world.runs()] == ["finished"]
    [line] = [one for one in world.rows(Event, contact_id=contact) if one.kind == "message_skipped"]
    assert (line.user_id, line.data["reason"]) == (ME, "skipped_by_person")


def test_what_was_left_out_by_mistake_is_put_back_and_goes_at_its_own_time(at_night):
    world, contact = at_night
    [message] = world.messages()
    world.do(planned.leave_out, message.id, by=ME)
    world.now += timedelta(seconds=5)
    world.work()
    world.do(planned.put_back, message.id, by=ME)
    world.play(timedelta(days=1))
    assert len(world.sent()) == 1
    kinds = world.timeline(contact)
    assert "message_skipped" not in kinds
    assert "planned_again" in kinds
    assert [run.status for run in world.runs()] == ["finished"]


def test_it_is_too_late_to_put_back_when_the_journey_has_gone_on(at_night):
    world, _ = at_night
    [message] = world.messages()
    world.do(planned.leave_out, message.id, by=ME)
    world.play(timedelta(seconds=30))
    refused("gone_on", world, planned.put_back, message.id)


def test_a_person_may_send_outside_the_hours_but_only_when_they_were_told(at_night):
    world, _ = at_night
    [message] = world.messages()
    there = world.do(planned.hour_of, message.id, world.now)
    assert (f"{there.local:%H:%M}", there.is_open) == ("23:00", False)
    world.do(planned.send_now, message.id, by=ME)
    world.play(timedelta(minutes=1))
    assert world.sent() == []  # nobody said "at any hour"
    world.do(planned.send_now, message.id, by=ME, any_hour=True)
    world.play(timedelta(minutes=1))
    assert len(world.sent()) == 1
    [steered] = [one for one in world.messages()[0].detail["steered"] if one["any_hour"]]
    assert (steered["by"], steered["there"][11:16]) == (ME, "23:01")


@pytest.mark.parametrize("stopper", ["stop", "block"])
def test_nobody_overrides_what_stops_a_journey_or_blocks_an_address(at_night, stopper):
    world, contact = at_night
    [message] = world.messages()
    world.do(planned.send_now, message.id, by=ME, any_hour=True)
    if stopper == "stop":
        world.event(contact, "order_paid")
    else:
        world.do(suppress, "email", message.address, "complained", contact_id=contact, source="test", now=world.now)
    world.play(timedelta(days=1))
    assert world.sent() == []
    assert world.messages()[0].reason in ("stopped", "suppressed_complaint")


def test_sending_now_is_taken_back_in_the_seconds_before_it_goes(at_night):
    world, _ = at_night
    [before] = world.messages()
    world.do(planned.send_now, before.id, by=ME, any_hour=True)
    world.do(planned.undo_move, before.id, by=ME)
    [after] = world.messages()
    same = ("not_before", "planned_at", "expires_at", "reason")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert after.rules["send_hours"] == before.rules["send_hours"]
    refused("nothing_to_undo", world, planned.undo_move, before.id)


def test_what_is_put_off_goes_at_that_moment_even_when_it_would_have_been_too_late_by_then(at_night):
    world, _ = at_night
    [message] = world.messages()
    later = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
    world.do(planned.put_off, message.id, later, by=ME)
    world.play(timedelta(days=6))
    assert world.sent() == []
    world.play(timedelta(days=2))
    assert len(world.sent()) == 1
    refused("moment_past", world, planned.put_off, message.id, later)


@pytest.mark.parametrize("what", ["leave_out", "send_now"])
def test_it_is_too_late_when_the_message_is_on_its_way(at_night, what):
    world, _ = at_night
    [message] = world.messages()
    world.play(timedelta(days=1))
    refused("too_late", world, getattr(planned, what), message.id)


def test_a_message_that_a_worker_has_in_hand_may_still_be_left_out_and_is_not_sent(at_night):
    """The worker's last look finds it taken away."""
    world, _ = at_night
    [message] = world.messages()
    world.now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    with clock.hold(world.now):
        claimed = claim("email", 10)
        assert [one.row["id"] for one in claimed] == [message.id]
        refused("too_late", world, planned.send_now, message.id)
        world.do(planned.leave_out, message.id, by=ME)
        with writing() as session:
            written = write_out(session, claimed, manager.current().channels()["email"])
            assert mark(session, written.ready) == []
    assert world.messages()[0].status == "skipped"


def test_two_people_at_once_the_second_is_told(at_night):
    world, _ = at_night
    [message] = world.messages()
    world.do(planned.leave_out, message.id, by=ME)
    refused("not_planned", world, planned.leave_out, message.id)
    refused("not_planned", world, planned.send_now, message.id)


@pytest.fixture
def waiting(world: World) -> tuple[World, int]:
    world.template("hello")
    world.publish(WAITING)
    contact = world.contact()
    world.event(contact, "asked")
    world.work()
    return world, contact


def shown(world: World) -> tuple[int, str]:
    [run] = world.runs()
    return run.id, run.wait["until"]


def test_a_wait_is_over_when_a_person_says_so_and_the_trace_tells_who(waiting):
    world, contact = waiting
    world.do(planned.go_on, *shown(world), by=ME)
    world.play(timedelta(minutes=1))
    assert len(world.sent()) == 1
    [visit] = [one for one in world.rows(StepRun) if one.kind == "wait"]
    assert (visit.outcome, visit.reason, visit.detail["by"]) == ("time_came", "wait_by_person", ME)
    [line] = [one for one in world.rows(Event, contact_id=contact) if one.kind == "wait_over"]
    assert line.user_id == ME


def test_a_wait_that_was_ended_goes_on_waiting_when_it_is_taken_back(waiting):
    world, _ = waiting
    run, until = shown(world)
    world.do(planned.go_on, run, until, by=ME)
    world.do(planned.undo_wait, run, by=ME)
    assert shown(world) == (run, until)
    world.play(timedelta(days=1))
    assert world.sent() == []
    world.play(timedelta(days=1, hours=1))
    assert len(world.sent()) == 1


def test_a_wait_may_end_at_another_moment(waiting):
    world, _ = waiting
    at = world.now + timedelta(days=4)
    world.do(planned.wait_until, *shown(world), at, by=ME)
    world.play(timedelta(days=3, hours=23))
    assert world.sent() == []
    world.play(timedelta(hours=2))
    assert len(world.sent()) == 1


def test_a_run_that_has_gone_on_since_the_page_was_made_is_not_touched(waiting):
    world, _ = waiting
    run, until = shown(world)
    world.do(planned.wait_until, run, until, world.now + timedelta(days=5), by=ME)
    refused("gone_on", world, planned.go_on, run, until)
    world.play(timedelta(days=6))
    refused("gone_on", world, planned.go_on, run, until)


def test_a_wait_for_something_ends_as_if_its_time_had_run_out(world):
    world.publish(WAITING_FOR)
    contact = world.contact()
    world.event(contact, "asked")
    world.work()
    world.do(planned.wait_until, *shown(world), world.now + timedelta(days=9), by=ME)
    world.play(timedelta(days=6))
    assert [run.status for run in world.runs()] == ["active"]
    world.do(planned.go_on, *shown(world), by=ME)
    world.play(timedelta(minutes=1))
    assert ("tag_added") in world.timeline(contact)
    assert [run.status for run in world.runs()] == ["finished"]
    assert [one.data["tag"] for one in world.rows(Event, kind="tag_added")] == ["late"]
