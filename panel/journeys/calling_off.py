"""Planned messages when a colleague stops or frees a contact: what may not go is called off, what waited goes on.

The engine asks again before every message anyway (`engine.checks`). This only makes it happen now, so that nobody reads
of a message that is "coming up" and never will.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.consent.queries import why_not_many
from panel.db import connection_of
from panel.journeys.engine.reach import address_kind
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many


def call_off(session: Session, contact_ids: Collection[int], now: datetime, *, user_id: int | None = None) -> int:
    """Skip the queued messages of these contacts that may not go any more, each with its reason; their runs look again.

    Returns how many. What a worker has in hand is stopped by its own last check.
    """
    rows = (
        connection_of(session)
        .execute(
            select(Message.id, Message.contact_id, Message.channel, Message.purpose, Message.enrolment_id)
            .where(
                Message.contact_id.in_(contact_ids),
                Message.status == "queued",
                Message.kind == "message",
                Message.journey_id.is_not(None),
            )
            .order_by(Message.id)
            .with_for_update(skip_locked=True)
        )
        .all()
    )
    called_off = []
    for channel, purpose in sorted({(row.channel, row.purpose) for row in rows}):
        mine = [row for row in rows if (row.channel, row.purpose) == (channel, purpose)]
        why = why_not_many(session, {row.contact_id for row in mine}, channel, address_kind(channel), purpose)
        called_off += [(row, reason.value) for row in mine if (reason := why[row.contact_id]) is not None]
    for row, code in called_off:
        connection_of(session).execute(
            update(Message).where(Message.id == row.id).values(status="skipped", reason=code)
        )
    record_many(
        session,
        [
            NewEvent(
                row.contact_id, "message_skipped", now, {"channel": row.channel, "reason": code}, source="journeys",
                message_id=row.id, enrolment_id=row.enrolment_id, user_id=user_id, starts_journeys=False,
            )
            for row, code in called_off
        ],
    )  # fmt: skip
    runs = [row.enrolment_id for row, _ in called_off if row.enrolment_id]
    if runs:
        connection_of(session).execute(
            update(Enrolment).where(Enrolment.id.in_(runs), Enrolment.status == "active").values(due_at=now)
        )
    return len(called_off)


def wake_rested(session: Session, contact_ids: Collection[int], now: datetime) -> int:
    """A rest was ended: what waited because of it is looked at now. Returns how many messages that are."""
    woken = connection_of(session).execute(
        update(Message)
        .where(Message.contact_id.in_(contact_ids), Message.status == "queued", Message.reason == "postponed_rest")
        .values(not_before=now)
    )
    return int(woken.rowcount)
