"""What contacts did, read from their timelines: one statement each, however long the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.contacts.sets import among
from panel.db import connection_of
from panel.engagement.rhythm import Rhythm, rhythm
from panel.engagement.score import Doing
from panel.engagement.signs import JUDGED, NOT_A_PERSON, SIGNS
from panel.timeline.models import Event

STRETCH = timedelta(minutes=30)  # so that every time zone's hours can be told from it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def doings(session: Session, contact_ids: Sequence[int], kinds: Collection[str], since: datetime) -> list[Doing]:
    """What these ids (one person and its aliases) did, counted by kind and half hour; machines are left out."""
    stretch = _number_of(session, int(STRETCH.total_seconds())).label("stretch")
    query = (
        select(Event.kind, stretch, func.count())
        .where(
            Event.contact_id.in_(contact_ids),
            Event.occurred_at >= since,
            Event.kind.in_(sorted(kinds)),
            by_a_person(),
        )
        .group_by(Event.kind, stretch)
    )
    rows = connection_of(session).execute(query)
    return [Doing(kind, _EPOCH + STRETCH * int(number), count) for kind, number, count in rows]


def by_a_person() -> ColumnElement[bool]:
    """An open or a click counts unless its verdict says that no person did it."""
    verdict = case((Event.kind.in_(JUDGED), Event.data["verdict"].as_string()))
    return or_(verdict.is_(None), verdict.not_in(NOT_A_PERSON))


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
            by_a_person(),
        )
        .group_by(whose, day)
    )
    return _read(connection_of(session).execute(query))


def rhythm_of(session: Session, ids: Sequence[int]) -> Rhythm:
    """The rhythm of one person by all ids whose history is theirs."""
    day = _number_of(session, 86_400).label("day")
    query = (
        select(func.max(Event.occurred_at))
        .where(Event.contact_id.in_(ids), Event.kind.in_(sorted(SIGNS)), by_a_person())
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
