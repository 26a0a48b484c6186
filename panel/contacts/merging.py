"""Two cards of one person become one, by alias: the merged contact keeps its own history and points to the kept one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import queries
from panel.contacts.bulk import refresh_search
from panel.contacts.models import Contact, ContactAddress, ContactMerge, ContactTag, FieldValue, ListMember
from panel.contacts.origin import PANEL, By, event_by
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

UNDO_WITHIN = timedelta(days=30)
_FILLED = ("name", "first_name", "last_name", "company", "language", "time_zone", "owner_id", "reference")


def merge(session: Session, kept_id: int, merged_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Merge one contact into another; False when they are one already.

    The kept one gains what it lacked: addresses, lists, tags, field values, empty details. Events stay where they
    are; the kept contact's timeline shows both (`queries.aliases`). Undone by `unmerge` within 30 days.
    """
    at = now or clock.now()
    kept_id, merged_id = queries.canonical(session, kept_id), queries.canonical(session, merged_id)
    if kept_id == merged_id:
        return False
    kept, merged = session.get(Contact, kept_id), session.get(Contact, merged_id)
    if kept is None or merged is None or kept.erased_at or merged.erased_at:
        raise UserError("contact_unknown", N_("There is no such contact"))
    before: dict[str, Any] = {
        "details": _fill_details(session, kept, merged),
        "addresses": _move_addresses(session, kept, merged),
        "lists": _move_memberships(session, ListMember, "list_id", "joined_at", kept_id, merged_id),
        "tags": _move_memberships(session, ContactTag, "tag_id", "added_at", kept_id, merged_id),
        "values": _copy_values(session, kept_id, merged_id),
    }
    merged.merged_into_id = kept_id
    merged.updated_at = kept.updated_at = at
    session.add(ContactMerge(kept_id=kept_id, merged_id=merged_id, before=before, at=at, user_id=by.user_id))
    session.flush()
    session.expire(kept)
    session.expire(merged)
    refresh_search(session, [kept_id])
    data = {"name": _name(session, merged_id), "contact_id": merged_id}
    record_many(session, [event_by(by, kept_id, "contact_merged", at, data)])
    return True


def unmerge(session: Session, merged_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Undo the merge of this contact; False when it is not merged. Refused after 30 days.

    What the kept contact gained by the merge goes back; what either of them got since stays where it is.
    """
    at = now or clock.now()
    found = session.scalars(
        select(ContactMerge).where(ContactMerge.merged_id == merged_id, ContactMerge.undone_at.is_(None))
    ).first()
    if found is None:
        return False
    if at - found.at > UNDO_WITHIN:
        raise UserError("merge_too_old", N_("A merge can be undone within 30 days; this one is older"))
    kept, merged = session.get(Contact, found.kept_id), session.get(Contact, merged_id)
    if kept is None or merged is None or kept.erased_at or merged.erased_at:
        raise UserError("contact_unknown", N_("There is no such contact"))
    before = found.before
    for name, taken in before["details"].items():
        if getattr(kept, name) == taken:
            setattr(kept, name, None if name in ("language", "time_zone", "owner_id", "reference") else "")
            session.flush()
            setattr(merged, name, taken)
    merged.merged_into_id = None
    merged.updated_at = kept.updated_at = at
    found.undone_at = at
    session.flush()
    session.execute(
        update(ContactAddress)
        .where(ContactAddress.id.in_(before["addresses"]), ContactAddress.contact_id == kept.id)
        .values(contact_id=merged_id)
        .execution_options(synchronize_session=False)
    )
    _give_back(session, ListMember, "list_id", "joined_at", kept.id, merged_id, before["lists"])
    _give_back(session, ContactTag, "tag_id", "added_at", kept.id, merged_id, before["tags"])
    session.execute(
        delete(FieldValue).where(FieldValue.contact_id == kept.id, FieldValue.field_id.in_(before["values"]))
    )
    session.expire(kept)
    session.expire(merged)
    refresh_search(session, [kept.id, merged_id])
    data = {"name": _name(session, merged_id), "contact_id": merged_id}
    record_many(session, [event_by(by, kept.id, "contact_unmerged", at, data)])
    return True


def _fill_details(session: Session, kept: Contact, merged: Contact) -> dict[str, Any]:
    gained: dict[str, Any] = {}
    for name in _FILLED:
        value = getattr(merged, name)
        if value and not getattr(kept, name):
            gained[name] = value
    if "reference" in gained:  # unique: it can only be on one of them
        merged.reference = None
        session.flush()
    for name, value in gained.items():
        setattr(kept, name, value)
    return gained


def _move_addresses(session: Session, kept: Contact, merged: Contact) -> list[int]:
    have = {(one.kind, one.value) for one in kept.addresses}
    moved = [one.id for one in merged.addresses if (one.kind, one.value) not in have]
    session.flush()
    session.execute(
        update(ContactAddress)
        .where(ContactAddress.id.in_(moved))
        .values(contact_id=kept.id, position=ContactAddress.position + 100)
        .execution_options(synchronize_session=False)
    )
    return moved


def _move_memberships(
    session: Session, model: Any, key: str, time_column: str, kept_id: int, merged_id: int
) -> list[dict[str, Any]]:
    """Memberships move to the kept contact, so that nobody is counted or written to twice."""
    column, at = getattr(model, key), getattr(model, time_column)
    have = set(session.scalars(select(column).where(model.contact_id == kept_id)))
    rows = session.execute(select(column, at).where(model.contact_id == merged_id)).all()
    session.execute(delete(model).where(model.contact_id == merged_id))
    new = [{key: id_, "contact_id": kept_id, time_column: since} for id_, since in rows if id_ not in have]
    if new:
        session.execute(insert(model), new)
    return [{"id": id_, "since": since.isoformat(), "gained": id_ not in have} for id_, since in rows]


def _give_back(
    session: Session, model: Any, key: str, time_column: str, kept_id: int, merged_id: int, rows: list[dict[str, Any]]
) -> None:
    column = getattr(model, key)
    for row in rows:
        still = session.scalar(select(column).where(model.contact_id == kept_id, column == row["id"]))
        if still is None:  # left since
            continue
        if row["gained"]:
            session.execute(delete(model).where(model.contact_id == kept_id, column == row["id"]))
        since = datetime.fromisoformat(row["since"])
        session.execute(insert(model), [{key: row["id"], "contact_id": merged_id, time_column: since}])


def _copy_values(session: Session, kept_id: int, merged_id: int) -> list[int]:
    have = set(session.scalars(select(FieldValue.field_id).where(FieldValue.contact_id == kept_id)))
    columns = (FieldValue.field_id, FieldValue.text, FieldValue.number, FieldValue.day)
    rows = session.execute(select(*columns).where(FieldValue.contact_id == merged_id)).all()
    new = [
        {"contact_id": kept_id, "field_id": field_id, "text": text, "number": number, "day": day}
        for field_id, text, number, day in rows
        if field_id not in have
    ]
    if new:
        session.execute(insert(FieldValue), new)
    return [field_id for field_id, *_ in rows if field_id not in have]


def _name(session: Session, contact_id: int) -> str:
    return queries.names_of(session, [contact_id]).get(contact_id) or f"#{contact_id}"
