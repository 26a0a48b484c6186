"""Taking messages in hand, each by one worker, at most one per contact. A claim that dies is simply queued again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, String, cast, func, literal, select, text, update

from panel import clock
from panel.contacts.sets import among
from panel.db import connection_of, rows_of, table_of, writing
from panel.journeys.engine import breaker, crash, marks
from panel.journeys.engine.wire import wire_journal
from panel.journeys.models import Journey
from panel.messages.models import Message

MESSAGES = table_of(Message)

# What becomes of a message once it is on the wire is nothing that a queued one has.
_LATER = {"attempt_token", "lease_until", "wire_at", "provider", "provider_message_id", "sent_at", "delivered_at",
          "first_opened_at", "first_clicked_at", "replied_at", "bounced_at", "settled_by"}  # fmt: skip
WANTED = [column for column in MESSAGES.c if column.name not in _LATER]

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
            select(*WANTED)
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
        if not first:
            return []
        if session.get_bind().dialect.name == "postgresql":
            # Nobody waits for the disk here: a claim that a server forgets when it falls is one that died, and whoever
            # held it finds out at the mark. The mark's own commit, before anything leaves, writes this one down too.
            session.execute(text("SET LOCAL synchronous_commit = off"))
        batch = wire_journal().batch()
        claimed = [Claimed(row, f"{batch}{row['id']}") for row in first.values()]
        connection_of(session).execute(
            update(Message)
            .where(among(session, Message.id, [one.row["id"] for one in claimed]))
            .values(
                status="claimed",
                attempt=Message.attempt + 1,
                attempt_token=literal(batch).concat(cast(Message.id, String)),
                lease_until=now + CLAIM_LEASE,
            )
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
