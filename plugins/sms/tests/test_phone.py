"""What comes back: from the development phone and from a gateway, to the contact's timeline."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.consent.models import Consent, Suppression
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.messages.models import Message
from panel.plugin_manager.models import PluginRecord
from panel.sdk.channels import Sent
from panel.sdk.context import NewContact
from panel.sdk.web import Request
from panel.timeline.models import Event
from plugins.sms import incoming
from plugins.sms.tests.conftest import outgoing

NUMBER = "+972521234567"


@pytest.fixture
def contact(app):
    with writing() as session:
        return create_contact(session, NewContact(name="דנה לוי", phones=[NUMBER]), how="manual")


@pytest.fixture
def message(contact):
    """A text in the ledger that has left for Dana's telephone."""
    now = clock.now() - timedelta(minutes=1)
    with writing() as session:
        row = Message(
            dedupe_key="d1", our_message_id="k1", contact_id=contact, channel="sms", address=NUMBER, status="sent",
            planned_at=now, not_before=now, wire_at=now, sent_at=now, provider_message_id="g1",
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def phone_channel(plugins, app):
    return plugins.channels()["sms"]


def timeline(contact):
    with reading() as session:
        return [
            (event.kind, event.data)
            for event in session.scalars(select(Event).where(Event.contact_id == contact).order_by(Event.id))
        ]


def consent_of(contact):
    with reading() as session:
        return session.scalars(
            select(Consent.state).where(Consent.contact_id == contact, Consent.is_current)
        ).one_or_none()


def blocked():
    with reading() as session:
        return session.scalars(select(Suppression.address)).all()


def ask(plugins, page, form=None, language="en"):
    found = plugins.pages()[("sms", page)]
    request = Request("POST" if form else "GET", f"/plugins/sms/{page}", {}, {}, b"", form or {}, language)
    return found.post(request) if form else found.render(request)


def call(plugins, hook, body=None, *, query=None, headers=None, key=True, form=None):
    ctx = plugins.context("sms")
    address = incoming.address(ctx, hook)
    parameters = dict(query or {})
    if key:
        parameters["key"] = address.partition("key=")[2]
    raw = json.dumps(body).encode() if body is not None else b""
    request = Request("POST", f"/hooks/sms/{hook}", parameters, headers or {}, raw, form or {})
    return plugins.webhooks()[("sms", hook)].handle(request)


def test_out_of_the_box_a_text_lands_on_the_phone_once(phone_channel, plugins, wire):
    first = phone_channel.send([outgoing("k1", "שלום דנה"), outgoing("k2", "سلام")], wire)
    again = phone_channel.send([outgoing("k1", "שלום דנה")], wire)
    assert first[0] == again[0]
    assert all(isinstance(one, Sent) for one in first)
    assert wire.begun[:2] == ["k1", "k2"]
    page = ask(plugins, "phone")
    assert page.count("שלום דנה") == 1
    assert phone_channel.lookup("k2") == "sent"
    assert phone_channel.lookup("k3") == "not_sent"
    assert phone_channel.facts.idempotent


def test_the_page_shows_texts_as_text(phone_channel, plugins, wire):
    phone_channel.send([outgoing("k<1>", '<script>alert("x")</script>')], wire)
    page = ask(plugins, "phone")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_empty_phone_says_what_to_do(language, plugins):
    page = ask(plugins, "phone", language=language)
    assert ("No texts yet" in page) == (language == "en")


def test_the_phones_buttons_report_as_a_gateway_would(phone_channel, plugins, contact, message, wire):
    phone_channel.send([outgoing("k1")], wire)
    assert "timeline" in ask(plugins, "phone", {"do": "delivered", "key": "k1"})
    assert ("message_delivered", {"channel": "sms"}) in timeline(contact)
    assert "Delivered" in ask(plugins, "phone")
    assert ask(plugins, "phone", {"do": "delivered", "key": "nothing"}) == "That text is not here any more."


def test_an_answer_on_the_phone_is_a_reply_to_the_message(phone_channel, plugins, contact, message, wire):
    phone_channel.send([outgoing("k1")], wire)
    ask(plugins, "phone", {"do": "answer", "number": NUMBER, "text": "מתי אתם פתוחים?"})
    kind, data = timeline(contact)[-1]
    assert (kind, data["text"]) == ("message_replied", "מתי אתם פתוחים?")
    assert consent_of(contact) is None


@pytest.mark.parametrize("text", ["הסר", "لغو", "STOP.", "\u200fلا"])
def test_a_refusal_by_reply_stops_sms_for_this_contact_and_number(text, plugins, contact, message):
    ask(plugins, "phone", {"do": "answer", "number": NUMBER, "text": text})
    kinds = [kind for kind, _ in timeline(contact)]
    assert kinds[-2:] == ["message_replied", "opted_out"]
    assert consent_of(contact) == "opted_out"
    assert blocked() == [NUMBER]


def test_a_refusal_from_a_stranger_blocks_the_number(plugins, app):
    assert call(plugins, "reply", {"from": "0521234567", "text": "הסר", "id": "1"}).status == 200
    assert blocked() == [NUMBER]


def test_a_word_from_somebody_we_never_wrote_to_is_on_their_timeline_once(plugins, contact):
    for _ in range(3):
        call(plugins, "reply", {"from": "972521234567", "text": "אפשר להזמין?", "id": "r-9"})
    assert [kind for kind, _ in timeline(contact)].count("sms.received") == 1


def test_a_reply_told_many_times_is_one(plugins, contact, message):
    for _ in range(5):
        call(plugins, "reply", {"from": NUMBER, "text": "STOP", "id": "r-1"})
    kinds = [kind for kind, _ in timeline(contact)]
    assert (kinds.count("message_replied"), kinds.count("opted_out")) == (1, 1)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"reference": "k1", "status": "DELIVRD"}, "message_delivered"),
        ({"message_id": "g1", "status": "delivered"}, "message_delivered"),
        ([{"reference": "k1", "status": "1"}], "message_delivered"),
        ({"reference": "k1", "status": "UNDELIV"}, "message_failed"),
        ({"reference": "k1", "status": "absent_number"}, "message_bounced"),
        ({"reference": "k1", "status": "ACCEPTD"}, None),
        ({"reference": "k1"}, None),
        ({"reference": "k9", "status": "delivered"}, None),
        ([], None),
        ([["x"], 5, None], None),
        ("text", None),
        (None, None),
    ],
)
def test_a_delivery_report_says_what_the_settings_say(body, kind, plugins, contact, message):
    assert call(plugins, "report", body).status == 200
    assert ([one for one, _ in timeline(contact)][1:] or [None])[0] == kind


def test_a_report_as_a_form_or_in_the_address(plugins, contact, message):
    assert call(plugins, "report", form={"reference": "k1", "status": "delivered"}).status == 200
    assert call(plugins, "report", query={"reference": "k1", "status": "delivered"}).status == 200
    assert [kind for kind, _ in timeline(contact)].count("message_delivered") == 1


def test_without_proof_nothing_changes(plugins, contact, message):
    body = {"reference": "k1", "status": "delivered"}
    ctx = plugins.context("sms")
    other = incoming.address(ctx, "reply").partition("key=")[2]
    assert call(plugins, "report", body, key=False).status == 403
    assert call(plugins, "report", body, key=False, query={"key": other}).status == 403
    assert call(plugins, "gateway", {"to": NUMBER, "text": "x"}, key=False).status == 403
    assert call(plugins, "reply", {"from": NUMBER, "text": "STOP"}, key=False).status == 403
    assert [kind for kind, _ in timeline(contact)] == ["contact_created"]


def test_a_gateway_with_a_secret_of_its_own_must_show_it(configure, plugins, contact, message):
    configure(hook_secret="h-77")
    body = {"reference": "k1", "status": "delivered"}
    assert call(plugins, "report", body).status == 403, "the key in the address is not enough now"
    assert call(plugins, "report", body, headers={"X-Webhook-Secret": "h-78"}).status == 403
    assert call(plugins, "report", body, headers={"x-webhook-secret": "h-77"}).status == 200
    assert "message_delivered" in [kind for kind, _ in timeline(contact)]


def test_a_report_that_overtakes_our_own_note_is_not_lost(plugins, contact, message):
    with writing() as session:
        session.get(Message, message).provider_message_id = None
    call(plugins, "report", {"message_id": "late-1", "status": "delivered"})
    plugins.invoke("sms", "sync", ctx=plugins.context("sms"))
    assert "message_delivered" not in [kind for kind, _ in timeline(contact)]
    with writing() as session:
        session.get(Message, message).provider_message_id = "late-1"
    plugins.invoke("sms", "sync", ctx=plugins.context("sms"))
    assert "message_delivered" in [kind for kind, _ in timeline(contact)]
    with clock.hold(clock.now() + timedelta(days=9)):
        call(plugins, "report", {"message_id": "never", "status": "delivered"})
    with clock.hold(clock.now() + timedelta(days=20)):
        plugins.invoke("sms", "sync", ctx=plugins.context("sms"))
    with reading() as session:
        assert session.scalars(select(PluginRecord).where(PluginRecord.kind == "early")).all() == []


def test_the_development_gateway_speaks_http(plugins, app):
    answer = call(plugins, "gateway", {"to": NUMBER, "text": "ניסיון", "reference": "t1"})
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")
    assert "ניסיון" in ask(plugins, "phone")
    assert call(plugins, "gateway", {"to": "12", "text": "x"}).status == 400
    assert call(plugins, "gateway", [1]).status == 400


def test_erasing_a_contact_empties_the_phone(phone_channel, plugins, contact, wire):
    from panel.sync.erasing import erase_everywhere

    phone_channel.send([outgoing("k1", "סוד")], wire)
    ask(plugins, "phone", {"do": "answer", "number": NUMBER, "text": "also secret"})
    assert erase_everywhere(contact)
    page = ask(plugins, "phone")
    assert "סוד" not in page
    assert "also secret" not in page


@pytest.mark.databases("sqlite")
def test_the_addresses_page_shows_what_to_enter(plugins, app):
    page = ask(plugins, "addresses")
    assert "http://panel.test/hooks/sms/report?key=" in page


def test_a_gateway_s_settings_can_be_tried_on_the_panels_own_gateway(live_server, configure, plugins, contact, wire):
    """All the way over HTTP, to an address on this machine that needs no permission of its own."""
    address = incoming.address(plugins.context("sms"), "gateway")
    assert address.startswith(live_server)
    channel = configure(address=address, local_network=False, good_when="status = ok", id_place="id")
    (result,) = channel.send([outgoing("k7", "דרך השער")], wire)
    assert isinstance(result, Sent)
    assert result.provider_id.startswith("phone-")
    assert "דרך השער" in ask(plugins, "phone")
    (wrong,) = channel.send([outgoing("k8", "x", to="+12")], wire)
    assert (wrong.code, wrong.suppress) == ("failed_address", True)
