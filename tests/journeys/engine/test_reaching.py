"""`reach`: one message, channel after channel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.consent.operations import opt_out
from panel.contacts.memberships import add_tag
from panel.journeys.models import StepRun
from panel.messages.reports import report
from panel.sdk.channels import Failed
from tests.journeys.engine.world import World

CARD = """
card:
  name: Card expired
  purpose: service
  start_when: [{event: card_expired}]
  re_enter: always
  review_after: 1 year
  steps:
    - reach:
        message: card
        until: clicked
        or_until:
          - event: card_updated
        try:
          - {via: email, give: 2 days}
          - {via: sms, give: 1 day}
        reached:
          - note: reached
        otherwise:
          - note: nobody
    - note: after
"""


@pytest.fixture
def card(world: World) -> World:
    world.template("card", channels=("email", "sms"))
    world.publish(CARD)
    return world


def outcome(world: World) -> tuple[str, int]:
    """How the reach step ended, and how many steps were taken after it."""
    trace = world.trace()
    return dict(trace)["reach_card"], len(trace) - 1


def tried(world: World) -> list[tuple[str, str]]:
    [row] = [one for one in world.rows(StepRun) if one.kind == "reach"]
    return [(one["channel"], one["outcome"]) for one in row.detail["tried"]]


def clicked(world: World, channel: str) -> None:
    [message] = world.messages(channel=channel)
    world.do(report, state="replied", at=world.now, source="test", key=message.our_message_id)


def test_a_click_on_the_first_channel_is_enough(card: World) -> None:
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(days=1))
    clicked(card, "email")
    card.play(timedelta(days=5))
    assert outcome(card)[0] == "event_came"
    assert [one.channel for one in card.messages()] == ["email"]
    assert card.runs()[0].status == "finished"


def test_without_an_answer_every_channel_is_tried_once_then_nobody_was_reached(card: World) -> None:
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(days=1, hours=23))
    assert [one.channel for one in card.messages()] == ["email"]
    card.play(timedelta(days=3))
    assert [one.channel for one in card.messages()] == ["email", "sms"]
    assert outcome(card)[0] == "timeout"
    assert tried(card) == [("email", "timeout"), ("sms", "timeout")]
    assert card.runs()[0].status == "finished"


def test_an_answer_to_the_first_channel_counts_while_the_second_is_tried(card: World) -> None:
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(days=2, hours=1))
    assert len(card.messages()) == 2
    clicked(card, "email")
    card.work()
    assert outcome(card)[0] == "event_came"
    assert card.runs()[0].status == "finished"


def test_the_other_event_ends_it_whatever_the_channels_say(card: World) -> None:
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(hours=1))
    card.event(dana, "card_updated")
    card.work()
    assert outcome(card)[0] == "event_came"
    assert len(card.messages()) == 1


def test_a_channel_that_may_not_be_used_is_passed_over_and_the_trace_says_so(card: World) -> None:
    dana = card.contact(emails=())
    card.event(dana, "card_expired")
    card.play(timedelta(days=2))
    assert [one.channel for one in card.messages()] == ["sms"]
    assert tried(card) == [("email", "no_address"), ("sms", "timeout")]


def test_a_failed_message_leads_to_the_next_channel_at_once(card: World) -> None:
    card.channels["email"].answer = lambda outgoing: Failed("failed_address", "no such mailbox")
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(minutes=1))
    assert [(one.channel, one.status) for one in card.messages()] == [("email", "failed"), ("sms", "sent")]


def test_a_late_bounce_does_not_use_up_the_time_of_the_channel(card: World) -> None:
    dana = card.contact()
    card.event(dana, "card_expired")
    card.play(timedelta(hours=3))
    [mail] = card.messages()
    card.do(report, state="bounced_hard", at=card.now, source="test", key=mail.our_message_id)
    card.work()
    assert [one.channel for one in card.messages()] == ["email", "sms"]


def test_nobody_can_be_reached_without_a_way(card: World) -> None:
    dana = card.contact(emails=(), phones=())
    card.event(dana, "card_expired")
    card.work()
    assert card.messages() == []
    assert outcome(card)[0] == "timeout"
    assert tried(card) == [("email", "no_address"), ("sms", "no_address")]


def test_an_attempt_has_a_condition_of_its_own(world: World) -> None:
    world.template("card", channels=("email", "sms"))
    world.publish(CARD.replace("{via: email, give: 2 days}", "{via: email, give: 2 days, only_if: {has_tag: mail}}"))
    dana = world.contact()
    world.event(dana, "card_expired")
    world.play(timedelta(hours=1))
    assert [one.channel for one in world.messages()] == ["sms"]


def test_the_preferred_channel_is_the_one_that_was_answered(world: World) -> None:
    world.template("card", channels=("email", "sms"))
    world.template("news", channels=("sms",))
    world.publish(
        """
news:
  name: News
  purpose: service
  start_when: [{event: asked}]
  re_enter: always
  review_after: 1 year
  steps: [{send: news}]
"""
    )
    world.publish(CARD.replace("via: email, give: 2 days", "via: preferred, give: 2 days"))
    dana, avi = world.contact("Dana"), world.contact("Avi")
    world.event(dana, "asked")
    world.work()
    clicked(world, "sms")
    for one in (dana, avi):
        world.event(one, "card_expired")
    world.work()
    first = {one.contact_id: one.channel for one in world.messages() if one.journey_id == "card"}
    assert first == {dana: "sms", avi: "email"}


def test_an_opt_out_between_two_channels_is_obeyed(world: World) -> None:
    world.template("card", channels=("email", "sms"))
    world.publish(CARD.replace("purpose: service", "purpose: marketing"))
    dana = world.contact()
    world.event(dana, "card_expired")
    world.play(timedelta(days=1))
    world.do(opt_out, dana, "sms", how="reply", wording="stop", source="test", now=world.now)
    world.play(timedelta(days=3))
    assert [one.channel for one in world.messages()] == ["email"]
    assert tried(world) == [("email", "timeout"), ("sms", "opted_out")]


def test_a_condition_that_becomes_true_ends_it_as_well(world: World) -> None:
    world.template("card", channels=("email", "sms"))
    world.publish(CARD.replace("- event: card_updated", "- becomes_true: {has_tag: fine}"))
    dana = world.contact()
    world.event(dana, "card_expired")
    world.play(timedelta(hours=1))
    world.do(add_tag, dana, "fine", now=world.now)
    world.work()
    assert outcome(world)[0] == "event_came"
    assert len(world.messages()) == 1
