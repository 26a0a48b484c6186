"""The four answers as sentences: why she got it, why not, what comes next and when, what would stop it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.calendars import Reader
from panel.contacts.memberships import add_tag, join_list
from panel.db import reading
from panel.i18n import LANGUAGES
from panel.journeys.explain import Explanation, explain
from panel.journeys.operations import pause
from tests.journeys.engine.conftest import channels, world
from tests.journeys.engine.world import World
from tests.journeys.simulate.test_one import WELCOME, scene

__all__ = ["channels", "world"]

LOST = """
lost:
  name: We miss you
  purpose: marketing
  start_when:
    becomes_true:
      all:
        - {happened: order_paid}
        - {not_happened: order_paid, within: 3 months}
    check: daily at 07:00
  review_after: 6 months
  steps:
    - send: welcome_1
"""


def ask(world: World, contact: int, journey: str = "welcome", language: str = "en") -> Explanation:
    with reading() as session:
        reader = Reader(language, time_zone="Asia/Jerusalem", sees_amounts=True)
        return explain(session, contact, journey, now=world.now, reader=reader)


def test_why_she_got_it_names_the_start_its_source_and_the_address(world: World) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    entered, sent = ask(world, contact).got
    assert "because the contact joins the list “Newsletter”" in entered.replace("\u2068", "").replace("\u2069", "")
    assert "@example.com: Sent." in sent


def test_what_comes_next_has_its_moment_its_clock_and_its_limits(world: World) -> None:
    contact = scene(world, WELCOME.replace("send_hours: {", "limits: {messages: 3 per week}\n  send_hours: {"))
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    waited, message = ask(world, contact).coming
    assert message.at == waited.at
    assert (waited.at - world.now).days == 2
    assert any("on the clock of the business (Asia/Jerusalem)" in one for one in message.how)
    assert any("3 per week" in one for one in message.how)


def test_what_would_stop_it_is_said_in_words(world: World) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.work()
    told = " ".join(ask(world, contact).would_stop)
    assert "It stops at once when “Order paid” happens." in told.replace("\u2068", "").replace("\u2069", "")
    assert "the tag" in told
    assert "at the latest" in told


def test_a_refusal_shows_the_value_that_decided(world: World) -> None:
    contact = scene(world)
    world.do(add_tag, contact, "staff", now=world.now)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.work()
    told = ask(world, contact)
    assert told.got == []
    assert "leaves out" in told.not_got[0]
    assert "there is: staff" in told.not_got[1]


def test_what_never_started_says_how_far_it_is_from_starting(world: World) -> None:
    world.template("welcome_1")
    contact = world.contact()
    world.event(contact, "order_paid", at=world.now - timedelta(days=12), amount="10")
    world.work()
    world.publish(LOST)
    told = " ".join(ask(world, contact, "lost").not_got)
    assert "It would not start" in told
    assert "12 days ago" in told
    assert "3 months" in told


def test_a_paused_journey_says_that_nothing_comes(world: World) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.work()
    world.do(pause, "welcome", now=world.now)
    assert "paused" in ask(world, contact).coming[0].words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.databases("sqlite")
def test_every_answer_is_in_the_readers_language(world: World, language: str) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    told = ask(world, contact, language=language)
    said = [*told.got, *told.would_stop, *(one.words for one in told.coming)]
    assert said
    if language != "en":
        assert not [one for one in said if one.startswith(("Entered", "It ", "Wait"))]
