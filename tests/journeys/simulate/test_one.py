"""One contact on the stage: the engine's own answers, and nothing left behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from panel.calendars import Reader
from panel.contacts.memberships import add_tag, create_list, join_list
from panel.contacts.operations import update_contact
from panel.contacts.typed import create_field
from panel.db import Base, db
from panel.jobs import bells
from panel.journeys.simulate.one import Asked, Simulation, simulate
from panel.journeys.simulate.wishes import Happens, Wishes
from tests.journeys.engine.world import World

WELCOME = """
welcome:
  name: Welcome
  purpose: marketing
  start_when: {joins_list: Newsletter}
  exclude_if: {has_tag: staff}
  stop_when: {event: order_paid, reason: bought}
  send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00}
  review_after: 6 months
  steps:
    - send: welcome_1
    - wait: 3 days
    - send: welcome_2
    - wait_for: {event: message_replied}
      up_to: 2 days
      then:
        - tag: warm
      on_timeout:
        - tag: cold
"""


def scene(world: World, body: str = WELCOME) -> int:
    world.do(create_list, "Newsletter", now=world.now)
    world.template("welcome_1")
    world.template("welcome_2", text="Again, [[first name|friend]]")
    world.publish(body)
    return world.contact()


def play(world: World, contact: int, reader: Reader, **asked: Any) -> Simulation:
    return simulate(Asked(contact, asked.pop("journey_id", "welcome"), **asked), reader, now=world.now)


def codes(told: Simulation) -> list[tuple[str, str]]:
    return [(line.kind, line.code) for line in told.lines]


def everything() -> dict[str, list[Any]]:
    with db.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(table.select()).all()))
            for table in Base.metadata.sorted_tables
        }


def test_she_enters_gets_both_messages_and_is_tagged_cold(world: World, reader: Reader) -> None:
    told = play(world, scene(world), reader)
    assert codes(told) == [
        ("entered", "entered"),
        ("sent", "sent"),
        ("step", "time_came"),
        ("sent", "sent"),
        ("step", "timeout"),
        ("step", "done"),
        ("ended", "finished"),
    ]
    first, second = [line for line in told.lines if line.kind == "sent"]
    assert second.at - first.at == timedelta(days=3)
    assert second.text is not None
    assert "Again, Dana" in second.text.text


def test_what_she_does_changes_what_comes(world: World, reader: Reader) -> None:
    told = play(world, scene(world), reader, wishes=Wishes(replies=timedelta(hours=2)))
    assert ("step", "event_came") in codes(told)
    assert ("happened", "replies") in codes(told)
    bought = Wishes(events=(Happens("order_paid", timedelta(days=1), {"amount": "10"}),))
    told = play(world, world.contact("Noa Bar"), reader, wishes=bought)
    assert codes(told)[-1] == ("ended", "stopped")
    assert [kind for kind, _ in codes(told)].count("sent") == 1


def test_an_event_that_nobody_knows_changes_nothing_and_that_is_said(world: World, reader: Reader) -> None:
    contact = scene(world)
    told = play(world, contact, reader, wishes=Wishes(events=(Happens("moon_landing", timedelta(hours=1)),)))
    [line] = [line for line in told.lines if line.kind == "happened"]
    assert "No journey starts on it" in line.more[0]


def test_a_message_outside_the_hours_is_postponed_with_the_rule_and_the_clock(world: World, reader: Reader) -> None:
    body = WELCOME.replace("wait: 3 days", "wait: 4 days and 2 hours").replace(
        "send_hours: {", "limits: {messages: 1 per week}\n  send_hours: {"
    )
    told = play(world, scene(world, body), reader)
    [line] = [line for line in told.lines if line.kind == "postponed"]
    assert line.code == "postponed_limit"
    assert any("1 per week" in words for words in line.more)


def test_what_keeps_her_out_is_said_with_what_was_seen(world: World, reader: Reader) -> None:
    contact = scene(world)
    world.do(add_tag, contact, "staff", now=world.now)
    [line] = [line for line in play(world, contact, reader).lines if line.kind == "refused"]
    assert line.code == "excluded"
    assert "the tag “staff”" in line.more[0]


def test_a_draft_that_nobody_published_can_be_tried(world: World, reader: Reader) -> None:
    contact = scene(world)
    text = WELCOME.replace("    - send: welcome_1\n", "")
    told = play(world, contact, reader, text=text)
    assert told.is_draft
    assert [kind for kind, _ in codes(told)].count("sent") == 1


def test_what_is_under_way_goes_on_without_a_new_start(world: World, reader: Reader) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    told = play(world, contact, reader, start=False)
    assert codes(told)[:2] == [("step", "time_came"), ("sent", "sent")]


def test_a_provider_that_leaves_us_in_doubt_makes_her_stand_still(world: World, reader: Reader) -> None:
    told = play(world, scene(world), reader, wishes=Wishes(fate="unknown"))
    assert [line.code for line in told.lines if line.kind in ("sent", "not_sent")] == ["unknown"]


def test_nothing_remains(world: World, reader: Reader, monkeypatch: Any) -> None:
    rung: list[Any] = []
    monkeypatch.setattr(bells, "ring", lambda *a, **k: rung.append(a))
    contact = scene(world)
    before = everything()
    assert play(world, contact, reader, wishes=Wishes(opens=timedelta(hours=1), fate="unknown")).lines
    assert everything() == before
    assert not any(channel.sent for channel in world.channels.values())
    assert rung == []


BIRTHDAY = """
birthday:
  name: Birthday
  purpose: marketing
  start_when: {date: birthday, every: year, at: 09:00}
  re_enter: always
  send_hours: any
  review_after: 1 year
  steps:
    - send: welcome_1
"""


def test_what_time_brings_begins_by_itself(world: World, reader: Reader) -> None:
    world.do(create_field, "birthday", "date")
    world.template("welcome_1")
    world.publish(BIRTHDAY)
    contact = world.contact()
    world.do(update_contact, contact, {"birthday": "1990-12-10"}, now=world.now)
    told = play(world, contact, reader, journey_id="birthday", start=False)
    assert [line.at.isoformat() for line in told.lines if line.kind == "sent"] == ["2026-12-10T07:00:00+00:00"]


def test_leaving_the_list_that_the_journey_asks_about_is_really_leaving_it(world: World, reader: Reader) -> None:
    body = WELCOME.replace("stop_when: {event: order_paid, reason: bought}", "stop_when: {leaves_list: Newsletter}")
    left = Wishes(events=(Happens("list_left", timedelta(days=1)),))
    told = play(world, scene(world, body), reader, wishes=left)
    assert codes(told)[-1] == ("ended", "stopped")


def test_an_event_brings_what_the_journey_asks_for_unless_something_else_was_given(
    world: World, reader: Reader
) -> None:
    stop = "stop_when: {event: order_paid, where: [{field: event.amount, more_than: '50'}]}"
    contact = scene(world, WELCOME.replace("stop_when: {event: order_paid, reason: bought}", stop))
    for data, end in (({}, "stopped"), ({"amount": "20"}, "finished")):
        told = play(world, contact, reader, wishes=Wishes(events=(Happens("order_paid", timedelta(days=1), data),)))
        assert codes(told)[-1] == ("ended", end)
