"""Who is looking at a contact right now: one row for each colleague and page, renewed while the page is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.staff.models import User
from panel.tasks.models import Presence

KEPT = timedelta(seconds=30)  # three looks of the page


@dataclass(frozen=True)
class Looking:
    name: str
    is_writing: bool


def here(session: Session, contact_id: int, user_id: int, now: datetime, *, is_writing: bool = False) -> None:
    """This colleague has the page open. Does not commit."""
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"seen_at": now, "is_writing": is_writing}
    connection.execute(
        dialect.insert(Presence)
        .values(contact_id=contact_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["contact_id", "user_id"], set_=values)
    )


def others(session: Session, contact_id: int, user_id: int, now: datetime) -> list[Looking]:
    """The other colleagues who look at this contact."""
    query = (
        select(User.name, User.email, Presence.is_writing)
        .join(User, User.id == Presence.user_id)
        .where(Presence.contact_id == contact_id, Presence.user_id != user_id, Presence.seen_at > now - KEPT)
        .order_by(User.name)
        .limit(5)
    )
    return [Looking(row.name or row.email, row.is_writing) for row in session.execute(query)]


def forget_gone(session: Session, now: datetime) -> None:
    """Rows of pages that were closed long ago."""
    connection_of(session).execute(delete(Presence).where(Presence.seen_at < now - timedelta(days=1)))
