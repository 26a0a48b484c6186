"""May we send? A rest, an opt-out or consent by hand, blocked addresses: what a colleague settles on the page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.consent import operations
from panel.consent.models import Consent, Rest, Suppression
from panel.contacts.models import Contact, ContactAddress
from panel.db import writing
from panel.messages.models import Message
from panel.timeline.models import Event
from tests.web.story import add_message, make_contact, make_journey


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.get_one(Contact, id_).public_id


def rows(stored, model, **where):
    stored.rollback()
    found = list(stored.scalars(select(model).filter_by(**where)))
    stored.expunge_all()
    stored.rollback()
    return found


def kinds(stored, id_) -> list[str]:
    return [one.kind for one in rows(stored, Event, contact_id=id_)]


def test_a_rest_is_shown_at_the_top_and_ended_again(stored, logged_in, contact):
    id_, public_id = contact
    person = logged_in("support", name="Dana", time_zone="Asia/Tehran")
    url = f"/admin/card-consent/{public_id}/rest"
    refused = person.post(url, length="day", day="2020-01-01", reason="she is travelling")
    assert refused.status_code == 422
    assert "she is travelling" in refused.text
    assert person.post(url, length="day", day="", reason="").status_code == 422
    assert person.post(url, length="7", scope="marketing", reason="she is travelling").status_code == 303
    (rest,) = rows(stored, Rest)
    assert (rest.until.hour, rest.until.minute) == (20, 30)  # the day begins at midnight in Tehran
    page = person.text(f"/admin/contact/{public_id}")
    assert "No marketing is sent to this contact until" in page
    assert "she is travelling" in page
    assert person.post(url, length="7", scope="marketing", reason="she is travelling").status_code == 303  # twice: once
    assert kinds(stored, id_).count("rest_began") == 1
    assert person.post(f"{url}/end").status_code == 303
    assert person.post(f"{url}/end").status_code == 303
    assert kinds(stored, id_).count("rest_ended") == 1
    assert "No marketing is sent" not in person.text(f"/admin/contact/{public_id}")


def test_an_opt_out_by_hand_calls_off_what_is_planned_on_that_channel(stored, logged_in, contact):
    id_, public_id = contact
    with writing() as session:
        now = clock.now()
        for channel in ("email", "sms"):
            operations.opt_in(session, id_, channel, how="form", now=now)
        make_journey(session, now)
        planned = [add_message(session, id_, now, status="queued", channel=one, kinds=()) for one in ("email", "sms")]
    person = logged_in("support")
    url = f"/admin/card-consent/{public_id}/consent/email"
    assert person.post(url, wording="x").status_code == 422
    assert person.post(url, state="opted_out", wording="on the phone: no more").status_code == 303
    states = {one.id: (one.status, one.reason) for one in rows(stored, Message) if one.id in planned}
    assert states == {planned[0]: ("skipped", "opted_out"), planned[1]: ("queued", None)}
    (current,) = rows(stored, Consent, channel="email", is_current=True)
    assert (current.state, current.how, current.wording) == ("opted_out", "by_hand", "on the phone: no more")
    addresses = [one.value for one in rows(stored, ContactAddress, contact_id=id_, kind="email")]
    assert {one.address for one in rows(stored, Suppression, reason="unsubscribed")} >= set(addresses)
    # Agreeing needs the proof; with it the block is lifted too.
    assert person.post(url, state="opted_in", wording="").status_code == 422
    assert person.post(url, state="opted_in", wording="asked for it by letter").status_code == 303
    assert [one for one in rows(stored, Suppression, reason="unsubscribed") if one.lifted_at is None] == []
    assert "asked for it by letter" in person.text(url)
    event = next(one for one in rows(stored, Event, kind="opted_out", contact_id=id_))
    assert event.user_id is not None


def test_an_address_is_blocked_with_a_reason_and_freed_where_the_law_allows(stored, logged_in, contact):
    id_, public_id = contact
    person = logged_in("support")
    url = f"/admin/card-consent/{public_id}"
    address = next(one.value for one in rows(stored, ContactAddress, contact_id=id_, kind="email"))
    assert person.post(f"{url}/block", address=address, reason="manual", channel="*", note="").status_code == 422
    assert person.post(f"{url}/block", address=address, reason="manual", channel="*", note="rude").status_code == 303
    (block,) = rows(stored, Suppression)
    assert (block.reason, block.note, block.channel) == ("manual", "rude", "*")
    assert "rude" in person.text(f"{url}/block")
    assert person.post(f"{url}/unblock", address=block.address, channel="*").status_code == 303
    assert rows(stored, Suppression)[0].lifted_at is not None
    assert kinds(stored, id_).count("suppression_lifted") == 1
    owner = logged_in("owner")
    for reason, source in (("complained", ""), ("legal", "erased")):
        with writing() as session:
            operations.suppress(session, "*", address, reason, source=source)
        answer = owner.post(f"{url}/unblock", address=block.address, channel="*")
        assert answer.status_code in (302, 403)
        assert [one for one in rows(stored, Suppression, reason=reason) if one.lifted_at is None]
        with writing() as session:
            for one in session.scalars(select(Suppression).where(Suppression.lifted_at.is_(None))):
                one.lifted_at = clock.now() + timedelta(seconds=1)


def test_a_viewer_settles_nothing(logged_in, contact):
    _, public_id = contact
    viewer = logged_in("viewer")
    for what in ("rest", "consent/email", "block"):
        assert viewer.get(f"/admin/card-consent/{public_id}/{what}").status_code == 403
