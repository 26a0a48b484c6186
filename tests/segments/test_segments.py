"""Segments: saved conditions, kept up to date, usable in journeys and in one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from panel import clock
from panel.contacts.operations import add_tag, create_contact, remove_tag
from panel.db import reading, writing
from panel.errors import UserError
from panel.journeys.engine.audiences import catch_up, recheck
from panel.journeys.engine.route import route
from panel.journeys.engine.sets import NotForSetsError, contacts_where
from panel.journeys.models import Enrolment
from panel.journeys.operations import publish
from panel.sdk.context import NewContact
from panel.segments import operations, queries
from panel.segments.models import Segment
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record, record_many

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def people(app: Flask) -> list[int]:
    with clock.hold(NOW), writing() as session:
        return [create_contact(session, NewContact(name=f"Person {n}"), how="manual", now=NOW) for n in range(4)]


def save(name: str, text: str, segment_id: int | None = None, at: datetime = NOW) -> int:
    with clock.hold(at), writing() as session:
        return operations.save(session, name, text, segment_id=segment_id, now=at).id


def members(segment_id: int) -> list[int]:
    with reading() as session:
        found = queries.members(session, session.get_one(Segment, segment_id))
        return sorted(contact.id for contact, _ in found)


def tag(contact_id: int, name: str, *, off: bool = False) -> None:
    with clock.hold(NOW), writing() as session:
        (remove_tag if off else add_tag)(session, contact_id, name, now=NOW)


def work(at: datetime = NOW) -> None:
    with clock.hold(at):
        for _ in range(20):
            if not route() + recheck():
                return
    raise AssertionError("never came to rest")


def happenings(contact_id: int) -> list[str]:
    with reading() as session:
        rows = session.query(Event.kind).filter(Event.contact_id == contact_id, Event.kind.like("segment%"))
        return [kind for (kind,) in rows.order_by(Event.id)]


def test_a_segment_knows_its_members_when_it_is_saved_and_tells_of_nobody(people: list[int]) -> None:
    tag(people[0], "vip")
    work()
    segment = save("Important", "has_tag: vip")
    assert members(segment) == [people[0]]
    work()
    assert happenings(people[0]) == []


def test_coming_in_and_going_out_are_events(people: list[int]) -> None:
    segment = save("Important", "has_tag: vip")
    tag(people[1], "vip")
    work()
    assert members(segment) == [people[1]]
    tag(people[1], "vip", off=True)
    work()
    assert members(segment) == []
    assert happenings(people[1]) == ["segment_entered", "segment_left"]


def test_time_alone_moves_people_at_the_moment_on_their_own_clock(people: list[int]) -> None:
    segment = save("Lately bought", "{happened: order_paid, within: 3 days}")
    with clock.hold(NOW), writing() as session:
        record(session, contact_id=people[2], kind="order_paid", occurred_at=NOW)
    work()
    assert members(segment) == [people[2]]
    work(NOW + 3 * DAY)
    assert members(segment) == [people[2]]
    work(NOW + 3 * DAY + timedelta(seconds=1))
    assert members(segment) == []


def test_editing_takes_new_answers_and_nobody_seems_to_leave(people: list[int]) -> None:
    tag(people[0], "vip")
    tag(people[1], "friend")
    work()
    segment = save("Important", "has_tag: vip")
    other = save("Not important", "not: {in_segment: Important}")
    assert members(other) == people[1:]
    save("Important", "has_tag: friend", segment)
    assert members(segment) == [people[1]]
    assert members(other) == [people[0], *people[2:]]
    work()
    assert happenings(people[0]) == happenings(people[1]) == []


def test_a_segment_of_a_segment_follows_it(people: list[int]) -> None:
    save("Important", "has_tag: vip")
    other = save("Important and near", "all: [{in_segment: Important}, {has_tag: near}]")
    tag(people[0], "near")
    tag(people[0], "vip")
    work()
    assert members(other) == [people[0]]
    with reading() as session:
        condition = {"test": "in_segment", "segment": "Important"}
        assert contacts_where(session, condition, NOW, queries.CLOCK) == {people[0]}


def test_a_circle_is_refused(people: list[int]) -> None:
    first = save("First", "has_tag: vip")
    save("Second", "in_segment: First")
    with pytest.raises(UserError, match="leads back"):
        save("First", "in_segment: Second", first)
    with pytest.raises(UserError, match="leads back"):
        save("First", "any: [{in_segment: First}, {has_tag: vip}]", first)


def test_what_is_used_keeps_its_name_and_cannot_be_deleted(people: list[int]) -> None:
    segment = save("Important", "has_tag: vip")
    save("Other", "not: {in_segment: Important}")
    with clock.hold(NOW), writing() as session:
        text = (
            "greet:\n  name: Greet them\n  purpose: service\n  start_when: {event: segment_entered}\n"
            "  only_if: {in_segment: Important}\n  review_after: 1 year\n  steps: [{note: hello}]\n"
        )
        publish(session, "greet", text=text, now=NOW)
    with pytest.raises(UserError, match="Greet them, Other"):
        save("Very important", "has_tag: vip", segment)
    with clock.hold(NOW), writing() as session, pytest.raises(UserError, match="Greet them, Other"):
        operations.delete(session, segment)
    # The journey begins when somebody comes in.
    tag(people[3], "vip")
    work()
    with reading() as session:
        assert [run.contact_id for run in session.query(Enrolment)] == [people[3]]


def test_an_unused_one_is_deleted_with_its_members(people: list[int]) -> None:
    segment = save("Important", "has_tag: vip")
    with clock.hold(NOW), writing() as session:
        operations.delete(session, segment)
    work()
    with reading() as session:
        assert queries.listed(session) == []


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("", "has_tag: vip", "name is missing"),
        ("X", "has_tagg: vip", "has_tag"),
        ("X", "[a]", "problems"),
        ("X", "has_tag: [", "problems"),
        ("X", "", "condition first|problems"),
        ("important", "has_tag: vip", "already"),
    ],
)
def test_what_cannot_be_saved_says_why(people: list[int], name: str, text: str, what: str) -> None:
    save("Important", "has_tag: vip")
    with pytest.raises(UserError, match=what):
        save(name, text)


@pytest.mark.parametrize("text", ["{happened: order_paid, since: entry}", "{field: run.invoice, is: x}"])
def test_a_condition_about_one_run_is_refused(people: list[int], text: str) -> None:
    with pytest.raises(NotForSetsError):
        save("X", text)


def test_a_preview_counts_before_anything_is_saved(people: list[int]) -> None:
    tag(people[0], "vip")
    with reading() as session:
        found = queries.preview(session, {"test": "not", "of": {"test": "has_tag", "tag": "vip"}}, NOW, limit=2)
    assert (found.count, [one.name for one in found.first]) == (3, ["Person 1", "Person 2"])


def test_what_is_history_only_reaches_the_segments_that_use_another_and_is_nobodys_coming(people: list[int]) -> None:
    fine = save("Fine", "not: {in_segment: Buyers}")  # asked before the one it uses, as after an edit
    buyers = save("Buyers", "happened: order_paid")
    save("Fine", "all: [{in_segment: Buyers}, {not_happened: order_refunded}]", segment_id=fine)
    with clock.hold(NOW), writing() as session:
        paid = NewEvent(people[0], "order_paid", NOW - DAY, {}, "import", "1", starts_journeys=False)
        record_many(session, [paid])
    work()
    with clock.hold(NOW), writing() as session:
        catch_up(session, NOW)
    assert (members(buyers), members(fine)) == ([people[0]], [people[0]])
    work()
    assert happenings(people[0]) == []
