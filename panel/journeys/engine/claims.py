"""Which runs are due, and taking them in hand.

The due runs lie in an index by (priority, moment). Each priority is read by itself: one range over all of them would go
through every run that waits for a later day, and a million of those shall cost nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
    type_coerce,
)

from panel.db import UTCDateTime, from_micros
from panel.journeys.models import Enrolment, Journey

COUNTED = 20_000

# Every priority that has something due; the recursion jumps from one to the next in the index.
_PRIORITIES = text(
    """WITH RECURSIVE p(priority) AS (
         SELECT min(priority) FROM enrolments WHERE status = 'active'
         UNION ALL
         SELECT (SELECT min(e.priority) FROM enrolments e WHERE e.status = 'active' AND e.priority > p.priority)
         FROM p WHERE p.priority IS NOT NULL)
       SELECT p.priority FROM p WHERE p.priority IS NOT NULL AND EXISTS (
         SELECT 1 FROM enrolments d WHERE d.status = 'active' AND d.priority = p.priority AND d.due_at <= :now)
       ORDER BY p.priority"""
).bindparams(bindparam("now", type_=UTCDateTime()))


def count_due(connection: Connection, now: datetime) -> int:
    """How many runs are due, counted up to 20,000."""
    found = 0
    for priority in connection.execute(_PRIORITIES, {"now": now}).scalars().all():
        some = _due(Enrolment.id).limit(COUNTED - found).subquery()
        count = select(func.count()).select_from(some)
        found += connection.execute(count, {"now": now, "priority": priority}).scalar_one()
        if found >= COUNTED:
            break
    return found


def claim(connection: Connection, limit: int, now: datetime) -> list[Any]:
    """Up to `limit` due runs, the most urgent first, locked until the transaction ends.

    Rows of plain values: (id, journey_id, contact_id, version_id, step_id, phase, seq, entered_at, step_began_at,
    wait as JSON, data as JSON, depth, priority), times as the database has them (see `moment_of`).
    """
    rows: list[Any] = []
    for priority in connection.execute(_PRIORITIES, {"now": now}).scalars().all():
        # A literal limit: a bound one PostgreSQL plans for any number of rows, and reads far too much.
        query = _claiming(connection.dialect.name).limit(literal_column(str(limit - len(rows))))
        rows += connection.execute(query, {"now": now, "priority": priority}).all()
        if len(rows) >= limit:
            break
    return rows


def moment_of(dialect: str) -> Any:
    """What turns a time as the database has it into an aware UTC one."""
    return from_micros if dialect == "sqlite" else _to_utc


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _due(*columns: Any) -> Select[Any]:
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    return (
        select(*columns)
        .where(
            Enrolment.status == "active",
            Enrolment.priority == bindparam("priority"),
            Enrolment.due_at <= bindparam("now", type_=UTCDateTime()),
            Enrolment.journey_id.not_in(paused),
        )
        .order_by(Enrolment.due_at)
    )


@cache
def _claiming(dialect: str) -> Select[Any]:
    # Values as the driver gives them: SQLAlchemy's own conversions of times and JSON cost more than the query.
    def time(column: Any) -> Any:
        return type_coerce(column, BigInteger if dialect == "sqlite" else DateTime(timezone=True))

    def json(column: Any) -> Any:
        return type_coerce(column, Text) if dialect == "sqlite" else cast(column, Text)

    return _due(
        Enrolment.id,
        Enrolment.journey_id,
        Enrolment.contact_id,
        Enrolment.version_id,
        Enrolment.step_id,
        Enrolment.phase,
        Enrolment.seq,
        time(Enrolment.entered_at),
        time(Enrolment.step_began_at),
        json(Enrolment.wait),
        json(Enrolment.data),
        Enrolment.depth,
        Enrolment.priority,
    ).with_for_update(skip_locked=True)
