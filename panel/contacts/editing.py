"""Small changes by hand: one field, seen before it was changed, and the addresses of a contact one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import queries
from panel.contacts.addresses import parse
from panel.contacts.bulk import refresh_search
from panel.contacts.fields import ADDRESS_KINDS, BUILT_IN, FieldInfo
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.operations import update_contact
from panel.contacts.origin import PANEL, By, event_by
from panel.contacts.values import clean_free
from panel.errors import UserError
from panel.i18n import N_
from panel.staff.models import User
from panel.timeline.models import Event
from panel.timeline.operations import record_many

BROKEN_BY_HAND = "by_hand"


@dataclass(frozen=True)
class Meanwhile:
    """Somebody else changed the field since it was shown: what it says now, and who did it, when that is known."""

    value: str
    by: str = ""


def field_named(session: Session, name: str) -> FieldInfo | None:
    """A field by its identity, if a person may write it and it is not an address (those are changed one by one)."""
    info = next((one for one in queries.all_fields(session) if one.name == name), None)
    return info if info is not None and info.writable and info.name not in ADDRESS_KINDS else None


def editable_fields(session: Session) -> list[FieldInfo]:
    return [one for one in queries.all_fields(session) if one.writable and one.name not in ADDRESS_KINDS]


def value_of(session: Session, contact_id: int, info: FieldInfo) -> str:
    """The stored text of a field; "" when it is empty."""
    return queries.values_many(session, [contact_id], [info])[contact_id].get(info.name, "")


def change_field(
    session: Session,
    contact_id: int,
    info: FieldInfo,
    value: str,
    *,
    was: str | None = None,
    by: By = PANEL,
    now: datetime | None = None,
) -> Meanwhile | bool:
    """Set a field to what somebody typed. True when it changed, False when it was so already.

    `was` is the value they saw: when it is another by now, nothing is changed and the answer says what it is.
    """
    queries.lock(session, [contact_id])
    current = value_of(session, contact_id, info)
    if was is not None and current != was and current != value:
        return Meanwhile(current, _who_changed(session, contact_id, info.name))
    return bool(update_contact(session, contact_id, {info.name: value}, by=by, now=now))


def _who_changed(session: Session, contact_id: int, name: str) -> str:
    rows = session.execute(
        select(Event.data, User.name)
        .outerjoin(User, User.id == Event.user_id)
        .where(Event.contact_id == contact_id, Event.kind == "contact_updated")
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(20)
    )
    return next((who or "" for data, who in rows if name in (data or {}).get("changes", {})), "")


def repair_address(
    session: Session, contact_id: int, address_id: int, text: str, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """Correct an address in its place; it counts as working again. False when it is the same as before.

    An address that the contact has already is refused.
    """
    at = now or clock.now()
    address = _address(session, contact_id, address_id)
    read = parse(address.kind, text, region=queries.region(session))
    if (read.value, read.shown) == (address.value, address.shown):
        return False
    others = [one for one in address.contact.addresses if one.kind == address.kind and one.id != address.id]
    if any(one.value == read.value for one in others):
        raise UserError("address_twice", N_("This contact has the address %(address)s already"), address=read.shown)
    before = address.shown
    if read.value != address.value:
        address.unusable_reason = None
    address.value, address.shown = read.value, read.shown
    _changed(session, address.contact, address.kind, [before, read.shown], by, at)
    return True


def make_first(
    session: Session, contact_id: int, address_id: int, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """Make an address the one that is used, before the others of its kind. False when it is that already."""
    address = _address(session, contact_id, address_id)
    same = _in_order(address.contact.addresses, address.kind)
    if same[0].id == address.id:
        return False
    for position, one in enumerate([address, *(one for one in same if one.id != address.id)]):
        one.position = position
    session.flush()
    _tell(session, address, "address_first", {"address": address.shown}, by, now)
    return True


def mark_broken(
    session: Session, contact_id: int, address_id: int, *, note: str = "", by: By = PANEL, now: datetime | None = None
) -> bool:
    """Somebody knows that an address does not work: it is not used any more. False when that is known already."""
    address = _address(session, contact_id, address_id)
    if address.unusable_reason is not None:
        return False
    address.unusable_reason = BROKEN_BY_HAND
    session.flush()
    _tell(session, address, "address_broken", {"address": address.shown, "note": clean_free(note)[:2000]}, by, now)
    return True


def mark_works(
    session: Session, contact_id: int, address_id: int, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """An address works again, whatever was found out before. False when it was never said not to."""
    address = _address(session, contact_id, address_id)
    if address.unusable_reason is None:
        return False
    address.unusable_reason = None
    session.flush()
    _tell(session, address, "address_works", {"address": address.shown}, by, now)
    return True


def _in_order(addresses: Sequence[ContactAddress], kind: str) -> list[ContactAddress]:
    return sorted((one for one in addresses if one.kind == kind), key=lambda one: (one.position, one.id))


def _address(session: Session, contact_id: int, address_id: int) -> ContactAddress:
    queries.lock(session, [contact_id])
    address = session.get(ContactAddress, address_id, populate_existing=True)
    if address is None or address.contact_id != contact_id:
        raise UserError("address_gone", N_("This address is not here any more; somebody took it away meanwhile."))
    return address


def _changed(session: Session, contact: Contact, kind: str, pair: list[str], by: By, at: datetime) -> None:
    name = next((field for field, its in ADDRESS_KINDS.items() if its == kind), kind)
    contact.updated_at = at
    session.flush()
    refresh_search(session, [contact.id])
    data = {"fields": name, "changes": {name if name in BUILT_IN else kind: pair}}
    record_many(session, [event_by(by, contact.id, "contact_updated", at, data)])


def _tell(
    session: Session, address: ContactAddress, kind: str, data: dict[str, str], by: By, now: datetime | None
) -> None:
    at = now or clock.now()
    address.contact.updated_at = at
    session.flush()
    record_many(session, [event_by(by, address.contact_id, kind, at, data)])
