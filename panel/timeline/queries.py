"""Reading timelines: by keyset only, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Tuple, literal, select, tuple_
from sqlalchemy.orm import Session

from panel.db import from_micros, to_micros
from panel.timeline.models import Event

PAGE = 50


@dataclass(frozen=True)
class Cursor:
    """A place on a timeline: everything strictly older (or newer) than this event."""

    occurred_at: datetime
    id: int

    def __str__(self) -> str:
        return f"{to_micros(self.occurred_at)}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str` wrote. Raises ValueError on anything else."""
        micros, _, id_ = text.partition("-")
        try:
            return cls(from_micros(int(micros)), int(id_))
        except (OverflowError, OSError) as error:
            raise ValueError(text) from error


def page(
    session: Session,
    contact_ids: Sequence[int],
    *,
    before: Cursor | None = None,
    after: Cursor | None = None,
    kinds: Collection[str] | None = None,
    without_messages: bool = False,
    limit: int = PAGE,
) -> list[Event]:
    """A page of the timeline of one person (the contact and its merged aliases), newest first.

    One index range per alias, never a sort of the whole history: with more than one id the pages are merged here.
    """
    found: list[Event] = []
    for contact_id in contact_ids:
        query = select(Event).where(Event.contact_id == contact_id)
        position = tuple_(Event.occurred_at, Event.id)
        if before is not None:
            query = query.where(position < _place(before))
        if after is not None:
            query = query.where(position > _place(after))
        if kinds is not None:
            query = query.where(Event.kind.in_(kinds))
        if without_messages:
            query = query.where(Event.message_id.is_(None))
        query = query.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(limit)
        found.extend(session.scalars(query))
    found.sort(key=lambda event: (event.occurred_at, event.id), reverse=True)
    return found[:limit]


def _place(cursor: Cursor) -> Tuple:
    # Typed literals: an untyped datetime would reach SQLite as text and compare wrongly with its integers.
    return tuple_(literal(cursor.occurred_at, Event.occurred_at.type), literal(cursor.id))
