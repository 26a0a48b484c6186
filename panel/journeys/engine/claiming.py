"""Taking messages in hand, each by one worker, at most one per contact. A claim that dies is simply queued again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from panel import clock
from panel.copying import update_rows
from panel.db import connection_of, rows_of, table_of, writing
from panel.journeys.engine import breaker, crash, marks
from panel.journeys.engine.wire import wire_journal
from panel.journeys.models import Journey
from panel.messages.models import Message

MESSAGES = table_of(Message)

BATCH = 200
CLAIM_LEASE = crash.lease(timedelta(minutes=2))


@dataclass(frozen=True)
class Claimed:
    row: Mapping[str, Any]
    token: str


def claim(channel: str, limit: int) -> list[Claimed]:
    """Take messages in hand, at most one per contact. Nothing leaves here: a dead claim is simply queued again."""
    with writing() as session:
        now = clock.now()
        if not marks.may_send(session) or breaker.resting_until(session, channel, now):
            return []
        rows = rows_of(
            session,
            select(MESSAGES)
            .where(
                Message.channel == channel,
                Message.status == "queued",
                Message.not_before <= now,
                func.coalesce(Message.journey_id, "").not_in(_paused()),
            )
            .order_by(Message.priority, Message.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True),
        )
        # Who was in a claim that died goes alone: if it kills this worker too, it takes nobody with it (see `reap`).
        if rows and _is_suspect(rows[0]):
            rows = rows[:1]
        first: dict[int, Mapping[str, Any]] = {}
        for row in rows if len(rows) == 1 else [one for one in rows if not _is_suspect(one)]:
            first.setdefault(row["contact_id"], row)
        journal = wire_journal()
        claimed = [Claimed(row, journal.token()) for row in first.values()]
        if claimed:
            until = now + CLAIM_LEASE
            columns = ("status", "attempt", "attempt_token", "lease_until")
            update_rows(
                connection_of(session),
                Message,
                columns,
                [("claimed", one.row["attempt"] + 1, one.token, until, one.row["id"]) for one in claimed],
            )
    return claimed


def _is_suspect(row: Mapping[str, Any]) -> bool:
    return bool((row["detail"] or {}).get("died"))


def due(connection: Connection, now: datetime) -> list[str]:
    """The channels with something to send, for the ticker."""
    query = (
        select(Message.channel)
        .where(Message.status == "queued", Message.not_before <= now, Message.journey_id.not_in(_paused()))
        .distinct()
    )
    by_hand = select(Message.channel).where(
        Message.status == "queued", Message.not_before <= now, Message.journey_id.is_(None)
    )
    return sorted(set(connection.execute(query).scalars()) | set(connection.execute(by_hand.distinct()).scalars()))


def _paused() -> Any:
    return select(Journey.id).where(Journey.state.in_(("paused", "draft")))
