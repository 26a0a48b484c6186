"""A paused journey says first what would happen; waits are computed anew on request; a vanished journey asks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from panel.db import reading
from panel.errors import UserError
from panel.issues.models import Issue
from panel.journeys import operations, resuming
from panel.journeys.by_hand import start_by_hand
from panel.journeys.models import Journey
from panel.sdk.channels import Deferred, Sent
from tests.journeys.engine.world import World

SERIES = """series:
  name: Series
  purpose: service
  state: live
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 6 months
  too_late_after: 1 day
  steps:
    - {wait: 4 days, id: pause}
    - send: one
"""


def begin(world: World, people: int, text: str = SERIES) -> None:
    world.template("one")
    world.do(operations.publish, "series", text=text, now=world.now)
    for number in range(people):
        world.do(start_by_hand, world.contact(f"Contact {number}"), "series", now=world.now)
    world.work()


def overdue(world: World) -> resuming.Overdue:
    with reading() as session:
        return resuming.overdue(session, "series", world.now)


def test_resuming_says_what_would_go_and_what_is_too_late_and_spreads(world: World) -> None:
    begin(world, 4)
    world.channels["email"].answer = lambda _: Deferred("down", timedelta(hours=1))
    world.play(timedelta(days=4))
    world.do(operations.pause, "series", now=world.now)
    for number in range(3):
        world.do(start_by_hand, world.contact(f"Later {number}"), "series", now=world.now)
    assert overdue(world) == resuming.Overdue(0, 0, 0)
    world.play(timedelta(days=2))
    world.channels["email"].answer = lambda outgoing: Sent(None)
    assert overdue(world) == resuming.Overdue(0, 4, 0)
    world.do(resuming.resume, "series", 4, now=world.now)
    world.play(timedelta(days=1))
    assert [one.reason for one in world.messages()] == ["skipped_too_late"] * 4


def test_a_long_pause_is_spread_evenly_and_nothing_is_early(world: World) -> None:
    begin(world, 60)
    world.do(operations.pause, "series", now=world.now)
    world.play(timedelta(days=4, hours=12))
    assert overdue(world) == resuming.Overdue(60, 0, 4)
    with pytest.raises(UserError):
        world.do(resuming.resume, "series", 100, now=world.now)
    world.do(resuming.resume, "series", 4, now=world.now)
    start = world.now
    assert world.sent() == []
    world.play(timedelta(hours=2))
    assert 28 <= len(world.sent()) <= 32
    world.play(timedelta(hours=2))
    assert len(world.sent()) == 60
    assert min(one.wire_at for one in world.messages()) >= start


def test_a_journey_that_was_closing_when_it_was_paused_lets_nobody_in_when_it_goes_on(world: World) -> None:
    begin(world, 1)
    world.do(operations.close, "series", now=world.now)
    world.do(operations.pause, "series", now=world.now + timedelta(minutes=1))
    world.play(timedelta(hours=1))
    assert world.do(resuming.resume, "series", now=world.now).state == "closing"
    world.play(timedelta(days=5))
    assert len(world.sent()) == 1
    world.do(operations.publish, "series", text=SERIES.replace("state: live", "state: paused"), now=world.now)
    assert world.do(resuming.resume, "series", now=world.now).state == "live"
    world.do(operations.pause, "series", now=world.now)
    assert world.do(resuming.resume, "series", now=world.now).state == "live"


def test_waits_are_computed_anew_from_their_beginning_only_when_somebody_asks(world: World) -> None:
    begin(world, 3)
    world.play(timedelta(days=1))
    world.do(operations.publish, "series", text=SERIES.replace("4 days", "2 days"), now=world.now)
    world.play(timedelta(hours=30))
    assert world.sent() == []
    with reading() as session:
        assert sum(resuming.waiting_on_old(session, "series").values()) == 3
    assert world.do(resuming.replan, "series", now=world.now) == 3
    world.work()
    assert len(world.sent()) == 3
    world.do(operations.publish, "series", text=SERIES.replace("4 days", "9 days"), now=world.now)
    with reading() as session:
        assert resuming.waiting_on_old(session, "series") == {}


def test_finish_old_has_nobody_to_plan_anew(world: World) -> None:
    begin(world, 2)
    text = SERIES.replace("4 days", "2 days").replace("purpose:", "when_edited: finish_old\n  purpose:")
    world.do(operations.publish, "series", text=text, now=world.now)
    assert world.do(resuming.replan, "series", now=world.now) == 0


def test_a_confirmed_journey_asks_again_after_its_own_time(world: World) -> None:
    begin(world, 0)
    world.now += timedelta(days=200)
    world.do(resuming.confirm_review, "series", now=world.now)
    [journey] = world.rows(Journey)
    assert journey.review_due == operations.review_due(
        {"on": None, "after": {"months": 6, "days": 0, "seconds": 0}}, world.now.date()
    )


def test_a_journey_that_vanished_from_the_file_asks_and_goes_on(world: World, tmp_path: Path) -> None:
    begin(world, 1)
    path = tmp_path / "journeys.yaml"
    whole = "language: 1\njourneys:\n" + "".join(f"  {line}\n" for line in SERIES.splitlines())
    other = whole.replace("  series:", "  other:")
    path.write_text(whole)
    world.do(operations.watch_file, path, now=world.now)
    path.write_text(other)
    world.do(operations.watch_file, path, now=world.now)
    [issue] = world.rows(Issue, state="open")
    assert (issue.code, issue.journey_id, issue.severity) == ("journey_vanished", "series", "warning")
    world.play(timedelta(days=5))
    assert len(world.sent()) == 1
    path.write_text(whole)
    world.do(operations.watch_file, path, now=world.now)
    assert not world.rows(Issue, state="open")
    path.write_text(other)
    world.do(operations.watch_file, path, now=world.now)
    world.do(operations.close, "series", now=world.now)
    assert not world.rows(Issue, state="open")


def test_a_step_that_is_named_later_keeps_its_identity(world: World) -> None:
    begin(world, 1)
    named = SERIES.replace("id: pause", "id: four_days").replace("send: one", "{send: one, id: greeting}")
    world.do(operations.publish, "series", text=named, now=world.now)
    world.play(timedelta(days=5))
    assert len(world.sent()) == 1
    assert world.trace() == [("pause", "time_came"), ("greeting", "done")]
    world.do(operations.publish, "series", text=SERIES, now=world.now)
    [run] = world.runs()
    assert run.status == "finished"
