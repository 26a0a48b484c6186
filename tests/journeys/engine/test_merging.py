"""Two cards of one person: one history, nothing twice, and everything as it was when the merge is undone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from panel import clock
from panel.consent import operations as consent
from panel.consent.models import Consent
from panel.consent.queries import state_many
from panel.contacts import belongings, operations
from panel.contacts.merging import merge, unmerge
from panel.contacts.models import Contact, ContactMerge, ContactTag, Tag
from panel.db import Base, reading, rows_of, writing
from panel.errors import UserError
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import deliver as delivering
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.watchdog import findings
from panel.journeys.models import Audience, AudienceState, EntryCheck
from panel.plugin_manager.models import PluginRecord
from panel.tasks.operations import NewTask, create_task
from panel.timeline.models import Event
from tests.journeys.engine.world import World

SERIES = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}, {tag_added: vip}]
  re_enter: never
  review_after: 1 year
  steps: [{send: one}, {wait: 2 days}, {send: two}, {wait: 20 days}, {send: three}]
"""
WATCHED = """
watched:
  name: Watched
  purpose: service
  start_when: {becomes_true: {all: [{has_tag: warm}, {has_tag: near}]}}
  re_enter: always
  review_after: 1 year
  steps: [{send: one}]
"""
PAID = """
paid:
  name: Paid
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  steps:
    - if: {happened: order_paid}
      then: [{tag: buyer}]
      else: [{tag: looker}]
"""
# What a merge and its undo write themselves, and what only says when something was last touched.
TRACES = ("contact_merged", "contact_unmerged", "journey_ended")
TOUCHED = {"updated_at", "since"}


@pytest.fixture
def two(world: World) -> tuple[int, int]:
    for name in ("one", "two", "three"):
        world.template(name, text="Hello")
    for body in (SERIES, WATCHED, PAID):
        world.publish(body)
    return world.contact("Dana Levi"), world.contact("Dana L.")


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that knows a contact, without what merging itself leaves."""
    found = {}
    with reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in ("contacts", "enrolments") and "contact_id" not in table.columns:
                continue
            rows = rows_of(session, select(table))
            if table.name == "events":
                rows = [row for row in rows if row["kind"] not in TRACES]
            found[table.name] = sorted(
                tuple(sorted((name, repr(value)) for name, value in row.items() if name not in TOUCHED)) for row in rows
            )
    return found


def fill(world: World, kept: int, merged: int) -> None:
    """Two full histories: runs that are over and runs in the same place, consent, tags, lists, values, links."""
    with clock.hold(world.now), writing() as session:
        operations.create_list(session, "News", now=world.now)
        operations.create_field(session, "city", now=world.now)
        operations.create_field(session, "since", "date", now=world.now)
        for id_, city in ((kept, "Haifa"), (merged, "Yafo")):
            operations.join_list(session, id_, "News", now=world.now)
            operations.update_contact(session, id_, {"city": city}, now=world.now)
        operations.set_field(session, merged, "since", "2020-02-03", now=world.now)
        operations.update_contact(session, merged, {"reference": "77", "company": "Nour", "language": "fa"})
        operations.update_contact(session, kept, {"reference": "12"})
        operations.add_tag(session, merged, "warm", now=world.now)
        operations.add_tag(session, kept, "near", now=world.now)
        operations.add_address(session, kept, "email", "both@example.com", now=world.now)
        operations.add_address(session, merged, "email", "both@example.com", now=world.now)
        operations.add_note(session, merged, "likes tea", now=world.now)
        create_task(session, NewTask(merged, "Call back"), now=world.now)
        consent.opt_out(session, kept, "sms", how="reply", now=world.now)
        session.add(
            PluginRecord(
                plugin_id="accounting", kind="customer", key="9", contact_id=merged, data={}, updated_at=world.now
            )
        )
        session.get_one(Contact, merged).score, session.get_one(Contact, kept).score = 7, 5
    world.do(start_by_hand, merged, "series")
    world.play(timedelta(days=3))
    world.do(start_by_hand, kept, "series")
    world.event(merged, "order_paid", amount="10")
    world.play(timedelta(hours=1))


def test_merged_and_parted_again_every_row_is_what_it_was(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    fill(world, kept, merged)
    before = everything()
    assert world.do(merge, kept, merged, take=("city", "full_name"))
    changed = everything()
    assert changed != before
    for name in ("events", "messages", "enrolments", "consents", "tasks", "plugin_records"):
        assert not [row for row in changed[name] if ("contact_id", repr(merged)) in row], name
    assert world.do(unmerge, merged)
    after = everything()
    for name, rows in before.items():
        assert after[name] == rows, name
    assert not world.do(unmerge, merged)


def test_the_kept_one_has_what_both_had_and_the_chosen_values(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    fill(world, kept, merged)
    world.do(merge, kept, merged, take=("city",))
    (contact,) = world.rows(Contact, id=kept)
    assert (contact.name, contact.company, contact.language, contact.reference, contact.score) == (
        "Dana Levi", "Nour", "fa", "12", 12,
    )  # fmt: skip
    with reading() as session:
        fields = operations.queries.values_many(session, [kept], operations.queries.all_fields(session))[kept]
        assert (fields["city"], fields["since"]) == ("Yafo", "2020-02-03")
        assert operations.queries.by_reference(session, "77") == kept
        # Of two answers the stricter one: the one had agreed to SMS, the other refused.
        assert state_many(session, [kept], "sms") == {kept: "opted_out"}
        assert state_many(session, [kept], "email") == {kept: "opted_in"}


def test_who_is_further_along_goes_on_and_nothing_is_sent_twice(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    fill(world, kept, merged)
    assert [one.split("\n")[0] for one in world.sent()].count("Subject: one") in (0, 2)  # each had the first one
    had = len(world.sent())
    world.do(merge, kept, merged)
    runs = {one.status: one for one in world.runs(journey_id="series")}
    assert set(runs) == {"active", "removed"}
    assert (runs["removed"].reason, runs["active"].contact_id) == ("contact_merged", kept)
    assert runs["active"].seq > runs["removed"].seq
    world.play(timedelta(days=40))
    assert [one.step_id for one in world.messages(status="sent", contact_id=kept)].count("send_two") <= 1
    assert len(world.sent()) == had + 1  # only what the one that goes on still had before it


def test_a_journey_that_one_has_finished_is_not_begun_for_the_other(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    world.do(start_by_hand, merged, "series")
    world.play(timedelta(days=30))
    assert [one.status for one in world.runs(journey_id="series")] == ["finished"]
    world.do(merge, kept, merged)
    assert world.do(start_by_hand, kept, "series").code == "never_again"
    world.do(operations.add_tag, kept, "vip")
    world.work()
    assert len(world.runs(journey_id="series")) == 1


def test_a_condition_that_becomes_true_by_the_merge_starts_nothing(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    world.do(operations.add_tag, kept, "near")
    world.do(operations.add_tag, merged, "warm")
    world.work()
    world.do(merge, kept, merged)
    world.work()
    world.play(timedelta(days=2))
    assert world.runs(journey_id="watched") == []
    (audience,) = world.rows(Audience)
    assert [(one.contact_id, one.is_true) for one in world.rows(AudienceState, audience=audience.id)] == [(kept, True)]
    assert world.do(unmerge, merged)
    world.work()
    assert world.rows(AudienceState, audience=audience.id) == []
    assert world.runs(journey_id="watched") == []


def test_what_happened_on_the_merged_card_counts_in_conditions(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    world.event(merged, "order_paid", amount="10")
    world.work()
    world.do(merge, kept, merged)
    world.do(start_by_hand, kept, "paid")
    world.work()
    with reading() as session:
        assert "buyer" in [one.name for one in operations.queries.card(session, kept).tags]


def test_what_came_after_the_merge_stays_with_whom_it_belongs(world: World, two: tuple[int, int]) -> None:
    kept, merged = two
    fill(world, kept, merged)
    world.do(merge, kept, merged)
    world.do(operations.add_note, kept, "after")
    world.do(consent.opt_out, kept, "email", how="reply")
    (run,) = (one for one in world.runs(journey_id="series") if one.status == "active")
    world.play(timedelta(days=22))
    newest = max(one.id for one in world.messages(enrolment_id=run.id))
    world.do(unmerge, merged)
    assert [one.contact_id for one in world.rows(Event, kind="note_added") if one.data["text"] == "after"] == [kept]
    # The run that came from the merged card goes back with all that it has done since.
    assert {one.contact_id for one in world.messages(enrolment_id=run.id)} == {merged}
    assert [one.contact_id for one in world.rows(Event, message_id=newest)][:1] == [merged]
    # A refusal holds for both: nobody knows which of the two it was.
    with reading() as session:
        assert state_many(session, [kept, merged], "email") == {kept: "opted_out", merged: "opted_out"}


def test_a_message_in_a_workers_hands_goes_out_once_from_the_kept_card(
    world: World, two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, merged = two
    world.do(start_by_hand, merged, "series")
    with clock.hold(world.now):
        from panel.journeys.engine.advance import advance

        advance()
    claimed, merged_now = delivering.claim, []

    def claim_then_merge(channel: str, limit: int) -> Any:
        found = claimed(channel, limit)
        if found and not merged_now:
            merged_now.append(world.do(merge, kept, merged))
        return found

    monkeypatch.setattr(delivering, "claim", claim_then_merge)
    with clock.hold(world.now):
        deliver("email")
        assert world.sent() == []  # it was written for a card that is no longer shown: back into the row
        assert [(one.status, one.contact_id) for one in world.messages()] == [("queued", kept)]
        deliver("email")
        deliver("email")
    assert merged_now == [True]
    assert len(world.sent()) == 1
    assert [(one.status, one.contact_id) for one in world.messages()] == [("sent", kept)]


def test_two_people_merge_them_the_other_way_round_at_the_same_moment(
    app: Flask, world: World, two: tuple[int, int]
) -> None:
    begin = threading.Barrier(2)

    def one_way(pair: tuple[int, int]) -> bool:
        with app.app_context():
            begin.wait()
            with writing() as session:
                return merge(session, *pair, now=world.now)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one_way, [two, two[::-1]]))
    assert sorted(done) == [False, True]
    (row,) = world.rows(ContactMerge)
    assert {row.kept_id, row.merged_id} == set(two)
    assert [one.merged_into_id for one in world.rows(Contact)].count(None) == 1
    assert not world.do(merge, *two)  # a third press changes nothing


@pytest.mark.databases("sqlite")
def test_every_table_that_knows_a_contact_says_what_a_merge_does_with_it(world: World) -> None:
    by_itself = {
        # Put together one by one (contacts.combining, consent.merging, journeys.merging).
        "contact_addresses", "field_values", "list_members", "contact_tags", "consents", "enrolments",
        "waiting_entries", "planned_entries", "audience_states", "experiment_assignments",
    }  # fmt: skip
    known = {one.table for one in belongings.MOVED} | belongings.STAYS | by_itself
    tables = {table.name for table in Base.metadata.sorted_tables if "contact_id" in table.columns}
    assert tables - known == set()


def test_of_two_cards_merged_into_one_the_later_is_parted_first_and_then_every_row_is_what_it_was(
    world: World, two: tuple[int, int]
) -> None:
    kept, merged = two
    fill(world, kept, merged)
    third = world.contact("Dana of the shop")
    world.do(operations.add_tag, third, "warm")
    world.do(operations.join_list, third, "News", now=world.now)
    world.do(consent.opt_out, third, "sms", how="reply")
    alone = everything()
    assert world.do(merge, kept, merged, take=("city",))
    first = everything()
    assert world.do(merge, kept, third)
    with pytest.raises(UserError, match="Dana of the shop") as caught:
        world.do(unmerge, merged)
    assert caught.value.code == "merge_before_another"
    assert world.do(unmerge, third)
    assert everything() == first
    assert world.do(unmerge, merged)
    assert everything() == alone


def test_an_answer_given_to_a_card_by_somebody_who_had_not_seen_the_merge_stays_after_the_undo(
    world: World, two: tuple[int, int]
) -> None:
    kept, merged = two
    world.do(consent.opt_in, merged, "email", how="by_hand", wording="yes")
    world.do(merge, kept, merged)
    with writing() as session:  # by a transaction that had looked before the merge was there
        session.add(Consent(contact_id=merged, channel="email", state="opted_out", how="one_click", at=world.now))
    assert world.do(unmerge, merged)
    with reading() as session:
        mine = (Consent.contact_id == merged, Consent.channel == "email", Consent.is_current)
        assert session.scalars(select(Consent.state).where(*mine)).all() == ["opted_out"]


def test_a_run_goes_on_after_the_undo_when_its_message_arrived_while_they_were_one(
    world: World, two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, merged = two
    world.do(start_by_hand, kept, "series")
    world.work()
    world.do(start_by_hand, merged, "series")
    looked, merged_now = delivering.last_look, []

    def look_then_merge(going: Any, since: Any) -> Any:
        found = looked(going, since)
        if found and not merged_now:
            earlier = world.now - timedelta(seconds=1)
            merged_now.append(world.do(merge, kept, merged, now=earlier))  # it is on the wire by now
        return found

    monkeypatch.setattr(delivering, "last_look", look_then_merge)
    world.work()
    assert merged_now == [True]
    assert [one.status for one in world.messages()] == ["sent", "sent"]
    world.now += timedelta(minutes=1)
    world.do(unmerge, merged)
    world.work()
    [run] = world.runs(contact_id=merged)
    assert (run.status, run.phase) == ("active", "waiting")
    with reading() as session:
        assert [one.key for one in findings(session.connection(), world.now) if one.count] == []


def test_a_refusal_that_was_written_as_they_were_merged_does_not_stand_in_the_way_of_the_undo(
    world: World, two: tuple[int, int]
) -> None:
    kept, merged = two
    world.do(start_by_hand, merged, "series")
    world.do(start_by_hand, merged, "series")  # refused
    world.do(merge, kept, merged)
    with writing() as session:
        [check] = session.scalars(
            select(EntryCheck).where(EntryCheck.contact_id == kept, EntryCheck.outcome != "entered")
        )
        values = {name: getattr(check, name) for name in ("journey_id", "version_id", "at", "day", "outcome", "detail")}
        # By a worker that had looked before the merge was there.
        session.add(EntryCheck(contact_id=merged, count=1, **values))
    assert world.do(unmerge, merged)
    assert world.runs(contact_id=merged)


def test_who_is_tagged_from_a_page_older_than_the_merge_is_tagged_on_the_card_that_is_shown(
    world: World, two: tuple[int, int]
) -> None:
    kept, merged = two
    world.do(operations.add_tag, merged, "old")
    world.do(merge, kept, merged)
    assert world.do(operations.add_tag_many, [merged, kept], "new") == [kept]
    with writing() as session:  # by a transaction that had looked before the merge was there
        [tag] = session.scalars(
            select(ContactTag.tag_id).join(Tag, Tag.id == ContactTag.tag_id).where(Tag.name == "old")
        )
        session.add(ContactTag(contact_id=merged, tag_id=tag, added_at=world.now))
    assert world.do(unmerge, merged)
    with reading() as session:
        query = select(ContactTag.contact_id, Tag.name).join(Tag, Tag.id == ContactTag.tag_id)
        assert {tuple(row) for row in session.execute(query)} == {(merged, "old"), (kept, "new")}
