"""The audit trail: each line carries the hash of the one before, so that a gap shows.

Lines are written at the very end of their transaction, by its commit. A line needs the end of the chain for itself
until it is committed; were it written in the middle, whoever then waits for a row could wait for somebody who waits for
the chain, and neither could go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import event, select, text
from sqlalchemy.orm import Session, SessionTransaction

from panel import clock
from panel.staff.models import AuditEntry, User
from panel.staff.rules import audit_hash

_WAITING = "audit_lines"
# Any number will do as long as every writer of the chain uses the same one.
_LOCK = 8_400_001


@dataclass(frozen=True)
class _Line:
    at: datetime
    user_id: int | None
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    savepoints: tuple[SessionTransaction, ...]  # in which it was said: it goes when one of them is rolled back


def record_audit(
    session: Session,
    *,
    action: str,
    user: User | None = None,
    actor: str | None = None,
    subject: str = "",
    detail: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Append one line to the audit trail, in the transaction of `session`: with its commit, or not at all."""
    if not session.in_transaction():
        session.begin()
    session.flush()
    line = _Line(
        at=at or clock.now(),
        user_id=user.id if user is not None else None,
        actor=actor or (user.email if user is not None else "system"),
        action=action,
        subject=subject[:200],
        detail=detail or {},
        savepoints=_savepoints(session),
    )
    session.info.setdefault(_WAITING, []).append(line)


def _savepoints(session: Session) -> tuple[SessionTransaction, ...]:
    found, one = [], session.get_nested_transaction()
    while one is not None:
        if one.nested:
            found.append(one)
        one = one.parent
    return tuple(found)


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction() or not session.info.get(_WAITING):
        return
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
    previous = session.scalar(select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)) or ""
    for line in session.info.pop(_WAITING):
        entry = AuditEntry(
            at=line.at,
            user_id=line.user_id,
            actor=line.actor,
            action=line.action,
            subject=line.subject,
            detail=line.detail,
            previous_hash=previous,
            hash=audit_hash(previous, line.at, line.user_id, line.actor, line.action, line.subject, line.detail),
        )
        session.add(entry)
        session.flush()
        previous = entry.hash


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.nested and session.info.get(_WAITING):
        session.info[_WAITING] = [line for line in session.info[_WAITING] if ended not in line.savepoints]


@event.listens_for(Session, "after_transaction_end")
def _forget_all(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:  # committed, and then they are written; or rolled back, or just closed
        session.info.pop(_WAITING, None)
