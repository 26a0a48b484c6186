"""Taking an import back within seven days: what it made goes, what it changed goes back, unless it was used since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.models import Consent
from panel.contacts.bulk import refresh_search
from panel.contacts.models import Contact, ContactAddress, FieldValue
from panel.contacts.operations import By, leave_list_many, remove_tag_many
from panel.contacts.queries import custom_fields
from panel.contacts.sets import among
from panel.contacts.typed import store_values
from panel.contacts.values import EMPTY
from panel.contacts.values import parse as parse_value
from panel.errors import UserError
from panel.i18n import N_
from panel.imports.models import Import, ImportedContact
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many

UNDO_WITHIN = timedelta(days=7)
BATCH = 500


def may_undo(task: Import, now: datetime) -> bool:
    """Only what has finished, and not longer than seven days ago."""
    return task.state in ("done", "failed") and bool(task.started_at and now - task.started_at <= UNDO_WITHIN)


def begin(session: Session, import_id: int, *, now: datetime | None = None) -> None:
    """Mark an import to be taken back; the job does it. Raises UserError when it is too late or not finished."""
    task = session.get(Import, import_id)
    if task is None or not may_undo(task, now or clock.now()):
        raise UserError("undo_refused", N_("Only a finished import of the last seven days can be undone"))
    task.state = "undoing"


def undo_batch(session: Session, import_id: int, *, now: datetime | None = None) -> bool:
    """Take back one batch, in the caller's transaction; True while there is more. Safe to repeat."""
    at = now or clock.now()
    task = session.scalars(select(Import).where(Import.id == import_id).with_for_update(skip_locked=True)).one_or_none()
    if task is None or task.state != "undoing":
        return False
    rows = session.execute(
        select(ImportedContact.row, ImportedContact.contact_id, ImportedContact.action, ImportedContact.before)
        .where(ImportedContact.import_id == import_id)
        .order_by(ImportedContact.row.desc())
        .limit(BATCH)
    ).all()
    if not rows:
        task.state = "undone"
        task.finished_at = at
        return False
    source = f"import:{import_id}"
    by = By(f"{source}:undo", user_id=task.user_id, starts_journeys=False)
    created = [row.contact_id for row in rows if row.action == "created"]
    kept = _used_since(session, created, source)
    _remove(session, [id_ for id_ in created if id_ not in kept], source)
    task.reading = {**task.reading, "kept": int(task.reading.get("kept", 0)) + len(kept)}
    for row in rows:
        if row.action == "updated" and row.before:
            _give_back(session, row.contact_id, row.before, by, at)
    session.execute(
        delete(ImportedContact).where(
            ImportedContact.import_id == import_id, ImportedContact.row.in_([row.row for row in rows])
        )
    )
    return True


def _used_since(session: Session, contact_ids: list[int], source: str) -> set[int]:
    """Contacts with anything on their timeline that this import did not put there, or merged with another."""
    if not contact_ids:
        return set()
    used = session.scalars(
        select(Event.contact_id)
        .where(among(session, Event.contact_id, contact_ids), Event.source != source)
        .group_by(Event.contact_id)
    )
    merged = session.scalars(
        select(Contact.id).where(among(session, Contact.id, contact_ids), Contact.merged_into_id.is_not(None))
    )
    kept_for = session.scalars(
        select(Contact.merged_into_id).where(among(session, Contact.merged_into_id, contact_ids))
    )
    return {id_ for id_ in (*used, *merged, *kept_for) if id_ is not None}


def _remove(session: Session, contact_ids: list[int], source: str) -> None:
    if not contact_ids:
        return
    session.execute(delete(Event).where(among(session, Event.contact_id, contact_ids), Event.source == source))
    # Addresses, values, lists, tags and consents go with the contact.
    session.execute(
        delete(Contact).where(among(session, Contact.id, contact_ids)).execution_options(synchronize_session=False)
    )


def _give_back(session: Session, contact_id: int, before: dict[str, Any], by: By, at: datetime) -> None:
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        return
    changes: dict[str, list[str]] = {}
    for name, (old, new) in before.get("columns", {}).items():
        if getattr(contact, name) == new:
            setattr(contact, name, old)
            changes[{"name": "full_name", "owner_id": "owner"}.get(name, name)] = [str(new or ""), str(old or "")]
    session.flush()
    for kind, value in before.get("addresses", []):
        gone = session.execute(
            delete(ContactAddress)
            .where(ContactAddress.contact_id == contact_id, ContactAddress.kind == kind, ContactAddress.value == value)
            .returning(ContactAddress.shown)
        ).scalar()
        if gone is not None:
            changes[kind] = [gone, ""]
    changes |= _values_back(session, contact_id, before.get("values", {}))
    for name in before.get("lists", []):
        leave_list_many(session, [contact_id], name, by=by, now=at)
    for name in before.get("tags", []):
        remove_tag_many(session, [contact_id], name, by=by, now=at)
    for channel in before.get("consents", []):
        session.execute(
            update(Consent)
            .where(Consent.contact_id == contact_id, Consent.channel == channel, Consent.how == "import")
            .values(is_current=False)
        )
    if changes:
        contact.updated_at = at
        session.flush()
        refresh_search(session, [contact_id])
        data = {"fields": ", ".join(changes), "changes": changes, "how": "undo"}
        record_many(session, [
            NewEvent(contact_id, "contact_updated", at, data, by.source, user_id=by.user_id, starts_journeys=False)
        ])  # fmt: skip


def _values_back(session: Session, contact_id: int, values: dict[str, list[str]]) -> dict[str, list[str]]:
    if not values:
        return {}
    infos = {info.id: info for info in custom_fields(session)}
    have = {
        field_id: text
        for field_id, text in session.execute(
            select(FieldValue.field_id, FieldValue.text).where(FieldValue.contact_id == contact_id)
        )
    }
    wanted = {}
    for key, (old, new) in values.items():
        info = infos.get(int(key))
        if info is not None and have.get(int(key), "") == new:
            wanted[int(key)] = parse_value(info, old) if old else EMPTY
    changed = store_values(session, {contact_id: wanted}).get(contact_id, {})
    return {infos[field_id].name: pair for field_id, pair in changed.items()}


def remaining(session: Session, import_id: int) -> int:
    """How many rows of an import are still to be taken back."""
    return (
        session.scalar(select(func.count()).select_from(ImportedContact).where(ImportedContact.import_id == import_id))
        or 0
    )
