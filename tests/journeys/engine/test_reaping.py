"""What a dead worker leaves is settled by its own journal, or shown in doubt."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from panel.db import writing
from panel.issues.models import Issue
from panel.journeys.by_hand import retry, start_by_hand
from panel.journeys.engine import wire
from panel.journeys.engine.wire import WireJournal, boot_id, pid_space
from panel.messages.models import Message
from panel.messages.reports import report
from panel.sdk.channels import Outgoing, Sent, Unknown
from tests.journeys.engine.world import World

JOURNEY = """
one:
  name: One
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps: [{send: letter}]
"""


@pytest.fixture
def queued(world: World) -> Message:
    """A message that is queued and that nobody has taken in hand."""
    world.template("letter")
    world.publish(JOURNEY)
    contact = world.contact()
    world.do(start_by_hand, contact, "one", now=world.now)
    world.channels["email"].answer = lambda _: Unknown("not yet")
    world.work()
    [message] = world.messages()
    return message


def dead_journal(app: Flask, world: World, message: Message, *lines: str, space: str = "") -> Path:
    """Make it look as if a worker had marked the message and died; `lines` are its notes."""
    folder = Path(app.instance_path) / "wire"
    folder.mkdir(exist_ok=True)
    token = "ab" * 6 + "cd" * 10
    path = folder / f"{'ab' * 6}-{boot_id()}-{space or pid_space()}-999999999-1.wire"
    path.write_text("".join(f"{line} {message.id} {token} x\n" for line in lines))
    with writing() as session:
        session.execute(
            update(Message)
            .where(Message.id == message.id)
            .values(status="on_wire", attempt_token=token, lease_until=world.now + timedelta(hours=1))
        )
    return path


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [((), "queued", None), (("B",), "unknown", "unknown"), (("B", "A"), "sent", None)],
    ids=["never begun", "begun", "accepted"],
)
def test_the_journal_of_a_dead_worker_decides(
    app: Flask, world: World, queued: Message, lines: tuple[str, ...], status: str, reason: str | None
) -> None:
    path = dead_journal(app, world, queued, *lines)
    world.reap()
    [message] = world.messages()
    assert message.status == status
    if status != "queued":
        assert message.reason == reason
        assert message.settled_by == "wire_journal"
    assert not path.exists()


def test_a_journal_of_another_container_is_not_believed(app: Flask, world: World, queued: Message) -> None:
    path = dead_journal(app, world, queued, space="4026530000")
    world.reap()
    assert world.messages()[0].status == "on_wire"
    assert path.exists()


def test_a_journal_that_is_cleared_away_while_others_look_is_nobodys_trouble(
    app: Flask, world: World, queued: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, really = dead_journal(app, world, queued), wire.process_start

    def cleared_away(pid: int) -> str | None:
        if str(pid) in path.name:
            path.unlink()
        return really(pid)

    monkeypatch.setattr(wire, "process_start", cleared_away)
    assert list(wire.dead_journals(path.parent)) == []


def test_a_live_workers_journal_is_left_alone(app: Flask, world: World, queued: Message) -> None:
    journal = WireJournal(Path(app.instance_path) / "wire")
    journal.expect({queued.id: "t"})
    journal.begin(Outgoing(queued.id, "k", "a@example.com", b""))
    world.reap()
    assert journal.path.exists()
    journal.close()


def test_without_a_journal_a_dead_lease_is_in_doubt_and_a_dead_claim_is_queued_again(
    world: World, queued: Message
) -> None:
    for status, after in (("claimed", "queued"), ("on_wire", "unknown")):
        with writing() as session:
            session.execute(
                update(Message)
                .where(Message.id == queued.id)
                .values(status=status, attempt=1, attempt_token="gone", lease_until=world.now - timedelta(seconds=1))
            )
        world.reap()
        assert world.messages()[0].status == after


def dead_claim(world: World, message: Message, **more: Any) -> None:
    with writing() as session:
        session.execute(
            update(Message)
            .where(Message.id == message.id)
            .values(status="claimed", attempt_token="gone", lease_until=world.now - timedelta(seconds=1), **more)
        )
    world.reap()


def test_r22_a_row_that_killed_its_worker_three_times_is_held_and_can_be_let_try_again(
    world: World, queued: Message
) -> None:
    world.channels["email"].answer = lambda _: Sent(None)
    for status in ("queued", "queued", "held"):
        dead_claim(world, queued)
        assert world.messages()[0].status == status
    [run] = world.runs()
    assert (run.status, run.reason) == ("held", "held_error")
    assert [one.code for one in world.rows(Issue, state="open") if one.id == run.held_issue] == ["message_poison"]
    world.do(retry, [run.id], now=world.now)
    world.work()
    assert (world.messages()[0].status, world.runs()[0].status) == ("sent", "finished")


def test_r22_a_message_that_was_only_postponed_often_is_no_poison(world: World, queued: Message) -> None:
    dead_claim(world, queued, attempt=9)
    assert world.messages()[0].status == "queued"


def test_a_late_report_settles_the_doubt_and_the_journey_goes_on(world: World, queued: Message) -> None:
    world.now += timedelta(minutes=1)
    world.do(report, state="delivered", at=world.now, source="email", key=queued.our_message_id, now=world.now)
    world.work()
    [message] = world.messages()
    assert (message.status, message.settled_by) == ("delivered", "report")
    assert world.runs()[0].status == "finished"
