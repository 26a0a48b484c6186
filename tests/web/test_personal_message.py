"""Writing to a contact from its page, and steering what is planned: what the pages ask, refuse and do once."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from panel import clock
from panel.consent.operations import opt_out, suppress
from panel.contacts.models import Contact
from panel.db import next_ids, writing
from panel.journeys.models import Enrolment, StepRun
from panel.messages.models import Message
from panel.messages.templates import Form, save_template
from panel.staff.models import User
from panel.tracking.models import TrackingHit
from tests.web.story import add_message, make_contact, make_journey

NOON = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)  # in Jerusalem
NIGHT = datetime(2026, 11, 22, 21, 10, tzinfo=UTC)  # 23:10 there
WAY = "email:emma@example.com"


@pytest.fixture
def now():
    with clock.hold(NOON):
        yield NOON


@pytest.fixture
def contact(app, now) -> tuple[int, str]:
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        public_id = session.scalar(select(Contact.public_id).where(Contact.id == contact_id))
    return contact_id, public_id


class Writer:
    """A colleague at the form of one contact: fields are kept from page to page as a browser keeps them."""

    def __init__(self, person: Any, public_id: str, query: str = "") -> None:
        self.person, self.url = person, f"/admin/write/{public_id}"
        self.page = person.text(self.url + query)
        self.fields = {"way": WAY, "purpose": "service", "subject": "Hello", "text": "Your parcel is here."}
        self.fields |= hidden(self.page)

    def post(self, do: str = "send", **more: Any) -> Any:
        self.fields |= more
        answer = self.person.post(self.url, page=self.url, **{**self.fields, "do": do})
        self.page = html.unescape(answer.text)
        if answer.status_code == 200:
            for name in ("confirmed", "seen"):  # they stand on the page of the question alone
                self.fields.pop(name, None)
            self.fields |= hidden(answer.text)
        return answer


def hidden(page: str) -> dict[str, str]:
    main = page[page.index("write-part") :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', main)
    return {name: html.unescape(value) for name, value in found if name != "csrf_token"}


def messages(stored) -> list[Message]:
    stored.rollback()
    return list(stored.scalars(select(Message).order_by(Message.id)))


def test_a_message_is_written_asked_about_and_stands_on_top_to_be_taken_back(stored, logged_in, contact):
    writer = Writer(logged_in("support", name="Dana Levi"), contact[1])
    assert "emma@example.com" in writer.page
    assert "Send this by" in (writer.post().text)
    assert "emma@example.com" in writer.page
    assert "Last message" not in writer.page
    assert messages(stored) == []
    assert writer.post().status_code == 303
    [message] = messages(stored)
    assert (message.status, message.purpose, message.address) == ("queued", "service", "emma@example.com")
    assert message.not_before == NOON + timedelta(seconds=10)
    card = html.unescape(writer.person.text(f"/admin/contact/{contact[1]}"))
    for words in ("goes out in a few seconds", "Undo", "Coming up", "Written by", "Dana Levi", "Take back"):
        assert words in card, words
    writer.person.post(f"/admin/planned/message/{message.id}/leave_out")
    assert [(one.status, one.reason) for one in messages(stored)] == [("cancelled", "cancelled_by_person")]
    card = html.unescape(writer.person.text(f"/admin/contact/{contact[1]}"))
    assert "a colleague cancelled it" in card
    assert "Send again…" in card


def test_the_same_form_twice_and_two_tabs_are_one_message(stored, logged_in, contact):
    person = logged_in("support")
    one, other = Writer(person, contact[1]), Writer(person, contact[1])
    for writer in (one, other):
        writer.post()
    assert one.post().status_code == 303
    again = other.post()  # it is asked about the message that went meanwhile
    assert "is about to go out" in other.page if again.status_code == 200 else True
    other.post()
    assert one.post().status_code in (200, 303)
    assert len(messages(stored)) == 1


def test_other_words_from_an_old_tab_are_kept_and_asked_about(stored, logged_in, contact):
    person = logged_in("support")
    one, other = Writer(person, contact[1]), Writer(person, contact[1])
    one.post(), one.post()
    other.post(text="Something else")
    other.post()
    assert "in the meantime" in other.page
    assert "Something else" in other.page
    other.post()
    assert "is about to go out" in other.page
    assert other.post().status_code == 303
    assert [one.inline["text"] for one in messages(stored)] == ["Your parcel is here.", "Something else"]


def test_a_message_of_the_last_day_is_told_once_and_again_when_another_went(stored, logged_in, contact, now):
    with writing() as session:
        make_journey(session, now)
        add_message(session, contact[0], now - timedelta(hours=2), subject="Reminder", wire_at=now - timedelta(hours=2))
    writer = Writer(logged_in("support"), contact[1])
    writer.post()
    assert "Last message" in writer.page
    assert "Welcome series" in writer.page
    assert "Send anyway?" in writer.page
    with writing() as session:
        add_message(
            session, contact[0], now - timedelta(minutes=1), subject="Newer", wire_at=now - timedelta(minutes=1)
        )
    assert writer.post().status_code == 200
    assert "Meanwhile:" in writer.page
    assert messages(stored)[-1].subject == "Newer"
    assert writer.post().status_code == 303
    assert len(messages(stored)) == 3


def test_at_night_the_person_decides_and_it_is_recorded(stored, logged_in, contact):
    with clock.hold(NIGHT):
        writer = Writer(logged_in("support"), contact[1])
        writer.post()
        assert "23:10" in writer.page
        assert "Send at" in writer.page
        assert writer.post().status_code == 200  # yes alone is no answer to the question of the hour
        assert writer.post("send:open").status_code == 303
        [message] = messages(stored)
        assert message.not_before == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
        assert message.detail["hours"]["chose"] == "open"
        writer = Writer(writer.person, contact[1])
        writer.post(text="It cannot wait")
        assert writer.post("send:now").status_code == 303
    last = messages(stored)[-1]
    assert (last.rules["send_hours"], last.detail["hours"]["there"][11:16]) == ("any", "23:10")


@pytest.mark.databases("sqlite")
def test_the_hours_are_those_that_the_journeys_keep_to_on_this_channel(stored, logged_in, contact, now):
    """On the contact's clock, and named; without any journey the customary ones are."""
    with writing() as session:
        hours = "    send_hours: {from: 10:00, to: 18:00}\n"
        make_journey(session, now, id_="narrow", name="Narrow", more=hours)
    with clock.hold(NIGHT):
        writer = Writer(logged_in("support", language="en"), contact[1])
        writer.post()
        assert "from 10:00 to 18:00" in writer.page
        assert "Send at \u206810:00\u2069 there" in html.unescape(writer.page)
        assert writer.post("send:open").status_code == 303
    [message] = messages(stored)
    assert message.not_before == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert message.rules["send_hours"]["from"] == "10:00"


@pytest.mark.databases("sqlite")
def test_what_may_not_be_sent_is_refused_with_the_reason(stored, logged_in, contact, now):
    person = logged_in("support")
    writer = Writer(person, contact[1])
    writer.post(purpose="marketing")
    assert "has not agreed" in writer.page
    with writing() as session:
        opt_out(session, contact[0], "email", how="form", wording="", source="test", now=now)
    assert "opted out" in writer.post(purpose="marketing").text
    writer.post(purpose="service")
    assert "They opted out of advertising here" in writer.page
    with writing() as session:
        suppress(session, "email", "emma@example.com", "complained", contact_id=contact[0], source="t", now=now)
    writer.post(purpose="service")
    assert "reported a message as spam" in writer.page
    writer.post(way="email:stranger@example.com")
    assert "no address" in writer.page
    assert messages(stored) == []


@pytest.mark.databases("sqlite")
def test_an_empty_merge_field_is_shown_and_refused(logged_in, contact):
    writer = Writer(logged_in("support"), contact[1])
    text = "Dear [[first name]] of [[company]]"
    facts = html.unescape(writer.person.post(writer.url + "/check", **{**writer.fields, "text": text}).text)
    assert "is empty for this contact" in facts
    assert "[[company|…]]" in facts
    writer.post(text=text)
    assert "Not sent:" in writer.page
    assert "[[company|…]]" in writer.page
    assert text in writer.page


@pytest.mark.databases("sqlite")
def test_the_preview_counts_nothing_and_leads_nowhere(stored, logged_in, contact):
    writer = Writer(logged_in("support"), contact[1])
    answer = writer.person.post(writer.url + "/preview", **{**writer.fields, "text": "See https://shop.example/a"})
    assert "Content-Security-Policy" in answer.headers
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "shop.example" in answer.text
    assert "/c/" not in answer.text
    assert stored.scalar(select(func.count()).select_from(TrackingHit)) == 0
    assert messages(stored) == []


@pytest.mark.databases("sqlite")
def test_a_text_message_says_how_many_parts_it_takes(logged_in, contact):
    writer = Writer(logged_in("support"), contact[1])
    fields = {**writer.fields, "way": "sms:+442071234567", "text": "שלום " * 30}
    facts = writer.person.post(writer.url + "/check", **fields).text
    assert re.search(r">3</bdi> text messages", facts)


@pytest.mark.databases("sqlite")
def test_a_template_fills_the_fields_or_is_sent_as_it_is(stored, logged_in, contact):
    with writing() as session:
        plain = save_template(session, "Parcel", [Form("email", "en", "Your parcel", "", "It is [[today]] here.")])
        drawn = save_template(session, "Drawn", [Form("email", "en", "In colours", "<p>Dear [[first name]]</p>", "")])
        ids = plain.id, drawn.id, drawn.current_version_id
    writer = Writer(logged_in("support"), contact[1])
    writer.post("template", template=ids[0])
    assert 'value="Your parcel"' in writer.page
    assert "It is [[today]] here." in writer.page
    writer.post("template", template=ids[1])
    assert "is sent as it is" in writer.page
    writer.post(), writer.post()
    [message] = messages(stored)
    assert (message.template_version_id, message.inline) == (ids[2], None)


@pytest.mark.databases("sqlite")
def test_an_answer_and_a_copy_fill_the_fields(stored, logged_in, contact, now):
    replied = ("message_replied", timedelta(minutes=5), {"text": "Can you change my address?"})
    with writing() as session:
        make_journey(session, now)
        sent = ("message_sent", timedelta(0), {})
        asked = add_message(session, contact[0], now - timedelta(days=2), subject="How was it?", kinds=(sent, replied),
                            address="emma@example.com", status="delivered")  # fmt: skip
        failed = add_message(session, contact[0], now - timedelta(days=1), subject="Lost", status="failed",
                             address="emma@example.com", inline={"subject": "Lost", "text": "What was lost"},
                             kinds=(("message_failed", timedelta(0), {}),))  # fmt: skip
    person = logged_in("support")
    card = person.text(f"/admin/contact/{contact[1]}")
    assert f"reply={asked}" in card
    assert f"copy={failed}" in card
    assert 'value="Re: How was it?"' in Writer(person, contact[1], f"?reply={asked}").page
    assert "What was lost" in Writer(person, contact[1], f"?copy={failed}").page
    stranger = Writer(person, contact[1], "?copy=999999")
    assert "What was lost" not in stranger.page


@pytest.mark.databases("sqlite")
def test_who_may_not_send_sees_no_button_and_is_refused(logged_in, contact, now):
    with writing() as session:
        message = add_message(session, contact[0], now, status="queued", journey_id=None, kinds=())
    viewer = logged_in("viewer")
    card = viewer.text(f"/admin/contact/{contact[1]}")
    assert "Send message" not in card
    assert "coming-action" not in card
    viewer.text(f"/admin/write/{contact[1]}", 403)
    assert viewer.post(f"/admin/planned/message/{message}/leave_out").status_code == 403
    assert viewer.post("/admin/planned/run/1/go_on").status_code == 403


@pytest.mark.databases("sqlite")
def test_nobody_writes_to_who_was_erased(logged_in, contact, now):
    person = logged_in("support")
    with writing() as session:
        session.get_one(Contact, contact[0]).erased_at = now
    assert person.get(f"/admin/write/{contact[1]}").status_code == 303
    assert "Send message" not in person.text(f"/admin/contact/{contact[1]}")


# What is planned.


@pytest.fixture
def planned(contact, now) -> tuple[int, int, str]:
    """A message that waits in a run, a run that waits, and the end of its wait."""
    with writing() as session:
        version = make_journey(session, now)
        first, second = next_ids(session, "enrolments", 2)
        until = (now + timedelta(hours=20)).isoformat()
        common = {"journey_id": "welcome", "version_id": version, "contact_id": contact[0], "entered_at": now,
                  "step_began_at": now, "status": "active"}  # fmt: skip
        message = add_message(session, contact[0], now + timedelta(hours=5), status="queued", subject="Later", kinds=())
        session.get_one(Message, message).enrolment_id = first
        session.add(Enrolment(id=first, entry_key="a", step_id="send_welcome_1", phase="sending",
                              wait={"kind": "message", "message": message}, **common))  # fmt: skip
        session.add(
                    Enrolment(id=second, entry_key="b", step_id="wait_after_send_welcome_1", phase="waiting",
                              due_at=now + timedelta(hours=20), wait={"kind": "wait", "until": until}, **common)
        )  # fmt: skip
    return message, second, until


def test_what_is_planned_is_left_out_put_back_sent_now_and_moved(stored, logged_in, contact, planned):
    person, (message, _, _) = logged_in("support", name="Dana Levi"), planned
    url, card = f"/admin/planned/message/{message}/", f"/admin/contact/{contact[1]}"
    for words in ("Leave out", "Send now", "Another time", "Go on now"):
        assert words in person.text(card), words
    person.post(url + "leave_out")
    assert messages(stored)[0].status == "skipped"
    assert "put_back" in person.text(card)
    person.post(url + "put_back")
    assert messages(stored)[0].status == "queued"
    person.post(url + "another_time", at="tomorrow 14:30")
    assert messages(stored)[0].not_before == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    shown = html.unescape(person.text(card))
    assert "Waits for the moment that a colleague chose." in shown
    assert "Dana Levi" in shown
    person.post(url + "undo")
    assert messages(stored)[0].not_before == NOON + timedelta(hours=5)
    person.post(url + "another_time", at="the day the cows come home")
    assert "text-danger" in person.text(f"/dates/echo?of={contact[1]}&text=nonsense")
    assert messages(stored)[0].not_before == NOON + timedelta(hours=5)
    person.post(url + "send_now")
    assert messages(stored)[0].not_before == NOON + timedelta(seconds=10)
    with writing() as session:
        session.get_one(Message, message).status = "on_wire"
    answer = person.post(url + "leave_out")
    assert "Too late: it is on its way." in html.unescape(person.text(answer.location))
    assert messages(stored)[0].status == "on_wire"


def test_a_wait_is_ended_moved_and_put_back(stored, logged_in, contact, planned):
    person, (_, run, until) = logged_in("support"), planned
    url = f"/admin/planned/run/{run}/"

    def due() -> datetime | None:
        stored.rollback()
        return stored.get_one(Enrolment, run).due_at

    person.post(url + "go_on", until=until)
    assert due() == NOON + timedelta(seconds=10)
    person.post(url + "undo")
    assert due() == NOON + timedelta(hours=20)
    person.post(url + "another_time", until=until, at="+3 days")
    assert due() == NOON + timedelta(days=3)
    answer = person.post(url + "go_on", until=until)  # a page from before
    assert "Too late" in person.text(answer.location)
    assert due() == NOON + timedelta(days=3)


def test_sending_outside_the_hours_is_asked_about_with_the_hour_there(stored, logged_in, contact, planned, now):
    person, (message, _, _) = logged_in("support"), planned
    with writing() as session:
        session.get_one(Message, message).rules = {"send_hours": {
            "days": [0, 1, 2, 3, 4, 5, 6], "from": "14:00", "to": "20:00", "holidays": "ignore", "calendar": None,
            "outside": "wait"}}  # fmt: skip
    url = f"/admin/planned/message/{message}/send_now"
    asked = html.unescape(person.post(url).text)
    assert re.search(r"It is \W*12:00\W* there", asked)
    assert "14:00" in asked
    assert messages(stored)[0].not_before == NOON + timedelta(hours=5)
    person.post(url, confirmed=1)
    assert (messages(stored)[0].not_before, messages(stored)[0].rules["send_hours"]) == (
        NOON + timedelta(seconds=10), "any",
    )  # fmt: skip


def test_a_moment_is_read_as_people_write_it(logged_in, contact):
    person = logged_in("support", language="fa", calendar="solar_hijri")
    said = person.text(
        f"/dates/echo?of={contact[1]}&text=%DB%B1%DB%B4%DB%B0%DB%B5/%DB%B9/%DB%B5 %DB%B1%DB%B4:%DB%B3%DB%B0"
    )
    assert "آذر" in said


@pytest.mark.databases("sqlite")
def test_why_says_that_a_person_chose_and_who(logged_in, contact, planned, now):
    person = logged_in("support", name="Dana Levi")
    with writing() as session:
        user = session.scalar(select(User.id).where(User.email == person.email))
        version = session.get_one(Enrolment, planned[1]).version_id
        session.add(
            StepRun(enrolment_id=planned[1], seq=0, step_id="wait_after_send_welcome_1", path="", version_id=version,
                    kind="wait", outcome="time_came", reason="wait_by_person", detail={"by": user}, began_at=now,
                    ended_at=now)
        )  # fmt: skip
    said = html.unescape(person.text(f"/admin/contact/{contact[1]}/why"))
    assert "A colleague chose the moment." in said
    assert "Dana Levi" in said
