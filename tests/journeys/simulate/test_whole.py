"""Everybody at once: counted as the engine would do it, and nothing left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from flask import current_app
from sqlalchemy import update

from panel import clock
from panel.calendars import Reader
from panel.contacts.memberships import create_list, join_list
from panel.db import writing
from panel.journeys.models import Enrolment
from panel.journeys.simulate import whole, work
from panel.journeys.simulate.models import Simulation
from panel.journeys.simulate.part import Share, play_share
from panel.journeys.simulate.stage import snapshot
from panel.journeys.simulate.whole import Forecast, forecast
from panel.plugin_manager import manager
from panel.web.simulations import charts
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
    assert "welcome: Stands still: the step could not be carried out. Contacts: 1." in told.sentences(
        Reader("en", sees_amounts=True)
    )


def test_what_a_channel_costs_is_added_up_with_its_currency_and_currencies_are_kept_apart(world: World) -> None:
    crowd(world, 4, WELCOME.replace("- send: welcome_2", "- send: {text: Hi, via: sms}"), consent=("email", "sms"))
    for name, price, currency in (("email", "0.05", "ILS"), ("sms", "0.1", "EUR")):
        channel = manager.current().channels()[name]
        channel.facts = replace(channel.facts, price=Decimal(price), currency=currency)  # type: ignore[misc]
    told = play(world)
    assert told.cost == {
        "email": {"amount": "0.20", "currency": "ILS"},
        "sms": {"amount": "0.4", "currency": "EUR"},
    }
    said = "\n".join(told.sentences(Reader("en", sees_amounts=True)))
    assert "Cost of email: ₪0.20" in said
    assert "Cost of SMS: €0.40" in said
    shown = charts.read(Simulation(result=told.as_dict()), Reader("en"))
    assert shown.cost_total == "€0.40 + ₪0.20"
    kept_long_ago = told.as_dict() | {"cost": {"email": "0.20"}}
    assert charts.read(Simulation(result=kept_long_ago), Reader("en")).cost_total == "₪0.20"


def test_shares_add_up() -> None:
    one, two = Share(contacts=1, steps=3, seconds=1.0), Share(contacts=2, steps=4, seconds=2.0)
    one.sent.update({("email", "2026-11-22"): 2})
    two.sent.update({("email", "2026-11-22"): 3})
    one.add(two)
    assert (one.contacts, one.steps, one.seconds, one.sent[("email", "2026-11-22")]) == (3, 7, 2.0, 5)


def test_two_processes_come_to_the_same_as_one_and_end_when_nobody_waits_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(world)
    alone = play(world)
    monkeypatch.setattr(whole, "SHARED_FROM", 1)
    together = forecast(current_app.config["PANEL"], 10, 2, now=world.now)
    assert (together.messages, together.entries, together.steps) == (alone.messages, alone.entries, alone.steps)

    said: list[float] = []

    def tell(share: float) -> None:
        said.append(share)
        raise whole.Cancelled

    with pytest.raises(whole.Cancelled):
        forecast(current_app.config["PANEL"], 10, 2, now=world.now, tell=tell)
    assert len(said) == 1


def test_a_forecast_that_nobody_waits_for_any_more_stays_cancelled(world: World) -> None:
    crowd(world)
    id_ = world.do(work.ask, 10).id
    assert world.do(work.cancel)
    assert not world.do(work.cancel)
    work.make(id_, processes=1)
    with writing() as session:
        found = session.get_one(Simulation, id_)
        assert (found.state, found.result, found.progress) == ("cancelled", None, 0)
        assert list(work.due(session.connection(), world.now)) == []
    assert world.do(work.ask, 10).id != id_


def test_what_goes_out_shortly_before_midnight_is_counted_on_that_day(world: World) -> None:
    world.now = world.now.replace(hour=21, minute=51)  # 23:51 in Jerusalem
    body = WELCOME.replace("wait: 3 days", "wait: 24 hours").replace(
        "send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00}", "send_hours: any"
    )
    crowd(world, 3, body)
    told = play(world)
    assert told.messages["email"][:3] == [3, 3, 0]


def test_one_place_a_day_is_one_place_a_day(world: World) -> None:
    crowd(world, 8, WELCOME.replace("  review_after", "  entry_limit: 1 per day\n  review_after"))
    told = forecast(current_app.config["PANEL"], 4, 2, now=world.now)  # few contacts are not shared out
    start, until = world.now, world.now + timedelta(days=4)
    whole = Share()
    for number in range(2):
        with snapshot() as source, clock.hold(start):
            whole.add(play_share(source, start, until, number, 2, lambda _done: None))
    world.play(until)
    assert sum(told.entries["welcome"]) == len(world.runs())
    assert max(Counter(day for _, day in whole.entries.elements()).values()) == 1
