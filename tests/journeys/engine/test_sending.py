"""When a message goes, when it waits, when it is skipped, and what happens when nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel import clock
from panel.consent.operations import opt_out
from panel.contacts.memberships import add_tag
from panel.issues.models import Issue
from panel.journeys.by_hand import retry, settle, start_by_hand, take_out
from panel.journeys.engine import deliver as delivering
from panel.journeys.engine import verbs
from panel.journeys.engine.advance import advance
from panel.journeys.models import Journey
from panel.messages.models import Message
from panel.messages.templates import Form, save_template
from panel.sdk.channels import Deferred, Failed, Outgoing, Sent, Unknown
from panel.sdk.errors import Misconfigured, TryLater
from tests.journeys.engine.world import World

JOURNEY = """
reminder:
  name: Reminder
  purpose: %(purpose)s
  start_when: [{manual: yes}]
  exclude_if: {has_tag: disputed}
  stop_when: [{event: order_paid}]
  re_enter: always
  review_after: 1 year
  %(more)s
  steps:
    - send: {message: bill, via: %(via)s}
    - wait: 1 day
    - send: {message: bill, via: %(via)s}
      id: second
"""


def set_up(world: World, more: str = "too_late_after: 5 days", purpose: str = "service", via: str = "email") -> int:
    world.template("bill", channels=("email", "sms"))
    world.publish(JOURNEY % {"more": more.replace("\n", "\n  "), "purpose": purpose, "via": via})
    contact = world.contact()
    start(world, contact)
    return contact


def start(world: World, contact: int) -> None:
    outcome = world.do(start_by_hand, contact, "reminder", now=world.now)
    assert outcome.code == "entered", outcome


HOURS = """send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 17:00}
fallback_time_zone: Asia/Jerusalem"""


def test_a_message_planned_at_night_waits_for_the_morning_of_the_contact(world: World) -> None:
    world.now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # Tuesday, 03:00 in Jerusalem
    set_up(world, HOURS)
    world.play(timedelta(hours=5, minutes=59))
    assert world.sent() == []
    world.play(timedelta(minutes=2))
    [first, *_] = world.messages()
    assert first.wire_at == datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


def test_thursday_evening_is_sent_on_sunday_and_is_not_called_late(world: World) -> None:
    world.now = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
    set_up(world, HOURS + "\ntoo_late_after: 1 day")
    world.play(timedelta(days=4))
    first = world.messages()[0]
    assert (first.status, first.wire_at) == ("sent", datetime(2026, 11, 29, 7, 0, tzinfo=UTC))


def test_a_contact_in_tehran_is_written_to_by_the_clock_of_tehran(world: World) -> None:
    world.now = datetime(2026, 11, 23, 6, 45, tzinfo=UTC)  # 08:45 in Jerusalem, 10:15 in Tehran
    world.template("bill")
    world.publish(JOURNEY % {"more": HOURS.replace("\n", "\n  "), "purpose": "service", "via": "email"})
    contact = world.contact("سارا احمدی", time_zone="Asia/Tehran")
    start(world, contact)
    world.work()
    assert len(world.sent()) == 1


def test_a_limit_holds_the_second_message_until_there_is_room(world: World) -> None:
    set_up(world, "limits: {messages: 1 per 2 days, when_over: wait}")
    world.play(timedelta(days=1, minutes=1))
    assert len(world.sent()) == 1
    assert world.messages()[1].reason == "postponed_limit"
    world.play(timedelta(days=2))
    assert len(world.sent()) == 2


def test_a_limit_can_skip_instead(world: World) -> None:
    set_up(world, "limits: {messages: 1 per 7 days, when_over: skip}")
    world.play(timedelta(days=3))
    assert [one.reason for one in world.messages()] == [None, "skipped_limit"]
    assert world.runs()[0].status == "finished"


def test_messages_of_all_journeys_count_against_a_limit(world: World) -> None:
    contact = set_up(world, "limits: {messages: 1 per day, when_over: wait}")
    world.publish((JOURNEY % {"more": "limits: {messages: 1 per day}", "purpose": "service", "via": "email"}).replace(
        "reminder:", "other:"))  # fmt: skip
    assert world.do(start_by_hand, contact, "other", now=world.now).code == "entered"
    world.work()
    assert len(world.sent()) == 1


def test_a_corrected_text_reaches_those_whose_message_waits_for_its_hour(world: World) -> None:
    world.now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    set_up(world, HOURS)
    world.work()
    world.do(save_template, "bill", [Form("email", subject="bill", text="[[first name]], the bill is 5")])
    world.play(timedelta(hours=7))
    assert world.sent() == ["bill\nDana, the bill is 5"]


def test_too_late_is_skipped_and_the_journey_goes_on(world: World) -> None:
    set_up(world, "too_late_after: 2 hours")
    world.do(lambda session: setattr(session.get_one(Journey, "reminder"), "state", "paused"))
    world.play(timedelta(hours=3))
    assert world.sent() == []
    world.do(lambda session: setattr(session.get_one(Journey, "reminder"), "state", "live"))
    world.play(timedelta(minutes=1))
    # The run stood still with the journey, so its first message is planned only now and is not late.
    assert len(world.sent()) == 1


def test_an_outage_longer_than_too_late_skips(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(world, "too_late_after: 2 hours")
    world.channels["email"].answer = lambda _: Deferred("down", timedelta(hours=3))
    world.work()
    world.channels["email"].answer = lambda outgoing: Sent(None)
    world.play(timedelta(hours=4))
    assert world.messages()[0].reason == "skipped_too_late"
    assert world.sent() == []


def test_an_opt_out_between_planning_and_sending_is_obeyed(world: World) -> None:
    contact = set_up(world, HOURS, purpose="marketing")
    world.now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    second = world.contact("Roni Bar")
    start(world, second)
    world.work()
    world.do(opt_out, second, "email", how="one_click", wording="", source="test", now=world.now)
    world.play(timedelta(days=1))
    refused = [one for one in world.messages(contact_id=second)]
    assert {one.reason for one in refused} == {"opted_out"}
    assert contact != second


def test_exclude_if_is_looked_at_again_before_every_message(world: World) -> None:
    contact = set_up(world)
    world.play(timedelta(hours=1))
    world.do(add_tag, contact, "disputed", now=world.now)
    world.play(timedelta(days=2))
    assert len(world.sent()) == 1
    assert world.runs()[0].reason == "excluded"
    assert world.messages()[1].reason == "excluded"


def test_a_stop_that_was_stored_but_not_yet_routed_still_stops_the_message(world: World) -> None:
    contact = set_up(world, HOURS)
    world.play(timedelta(days=1, hours=-1))
    world.now += timedelta(hours=1, minutes=1)
    world.event(contact, "order_paid", amount="10")
    with clock.hold(world.now):
        advance()
        delivering.deliver("email")
    assert len(world.sent()) == 1
    assert world.runs()[0].status == "stopped"


@pytest.mark.parametrize(
    ("answer", "told"), [(lambda _: Unknown("cut off"), []), (lambda _: 1 / 0, ["channel_failed"])]
)
def test_doubt_is_shown_stands_still_and_is_never_repeated_by_itself(
    world: World, answer: Any, told: list[str]
) -> None:
    set_up(world)
    world.channels["email"].answer = answer
    world.play(timedelta(days=3))
    [message] = world.messages()
    assert (message.status, world.runs()[0].status, world.runs()[0].phase) == ("unknown", "active", "sending")
    assert sorted(one.code for one in world.rows(Issue, state="open")) == [*told, "message_unknown"]
    world.channels["email"].answer = lambda outgoing: Sent(None)
    assert world.do(settle, [message.id], "arrived", user_id=1, now=world.now) == 1
    assert world.do(settle, [message.id], "send_again", user_id=2, now=world.now) == 0
    world.play(timedelta(days=2))
    assert len(world.sent()) == 1
    assert world.rows(Issue, state="open") == []  # that of the channel has closed: it answers again
    assert world.runs()[0].status == "finished"


def test_send_again_repeats_the_identical_message_under_its_key(world: World) -> None:
    set_up(world)
    seen: list[Outgoing] = []

    def doubtful(outgoing: Outgoing) -> Unknown:
        seen.append(outgoing)
        return Unknown("cut off")

    world.channels["email"].answer = doubtful
    world.work()
    world.channels["email"].answer = lambda outgoing: Sent(None)
    world.do(settle, [world.messages()[0].id], "send_again", now=world.now)
    world.work()
    [again] = world.channels["email"].sent
    assert (again.key, again.payload) == (seen[0].key, seen[0].payload)


def test_a_certain_no_is_kept_with_its_reason_and_the_journey_goes_on(world: World) -> None:
    set_up(world)
    world.channels["email"].answer = lambda _: Failed("failed_address", "550 5.1.1 no such user", suppress=True)
    world.play(timedelta(days=3))
    assert [(one.status, one.reason) for one in world.messages()] == [
        ("failed", "failed_address"),
        ("skipped", "suppressed_bounce"),
    ]
    assert world.runs()[0].status == "finished"


@pytest.mark.parametrize("error", [TryLater("busy"), Misconfigured("password", "535 refused")])
def test_trouble_with_the_connection_rests_the_channel_and_loses_nothing(world: World, error: Exception) -> None:
    set_up(world)

    def broken(_: Outgoing) -> Sent:
        raise error

    world.channels["email"].answer = broken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.channels["email"], "send", lambda batch, wire: broken(batch[0]))
        world.work()
        assert world.messages()[0].status == "queued"
        assert [one.code for one in world.rows(Issue, state="open")] == ["channel_in_trouble"]
    world.channels["email"].answer = lambda outgoing: Sent(None)
    world.play(timedelta(hours=1))
    assert len(world.sent()) == 1
    assert world.rows(Issue, state="open") == []


def test_a_missing_template_holds_the_contact_with_an_issue_and_retry_goes_on(world: World) -> None:
    world.publish(JOURNEY % {"more": "too_late_after: 5 days", "purpose": "service", "via": "email"})
    start(world, world.contact())
    world.work()
    [run] = world.runs()
    assert (run.status, run.reason) == ("held", "held_missing_template")
    [issue] = world.rows(Issue, state="open")
    assert "bill" in issue.sentence % issue.params
    world.template("bill")
    world.do(retry, [run.id], now=world.now)
    world.work()
    assert len(world.sent()) == 1


def test_a_missing_value_holds_the_message_and_retry_sends_it(world: World) -> None:
    world.template("bill", "You owe [[amount due]]")
    world.publish(JOURNEY % {"more": "too_late_after: 5 days", "purpose": "service", "via": "email"})
    start(world, world.contact())
    world.work()
    assert (world.runs()[0].status, world.messages()[0].status) == ("held", "held")
    assert world.sent() == []


def test_a_poison_run_is_held_alone_and_the_others_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.template("bill")
    world.publish(JOURNEY % {"more": "too_late_after: 5 days", "purpose": "service", "via": "email"})
    contacts = [world.contact(f"Contact {n}") for n in range(12)]
    for contact in contacts:
        start(world, contact)
    real = verbs.VERBS["send"]

    def poisoned(batch: Any, step: Any, group: Any) -> None:
        if any(run.contact_id == contacts[7] for run in group):
            raise RuntimeError("poison")
        real(batch, step, group)

    monkeypatch.setitem(verbs.VERBS, "send", poisoned)
    world.work()
    held = world.runs(status="held")
    assert [one.contact_id for one in held] == [contacts[7]]
    assert len(world.sent()) == 11


def test_one_run_per_invoice_and_the_payment_stops_only_its_own(world: World) -> None:
    world.template("bill", "Invoice [[invoice number]]", channels=("email", "sms"))
    world.publish("""
overdue:
  name: Overdue
  purpose: service
  start_when: [{event: accounting.invoice_overdue, where: [{field: event.amount_due, more_than: "50"}]}]
  one_per: event.invoice_number
  re_enter: always
  stop_when:
    - event: accounting.invoice_paid
      where: [{field: event.invoice_number, is: run.invoice_number}]
  review_after: 1 year
  steps:
    - send: bill
    - wait: 7 days
    - send: {message: bill, via: sms}
      id: second
""")
    contact = world.contact()
    for number, amount in (("A1", "100"), ("A2", "1,000"), ("A3", "20")):
        world.event(contact, "accounting.invoice_overdue", invoice_number=number, amount_due=amount.replace(",", ""))
    world.play(timedelta(days=1))
    assert sorted(one.entry_key for one in world.runs()) == ["A1", "A2"]
    world.event(contact, "accounting.invoice_paid", invoice_number="A1")
    world.play(timedelta(days=8))
    assert {one.entry_key: one.status for one in world.runs()} == {"A1": "stopped", "A2": "finished"}


def test_taking_out_cancels_what_was_queued(world: World) -> None:
    world.now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    set_up(world, HOURS)
    world.work()
    world.do(take_out, world.runs()[0].id, user_id=1, now=world.now)
    world.play(timedelta(days=3))
    assert world.sent() == []
    assert [(one.status, one.reason) for one in world.rows(Message)] == [("cancelled", "stopped")]


def test_the_first_usable_channel_is_taken_not_both(world: World) -> None:
    world.template("bill", channels=("email", "sms"))
    world.publish(JOURNEY % {"more": "too_late_after: 5 days", "purpose": "service", "via": "[email, sms]"})
    start(world, world.contact("Only Phone", emails=()))
    world.work()
    assert (world.sent("email"), len(world.sent("sms"))) == ([], 1)
