"""Everybody at once: counted as the engine would do it, and nothing left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from flask import current_app
from sqlalchemy import update

from panel.contacts.memberships import create_list, join_list
from panel.db import writing
from panel.journeys.models import Enrolment
from panel.journeys.simulate.part import Share
from panel.journeys.simulate.whole import Forecast, forecast
from panel.plugin_manager import manager
from tests.journeys.engine.world import World
from tests.journeys.simulate.test_one import WELCOME, everything


def crowd(world: World, count: int = 12, body: str = WELCOME, consent: tuple[str, ...] = ("email",)) -> None:
    world.do(create_list, "Newsletter", now=world.now)
    world.template("welcome_1")
    world.template("welcome_2")
    world.publish(body)
    for number in range(count):
        world.do(join_list, world.contact(f"Contact {number}", consent=consent), "Newsletter", now=world.now)


def play(world: World, days: int = 10) -> Forecast:
    return forecast(current_app.config["PANEL"], days, 1, now=world.now)


def test_messages_and_entries_are_counted_per_day(world: World) -> None:
    crowd(world)
    before = everything()
    told = play(world)
    assert everything() == before
    assert told.contacts == 12
    assert told.messages["email"][:5] == [12, 0, 0, 12, 0]
    assert told.entries["welcome"][0] == 12
    assert told.steps == 12 * 5
    assert not any(channel.sent for channel in world.channels.values())


def test_it_comes_to_what_then_really_happens(world: World) -> None:
    crowd(world)
    told = play(world)
    world.play(timedelta(days=10))
    assert len(world.messages(status="sent")) == sum(told.messages["email"])


def test_collisions_with_limits_are_counted_by_reason(world: World) -> None:
    body = WELCOME.replace("send_hours: {", "limits: {messages: 1 per 2 days}\n  send_hours: {")
    crowd(world, 3, body.replace("wait: 3 days", "wait: 1 day"))
    told = play(world)
    assert sum(told.collisions_by_day["postponed_limit"]) == 3
    assert told.collisions["welcome"]["postponed_limit"] == 3


def test_who_may_not_be_written_to_and_who_stands_still_already_are_in_the_way(world: World) -> None:
    crowd(world, 3, consent=())
    told = play(world)
    assert told.messages == {}
    assert told.collisions == {"welcome": {"no_consent": 6}}
    world.play(timedelta(days=1))
    with writing() as session:
        session.execute(update(Enrolment).where(Enrolment.contact_id == 1).values(status="held", reason="held_error"))
    told = play(world)
    assert told.held == {"welcome": {"held_error": 1}}
    assert "1 contacts in welcome: Stands still: the step could not be carried out." in told.sentences("en")


def test_what_a_channel_costs_is_added_up(world: World) -> None:
    crowd(world, 4)
    channel = manager.current().channels()["email"]
    channel.facts = replace(channel.facts, price=Decimal("0.05"))  # type: ignore[misc]
    assert play(world).cost == {"email": "0.40"}


def test_shares_add_up() -> None:
    one, two = Share(contacts=1, steps=3, seconds=1.0), Share(contacts=2, steps=4, seconds=2.0)
    one.sent.update({("email", "2026-11-22"): 2})
    two.sent.update({("email", "2026-11-22"): 3})
    one.add(two)
    assert (one.contacts, one.steps, one.seconds, one.sent[("email", "2026-11-22")]) == (3, 7, 2.0, 5)
