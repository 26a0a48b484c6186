"""Deliver: queued messages go out. Claim, render, mark `on_wire`, hand over, store the result.

Everything that can fail before the message leaves fails before the mark; everything after it is `sent`, `failed`,
`deferred` (certainly not sent) or `unknown`. Nothing that may have left is ever repeated by itself.
"""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import select

from panel import clock
from panel.db import connection_of, reading, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine import crash, disk
from panel.journeys.engine.claiming import BATCH, claim, due
from panel.journeys.engine.handing_over import conclude, expect, hand_over
from panel.journeys.engine.marking import last_look, mark
from panel.journeys.engine.pace import Pace
from panel.journeys.engine.persisting import persist
from panel.journeys.engine.rates import Line
from panel.journeys.engine.turns import repeat, uncollected
from panel.journeys.engine.verbs.calling import ACTION
from panel.journeys.engine.wire import wire_journal
from panel.journeys.engine.written import keep, write_out
from panel.messages.models import Message
from panel.plugin_manager import manager

__all__ = ["deliver", "due", "run"]


def run(limit_seconds: float, channel: str) -> bool:
    """Deliver what is due on a channel for about `limit_seconds`; True when more may be due."""
    if channel == ACTION:
        # The calls of journeys use what is below, so they are not imported above it.
        from panel.journeys.engine.actions import perform_calls

        return repeat(perform_calls, limit_seconds)
    pace = Pace()
    return repeat(lambda: deliver(channel, pace=pace), limit_seconds)


@uncollected()
def deliver(channel: str, limit: int = BATCH, *, pace: Pace | None = None) -> int:
    """Deliver up to `limit` messages of a channel (or as many as `pace` says); returns how many were taken in hand.

    Needs an application context. Safe to call at any time by any number of workers.
    """
    offered = manager.current().channels().get(channel)
    if offered is None:
        _note_missing_channel(channel)
        return 0
    crash.point("before_claim")
    line = Line(channel, offered.facts.rate)
    if not line.enter():
        return 0
    claimed = claim(channel, line.share(limit if pace is None else pace.size))
    if not claimed:
        line.leave()
        return 0
    crash.point("after_claim")
    # The claim is ours while we live, so we wait for a database that is away.
    written = persist(lambda session: write_out(session, claimed, offered), within=reading)
    if written.new or written.refused:
        persist(lambda session: keep(session, written))
    if not written.ready:
        line.leave()
        return len(claimed)
    line.wait()
    journal = wire_journal()
    since = time.monotonic()
    going = persist(lambda session: mark(session, written.ready))
    crash.point("after_on_wire_commit")
    going = last_look(going, clock.now() - timedelta(seconds=time.monotonic() - since))
    if going:
        expect(journal, going, since)
        outgoing = [one for _, one in going]
        began = time.monotonic()
        results, trouble = hand_over(offered, outgoing, journal, line)
        if pace is not None:
            pace.took(len(outgoing), time.monotonic() - began)
        crash.point("before_result_commit")
        handed_over = [one for one, _ in going]
        persist(lambda session: conclude(session, channel, handed_over, results, trouble))
        if journal.disk_said is not None:
            disk.tell(journal.disk_said)
            journal.disk_said = None
        journal.clear()
        crash.point("after_result_commit")
    return len(claimed)


def _note_missing_channel(channel: str) -> None:
    with reading() as session:
        waiting = connection_of(session).execute(
            select(Message.id).where(Message.channel == channel, Message.status == "queued").limit(1)
        )
        if waiting.first() is None:
            return
    with writing() as session:
        raise_issue(
            session,
            f"channel_missing:{channel}",
            code="held_plugin",
            sentence=N_("Messages by %(channel)s are waiting: no plugin offers this channel. Switch its plugin on."),
            params={"channel": channel},
        )
