"""The verbs a plugin has: its rows, contacts, the timeline, issues, tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.consent.models import Suppression
from panel.db import writing
from panel.installation.operations import set_setting
from panel.issues.models import Issue
from panel.sdk.context import NewContact, Record

EVENTS = """
from panel.sdk.events import EventType

@hookimpl
def register_event_types():
    return [EventType("helper.called", "Called", "Called us")]
"""


@pytest.fixture
def ctx(plugin):
    return plugin(EVENTS).context("helper")


def test_rows_are_the_plugins_own_and_can_be_replaced(ctx, contact):
    with ctx.unit() as unit:
        unit.put(Record("invoice", "17", {"sum": "10"}, "d1", contact))
        unit.put(Record("invoice", "17", {"sum": "20"}, "d2", contact))
        assert unit.get("invoice", "17") == Record("invoice", "17", {"sum": "20"}, "d2", contact)
        unit.put(Record("invoice", "18", {}))
        assert [one.key for one in unit.records("invoice")] == ["17", "18"]
        assert [one.key for one in unit.records("invoice", latest=1)] == ["18"]
        assert [one.key for one in unit.records("invoice", contact_id=contact)] == ["17"]
        unit.delete("invoice", "17")
        assert unit.get("invoice", "17") is None


def test_all_of_a_unit_is_stored_or_nothing(ctx):
    def store_and_fail():
        with ctx.unit() as unit:
            unit.put(Record("x", "1", {}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store_and_fail()
    with ctx.unit() as unit:
        assert unit.get("x", "1") is None


def test_contacts_are_found_by_any_spelling_of_what_they_have(ctx, contact):
    with ctx.unit() as unit:
        assert unit.find_contacts(email=" DANA@shop.co.il ") == [contact]
        assert unit.find_contacts(phone="+972 52 123 4567") == [contact]
        assert unit.find_contacts(phone="0521234567", email="dana@shop.co.il") == [contact]
        assert unit.find_contacts(phone="no number", email="no mail", reference="none", field=("none", "x")) == []


def test_a_contact_made_by_a_plugin_says_where_it_came_from(ctx, session):
    from panel.timeline.models import Event

    with ctx.unit() as unit:
        id_ = unit.create_contact(
            NewContact(name="שירין רזאי", phones=["0521112222"], reference="C-9"),
            how="plugin:helper",
            detail={"file": "customers.csv", "row": 4},
        )
        assert unit.find_contacts(reference="C-9") == [id_]
    event = session.scalars(select(Event).where(Event.contact_id == id_)).one()
    assert (event.kind, event.source) == ("contact_created", "helper")
    assert event.data == {"how": "plugin:helper", "detail": {"file": "customers.csv", "row": 4}}


def test_an_event_reported_twice_is_one_and_an_undeclared_one_is_refused(ctx, contact, kinds):
    at = clock.now() - timedelta(hours=1)
    with ctx.unit() as unit:
        first = unit.record_event(contact, "helper.called", occurred_at=at, data={}, external_id="call-1")
        again = unit.record_event(contact, "helper.called", occurred_at=at, data={}, external_id="call-1")
        assert first is not None
        assert again is None
    with pytest.raises(ValueError, match="register_event_types"), ctx.unit() as unit:
        unit.record_event(contact, "helper.colled", occurred_at=at, data={})
    assert kinds().count("helper.called") == 1


def test_an_opt_out_reaches_the_card_and_the_address(ctx, contact, session, kinds):
    with ctx.unit() as unit:
        unit.opt_out(contact, "sms", how="reply", wording="הסר", proof={"text": "הסר"}, address="+972521234567")
    assert "opted_out" in kinds()
    assert session.scalars(select(Suppression.reason)).all() == ["unsubscribed"]


def test_a_hard_bounce_blocks_the_address(ctx, make_message, session):
    make_message()
    with ctx.unit() as unit:
        assert unit.report_message(key="m1", state="bounced_hard", at=clock.now(), detail="number off")
        assert unit.last_message("sms", "+972521234567") is not None
    assert session.scalars(select(Suppression.reason)).all() == ["hard_bounce"]


def test_an_issue_is_counted_and_taken_back(ctx, session):
    with ctx.unit() as unit:
        unit.raise_issue("quota", "Only %(left)s messages are left", left=3)
        unit.raise_issue("quota", "Only %(left)s messages are left", left=2)
    issue = session.scalars(select(Issue)).one()
    assert (issue.key, issue.count, issue.params, issue.state) == ("plugin:helper:own:quota", 2, {"left": 2}, "open")
    with ctx.unit() as unit:
        unit.resolve_issue("quota")
    session.expire_all()
    session.rollback()
    assert session.scalars(select(Issue)).one().state == "resolved"


def test_a_plugin_has_a_folder_a_company_and_tokens_of_its_own(ctx, tmp_path):
    with writing() as session:
        set_setting(session, "company", {"name": "נאווה", "country": "IL"})
    assert ctx.folder.is_dir()
    assert ctx.folder.is_relative_to(tmp_path / "instance")
    assert ctx.company()["name"] == "נאווה"
    assert ctx.public_url == "http://panel.test"
    assert ctx.unsign("x", ctx.sign("x", "7")) == "7"
