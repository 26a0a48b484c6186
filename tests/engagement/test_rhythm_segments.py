"""Going quiet and waking up as conditions: kept up to date by events and by time, for segments and journeys alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from panel import clock
from panel.calendars import Reader
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.engagement.history import rhythms
from panel.journeys.engine.advance import advance
from panel.journeys.engine.audiences import recheck
from panel.journeys.engine.conditions import judge, needs
from panel.journeys.engine.facts import Asking, load
from panel.journeys.engine.route import route
from panel.journeys.engine.sets import contacts_where
from panel.journeys.judged import told
from panel.journeys.models import AudienceState, Enrolment
from panel.journeys.operations import publish
from panel.sdk.context import NewContact
from panel.segments import operations, queries
from panel.segments.models import Segment
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def people(app: Flask) -> list[int]:
    with clock.hold(NOW - 400 * DAY), writing() as session:
        return [
            create_contact(session, NewContact(name=f"Person {n}"), how="manual", now=NOW - 400 * DAY) for n in range(3)
        ]


def click(contact_id: int, *moments: datetime, kind: str = "link_clicked") -> None:
    data = {"channel": "email", "url": "https://example.com"}
    with clock.hold(max(moments)), writing() as session:
        record_many(session, [NewEvent(contact_id, kind, at, data) for at in moments])


def save(name: str, text: str) -> int:
    with clock.hold(NOW), writing() as session:
        return operations.save(session, name, text, now=NOW).id


def members(segment_id: int) -> list[int]:
    with reading() as session:
        found = queries.members(session, session.get_one(Segment, segment_id))
        return sorted(contact.id for contact, _ in found)


def work(at: datetime) -> None:
    with clock.hold(at):
        for _ in range(20):
            if not route() + recheck() + advance():
                return
    raise AssertionError("never came to rest")


def happenings(contact_id: int) -> list[tuple[str, str, datetime]]:
    with reading() as session:
        rows = session.query(Event).filter(Event.contact_id == contact_id, Event.kind.like("segment%"))
        return [(row.kind, row.data["segment"], row.occurred_at) for row in rows.order_by(Event.id)]


def weekly(until: datetime) -> list[datetime]:
    return [until - 7 * number * DAY for number in range(6)]


def test_time_alone_makes_quiet_and_an_event_wakes_up(people: list[int]) -> None:
    regular, slow, _ = people
    click(regular, *weekly(NOW - 10 * DAY))
    click(slow, *(NOW - days * DAY for days in (10, 70, 130, 190)))
    quiet, awake = save("going quiet", "rhythm: going_quiet"), save("woke up", "rhythm: woke_up")
    assert members(quiet) == members(awake) == []
    work(NOW + 20 * DAY - timedelta(seconds=1))
    assert members(quiet) == []
    work(NOW + 20 * DAY)
    assert members(quiet) == [regular]
    click(regular, NOW + 25 * DAY)
    work(NOW + 25 * DAY)
    assert (members(quiet), members(awake)) == ([], [regular])
    work(NOW + 55 * DAY)
    assert members(awake) == []
    assert [(kind, name) for kind, name, _ in happenings(regular)] == [
        ("segment_entered", "going quiet"),
        ("segment_left", "going quiet"),
        ("segment_entered", "woke up"),
        *([("segment_entered", "going quiet"), ("segment_left", "woke up")]),
    ]
    assert happenings(slow) == []


def test_nobody_is_looked_at_before_it_is_time(people: list[int]) -> None:
    click(people[0], *weekly(NOW - 10 * DAY))
    save("going quiet", "rhythm: going_quiet")
    with reading() as session:
        rows = session.query(AudienceState.contact_id, AudienceState.is_true, AudienceState.recheck_at).all()
    assert [tuple(row) for row in rows] == [(people[0], False, NOW + 20 * DAY)]


def test_a_machine_that_follows_links_wakes_nobody(people: list[int]) -> None:
    click(people[0], *weekly(NOW - 40 * DAY))
    click(people[0], NOW - 1 * DAY, kind="machine_clicked")
    assert members(save("going quiet", "rhythm: going_quiet")) == [people[0]]
    with reading() as session:
        assert rhythms(session, people)[people[0]].last_at == NOW - 40 * DAY


def test_one_contact_and_everybody_get_the_same_answer(people: list[int]) -> None:
    click(people[0], *weekly(NOW - 40 * DAY))
    click(people[1], *weekly(NOW - 40 * DAY), NOW - 2 * DAY)
    click(people[2], NOW - 50 * DAY)
    clock_of = queries.CLOCK
    with reading() as session:
        for state, whom in (("going_quiet", {people[0]}), ("woke_up", {people[1]})):
            condition = {"test": "rhythm", "state": state}
            assert contacts_where(session, condition, NOW, clock_of) == whom
            assert {one for one in people if contacts_where(session, condition, NOW, clock_of, [one])} == whom


def test_an_explanation_says_when_somebody_was_last_there(people: list[int]) -> None:
    click(people[0], *weekly(NOW - 40 * DAY))
    condition = {"test": "rhythm", "state": "going_quiet"}
    with reading() as session:
        [facts] = load(session, [Asking(people[0], queries.CLOCK)], needs(condition), NOW)
    tree = judge(condition, facts)
    assert tree["result"] is True
    [said] = told(tree, Reader("en"), NOW)
    assert said.sentence("en") == "the contact went quiet (last time 40 days ago, 13 October 2026, 08:00)"


def test_a_journey_starts_for_who_goes_quiet(people: list[int]) -> None:
    click(people[0], *weekly(NOW - 10 * DAY))
    text = """wake_up:
  name: Wake up
  purpose: marketing
  start_when:
    - becomes_true: {rhythm: going_quiet}
      check: hourly
  stop_when:
    - if: {rhythm: woke_up}
  review_after: 1 year
  steps:
    - wait: 3 days
    - note: quiet
"""
    with clock.hold(NOW), writing() as session:
        publish(session, "wake_up", text=text, now=NOW)
    work(NOW + 19 * DAY)
    with reading() as session:
        assert session.query(Enrolment).count() == 0
    work(NOW + 20 * DAY)
    with reading() as session:
        assert [run.contact_id for run in session.query(Enrolment)] == [people[0]]
    click(people[0], NOW + 21 * DAY)
    work(NOW + 21 * DAY)
    with reading() as session:
        assert [(run.status, run.reason) for run in session.query(Enrolment)] == [("stopped", "stopped")]
