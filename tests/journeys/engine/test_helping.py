"""What stands still is found over indexes, and helped: try again, skip, move, end, thousands at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.dialects import sqlite

from panel import clock
from panel.db import db, reading
from panel.installation.models import Heartbeat
from panel.issues.models import Issue
from panel.journeys import helping
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine.watchdog import findings, queries, ticker_is_silent, watch
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message
from panel.staff.models import AuditEntry
from tests.journeys.engine.world import World

JOURNEY = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  steps:
    - send: one
    - {wait: 1 day, id: pause}
    - send: missing
    - {note: the end, id: done}
"""


def held(world: World, people: int = 3) -> Issue:
    world.template("one")
    world.publish(JOURNEY)
    for number in range(people):
        world.do(start_by_hand, world.contact(f"Contact {number}"), "series", now=world.now)
    world.play(timedelta(days=2))
    [issue] = world.rows(Issue, state="open")
    return issue  # type: ignore[no-any-return]


def behind(world: World, issue: Issue | None = None) -> list[int]:
    with reading() as session:
        return helping.ids_of(session, helping.behind(issue, world.now))


def test_those_behind_an_issue_are_counted_where_they_stand(world: World) -> None:
    issue = held(world)
    assert len(behind(world, issue)) == len(behind(world)) == 3
    with reading() as session:
        [place] = helping.places(session, helping.behind(issue, world.now))
    assert place == helping.Place("series", "send_missing", "held_missing_template", 3)


def test_a_skipped_step_is_in_the_trace_and_the_journey_goes_on(world: World) -> None:
    issue = held(world)
    assert world.do(helping.skip_step, behind(world, issue), now=world.now) == 3
    world.do(lambda session: helping.settle_if_done(session, session.get_one(Issue, issue.id), world.now))
    world.work()
    assert world.trace(enrolment_id=1)[-2:] == [("send_missing", "skipped_by_person"), ("done", "done")]
    assert {one.status for one in world.runs()} == {"finished"}
    assert not world.rows(Issue, state="open")
    assert [one.action for one in world.rows(AuditEntry)] == ["runs_skipped"]


def test_who_is_moved_back_takes_the_steps_again(world: World) -> None:
    held(world)
    assert world.do(helping.move_to, behind(world), "send_one", now=world.now) == 3
    world.work()
    assert len(world.sent()) == 6
    assert {one.step_id for one in world.runs()} == {"pause"}
    world.do(helping.move_to, [one.id for one in world.runs()], "done", now=world.now)
    world.work()
    assert {one.status for one in world.runs()} == {"finished"}
    assert [seq for seq in range(6)] == [one.seq for one in world.rows(helping.StepRun, enrolment_id=1)]


def test_who_is_ended_is_out_and_what_was_queued_is_cancelled(world: World) -> None:
    held(world)
    assert world.do(helping.end, behind(world), now=world.now) == 3
    assert {(one.status, one.reason) for one in world.runs()} == {("removed", "removed_by_person")}


def test_a_mended_template_frees_all_and_a_mended_journey_too(world: World) -> None:
    held(world, 4)
    ids = behind(world)
    world.template("missing")
    assert world.do(helping.try_again, ids[:2], now=world.now) == 2
    world.publish(JOURNEY.replace("send: missing", "{send: one, id: send_missing}"), number=2)
    assert world.do(helping.try_again, ids[2:], now=world.now) == 2
    world.work()
    assert {one.status for one in world.runs()} == {"finished"}
    assert len([one for one in world.messages() if one.step_id == "send_missing"]) == 4


def broken(world: World) -> dict[str, int]:
    with reading() as session:
        return {one.key: one.count for one in findings(session.connection(), world.now) if one.count}


def change(world: World, statement: Any) -> None:
    world.do(lambda session: session.execute(statement))


def test_the_watchdog_sees_each_broken_promise_and_takes_it_back(world: World) -> None:
    world.template("one")
    world.publish(JOURNEY)
    for number in range(4):
        world.do(start_by_hand, world.contact(f"Contact {number}"), "series", now=world.now)
    world.work()
    assert broken(world) == {}
    stranded, late, sending, lost = [one.id for one in world.runs()]
    change(world, update(Enrolment).where(Enrolment.id == stranded).values(due_at=None))
    change(world, update(Enrolment).where(Enrolment.id == late).values(due_at=world.now - timedelta(minutes=11)))
    change(world, update(Enrolment).where(Enrolment.id == sending).values(due_at=None, phase="sending"))
    change(world, update(Enrolment).where(Enrolment.id == lost).values(status="held", due_at=None, held_issue=None))
    first, second = [one.id for one in world.messages()][:2]
    an_hour_ago, later = world.now - timedelta(hours=1), world.now + timedelta(days=61)
    change(world, update(Message).where(Message.id == first).values(status="claimed", lease_until=an_hour_ago))
    change(world, update(Message).where(Message.id == second).values(status="queued", not_before=later))
    expected = {"watchdog_late", "watchdog_sending", "watchdog_never_sent", "watchdog_leases", "watchdog_held"}
    assert set(broken(world)) == expected
    change(world, update(Message).where(Message.id == first).values(status="sent", lease_until=None))
    assert "watchdog_sending" in broken(world) or "watchdog_stranded" in broken(world)
    with clock.hold(world.now):
        world.do(watch, world.now)
        assert {one.code for one in world.rows(Issue, state="open")} >= {"watchdog_late", "watchdog_held"}
        for issue in world.rows(Issue, state="open"):
            world.do(helping.try_again, behind(world, issue), now=world.now)
    world.work()
    change(world, update(Message).where(Message.id == second).values(status="sent"))
    world.do(watch, world.now)
    assert not [one.code for one in world.rows(Issue, state="open")]


def test_a_journey_asks_for_its_second_look_and_nothing_stops(world: World) -> None:
    world.publish(JOURNEY)
    change(world, update(Journey).values(review_due=world.now.date()))
    world.do(watch, world.now)
    [issue] = world.rows(Issue, state="open")
    assert (issue.code, issue.journey_id, issue.severity) == ("review_due", "series", "warning")
    assert world.rows(Journey)[0].state == "live"
    change(world, update(Journey).values(review_due=world.now.date() + timedelta(days=1)))
    world.do(watch, world.now)
    assert not world.rows(Issue, state="open")


def test_a_silent_ticker_is_noticed(world: World) -> None:
    with reading() as session:
        assert not ticker_is_silent(session, world.now)
    world.do(lambda session: session.add(Heartbeat(name="ticker:here:1", at=world.now)))
    with reading() as session:
        assert not ticker_is_silent(session, world.now + timedelta(seconds=30))
        assert ticker_is_silent(session, world.now + timedelta(minutes=2))


@pytest.mark.databases("sqlite")
def test_no_question_of_the_watchdog_reads_everybody(world: World) -> None:
    for name, query in queries(world.now).items():
        words = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        with db.engine.connect() as connection:
            plan = [row[3] for row in connection.execute(text("EXPLAIN QUERY PLAN " + words.replace(":", "\\:")))]
        big = [line for line in plan if line.startswith("SCAN") and not ("USING" in line and "INDEX" in line)]
        assert not [line for line in big if any(t in line for t in ("enrolments", "messages", "events"))], (name, plan)


@pytest.mark.databases("sqlite")
def test_thousands_are_helped_in_a_few_statements(world: World) -> None:
    issue = held(world, 1)
    [run] = world.rows(Enrolment)
    columns = [one.name for one in Enrolment.__table__.columns if one.name not in ("id", "run_no", "entered_event")]
    names = ", ".join(f'"{one}"' for one in columns)
    count = 3000
    change(world, text(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        f" INSERT INTO enrolments (id, run_no, {names}) SELECT 1000 + i, 1 + i, "
        + ", ".join("'k' || i" if one == "entry_key" else f'"{one}"' for one in columns)
        + f" FROM enrolments, n WHERE id = {run.id}"))  # fmt: skip
    ids = behind(world, issue)
    assert len(ids) == count + 1
    assert world.do(helping.skip_step, ids, now=world.now) == count + 1
    with reading() as session:
        assert set(session.scalars(select(Enrolment.step_id))) == {"done"}
