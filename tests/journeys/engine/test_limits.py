"""How often one contact, and one address, may be messaged: across journeys, by priority, at the earliest moment."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from panel import clock
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.operations import update_contact
from panel.db import writing
from panel.issues.models import Issue
from panel.journeys import by_hand
from panel.journeys.engine import marking
from panel.journeys.engine.advance import advance
from panel.journeys.engine.counted import lock_addresses
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.limits import FAMILY, Cap, worst_over
from panel.journeys.engine.looking_again import in_another_version
from panel.journeys.engine.route import route
from panel.journeys.language.scalars import limit as read_limit
from panel.journeys.models import Journey, JourneyVersion
from panel.plugin_manager import manager
from panel.sdk.channels import Failed, Outgoing, Result, Sent, Unknown
from panel.sdk.holidays import HolidayCalendar
from tests.journeys.engine.world import World

JERUSALEM = ZoneInfo("Asia/Jerusalem")
DAY = {"count": 1, "per": {"months": 0, "days": 1, "seconds": 0}, "calendar": True}
DAY_EXACT = {"count": 1, "per": {"months": 0, "days": 0, "seconds": 86_400}, "calendar": False}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=JERUSALEM)


def journey(name: str, *lines: str, steps: str = "- send: note", start: str = "go") -> str:
    said = ["purpose: marketing", "review_after: 1 year", *lines]
    said = [one for n, one in enumerate(said) if one.split(":")[0] not in [o.split(":")[0] for o in said[n + 1 :]]]
    head = [f"{name}:", f"  name: {name}", f"  start_when: {{tag_added: {start}}}", *(f"  {one}" for one in said)]
    return "\n".join([*head, "  steps:", *(f"    {line}" for line in steps.splitlines())])


def family(world: World, *names: str) -> list[int]:
    """Contacts that share one mailbox (as an import of two books leaves them)."""
    contacts = [world.contact(name) for name in names]
    with writing() as session:
        for contact in contacts:
            address = session.query(ContactAddress).filter_by(contact_id=contact, kind="email").one()
            address.value = address.shown = "family@example.com"
    return contacts


def start(world: World, *contacts: int, tag: str = "go") -> None:
    for contact in contacts:
        world.event(contact, "tag_added", tag=tag)


def sent(world: World, **where: Any) -> list[str]:
    return [
        f"{one.journey_id} {one.wire_at.astimezone(JERUSALEM):%d %H:%M}"
        for one in world.messages(status="sent", **where)
    ]


# --- the pure rule ---------------------------------------------------------------------------------------------------


def test_a_place_that_is_kept_for_today_counts_today_and_not_for_tomorrow() -> None:
    over = worst_over([Cap(DAY, [at(22, 15)])], at(22, 10), JERUSALEM)
    assert over is not None
    assert over.free_at == at(23, 0)
    assert worst_over([Cap(DAY, [at(23, 9)])], at(22, 10), JERUSALEM) is None


def test_a_place_within_24_hours_counts_for_an_exact_limit() -> None:
    over = worst_over([Cap(DAY_EXACT, [at(23, 9)])], at(22, 10), JERUSALEM)
    assert over is not None
    assert over.free_at > at(24, 9)
    assert worst_over([Cap(DAY_EXACT, [at(23, 11)])], at(22, 10), JERUSALEM) is None


def test_what_went_and_a_place_kept_later_fill_no_window_that_does_not_hold_both() -> None:
    two_in_three_days = read_limit("2 per 3 days")
    assert worst_over([Cap(two_in_three_days, [at(21, 10), at(25, 10)])], at(23, 10), JERUSALEM) is None
    full = worst_over([Cap(two_in_three_days, [at(22, 10), at(24, 10)])], at(23, 10), JERUSALEM)
    assert full is not None
    assert full.free_at == at(25, 0)
    two_in_36_hours = read_limit("2 per 36 hours")
    assert worst_over([Cap(two_in_36_hours, [at(22, 10), at(24, 8)])], at(23, 10), JERUSALEM) is None


def test_a_limit_of_nothing_lets_nothing_through_and_stops_nobody_else(world: World) -> None:
    """No checker lets it pass now; a version that was published before one that refused it may still say so."""
    world.template("note")
    dana, yossi = world.contact("Dana"), world.contact("Yossi")
    world.publish(journey("never", "limits: {messages: 1 per day}", "too_late_after: 2 days"))
    world.publish(journey("other", start="two"))
    with writing() as session:
        version = session.query(JourneyVersion).filter_by(journey_id="never").one()
        settings = version.resolved["settings"]
        nothing = {**settings["limits"], "messages": [{**settings["limits"]["messages"][0], "count": 0}]}
        version.resolved = {**version.resolved, "settings": {**settings, "limits": nothing}}
    start(world, dana)
    start(world, yossi, tag="two")
    world.work()
    assert sent(world) == ["other 22 10:00"]
    assert [(one.status, one.reason) for one in world.messages(journey_id="never")] == [("skipped", "skipped_limit")]


def test_the_rule_of_the_family_is_a_calendar_day() -> None:
    late = worst_over([Cap(FAMILY, [at(22, 23)], family=True)], at(22, 23, 30), JERUSALEM)
    assert late is not None
    assert (late.free_at, late.family) == (at(23, 0), True)


# --- in the engine ---------------------------------------------------------------------------------------------------

WORKING = "send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00}"


def test_it_is_put_off_to_the_earliest_moment_that_hours_and_limits_allow_in_one_step(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("first", "limits: {messages: 1 per day}"))
    world.publish(journey("second", "limits: {messages: 1 per day}", WORKING, "too_late_after: 5 days", start="two"))
    world.now = at(26, 12).astimezone(UTC)  # a Thursday
    start(world, dana)
    world.work()
    start(world, dana, tag="two")
    world.work()
    [message] = world.messages(journey_id="second")
    assert message.not_before == at(29, 9)  # Sunday morning, not midnight
    assert len(message.detail["postponed"]) == 1
    assert message.reason == "postponed_limit"
    world.play(timedelta(days=5))
    assert sent(world) == ["first 26 12:00", "second 29 09:00"]


def test_what_finds_no_place_before_it_is_too_late_is_left_out_by_name_at_once(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("first", "limits: {messages: 1 per week}"))
    world.publish(journey("second", "limits: {messages: 1 per week}", "too_late_after: 2 days", start="two"))
    start(world, dana)
    world.work()
    start(world, dana, tag="two")
    world.work()
    [message] = world.messages(journey_id="second")
    assert (message.status, message.reason) == ("skipped", "skipped_limit")
    assert message.detail["limit"]["count"] == 1


@pytest.mark.parametrize(("early", "late", "expected"), [
    (5, 2, ["urgent 22 15:00", "early 23 10:00"]),
    (2, 5, ["early 22 10:00", "urgent 23 15:00"]),
    (5, 5, ["early 22 10:00", "urgent 23 15:00"]),
])  # fmt: skip
def test_the_last_place_of_the_day_is_kept_for_what_is_more_urgent(
    world: World, early: int, late: int, expected: list[str]
) -> None:
    world.template("note")
    dana = world.contact()
    limit = "limits: {messages: 1 per day}"
    world.publish(journey("urgent", limit, f"priority: {late}", "send_hours: {from: 15:00, to: 20:00}", start="two"))
    world.publish(journey("early", limit, f"priority: {early}", "send_hours: {from: 10:00, to: 20:00}"))
    start(world, dana, tag="two")
    world.work()
    start(world, dana)
    world.play(timedelta(days=3))
    assert sorted(sent(world), key=lambda one: one.split()[1:]) == expected


def test_a_paused_journey_keeps_no_place(world: World) -> None:
    world.template("note")
    dana = world.contact()
    limit = "limits: {messages: 1 per day}"
    world.publish(journey("urgent", limit, "priority: 1", "send_hours: {from: 15:00, to: 20:00}", start="two"))
    world.publish(journey("early", limit))
    start(world, dana, tag="two")
    world.work()
    with writing() as session:
        session.get_one(Journey, "urgent").state = "paused"
    start(world, dana)
    world.work()
    assert sent(world) == ["early 22 10:00"]


def test_one_journey_writes_to_one_address_once_a_day(world: World) -> None:
    world.template("note")
    people = family(world, "Dana", "Yossi", "Noa")
    world.publish(journey("letters", WORKING, "too_late_after: 10 days"))
    start(world, *people)
    world.play(timedelta(days=4))
    assert sent(world) == ["letters 22 10:00", "letters 23 09:00", "letters 24 09:00"]
    postponed = [one["reason"] for message in world.messages() for one in message.detail.get("postponed", ())]
    assert set(postponed) == {"postponed_address"}


def test_two_messages_of_one_contact_on_a_day_are_no_family(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("twice", steps="- send: note\n- wait: 1 hour\n- send: note\n  id: again"))
    start(world, dana)
    world.play(timedelta(hours=3))
    assert sent(world) == ["twice 22 10:00", "twice 22 11:00"]


def test_another_journey_may_write_to_the_same_address_and_its_limit_counts_both(world: World) -> None:
    world.template("note")
    dana, yossi = family(world, "Dana", "Yossi")
    world.publish(journey("first"))
    world.publish(journey("second", start="two"))
    world.publish(journey("third", "limits: {messages: 2 per day}", start="three"))
    start(world, dana)
    start(world, yossi, tag="two")
    world.work()
    assert sent(world) == ["first 22 10:00", "second 22 10:00"]
    start(world, dana, tag="three")
    world.play(timedelta(days=1))
    assert sent(world)[2:] == ["third 23 00:00"]


def test_a_service_message_that_ignores_limits_is_counted_but_not_held(world: World) -> None:
    world.template("note")
    pair = family(world, "Dana", "Yossi")
    world.publish(journey("receipt", "purpose: service", steps="- send: {message: note, ignore_limits: yes}"))
    world.publish(journey("offer", "limits: {messages: 1 per day, when_over: skip}", start="two"))
    start(world, *pair)
    world.work()
    start(world, pair[0], tag="two")
    world.work()
    assert sent(world) == ["receipt 22 10:00", "receipt 22 10:00"]
    assert [one.reason for one in world.messages(journey_id="offer")] == ["skipped_limit"]


@pytest.mark.databases("postgresql")
def test_two_workers_take_turns_at_an_address(app: Flask) -> None:
    inside, done = threading.Event(), threading.Event()

    def second() -> None:
        with app.app_context(), writing() as session:
            inside.set()
            lock_addresses(session, ["b@example.com", "family@example.com"])
            done.set()

    worker = threading.Thread(target=second)
    with writing() as session:
        lock_addresses(session, ["family@example.com", "a@example.com"])
        worker.start()
        assert inside.wait(20)
        assert not done.wait(0.3)
    assert done.wait(20)
    worker.join(20)


# --- hours that have something to say --------------------------------------------------------------------------------


def test_t10_a_holiday_is_named_as_what_is_in_the_way(world: World) -> None:
    world.template("note")
    world.now = datetime(2026, 9, 20, 19, 0, tzinfo=JERUSALEM).astimezone(UTC)  # the evening that Yom Kippur begins
    dana = world.contact()
    hours = "send_hours: {from: 09:00, to: 20:00, holidays: skip, calendar: israel_with_eves}"
    world.publish(journey("soon", hours, steps="- send: note"))
    start(world, dana)
    world.work()
    [message] = world.messages()
    assert message.not_before == datetime(2026, 9, 22, 9, 0, tzinfo=JERUSALEM)
    world.play(timedelta(days=3))
    assert sent(world) == ["soon 22 09:00"]


def test_t10_a_holiday_met_at_the_claim_is_the_reason_with_its_name(world: World) -> None:
    world.template("note")
    world.now = datetime(2026, 9, 20, 10, 0, tzinfo=JERUSALEM).astimezone(UTC)
    dana = world.contact(time_zone="Asia/Jerusalem")
    hours = "send_hours: {from: 12:00, to: 20:00, holidays: skip, calendar: israel}"
    world.publish(journey("soon", hours))
    start(world, dana)
    world.work()
    world.now = datetime(2026, 9, 21, 13, 0, tzinfo=JERUSALEM).astimezone(UTC)  # nothing ran until Yom Kippur
    world.work()
    [message] = world.messages()
    assert message.reason == "postponed_holiday"
    assert message.detail["postponed"][0]["holiday"] == {
        "name": "Yom Kippur", "day": "2026-09-21", "calendar": "israel"
    }  # fmt: skip
    assert message.not_before == datetime(2026, 9, 22, 12, 0, tzinfo=JERUSALEM)


def test_a_calendar_that_is_gone_holds_messages_back_and_a_person_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.template("note")
    dana = world.contact()
    market = HolidayCalendar("market", "Market days", lambda _day: None)
    here = {"market": market}
    monkeypatch.setattr(type(manager.current()), "holiday_calendars", lambda _self: here)
    world.publish(journey("soon", "send_hours: {from: 09:00, to: 20:00, holidays: skip, calendar: market}"))
    start(world, dana)
    here.clear()
    world.work()
    assert [(one.status, one.reason) for one in world.messages()] == [("queued", "held_calendar")]
    assert [(one.code, one.params["calendar"]) for one in world.rows(Issue)] == [("held_calendar", "market")]
    here["market"] = market
    world.play(timedelta(hours=1))
    assert sent(world) == ["soon 22 10:10"]


def test_hours_that_never_open_hold_messages_back_and_a_person_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.template("note")
    dana = world.contact()
    always = {"closed": HolidayCalendar("closed", "Always closed", lambda _day: "closed for good")}
    monkeypatch.setattr(type(manager.current()), "holiday_calendars", lambda _self: always)
    world.publish(journey("never", "send_hours: {from: 09:00, to: 20:00, holidays: skip, calendar: closed}"))
    start(world, dana)
    world.play(timedelta(days=5))
    assert [(one.status, one.reason) for one in world.messages()] == [("skipped", "skipped_too_late")]
    assert [issue.code for issue in world.rows(Issue)] == ["hours_never_open"]


def test_outside_skip_leaves_out_what_is_meant_for_a_closed_moment(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("never", "send_hours: {from: 11:00, to: 20:00, outside: skip}"))
    start(world, dana)
    world.work()
    assert [(one.status, one.reason) for one in world.messages()] == [("skipped", "skipped_hours")]
    assert [run.status for run in world.runs()] == ["finished"]


def test_t05_a_zone_that_changes_while_a_message_waits_is_judged_again_once(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("soon", WORKING, "too_late_after: 2 hours"))
    world.now = at(22, 6).astimezone(UTC)  # a Sunday; still Saturday evening in New York
    start(world, dana)
    world.work()
    with writing() as session:
        session.get_one(Contact, dana).time_zone = "America/New_York"
    world.play(timedelta(days=1))
    # 09:00 in Jerusalem is two in the morning there; it is still in time on her clock.
    assert sent(world) == ["soon 22 16:00"]
    assert [one["reason"] for one in world.messages()[0].detail["postponed"]] == ["postponed_hours"]


# --- what was put off looks again when it may go sooner ---------------------------------------------------------------

DAILY = "limits: {messages: 1 per day}"


def test_what_is_put_off_in_a_batch_leaves_its_place_to_the_next(world: World) -> None:
    world.template("note")
    dana, yossi = family(world, "Dana", "Yossi")
    world.publish(journey("weekly", "limits: {messages: 1 per week}", "priority: 2", "re_enter: always"))
    world.publish(journey("daily", DAILY, start="two"))
    start(world, dana)
    world.play(timedelta(days=1))
    start(world, dana)
    start(world, yossi, tag="two")
    world.work()
    assert sent(world) == ["weekly 22 10:00", "daily 23 10:00"]


def test_t05_who_moves_to_another_clock_is_not_kept_waiting_for_the_old_one(world: World) -> None:
    world.template("note")
    people = [world.contact(name, time_zone="America/New_York") for name in ("Dana", "Yossi")]
    world.publish(journey("soon", "send_hours: {from: 09:00, to: 12:00}"))
    world.now = at(22, 6).astimezone(UTC)
    start(world, *people)
    world.work()
    world.do(update_contact, people[0], {"time_zone": "Asia/Jerusalem"})
    world.play(timedelta(days=1))
    assert sent(world) == ["soon 22 09:00", "soon 22 16:00"]


def test_the_place_of_a_message_that_is_called_off_is_taken_today(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("urgent", DAILY, "priority: 2", "send_hours: {from: 15:00, to: 20:00}", start="two"))
    world.publish(journey("early", DAILY))
    start(world, dana, tag="two")
    world.work()
    start(world, dana)
    world.play(timedelta(hours=1))
    assert sent(world) == []
    [urgent] = world.runs(journey_id="urgent")
    world.do(by_hand.take_out, urgent.id)
    world.work()
    assert sent(world) == ["early 22 11:00"]


def test_the_place_of_a_message_that_failed_is_taken_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.template("note")
    world.template("text", channels=("sms",))
    dana = world.contact()
    world.publish(journey("mails", DAILY))
    world.publish(journey("texts", DAILY, start="two", steps="- send: text"))

    def fails_while_another_worker_looks_at_the_other(_outgoing: Outgoing) -> Result:
        assert deliver("sms") == 1
        return Failed("failed_provider", "the server said no")

    monkeypatch.setattr(world.channels["email"], "answer", fails_while_another_worker_looks_at_the_other)
    start(world, dana)
    start(world, dana, tag="two")
    world.now += timedelta(seconds=1)
    with clock.hold(world.now):
        route()
        advance()
        assert deliver("email") == 1
    [text] = world.messages(journey_id="texts")
    assert [one["reason"] for one in text.detail["postponed"]] == ["postponed_limit"]
    world.play(timedelta(minutes=1))
    assert sent(world) == ["texts 22 10:00"]


def test_the_place_of_a_message_in_doubt_is_free_when_a_person_gives_it_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.template("note")
    dana = world.contact()
    weekly = "limits: {messages: 1 per week}"
    world.publish(journey("first", weekly))
    world.publish(journey("second", weekly, "too_late_after: 10 days", start="two"))
    monkeypatch.setattr(world.channels["email"], "answer", lambda _outgoing: Unknown("no answer"))
    start(world, dana)
    world.work()
    monkeypatch.setattr(world.channels["email"], "answer", lambda outgoing: Sent(f"p{outgoing.message_id}"))
    start(world, dana, tag="two")
    world.play(timedelta(hours=2))
    assert sent(world) == []
    [doubt] = world.messages(journey_id="first")
    world.do(by_hand.settle, [doubt.id], "skip")
    world.work()
    assert sent(world) == ["second 22 12:00"]


def test_a_message_in_doubt_counts_though_it_is_to_be_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("again", "send_hours: {from: 09:00, to: 10:30}", "on_unknown: send_again"))
    world.publish(journey("other", DAILY, start="two"))

    monkeypatch.setattr(world.channels["email"], "answer", lambda _outgoing: Unknown("no answer"))
    start(world, dana)
    with clock.hold(world.now):
        route()
        advance()
        assert deliver("email") == 1
    monkeypatch.setattr(world.channels["email"], "answer", lambda outgoing: Sent(f"p{outgoing.message_id}"))
    world.now += timedelta(hours=1)  # the hours are over
    start(world, dana, tag="two")
    world.play(timedelta(days=3))
    assert sent(world) == ["again 23 09:00", "other 23 00:00"]


def test_hours_that_close_while_a_worker_waits_for_the_contact_are_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("soon", "send_hours: {from: 09:00, to: 20:00}"))
    really = marking.lock_contacts
    start(world, dana)
    with clock.hold(at(22, 19, 59).astimezone(UTC)), ExitStack() as later:

        def wait_for_another_worker(session: Any, contacts: Any) -> None:
            really(session, contacts)
            later.enter_context(clock.hold(at(22, 20).astimezone(UTC)))

        monkeypatch.setattr(marking, "lock_contacts", wait_for_another_worker)
        route()
        advance()
        assert deliver("email") == 1
    assert [(one.status, one.reason, one.not_before) for one in world.messages()] == [
        ("queued", "postponed_hours", at(23, 9))
    ]


@pytest.mark.parametrize(("when_edited", "expected"), [("follow", "soon 22 12:00"), ("finish_old", "soon 22 09:00")])
def test_hours_that_are_corrected_hold_for_what_was_waiting_already(
    world: World, when_edited: str, expected: str
) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("soon", WORKING, f"when_edited: {when_edited}"))
    world.now = at(22, 6).astimezone(UTC)
    start(world, dana)
    world.work()
    later = journey("soon", "send_hours: {from: 12:00, to: 20:00}", f"when_edited: {when_edited}")
    world.publish(later, number=2, carry=True)
    world.play(timedelta(days=1))
    assert sent(world) == [expected]


def test_limits_that_are_loosened_hold_for_what_was_waiting_already(world: World) -> None:
    world.template("note")
    dana = world.contact()
    world.publish(journey("first"))
    world.publish(journey("second", DAILY, start="two"))
    start(world, dana)
    world.work()
    start(world, dana, tag="two")
    world.play(timedelta(hours=1))
    assert sent(world) == ["first 22 10:00"]
    world.publish(journey("second", "limits: {messages: 2 per day}", start="two"), number=2, carry=True)
    world.do(in_another_version, "second", world.now)  # as publishing in the panel does
    world.work()
    assert sent(world) == ["first 22 10:00", "second 22 11:00"]


# --- one mailbox, however its address is written ---------------------------------------------------------------------


@pytest.mark.parametrize("spellings", [
    ("dana.levi@gmail.com", "danalevi@gmail.com", "Dana.Levi@googlemail.com"),
    ("levi@example.com", "levi+dana@example.com", "Levi+Yossi@example.com"),
    ("levi@b\u00fccher.com", "Levi+Dana@xn--bcher-kva.com", "LEVI+noa@B\u00dcCHER.com"),
])  # fmt: skip
def test_the_spellings_of_one_mailbox_are_one_family(world: World, spellings: tuple[str, ...]) -> None:
    world.template("note")
    world.publish(journey("letters", "too_late_after: 10 days"))
    start(world, *(world.contact(f"Person {n}", emails=(one,)) for n, one in enumerate(spellings)))
    world.play(timedelta(days=4))
    assert sent(world) == ["letters 22 10:00", "letters 23 00:00", "letters 24 00:00"]


def test_limits_count_what_went_to_another_spelling_and_keep_its_place(world: World) -> None:
    world.template("note")
    dana = world.contact("Dana", emails=("levi+dana@example.com",))
    yossi = world.contact("Yossi", emails=("levi@example.com",))
    limit = "limits: {messages: 1 per day}"
    world.publish(journey("urgent", limit, "priority: 2", "send_hours: {from: 15:00, to: 20:00}", start="two"))
    world.publish(journey("early", limit))
    world.publish(journey("late", limit, start="three"))
    start(world, dana, tag="two")
    world.work()
    start(world, yossi)
    world.play(timedelta(hours=6))
    start(world, yossi, tag="three")
    world.play(timedelta(days=2))
    assert sent(world) == ["urgent 22 15:00", "early 23 00:00", "late 24 00:00"]


@pytest.mark.databases("postgresql")
def test_two_workers_take_turns_at_the_spellings_of_a_mailbox(app: Flask) -> None:
    inside, done = threading.Event(), threading.Event()

    def second() -> None:
        with app.app_context(), writing() as session:
            inside.set()
            lock_addresses(session, ["levi+yossi@example.com"])
            done.set()

    worker = threading.Thread(target=second)
    with writing() as session:
        lock_addresses(session, ["levi+dana@example.com"])
        worker.start()
        assert inside.wait(20)
        assert not done.wait(0.3)
    assert done.wait(20)
    worker.join(20)


def test_two_workers_at_once_let_one_a_day_through_for_a_mailbox(app: Flask, world: World) -> None:
    """Four mailboxes, each of three contacts who are in three journeys, on two channels; two workers, small batches."""
    world.template("note")
    world.template("text", channels=("sms",))
    people = [
        world.contact(f"Person {box}-{n}", emails=(f"box{box}+{n}@example.com",)) for box in range(4) for n in range(3)
    ]
    for n, (channel, rule) in enumerate([("note", DAILY), ("note", "priority: 3"), ("text", DAILY)]):
        world.publish(journey(f"j{n}", rule, "too_late_after: 20 days", steps=f"- send: {channel}", start=f"t{n}"))
        start(world, *people, tag=f"t{n}")
    with clock.hold(world.now):
        route()
        assert advance() == 36

    def work(first: str, second: str, now: datetime) -> None:
        with app.app_context(), clock.hold(now):
            while deliver(first, 3) + deliver(second, 2):
                pass

    for _ in range(3):
        workers = [threading.Thread(target=work, args=(*pair, world.now)) for pair in (("email", "sms"),) * 2]
        for one in workers:
            one.start()
        for one in workers:
            one.join(60)
        world.now += timedelta(days=1)
    gone = [one for one in world.messages() if one.status == "sent"]
    for n in range(3):
        days = [(one.mailbox or one.address, one.wire_at.date()) for one in gone if one.journey_id == f"j{n}"]
        assert len(days) == len(set(days)), "a journey wrote to one mailbox twice on a day"
    everybody = [(one.contact_id, one.wire_at.date()) for one in gone if one.journey_id != "j1"]
    assert len(everybody) == len(set(everybody)), "more than one a day"
    assert len([one for one in gone if one.journey_id == "j1"]) == 12


@pytest.mark.parametrize("odd", [RuntimeError("no days"), SystemExit(2), 7, True])
def test_a_calendar_that_fails_holds_its_own_messages_back_and_stops_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch, odd: Any
) -> None:
    def holiday(_day: date) -> Any:
        if isinstance(odd, BaseException):
            raise odd
        return odd

    well, failing = (HolidayCalendar("market", "Market days", one) for one in (lambda _day: None, holiday))
    here = {"market": failing}
    monkeypatch.setattr(type(manager.current()), "holiday_calendars", lambda _self: here)
    world.template("note")
    hours = "send_hours: {from: 09:00, to: 20:00, holidays: skip, calendar: market}"
    world.publish(journey("skipping", hours))
    world.publish(journey("plain", "send_hours: {from: 09:00, to: 20:00}"))
    start(world, world.contact())
    world.work()
    assert [(one.journey_id, one.status, one.reason) for one in world.messages()] == [
        ("skipping", "queued", "held_calendar"),
        ("plain", "sent", None),
    ]
    assert [(one.code, one.params["calendar"]) for one in world.rows(Issue)] == [("held_calendar", "market")]
    here["market"] = well
    world.play(timedelta(hours=1))
    assert [one.status for one in world.messages()] == ["sent", "sent"]
