"""One person writes to one contact: once, only where it is allowed, and never behind another message's back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from panel import clock
from panel.consent.operations import opt_out, suppress
from panel.contacts.erasing import erase
from panel.db import writing
from panel.errors import UserError
from panel.journeys import planned
from panel.messages import personal
from panel.messages.models import Message, Skeleton
from panel.messages.personal import Draft, Written
from panel.timeline.models import Event
from tests.journeys.engine.world import World

ME, DANA = 7, 8
URL = "https://panel.test"


class Writing:
    """Somebody at the form: it carries what it was made with."""

    def __init__(self, world: World, contact: int, by: int = ME) -> None:
        self.world, self.contact, self.by = world, contact, by
        self.after = world.do(personal.last_written, contact, by)
        latest = world.do(personal.latest, contact, world.now)
        self.seen = latest.id if latest else 0

    def draft(self, text: str = "Your parcel is here.", **more: Any) -> Draft:
        [way] = [
            one for one in self.world.do(personal.ways, self.contact, self.world.channels) if one.channel == "email"
        ]
        return Draft("email", way.address, more.pop("purpose", "service"), "Hello", text, **more)

    def send(self, draft: Draft | None = None) -> Written:
        return self.world.do(
            personal.write, self.contact, draft or self.draft(), by=self.by, after=self.after, seen=self.seen,
            channels=self.world.channels, public_url=URL,
        )  # fmt: skip

    def refused(self, code: str, draft: Draft | None = None) -> None:
        with pytest.raises(UserError) as error:
            self.send(draft)
        assert error.value.code == code


@pytest.fixture
def contact(world: World) -> int:
    return world.contact(consent=())


def test_it_goes_out_after_the_seconds_in_which_it_can_be_taken_back_and_says_who_wrote_it(world, contact):
    written = Writing(world, contact).send()
    world.play(timedelta(seconds=9))
    assert world.sent() == []
    world.play(timedelta(seconds=2))
    assert world.sent() == ["Hello\nYour parcel is here."]
    [message] = world.messages()
    assert (message.id, message.status) == (written.message_id, "sent")
    [line] = [one for one in world.rows(Event, contact_id=contact) if one.kind == "message_sent"]
    assert line.user_id == ME


def test_what_is_taken_back_in_time_is_not_sent(world, contact):
    written = Writing(world, contact).send()
    world.do(planned.leave_out, written.message_id, by=ME)
    world.play(timedelta(hours=1))
    assert world.sent() == []
    assert [one.status for one in world.messages()] == ["cancelled"]


def test_the_same_form_sent_again_is_the_same_message(world, contact):
    form = Writing(world, contact)
    first = form.send()
    assert form.send() == Written(first.message_id, False)
    world.play(timedelta(minutes=1))
    assert form.send() == Written(first.message_id, False)
    assert len(world.sent()) == 1


def test_two_tabs_make_one_message_and_other_words_are_asked_about(world, contact):
    one, other = Writing(world, contact), Writing(world, contact)
    first = one.send()
    assert other.send() == Written(first.message_id, False)
    other.refused("written_meanwhile", other.draft("Something else"))
    Writing(world, contact).send(other.draft("Something else"))
    world.play(timedelta(minutes=1))
    assert len(world.sent()) == 2


def test_two_tabs_in_the_same_moment_make_one_message(app: Flask, world, contact):
    form = Writing(world, contact)
    draft = form.draft()

    def send() -> Written:
        with app.app_context(), clock.hold(world.now), writing() as session:
            return personal.write(session, contact, draft, by=ME, after=form.after, seen=form.seen,
                                  channels=world.channels, public_url=URL)  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(send) for _ in range(4)]]
    assert sorted(one.is_new for one in found) == [False, False, False, True]
    assert len(world.messages()) == 1


def test_another_message_that_went_meanwhile_is_asked_about_again(world, contact):
    mine, dana = Writing(world, contact), Writing(world, contact, DANA)
    dana.send(dana.draft("Written by Dana"))
    mine.refused("message_meanwhile")
    again = Writing(world, contact)
    latest = world.do(personal.latest, contact, world.now)
    assert (again.seen, latest.is_planned) == (latest.id, True)
    again.send()  # told, and answered yes
    world.play(timedelta(days=2))
    assert world.do(personal.latest, contact, world.now) is None  # yesterday's are no news
    assert len(world.sent()) == 2


def test_an_offer_needs_consent_and_an_answer_does_not(world, contact):
    form = Writing(world, contact)
    form.refused("no_consent", form.draft(purpose="marketing"))
    world.do(opt_out, contact, "email", how="form", wording="", source="test", now=world.now)
    form.refused("opted_out", form.draft(purpose="marketing"))
    form.send()
    world.play(timedelta(minutes=1))
    assert len(world.sent()) == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [("complained", "suppressed_complaint"), ("hard_bounce", "suppressed_bounce"), ("manual", "suppressed_manual")],
)
def test_a_blocked_address_is_never_written_to(world, contact, reason, code):
    form = Writing(world, contact)
    draft = form.draft()
    world.do(suppress, "email", draft.address, reason, contact_id=contact, source="test", now=world.now)
    form.refused(code, draft)


def test_a_block_that_comes_in_the_last_seconds_stops_it(world, contact):
    form = Writing(world, contact)
    form.send()
    world.do(suppress, "email", form.draft().address, "manual", contact_id=contact, source="test", now=world.now)
    world.play(timedelta(minutes=1))
    assert world.sent() == []
    assert world.messages()[0].reason == "suppressed_manual"


def test_it_goes_to_the_address_that_was_chosen(world):
    contact = world.contact("Two Addresses", emails=("first@example.com", "second@example.com"))
    form = Writing.__new__(Writing)
    form.world, form.contact, form.by, form.after, form.seen = world, contact, ME, 0, 0
    form.send(Draft("email", "second@example.com", "service", "Hello", "To the second one"))
    form.after = world.do(personal.last_written, contact, ME)
    form.refused("no_address", Draft("email", "stranger@example.com", "service", "Hello", "Not hers"))
    world.play(timedelta(minutes=1))
    assert [one.address for one in world.channels["email"].sent] == ["second@example.com"]


def test_an_empty_merge_field_is_refused_until_something_stands_in_its_place(world, contact):
    form = Writing(world, contact)
    form.refused("empty_text", form.draft("  "))
    form.refused("field_empty", form.draft("Your number is [[customer number]]"))
    form.send(form.draft("Your number is [[customer number|not known yet]]"))
    world.play(timedelta(minutes=1))
    assert world.sent() == ["Hello\nYour number is not known yet"]


def test_limits_do_not_hold_it_but_it_counts_for_others(world):
    world.template("hello")
    world.publish("""
j:
  name: J
  purpose: service
  review_after: 6 months
  limits: {messages: [1 per day]}
  start_when: [{event: asked}]
  steps: [{send: hello}]
""")
    contact = world.contact()
    for text in ("one", "two"):
        form = Writing(world, contact)
        form.send(form.draft(text))
        world.play(timedelta(minutes=1))
    assert len(world.sent()) == 2
    world.event(contact, "asked")
    world.work()
    assert [(one.status, one.reason) for one in world.messages(journey_id="j")] == [("queued", "postponed_limit")]


def test_who_chose_the_morning_is_held_to_the_hours_and_who_chose_now_is_not(world):
    world.now = world.now.replace(hour=21)  # 23:00 in Jerusalem
    contact = world.contact(time_zone="Asia/Jerusalem")
    there = world.do(planned.hour_there, contact, world.now)
    assert (there.is_open, f"{there.opens_at.astimezone(there.zone):%H:%M}") == (False, "08:00")
    form = Writing(world, contact)
    form.send(replace(form.draft("In the morning"), at=there.opens_at, hours=planned.COURTEOUS))
    form = Writing(world, contact)
    form.send(form.draft("At once"))
    world.play(timedelta(minutes=1))
    assert world.sent() == ["Hello\nAt once"]
    world.play(timedelta(hours=10))
    assert len(world.sent()) == 2


def test_what_was_written_to_a_contact_is_forgotten_with_them(world, contact):
    written = Writing(world, contact).send()
    world.play(timedelta(minutes=1))
    other = world.contact("Somebody Else", consent=())
    Writing(world, other).send()
    world.play(timedelta(minutes=1))
    world.do(erase, contact, now=world.now)
    mine, theirs = world.messages()
    assert mine.id == written.message_id
    assert (mine.status, mine.inline, mine.subject, mine.address, mine.values) == ("sent", None, None, None, None)
    assert theirs.inline["text"] == "Your parcel is here."
    assert [one.sha256 for one in world.rows(Skeleton)] == [theirs.skeleton]


def test_one_that_has_lost_its_address_is_skipped_and_keeps_nobody_elses_back(world, contact):
    lost = Writing(world, contact).send()
    Writing(world, world.contact("Noa Cohen", consent=())).send()
    with writing() as session:
        session.get_one(Message, lost.message_id).address = None
    world.play(timedelta(seconds=12))
    assert len(world.sent()) == 1
    assert [(one.status, one.reason) for one in world.messages(id=lost.message_id)] == [("skipped", "no_address")]
