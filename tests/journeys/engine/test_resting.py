"""A contact at rest: what would be sent waits until its day, or is left out when that is too late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.consent.resting import EVERYTHING, MARKETING, end_rest, rest
from panel.journeys.by_hand import start_by_hand
from panel.journeys.calling_off import wake_rested
from tests.journeys.engine.world import World

JOURNEY = """
letters:
  name: Letters
  purpose: {purpose}
  start_when: [{{manual: yes}}]
  review_after: 1 year
  steps: [{{send: letter{more}}}]
"""


def stage(world: World, purpose: str = "marketing", more: str = "") -> int:
    world.template("letter", text="Hello [[unsubscribe link]]")
    step = f"{{message: letter, {more}}}" if more else "letter"
    world.publish(JOURNEY.replace("letter{more}", "{step}").format(purpose=purpose, step=step))
    return world.contact()


@pytest.mark.parametrize(
    ("purpose", "scope", "waits"),
    [("marketing", MARKETING, True), ("service", MARKETING, False), ("service", EVERYTHING, True)],
)
def test_what_the_rest_covers_waits_until_its_day_and_then_goes(world: World, purpose, scope, waits) -> None:
    contact = stage(world, purpose)
    until = world.now + timedelta(hours=20)
    assert world.do(rest, contact, until, scope=scope, reason="travels")
    assert not world.do(rest, contact, until, scope=scope, reason="travels")
    world.do(start_by_hand, contact, "letters")
    world.work()
    if waits:
        (message,) = world.messages()
        assert (message.status, message.reason, message.not_before) == ("queued", "postponed_rest", until)
        assert world.sent() == []
        world.play(timedelta(hours=21))
    assert len(world.sent()) == 1


def test_what_would_come_too_late_is_left_out_with_its_own_reason(world: World) -> None:
    contact = stage(world, more="too_late_after: 3 hours")
    world.do(rest, contact, world.now + timedelta(days=2))
    world.do(start_by_hand, contact, "letters")
    world.play(timedelta(days=3))
    (message,) = world.messages()
    assert (message.status, message.reason) == ("skipped", "skipped_rest")
    assert [one.status for one in world.runs()] == ["finished"]


def test_a_rest_that_is_ended_lets_go_what_waited(world: World) -> None:
    contact = stage(world)
    world.do(rest, contact, world.now + timedelta(days=20))
    world.do(start_by_hand, contact, "letters")
    world.work()
    world.now += timedelta(hours=1)
    assert world.do(end_rest, contact)
    assert not world.do(end_rest, contact)
    world.do(wake_rested, [contact], world.now)
    world.work()
    assert len(world.sent()) == 1
    assert world.timeline(contact).count("rest_began") == world.timeline(contact).count("rest_ended") == 1
