"""What contacts did, read from their timelines: one statement each, however long the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, or_, select, type_coerce, union_all
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.contacts.sets import among
from panel.db import connection_of
from panel.engagement.rhythm import Rhythm, rhythm
from panel.engagement.score import Doing
from panel.engagement.signs import NOT_A_PERSON, OPEN, SIGNS
from panel.timeline.models import Event

STRETCH = timedelta(minutes=30)  # so that every time zone's hours can be told from it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def doings(session: Session, contact_ids: Sequence[int], kinds: Collection[str], since: datetime) -> list[Doing]:
    """What these ids (one person and its aliases) did, counted by kind and half hour. Opens that no person made
    are left out."""
    stretch = _number_of(session, int(STRETCH.total_seconds())).label("stretch")
    here = and_(Event.contact_id.in_(contact_ids), Event.occurred_at >= since)
    parts = [
        select(Event.kind, stretch, func.count())
        .where(here, Event.kind.in_(sorted(set(kinds) - {OPEN})))
        .group_by(Event.kind, stretch)
    ]
    if OPEN in kinds:
        # Apart, so that only for opens what they say must be read, and all else comes from the index alone.
        verdict = Event.data["verdict"].as_string()
        parts.append(
            select(Event.kind, stretch, func.count())
            .where(here, Event.kind == OPEN, or_(verdict.is_(None), verdict.not_in(NOT_A_PERSON)))
            .group_by(Event.kind, stretch)
        )
    rows = connection_of(session).execute(union_all(*parts))
    return [Doing(kind, _EPOCH + STRETCH * int(number), count) for kind, number, count in rows]


def rhythms(session: Session, contact_ids: Collection[int]) -> dict[int, Rhythm]:
    """The rhythm of each of these contacts, with what was merged into it. Contacts that never did anything are left
    out. Days, not events, are read: a day of a hundred clicks is one row."""
    whose = case((Contact.merged_into_id.is_not(None), Contact.merged_into_id), else_=Contact.id).label("whose")
    day = _number_of(session, 86_400).label("day")
    query = (
        select(whose, func.max(Event.occurred_at))
        .join(Event, Event.contact_id == Contact.id)
        .where(
            or_(among(session, Contact.id, contact_ids), among(session, Contact.merged_into_id, contact_ids)),
            Event.kind.in_(sorted(SIGNS)),
        )
        .group_by(whose, day)
    )
    return _read(connection_of(session).execute(query))


def rhythm_of(session: Session, ids: Sequence[int]) -> Rhythm:
    """The rhythm of one person by all ids whose history is theirs."""
    day = _number_of(session, 86_400).label("day")
    query = (
        select(func.max(Event.occurred_at))
        .where(Event.contact_id.in_(ids), Event.kind.in_(sorted(SIGNS)))
        .group_by(day)
    )
    return rhythm(connection_of(session).execute(query).scalars())


def _read(rows: Iterable[Any]) -> dict[int, Rhythm]:
    moments: dict[int, list[datetime]] = defaultdict(list)
    for contact_id, at in rows:
        moments[contact_id].append(at)
    return {contact_id: rhythm(some) for contact_id, some in moments.items()}


def _number_of(session: Session, seconds: int) -> ColumnElement[int]:
    """Which stretch of so many seconds since 1970 an event falls into."""
    if connection_of(session).dialect.name == "postgresql":
        return cast(func.floor(func.extract("epoch", Event.occurred_at) / seconds), BigInteger)
    return type_coerce(Event.occurred_at, BigInteger) // (seconds * 1_000_000)
