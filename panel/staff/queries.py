"""Reads about colleagues."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.staff.models import AuditEntry, User
from panel.staff.rules import audit_hash


def user_by_handle(session: Session, handle: str) -> User | None:
    """The colleague that a journey means by `owner: dana`."""
    return session.scalars(select(User).where(User.handle == handle)).first()


def broken_audit_lines(session: Session) -> list[int]:
    """Ids of audit lines whose hash does not follow from what they say and the line before: somebody edited."""
    broken, previous = [], ""
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
        if entry.previous_hash != previous or entry.hash != _hash_of(entry):
            broken.append(entry.id)
        previous = entry.hash
    return broken


def _hash_of(entry: AuditEntry) -> str:
    return audit_hash(
        entry.previous_hash, entry.at, entry.user_id, entry.actor, entry.action, entry.subject, entry.detail
    )
