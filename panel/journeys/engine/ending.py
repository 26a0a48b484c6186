"""Ending runs: the status, what was still queued for them, and the line on the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.journeys.engine.looking_again import places_are_free
from panel.journeys.engine.programs import programs
from panel.journeys.engine.watched import watched_journeys
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.tasks.operations import cancel_awaited
from panel.timeline.operations import NewEvent, record_many


def end_runs(
    session: Session,
    enrolment_ids: Sequence[int],
    status: str,
    reason: str,
    now: datetime,
    *,
    detail: dict[int, dict[str, object]] | None = None,
    user_id: int | None = None,
) -> None:
    """End open runs: `status` finished | goal | stopped | excluded | removed. Queued messages are cancelled,
    and so are open tasks at which the runs stood."""
    rows = (
        connection_of(session)
        .execute(
            select(Enrolment.id, Enrolment.contact_id, Enrolment.version_id, Enrolment.depth).where(
                Enrolment.id.in_(enrolment_ids), Enrolment.status.in_(("active", "held"))
            )
        )
        .all()
    )
    if not rows:
        return
    ids = [row.id for row in rows]
    connection_of(session).execute(
        update(Enrolment)
        .where(Enrolment.id.in_(ids))
        .values(status=status, reason=reason, ended_at=now, due_at=None, phase="")
    )
    if cancel_queued(session, ids, "excluded" if reason == "excluded" else "stopped"):
        places_are_free(session, {row.contact_id for row in rows}, (), now)
    if status != "finished":
        cancel_awaited(session, ids, reason, now)
    known = programs(session, {row.version_id for row in rows})
    watched = watched_journeys(session)
    record_many(
        session,
        [
            NewEvent(
                row.contact_id,
                "journey_ended",
                now,
                {
                    "journey": known[row.version_id].resolved["name"],
                    "journey_id": known[row.version_id].journey_id,
                    "status": status,
                    "reason": reason,
                    **((detail or {}).get(row.id) or {}),
                },
                source="journeys",
                enrolment_id=row.id,
                user_id=user_id,
                depth=row.depth + 1,
                starts_journeys=known[row.version_id].journey_id in watched,
            )
            for row in rows
        ],
    )


def cancel_queued(session: Session, enrolment_ids: Sequence[int], reason: str) -> int:
    """Cancel what these runs had queued or held; returns how many messages. What a worker has claimed is stopped by its
    own last check."""
    cancelled = connection_of(session).execute(
        update(Message)
        .where(Message.enrolment_id.in_(enrolment_ids), Message.status.in_(("queued", "held")))
        .values(status="cancelled", reason=reason)
    )
    return int(cancelled.rowcount)
