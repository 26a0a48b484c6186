"""Joining and leaving lists, tags added and removed: one statement for any number of contacts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact, ContactList, ContactTag, ListMember, Tag
from panel.contacts.origin import PANEL, Authors, event_by
from panel.contacts.queries import list_named, tag_named
from panel.contacts.sets import among
from panel.contacts.values import clean
from panel.db import connection_of
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

MAX_NAME = 120


def create_list(session: Session, name: str, *, description: str = "", now: datetime | None = None) -> int:
    """Make a list, or return the one that has this name already."""
    known = list_named(session, name)
    if known is not None:
        return known.id
    return _create(session, ContactList, _checked_name(name), now, description=description)


def create_tag(session: Session, name: str, *, color: str = "", now: datetime | None = None) -> int:
    """Make a tag, or return the one that has this name already."""
    known = tag_named(session, name)
    if known is not None:
        return known.id
    return _create(session, Tag, _checked_name(name), now, color=color)


def join_list(
    session: Session, contact_id: int, list_name: str, *, by: Authors = PANEL, now: datetime | None = None
) -> bool:
    """Put a contact on a list; False when it is on it already. The list must exist."""
    return bool(join_list_many(session, [contact_id], list_name, by=by, now=now))


def leave_list(
    session: Session, contact_id: int, list_name: str, *, by: Authors = PANEL, now: datetime | None = None
) -> bool:
    """Take a contact off a list; False when it was not on it."""
    return bool(leave_list_many(session, [contact_id], list_name, by=by, now=now))


def add_tag(session: Session, contact_id: int, tag: str, *, by: Authors = PANEL, now: datetime | None = None) -> bool:
    """Tag a contact; False when it has the tag already. The tag is made when it is new."""
    return bool(add_tag_many(session, [contact_id], tag, by=by, now=now))


def remove_tag(
    session: Session, contact_id: int, tag: str, *, by: Authors = PANEL, now: datetime | None = None
) -> bool:
    """Take a tag off a contact; False when it did not have it."""
    return bool(remove_tag_many(session, [contact_id], tag, by=by, now=now))


def join_list_many(
    session: Session,
    contact_ids: Collection[int],
    list_name: str,
    *,
    by: Authors = PANEL,
    now: datetime | None = None,
) -> list[int]:
    """Put many contacts on a list. Returns those that were not on it; only they get a `list_joined` event."""
    found = _list(session, list_name)
    at = now or clock.now()
    joined = _add(session, ListMember, ListMember.list_id, found.id, "joined_at", contact_ids, at)
    data = {"list": found.name, "list_id": found.id}
    record_many(session, [event_by(by, contact_id, "list_joined", at, data) for contact_id in joined])
    return joined


def leave_list_many(
    session: Session,
    contact_ids: Collection[int],
    list_name: str,
    *,
    by: Authors = PANEL,
    now: datetime | None = None,
) -> list[int]:
    """Take many contacts off a list. Returns those that were on it; only they get a `list_left` event."""
    found = _list(session, list_name)
    at = now or clock.now()
    left = _remove(session, ListMember, ListMember.list_id, found.id, contact_ids)
    data = {"list": found.name, "list_id": found.id}
    record_many(session, [event_by(by, contact_id, "list_left", at, data) for contact_id in left])
    return left


def add_tag_many(
    session: Session, contact_ids: Collection[int], tag: str, *, by: Authors = PANEL, now: datetime | None = None
) -> list[int]:
    """Tag many contacts. Returns those that did not have it; only they get a `tag_added` event."""
    at = now or clock.now()
    tag_id = create_tag(session, tag, now=at)
    added = _add(session, ContactTag, ContactTag.tag_id, tag_id, "added_at", contact_ids, at)
    data = {"tag": session.scalar(select(Tag.name).where(Tag.id == tag_id)), "tag_id": tag_id}
    record_many(session, [event_by(by, contact_id, "tag_added", at, data) for contact_id in added])
    return added


def remove_tag_many(
    session: Session, contact_ids: Collection[int], tag: str, *, by: Authors = PANEL, now: datetime | None = None
) -> list[int]:
    """Take a tag off many contacts. Returns those that had it; only they get a `tag_removed` event."""
    found = tag_named(session, tag)
    if found is None:
        return []
    at = now or clock.now()
    removed = _remove(session, ContactTag, ContactTag.tag_id, found.id, contact_ids)
    data = {"tag": found.name, "tag_id": found.id}
    record_many(session, [event_by(by, contact_id, "tag_removed", at, data) for contact_id in removed])
    return removed


def _add(
    session: Session, model: Any, key: Any, key_id: int, time_column: str, ids: Collection[int], at: datetime
) -> list[int]:
    if not ids:
        return []
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # A card that was merged away is the one that is shown instead: somebody chose it on a page that is older than that.
    shown = func.coalesce(Contact.merged_into_id, Contact.id)
    # Sorted, so that two workers who add the same contacts wait for each other instead of deadlocking.
    rows = (
        select(literal(key_id), shown, literal(at, getattr(model, time_column).type))
        .where(among(connection, Contact.id, ids), Contact.erased_at.is_(None))
        .order_by(shown)
    )
    statement = (
        dialect.insert(model)
        .from_select([key.key, "contact_id", time_column], rows)
        .on_conflict_do_nothing()
        .returning(model.contact_id)
    )
    return sorted(connection.execute(statement).scalars())


def _remove(session: Session, model: Any, key: Any, key_id: int, ids: Collection[int]) -> list[int]:
    if not ids:
        return []
    connection = connection_of(session)
    statement = delete(model).where(key == key_id, among(connection, model.contact_id, ids)).returning(model.contact_id)
    return sorted(connection.execute(statement).scalars())


def _create(session: Session, model: Any, name: str, now: datetime | None, **more: str) -> int:
    try:
        with session.begin_nested():
            statement = insert(model).values(name=name, created_at=now or clock.now(), **more).returning(model.id)
            return int(session.execute(statement).scalar_one())
    except IntegrityError:
        # Somebody made it in this very moment.
        return int(session.execute(select(model.id).where(model.name == name)).scalar_one())


def _list(session: Session, name: str) -> ContactList:
    found = list_named(session, name)
    if found is None:
        raise UserError("list_unknown", N_('There is no list called "%(list)s"'), list=name[:100])
    return found


def _checked_name(name: str) -> str:
    name = " ".join(clean(name).split())
    if not name:
        raise UserError("name_empty", N_("A name is missing"))
    if len(name) > MAX_NAME:
        raise UserError(
            "name_too_long", N_('This name is longer than %(most)s characters: "%(name)s"'), most=MAX_NAME, name=name
        )
    return name
