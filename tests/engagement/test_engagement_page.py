"""What the contact's page says about engagement and channel, the pin, and the rules."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.engagement import pins
from panel.engagement.preference import preferred_channels
from panel.engagement.rules import rules
from panel.journeys.engine.reach import in_order_of_preference
from panel.sdk.context import NewContact
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many
from tests.engagement.test_preference import send
from tests.web.conftest import logged_in, make_user, stored  # noqa: F401
from tests.web.statements import counted

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return clock.now()


@pytest.fixture
def dana(app: Flask, now: datetime) -> int:
    with writing() as session:
        return create_contact(
            session,
            NewContact(name="Dana", emails=["dana@example.com"], phones=["+972501234567"]),
            how="manual",
            now=now - 400 * DAY,
        )


def tell(contact_id: int, kind: str, *moments: datetime, **data: str) -> None:
    with writing() as session:
        record_many(session, [NewEvent(contact_id, kind, at, data) for at in moments])


def url_of(contact_id: int) -> str:
    with reading() as session:
        return f"/admin/engagement/{session.scalar(select(Contact.public_id).where(Contact.id == contact_id))}"


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", text[text.index("<main") :]).split())


def test_the_number_is_explained_line_by_line(logged_in, dana, now):  # noqa: F811
    tell(dana, "link_clicked", *(now - days * DAY for days in (3, 20, 40, 41)), verdict="human", channel="email")
    tell(dana, "machine_clicked", now - 2 * DAY, verdict="machine", channel="email")
    tell(dana, "message_opened", now - 1 * DAY, verdict="proxy", channel="email")
    text = plain(logged_in().text(url_of(dana)))
    assert "Link clicked4 times, last" in text
    assert "+18.8" in text
    assert "Message opened" not in text
    assert "Points halve every 30 days" in text


def test_what_she_did_is_compared_with_her_own_past(logged_in, dana, now):  # noqa: F811
    tell(dana, "page_visited", *(now - days * DAY for days in range(60, 350, 7)), page="/season")
    text = plain(logged_in().text(url_of(dana)))
    assert "Went quiet: nothing since" in text
    assert "Usually here every 7 days." in text
    assert "Less than usual: nothing in the last 30 days, usually 4." in text


def test_with_little_to_go_by_nothing_is_claimed(logged_in, dana, now):  # noqa: F811
    tell(dana, "link_clicked", now - 2 * DAY, verdict="human", channel="sms")
    text = plain(logged_in().text(url_of(dana)))
    for words in (
        "Too little to speak of a rhythm: it takes 4 visits.",
        "No best time yet",
        "No message was answered yet",
        "so far there are 1",
    ):
        assert words in text, words


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["he", "fa"])
def test_it_speaks_the_readers_language(logged_in, dana, now, language):  # noqa: F811
    tell(dana, "page_visited", *(now - days * DAY for days in range(2, 350, 7)), page="/season")
    with writing() as session:
        send(session, dana, "sms", 4, 3)
        pins.pin(session, dana, "sms", "")
    text = logged_in(language=language).text(url_of(dana))
    body = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", text[text.index("<main") :], flags=re.S)
    left = set(re.findall(r"[A-Za-z]{3,}", body)) - {"Dana", "SMS", "Asia", "Jerusalem", "UTC", "Nava", "WhatsApp"}
    assert not left


def test_a_pinned_channel_wins_everywhere_and_is_told(logged_in, dana, now, session):  # noqa: F811
    send(session, dana, "email", 8, 5)
    session.commit()
    person, url = logged_in("support"), url_of(dana)
    answer = person.post(f"{url}/pin", channel="sms", reason="asked on the phone")
    assert answer.status_code == 303
    with reading() as reader:
        assert preferred_channels(reader, [dana], now)[dana][0] == "sms"
        assert in_order_of_preference(reader, [dana], ("email", "sms"), now)[dana] == ("sms", "email")
        [told] = reader.scalars(select(Event).where(Event.kind == "channel_pinned"))
        assert (told.data["channel"], told.data["reason"]) == ("sms", "asked on the phone")
        assert told.user_id
    card = person.text(url.replace("/engagement/", "/contact/"))
    assert "is used for this contact from now on" in card
    assert "asked on the phone" in card
    assert f'href="{url}"' in card  # without JavaScript the part is a link
    assert "asked on the phone" in person.text(url)


def test_a_pin_and_taking_it_off_can_be_undone(logged_in, dana, now):  # noqa: F811
    person, url = logged_in("support"), url_of(dana)
    card = url.replace("/engagement/", "/contact/")
    person.post(f"{url}/pin", channel="sms", reason="first")
    person.post(f"{url}/pin", channel="email", reason="second")
    action, value = re.search(r'action="([^"]+/restore)".*?name="pin" value="(\d+)"', person.text(card), re.S).groups()
    person.post(action, pin=value)
    with reading() as session:
        assert pins.pinned(session, [dana]) == {dana: "sms"}
    person.post(f"{url}/unpin")
    with reading() as session:
        assert pins.pinned(session, [dana]) == {}
    action, value = re.search(r'action="([^"]+/restore)".*?name="pin" value="(\d+)"', person.text(card), re.S).groups()
    person.post(action, pin=value)
    with reading() as session:
        assert pins.pin_of(session, [dana]).reason == "first"
    assert person.post(f"{url}/restore", pin="99").status_code == 404


def test_the_same_pin_twice_is_one(logged_in, dana):  # noqa: F811
    person, url = logged_in("support"), url_of(dana)
    for _ in range(2):
        person.post(f"{url}/pin", channel="sms", reason="asked")
    with reading() as session:
        assert len(session.scalars(select(Event).where(Event.kind == "channel_pinned")).all()) == 1


def test_who_only_looks_pins_nothing(logged_in, dana):  # noqa: F811
    person, url = logged_in("viewer"), url_of(dana)
    assert "Pin a channel" not in person.text(url)
    assert person.post(f"{url}/pin", channel="sms").status_code == 403
    assert person.post("/admin/engagement/", half_life="5").status_code == 403


def test_new_rules_hold_at_once_for_the_past_too(logged_in, dana, now):  # noqa: F811
    tell(dana, "note_added", now - 10 * DAY, text="hello")
    person = logged_in("marketing")
    answer = person.post("/admin/engagement/", half_life="۱۰", **{"points.note_added": "20", "points.link_clicked": ""})
    assert answer.status_code == 303
    with reading() as session:
        assert rules(session).points == {"note_added": 20}
    assert "+10.0" in plain(person.text(url_of(dana)))
    assert person.post("/admin/engagement/", half_life="0").status_code == 422
    assert person.post("/admin/engagement/", half_life="x").status_code == 422
    assert person.post("/admin/engagement/", do="default").status_code == 303
    with reading() as session:
        assert rules(session).half_life == 30


@pytest.mark.databases("sqlite")
def test_a_long_history_takes_no_more_statements_than_a_short_one(logged_in, dana, now):  # noqa: F811
    person, url = logged_in(), url_of(dana)
    headers = {"HX-Request": "true"}
    person.get(url, headers=headers)
    tell(dana, "page_visited", *(now - timedelta(hours=5) * n for n in range(2000)), page="/season")
    with counted() as seen:
        part = person.get(url, headers=headers)
    assert "<main" not in part.text
    assert len([one for one in seen if "FROM users" not in one and "FROM roles" not in one]) <= 10, seen
