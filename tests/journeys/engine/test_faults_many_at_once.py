"""The same thing many times, at once, in any order, or about somebody who is gone."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from bench.crash_report import Report, accepted_by, judge
from bench.crash_stage import Stage
from panel import clock, jobs
from panel.contacts.models import Contact
from panel.db import writing
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine.advance import advance
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.route import route
from panel.messages.models import Message
from panel.messages.reports import State, report
from panel.sdk.channels import Outgoing, Sent
from panel.timeline.operations import record
from tests.fixtures.processes import wait_until
from tests.journeys.engine.world import World

JOURNEY = """
letters:
  name: Letters
  purpose: service
  start_when: [{manual: yes}, {event: order_paid}]
  re_enter: never
  review_after: 1 year
  steps: [{send: letter}]
"""
STATES: tuple[State, ...] = ("delivered", "bounced_soft", "bounced_hard", "complained", "failed", "replied")


@pytest.fixture
def contact(world: World) -> int:
    world.template("letter")
    world.publish(JOURNEY)
    return world.contact()


def at_once(app: Flask, count: int, work: Callable[[int], Any], threads: int = 8) -> list[Any]:
    def one(number: int) -> Any:
        with app.app_context():
            return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_r24_four_workers_and_two_tickers_send_each_mail_once(kind: str) -> None:
    dice = random.Random(24)
    with Stage(kind, 24, lease=600, fresh=False) as stage:
        stage.pour(dice, 60)
        for number in range(4):
            stage.workers.start(number, number)
        for number in range(4, 6):
            stage.workers.start(number, number, kind="ticker")
        stage.rest("the engine's rest")
        result = Report()
        judge(result, stage.sink.log, stage.contacts, stage.stopped)
        assert result.wrong == {}
        assert result.messages == 120
        assert all(stage.workers.status(number) is None for number in range(6)), "nobody died"


def test_r23_the_image_of_a_machine_that_lost_its_power_is_whole_and_claims_nothing_that_was_not_sent() -> None:
    """The workers are held still while the files are copied: what a disk would show that lost its power then."""
    with Stage("sqlite", 23, lease=600, fresh=False) as stage:
        dice = random.Random(23)
        stage.pour(dice, 40)
        for number in range(2):
            stage.workers.start(number, number)
        for image in range(5):
            wait_until(lambda count=image * 12: rung(stage) > count, what="some mails")  # type: ignore[misc]
            for number in range(2):
                stage.workers.signal(number, signal.SIGSTOP)
            time.sleep(0.05)  # the signal reaches them
            copy = stage.folder / f"copy{image}"
            copy.mkdir()
            for name in ("crash.sqlite", "crash.sqlite-wal"):
                if (stage.folder / name).exists():
                    shutil.copyfile(stage.folder / name, copy / name)
            accepted = accepted_by(stage.sink.log)
            for number in range(2):
                stage.workers.signal(number, signal.SIGCONT)
            with sqlite3.connect(copy / "crash.sqlite") as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows = database.execute("SELECT our_message_id, status FROM messages").fetchall()
            database.close()
            assert all(key in accepted for key, status in rows if status == "sent")
            # What arrived and is not known as sent stands on the wire: booted, the image would call it in doubt.
            unsaid = {key for key, status in rows if status != "sent"} & accepted.keys()
            assert {status for key, status in rows if key in unsaid} <= {"on_wire"}


def rung(stage: Stage) -> int:
    """Ring, and say how many mails have arrived."""
    stage.ring()
    return len(accepted_by(stage.sink.log))


def test_r25_the_same_trigger_fifty_times_at_once_is_one_run_and_one_message(
    app: Flask, world: World, contact: int
) -> None:
    def fire(_: int) -> None:
        with writing() as session:
            record(session, contact_id=contact, kind="order_paid", source="shop", external_id="order:1")
        route()
        advance()
        deliver("email")

    at_once(app, 50, fire)
    assert len(world.runs()) == 1
    assert len(world.messages()) == 1
    assert len(world.sent()) == 1
    assert world.timeline(contact).count("order_paid") == 1


def test_r25_fifty_different_triggers_at_once_are_one_run_too(app: Flask, world: World, contact: int) -> None:
    def fire(number: int) -> None:
        with writing() as session:
            record(session, contact_id=contact, kind="order_paid", source="shop", external_id=f"order:{number}")
        route()

    at_once(app, 50, fire)
    world.now = clock.now()
    world.work()
    assert (len(world.runs()), len(world.messages()), len(world.sent())) == (1, 1, 1)
    refused = Counter(world.refusals())
    assert set(refused) <= {"already_in", "never_again"}


def test_r25_a_double_click_starts_once(app: Flask, world: World, contact: int) -> None:
    def click(number: int) -> str:
        with writing() as session:
            return start_by_hand(session, contact, "letters", user_id=number % 2 + 1).code

    codes = Counter(at_once(app, 50, click))
    assert codes["entered"] == 1
    assert set(codes) <= {"entered", "already_in"}
    assert len(world.runs()) == 1


def test_r13_without_a_broker_work_is_stored_and_the_next_look_finds_it(world: World, contact: int) -> None:
    world.event(contact, "order_paid")
    assert jobs.wake("route", url="unix:///nowhere/broker.sock") is False
    world.work()
    assert len(world.sent()) == 1


@pytest.fixture
def sent(world: World, contact: int) -> Message:
    world.do(start_by_hand, contact, "letters", now=world.now)
    world.work()
    [message] = world.messages()
    assert message.status == "sent"
    return message


@pytest.mark.parametrize("times", [1, 2, 50])
def test_e01_a_report_counts_once_however_often_it_comes_at_once(
    app: Flask, world: World, sent: Message, contact: int, times: int
) -> None:
    def tell(_: int) -> None:
        with writing() as session:
            report(session, state="bounced_hard", at=world.now, source="email", key=sent.our_message_id, now=world.now)

    at_once(app, times, tell)
    assert world.messages()[0].status == "bounced"
    assert world.timeline(contact).count("message_bounced") == 1


def test_e02_the_order_of_reports_does_not_matter(world: World, contact: int) -> None:
    """Every order of every three of the six reports (120 of them): what a message has reached only grows."""
    orders = list(permutations(STATES, 3))
    with clock.hold(world.now), writing() as session:
        messages = []
        for number in range(len(orders)):
            key = f"message-{number}"
            messages.append(
                Message(
                    dedupe_key=key, our_message_id=key, contact_id=contact, channel="email", status="sent",
                    planned_at=world.now, not_before=world.now, address="dana@example.com",
                )
            )  # fmt: skip
        session.add_all(messages)
    outcome: dict[frozenset[str], set[Any]] = {}
    with writing() as session:
        for number, order in enumerate(orders):
            for state in order:
                report(
                    session, state=state, at=world.now, source="email", key=f"message-{number}", now=world.now,
                    external_id=f"{number}:{state}",
                )  # fmt: skip
    for number, order in enumerate(orders):
        [row] = world.messages(our_message_id=f"message-{number}")
        reached = (row.status, bool(row.delivered_at), bool(row.replied_at), bool(row.bounced_at))
        outcome.setdefault(frozenset(order), set()).add(reached)
    assert len(outcome) == 20
    assert {states: found for states, found in outcome.items() if len(found) > 1} == {}


def test_e03_a_report_that_overtakes_our_own_commit_is_kept_and_nothing_is_sent_again(
    world: World, contact: int
) -> None:
    def answer(outgoing: Outgoing) -> Sent:
        world.do(report, state="delivered", at=world.now, source="email", key=outgoing.key, now=world.now)
        return Sent("p1")

    world.channels["email"].answer = answer
    world.do(start_by_hand, contact, "letters", now=world.now)
    world.work()
    [message] = world.messages()
    assert message.provider_message_id == "p1"
    assert message.delivered_at == world.now
    assert message.status in ("sent", "delivered")
    assert (world.runs()[0].status, len(world.sent())) == ("finished", 1)


def test_e04_reports_about_nobody_an_erased_or_a_merged_contact_do_no_harm(
    world: World, sent: Message, contact: int
) -> None:
    assert world.do(report, state="delivered", at=world.now, source="email", key="never-sent", now=world.now) is None
    other = world.contact("Somebody Else")
    with writing() as session:
        session.execute(update(Contact).where(Contact.id == contact).values(merged_into_id=other))
    told = world.do(report, state="delivered", at=world.now, source="email", key=sent.our_message_id, now=world.now)
    assert told.id == sent.id
    with writing() as session:
        session.execute(update(Contact).where(Contact.id == contact).values(merged_into_id=None, erased_at=world.now))
    world.do(report, state="replied", at=world.now, source="email", key=sent.our_message_id, now=world.now)
    world.play(timedelta(days=1))
    assert len(world.runs()) == 1, "nobody is started again by it"
    assert len(world.sent()) == 1


def test_a_stop_between_the_starting_event_and_our_entry_counts_although_it_is_told_later(world: World) -> None:
    world.template("letter")
    world.publish(JOURNEY.replace("re_enter: never", "re_enter: never\n  stop_when: [{event: order_cancelled}]"))
    contacts = [world.contact(), world.contact("Long Ago")]
    began = world.now
    for one in contacts:
        world.event(one, "order_paid")
    world.now += timedelta(minutes=5)
    with clock.hold(world.now):
        route()
    world.now += timedelta(seconds=1)
    world.event(contacts[0], "order_cancelled", at=began + timedelta(minutes=2))
    world.event(contacts[1], "order_cancelled", at=began - timedelta(days=1))  # history that comes late is no stop
    world.work()
    assert {one.contact_id: one.status for one in world.runs()} == {contacts[0]: "stopped", contacts[1]: "finished"}
    assert len(world.sent()) == 1
