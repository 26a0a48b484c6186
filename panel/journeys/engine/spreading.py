"""Spreading what is overdue: not all at once, in the order in which it was due, nothing earlier than it may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.orm import Session

from panel.db import connection_of, table_of
from panel.journeys.models import Enrolment
from panel.messages.models import Message

MESSAGES, RUNS = table_of(Message), table_of(Enrolment)
DAY = timedelta(days=1)


def moments(start: datetime, count: int, over: timedelta) -> list[datetime]:
    """`count` moments, evenly from `start` until just before `start + over`."""
    return [start + over * number / max(count, 1) for number in range(count)]


def spread_messages(
    session: Session, which: Sequence[ColumnElement[bool]], start: datetime, over: timedelta, *, decided: bool = False
) -> int:
    """Give queued messages that are due by `start` their turns; hours and limits are still asked at each turn.

    Too late stays too late, except when a person has `decided` that they go: then they have a day from their turn.
    """
    rows = (
        connection_of(session)
        .execute(
            select(MESSAGES.c.id, MESSAGES.c.expires_at)
            .where(MESSAGES.c.status == "queued", MESSAGES.c.not_before <= start, *which)
            .order_by(MESSAGES.c.priority, MESSAGES.c.not_before, MESSAGES.c.id)
        )
        .all()
    )
    turns = moments(start, len(rows), over)
    values = []
    for row, at in zip(rows, turns, strict=True):
        ends = row.expires_at
        if ends is not None:
            # A turn that we gave must not be what makes a message too late.
            ends = max(ends, at + DAY) if decided or ends > start else ends
        values.append({"m_id": row.id, "m_at": at, "m_ends": ends})
    if values:
        connection_of(session).execute(
            update(MESSAGES)
            .where(MESSAGES.c.id == bindparam("m_id"))
            .values(not_before=bindparam("m_at"), expires_at=bindparam("m_ends")),
            values,
        )
    return len(values)


def spread_runs(session: Session, which: Sequence[ColumnElement[bool]], start: datetime, over: timedelta) -> int:
    """Give runs that are due by `start` their turns."""
    ids: list[Any] = list(
        connection_of(session)
        .execute(
            select(RUNS.c.id)
            .where(RUNS.c.status == "active", RUNS.c.due_at <= start, *which)
            .order_by(RUNS.c.priority, RUNS.c.due_at, RUNS.c.id)
        )
        .scalars()
    )
    turns = moments(start, len(ids), over)
    if ids:
        connection_of(session).execute(
            update(RUNS).where(RUNS.c.id == bindparam("r_id")).values(due_at=bindparam("r_at")),
            [{"r_id": id_, "r_at": at} for id_, at in zip(ids, turns, strict=True)],
        )
    return len(ids)


def count_overdue(session: Session, now: datetime) -> int:
    """How many messages and runs are due (each counted up to 10,000)."""
    connection = connection_of(session)
    messages = select(MESSAGES.c.id).where(MESSAGES.c.status == "queued", MESSAGES.c.not_before <= now).limit(10_000)
    runs = select(RUNS.c.id).where(RUNS.c.status == "active", RUNS.c.due_at <= now).limit(10_000)
    return sum(
        connection.execute(select(func.count()).select_from(one.subquery())).scalar_one() for one in (messages, runs)
    )
