"""What a hit does to the ledger, the timeline and the contact's consent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel.consent.operations import opt_in
from panel.consent.queries import state_many, suppressed_many
from panel.messages.models import Message
from panel.timeline.models import Event
from panel.tracking.models import TrackingHit
from panel.tracking.operations import record_click, record_open, unsubscribe
from panel.tracking.queries import link_clicks
from panel.tracking.rules import Hit
from tests.tracking.test_rules import CHROME, GMAIL

PERSON = Hit(user_agent=CHROME, network="home")
SCANNER = Hit(user_agent=CHROME, network="scanner")
APPLE = Hit(user_agent="Mozilla/5.0", network="apple")


def events(session, message: Message, kind: str) -> list[Event]:
    query = select(Event).where(Event.message_id == message.id, Event.kind == kind).order_by(Event.id)
    return list(session.scalars(query))


def test_the_first_open_is_an_event_and_the_others_are_hits_only(session, sent, now):
    message = sent()
    for seconds in (0, 60, 3600):
        record_open(session, message.id, PERSON, now=now + timedelta(seconds=seconds))
    assert message.first_opened_at == now
    assert [one.data["verdict"] for one in events(session, message, "message_opened")] == ["human"]
    assert len(session.scalars(select(TrackingHit)).all()) == 3


def test_a_machines_open_is_kept_says_nothing_and_starts_nothing(session, sent, now):
    message = sent()
    record_open(session, message.id, APPLE, now=now)
    assert message.first_opened_at is None
    (event,) = events(session, message, "machine_opened")
    assert (event.data["verdict"], event.data["why"], event.starts_journeys) == ("machine", "apple_privacy", False)
    record_open(session, message.id, Hit(user_agent=GMAIL), now=now + timedelta(hours=1))
    assert message.first_opened_at == now + timedelta(hours=1)


def test_a_click_leads_to_the_stored_target_and_counts_once_even_if_a_scanner_was_there_first(session, sent, now):
    message = sent()
    assert record_click(session, message.id, 1, APPLE, now=now) == "https://b.test/?x=1&y=2"
    assert message.first_clicked_at is None
    later = now + timedelta(minutes=5)
    for _ in range(3):
        record_click(session, message.id, 1, PERSON, now=later)
    assert message.first_clicked_at == later
    human = [one for one in events(session, message, "link_clicked") if one.data["verdict"] == "human"]
    assert [one.data["url"] for one in human] == ["https://b.test/?x=1&y=2"]
    verdicts = [[hit.verdict for hit in one.clicks] for one in link_clicks(session, message)]
    assert verdicts == [[], ["machine", "human", "human", "human"], []]


def test_a_scanner_that_follows_all_links_is_found_out_and_its_first_clicks_are_judged_anew(session, sent, now):
    message = sent()
    for link in range(3):
        record_click(session, message.id, link, SCANNER, now=now + timedelta(seconds=link))
    assert {one.verdict for one in session.scalars(select(TrackingHit))} == {"machine"}
    assert message.first_clicked_at is None
    record_click(session, message.id, 0, PERSON, now=now + timedelta(hours=1))
    assert message.first_clicked_at == now + timedelta(hours=1)


def test_a_person_who_clicked_before_the_scanner_keeps_the_click(session, sent, now):
    message = sent()
    record_click(session, message.id, 2, PERSON, now=now)
    for link in range(3):
        record_click(session, message.id, link, SCANNER, now=now + timedelta(seconds=30 + link))
    assert message.first_clicked_at == now


@pytest.mark.parametrize("hit", [PERSON, APPLE])
@pytest.mark.parametrize("how", ["open", "click"])
def test_any_hit_proves_that_a_message_in_doubt_went_out(session, sent, now, how, hit):
    message = sent(status="unknown")
    if how == "open":
        record_open(session, message.id, hit, now=now)
    else:
        record_click(session, message.id, 0, hit, now=now)
    assert (message.status, message.settled_by, message.sent_at) == ("sent", how, message.wire_at)
    assert [one.data["by"] for one in events(session, message, "message_settled")] == [how]


def test_a_message_still_on_the_wire_is_left_to_its_worker(session, sent, now):
    message = sent(status="on_wire", lease_until=now + timedelta(minutes=5))
    record_open(session, message.id, PERSON, now=now)
    assert message.status == "on_wire"
    assert message.first_opened_at == now


def test_a_message_that_never_left_has_no_addresses(session, sent, now):
    message = sent(status="queued")
    assert record_open(session, message.id, PERSON, now=now) is None
    assert record_click(session, message.id, 0, PERSON, now=now) is None
    assert not unsubscribe(session, message.id, how="one_click", wording="x", now=now)
    assert record_click(session, 999_999, 0, PERSON, now=now) is None


def test_unsubscribing_withdraws_consent_blocks_the_address_and_empties_the_queue(session, sent, make_message, now):
    message = sent()
    contact = message.contact_id
    opt_in(session, contact, "email", how="form", now=now)
    waiting = [make_message(contact, None, status="queued", purpose="marketing") for _ in range(3)]
    invoice = make_message(contact, None, status="queued", purpose="service")
    text = make_message(contact, None, status="queued", purpose="marketing", channel="sms")
    assert unsubscribe(session, message.id, how="one_click", wording="One-Click", proof={"network": "n"}, now=now)
    assert state_many(session, [contact], "email") == {contact: "opted_out"}
    assert suppressed_many(session, "email", [message.address]) == {message.address: "unsubscribed"}
    for one in (*waiting, invoice, text):
        session.refresh(one)
    assert {(one.status, one.reason) for one in waiting} == {("cancelled", "opted_out")}
    assert (invoice.status, text.status) == ("queued", "queued")
    (event,) = events(session, message, "unsubscribed")
    assert event.data == {"channel": "email", "how": "one_click"}


def test_unsubscribing_again_changes_nothing_but_still_empties_the_queue(session, sent, make_message, now):
    message = sent()
    for _ in range(3):
        assert unsubscribe(session, message.id, how="one_click", wording="x", now=now)
    assert len(events(session, message, "unsubscribed")) == 1
    slipped_in = make_message(message.contact_id, None, status="queued", purpose="marketing")
    unsubscribe(session, message.id, how="one_click", wording="x", now=now)
    session.refresh(slipped_in)
    assert slipped_in.status == "cancelled"
