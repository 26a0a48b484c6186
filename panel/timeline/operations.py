"""Writing on the timeline. Everyone records here; journeys, scores and plugins wake on what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from panel import clock
from panel.copying import put_rows
from panel.db import connection_of, next_ids
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.models import Event
from panel.timeline.registry import FUTURE_TOLERANCE

COLUMNS = (
    *("id", "contact_id", "kind", "occurred_at", "received_at", "source", "external_id", "data", "message_id"),
    *("enrolment_id", "user_id", "depth", "starts_journeys", "routed_at"),
)
WORTH_A_TRY = 20  # rows, from which on a savepoint costs less than it saves
SQLITE_CHUNK = 1000  # rows per statement, well under SQLite's limit on bound values


@dataclass(frozen=True)
class NewEvent:
    """A fact to put on a timeline. `source` and `external_id` together make a repeated report a no-op.

    `starts_journeys` False keeps the fact as history only. `depth` counts how many journeys caused each other.
    """

    contact_id: int
    kind: str
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    source: str = "panel"
    external_id: str | None = None
    message_id: int | None = None
    enrolment_id: int | None = None
    user_id: int | None = None
    depth: int = 0
    starts_journeys: bool = True


def record(
    session: Session | Connection,
    *,
    contact_id: int,
    kind: str,
    occurred_at: datetime | None = None,
    data: Mapping[str, Any] | None = None,
    source: str = "panel",
    external_id: str | None = None,
    message_id: int | None = None,
    enrolment_id: int | None = None,
    user_id: int | None = None,
    depth: int = 0,
    starts_journeys: bool = True,
) -> int | None:
    """Put one event on a contact's timeline, in the caller's transaction.

    Returns its id, or None when the same (source, external_id) is there already. Refuses an event dated in the future.
    """
    event = NewEvent(
        contact_id, kind, occurred_at or clock.now(), data or {}, source, external_id, message_id, enrolment_id,
        user_id, depth, starts_journeys,
    )  # fmt: skip
    return record_many(session, [event])[0]


def record_many(session: Session | Connection, events: Sequence[NewEvent]) -> list[int | None]:
    """Put many events on timelines at once; one id (or None for a repeat) per event, in order."""
    if not events:
        return []
    now = clock.now()
    for event in events:
        if event.occurred_at > now + FUTURE_TOLERANCE:
            raise UserError(
                "event_in_the_future",
                N_("An event cannot be dated in the future: %(kind)s at %(at)s"),
                kind=event.kind,
                at=event.occurred_at.isoformat(),
            )
    connection = connection_of(session)
    ids = next_ids(connection, "events", len(events))
    rows = [
        {
            "id": id_,
            "contact_id": event.contact_id,
            "kind": event.kind,
            "occurred_at": event.occurred_at,
            "received_at": now,
            "source": event.source,
            "external_id": event.external_id,
            "data": dict(event.data),
            "message_id": event.message_id,
            "enrolment_id": event.enrolment_id,
            "user_id": event.user_id,
            "depth": event.depth,
            "starts_journeys": event.starts_journeys,
            # History that starts nothing needs no routing; everything else waits for the router.
            "routed_at": None if event.starts_journeys else now,
        }
        for id_, event in zip(ids, events, strict=True)
    ]
    if all(event.external_id is None for event in events):
        put_rows(connection, Event, COLUMNS, map(itemgetter(*COLUMNS), rows))
        return list(ids)
    if len(rows) >= WORTH_A_TRY:
        # Nearly always nothing of it is there yet, and then this is several times quicker.
        try:
            with connection.begin_nested():
                put_rows(connection, Event, COLUMNS, map(itemgetter(*COLUMNS), rows))
            return list(ids)
        except IntegrityError:
            pass  # some of it was reported before: row by row, then
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Event).on_conflict_do_nothing(index_elements=["source", "external_id"])
    for start in range(0, len(rows), SQLITE_CHUNK):
        connection.execute(statement, rows[start : start + SQLITE_CHUNK])
    stored: set[int] = set()
    for start in range(0, len(rows), SQLITE_CHUNK):
        part = list(ids[start : start + SQLITE_CHUNK])
        stored.update(connection.execute(select(Event.id).where(Event.id.in_(part))).scalars())
    return [id_ if id_ in stored else None for id_ in ids]
