"""Notices for colleagues: telling somebody, once, in the bell of the panel. Nobody commits here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of
from panel.i18n import N_
from panel.staff import mails
from panel.staff.models import Notice
from panel.staff.people import Directory, Meant

PLAIN = N_("%(text)s")
KNOWN_AS = N_("%(text)s (for %(name)s, whom nobody here is called)")
MAX_COUNT = 100
CHUNK = 500


@dataclass(frozen=True)
class NewNotice:
    """What to tell whom. `dedupe_key` together with the reader makes a repeat a no-op."""

    who: Meant
    sentence: str
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "notice"
    contact_id: int | None = None
    enrolment_id: int | None = None
    task_id: int | None = None
    dedupe_key: str | None = None


def notify(
    session: Session,
    who: str,
    text: str,
    *,
    contact_id: int | None = None,
    enrolment_id: int | None = None,
    dedupe_key: str | None = None,
    directory: Directory | None = None,
    now: datetime | None = None,
) -> list[int]:
    """Tell a person or a role something; returns the colleagues it concerns. A name nobody has goes to the owners."""
    directory = directory or Directory(session)
    meant = directory.meant(who)
    told = NewNotice(
        meant, *worded(meant, text), contact_id=contact_id, enrolment_id=enrolment_id, dedupe_key=dedupe_key
    )
    notify_many(session, [told], directory=directory, now=now)
    return directory.members(meant)


def worded(meant: Meant, text: str) -> tuple[str, dict[str, str]]:
    """Sentence and parameters of a plain text, with the name it was meant for when nobody has that name."""
    return (KNOWN_AS, {"text": text, "name": meant.asked_for}) if meant.asked_for else (PLAIN, {"text": text})


def notify_many(
    session: Session, notices: Sequence[NewNotice], *, directory: Directory | None = None, now: datetime | None = None
) -> int:
    """Tell many things at once; how many notices are new."""
    if not notices:
        return 0
    directory = directory or Directory(session)
    at = now or clock.now()
    rows = [
        {
            "user_id": user_id,
            "at": at,
            "kind": one.kind,
            "sentence": one.sentence,
            "params": dict(one.params),
            "contact_id": one.contact_id,
            "enrolment_id": one.enrolment_id,
            "task_id": one.task_id,
            "dedupe_key": f"{one.dedupe_key}:{user_id}"[:200] if one.dedupe_key else None,
        }
        for one in notices
        for user_id in directory.members(one.who)
    ]
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(Notice)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Notice.id, Notice.user_id, Notice.kind)
    )
    new = [
        (row.id, row.user_id, row.kind)
        for start in range(0, len(rows), CHUNK)
        for row in connection.execute(statement, rows[start : start + CHUNK])
    ]
    mails.queue(session, new, at)
    return len(new)


def unread_query(user_id: int) -> Select[int]:
    """How many notices this colleague has not read, counted up to 100: a query of one number, for pages' frames."""
    some = select(Notice.id).where(Notice.user_id == user_id, Notice.read_at.is_(None)).limit(MAX_COUNT)
    return select(func.count()).select_from(some.subquery())


def notices_of(session: Session, user_id: int, *, before: int | None = None, limit: int = 50) -> list[Notice]:
    """A colleague's notices, newest first; `before` is the id of the last one already seen."""
    query = select(Notice).where(Notice.user_id == user_id).order_by(Notice.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Notice.id < before)))


def mark_read(
    session: Session, user_id: int, ids: Collection[int] | None = None, *, now: datetime | None = None
) -> int:
    """Mark a colleague's own notices as read (None: all of them); how many were not."""
    query = update(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    if ids is not None:
        query = query.where(Notice.id.in_(ids))
    return connection_of(session).execute(query.values(read_at=now or clock.now())).rowcount


def forget_notices(session: Session, contact_ids: Collection[int]) -> None:
    """Empty what notices say about erased contacts; that there was one stays."""
    connection_of(session).execute(
        update(Notice)
        .where(Notice.contact_id.in_(contact_ids))
        .values(sentence=N_("About a contact who was erased."), params={})
    )
