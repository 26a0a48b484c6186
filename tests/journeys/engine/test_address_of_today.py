"""A message goes where its contact is reached today, though it was planned, or even written, for another address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel import clock
from panel.consent.operations import suppress
from panel.contacts.operations import update_contact
from panel.journeys.engine import deliver as delivering
from panel.sdk.channels import Deferred, Outgoing, Result, Sent
from tests.journeys.engine.world import World

BODY = """
soon:
  name: Soon
  purpose: marketing
  review_after: 1 year
  start_when: {tag_added: go}
  send_hours: {from: 09:00, to: 20:00}
  steps:
    - send: note
"""


@pytest.fixture
def dana(world: World) -> int:
    world.template("note", "To [[email]]")
    world.publish(BODY)
    return world.contact(emails=("old@example.com",), time_zone="Asia/Jerusalem")


def start(world: World, contact: int) -> None:
    world.event(contact, "tag_added", tag="go")
    world.work()


def went(world: World) -> list[tuple[str, str]]:
    return [(one.address, one.payload.decode().splitlines()[1]) for one in world.channels["email"].sent]


def correct(world: World, contact: int) -> None:
    world.do(update_contact, contact, {"email": "new@example.com"})
    world.do(suppress, "email", "old@example.com", "hard_bounce", contact_id=contact, source="test")


def test_a_message_that_waited_goes_to_the_corrected_address_and_never_to_the_blocked_one(
    world: World, dana: int
) -> None:
    world.now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # six in the morning there
    start(world, dana)
    correct(world, dana)
    world.play(timedelta(days=1))
    assert went(world) == [("new@example.com", "To new@example.com")]
    assert [(one.status, one.address) for one in world.messages()] == [("sent", "new@example.com")]


def test_a_retry_is_written_anew_when_the_address_was_corrected_meanwhile(
    world: World, dana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Result] = [Deferred("greylisted", timedelta(hours=1))]

    def answer(outgoing: Outgoing) -> Result:
        return answers.pop() if answers else Sent("p1")

    monkeypatch.setattr(world.channels["email"], "answer", answer)
    start(world, dana)
    correct(world, dana)
    world.play(timedelta(hours=2))
    assert went(world) == [("new@example.com", "To new@example.com")]


def test_what_was_written_for_the_address_of_a_moment_ago_is_written_again(
    world: World, dana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, corrected = delivering.mark, []

    def mark(session: Any, ready: Any) -> Any:
        if ready and not corrected:
            corrected.append(dana)
            update_contact(session, dana, {"email": "new@example.com"}, now=clock.now())
        return really(session, ready)

    monkeypatch.setattr(delivering, "mark", mark)
    start(world, dana)
    assert corrected
    assert went(world) == [("new@example.com", "To new@example.com")]
    assert [(one.status, one.attempt) for one in world.messages()] == [("sent", 2)]
