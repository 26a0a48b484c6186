"""Writes about contacts. Each records on the timeline, in the caller's transaction; none commits.

Every operation may be repeated: what is so already is left alone and records nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import queries
from panel.contacts.addresses import Address, parse
from panel.contacts.bulk import Draft, insert_addresses, insert_contacts, refresh_search
from panel.contacts.erasing import erase
from panel.contacts.fields import ADDRESS_KINDS, COLUMNS, FieldInfo, find, nearest
from panel.contacts.memberships import (
    add_tag,
    add_tag_many,
    create_list,
    create_tag,
    join_list,
    join_list_many,
    leave_list,
    leave_list_many,
    remove_tag,
    remove_tag_many,
)
from panel.contacts.merging import merge, unmerge
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.origin import PANEL, Authors, By, event_by
from panel.contacts.typed import create_field, set_custom_many, store_values
from panel.contacts.values import Value, clean, clean_free, parse_language, parse_time_zone
from panel.contacts.values import parse as parse_value
from panel.errors import UserError
from panel.i18n import N_
from panel.sdk.context import NewContact
from panel.staff.models import User
from panel.timeline.operations import record_many

__all__ = [
    "PANEL", "By", "add_address", "add_note", "add_tag", "add_tag_many", "assign_owner", "create_contact",
    "create_field", "create_list", "create_tag", "erase", "join_list", "join_list_many", "leave_list",
    "leave_list_many", "merge", "note_many", "refresh_search", "remove_address", "remove_tag", "remove_tag_many",
    "set_field", "set_field_many", "unmerge", "update_contact",
]  # fmt: skip


def create_contact(
    session: Session,
    contact: NewContact,
    *,
    how: str,
    detail: Mapping[str, Any] | None = None,
    by: By = PANEL,
    now: datetime | None = None,
    match: bool = True,
) -> int:
    """Create a contact, or complete the one we know by reference, e-mail or telephone. Returns its id.

    `how` is import | form | api | landing_page | manual | plugin:<id>; `detail` says more (file and row, page address)
    and goes with `how` into the `contact_created` event. A known contact keeps its values: only empty ones are filled
    and new addresses are added (recorded as `contact_updated`). `match` False always makes a new one, and is refused
    when the reference is taken. Raises UserError for an address, a field or a value that cannot be read.
    """
    at = now or clock.now()
    draft = _draft(session, contact)
    known = _known(session, draft) if match else None
    if known is None and draft.reference and queries.by_reference(session, draft.reference) is not None:
        # Taken; or, when we match, made by somebody else between the two looks.
        known = _known(session, draft) if match else None
        if known is None:
            raise _reference_taken(draft.reference)
    if known is not None:
        _complete(session, known, draft, how=how, detail=detail or {}, by=by, at=at)
        return known
    try:
        with session.begin_nested():
            (contact_id,) = insert_contacts(session, [draft], now=at)
    except IntegrityError:
        # Somebody made a contact with this number in this very moment.
        known = _known(session, draft) if match else None
        if known is None:
            raise _reference_taken(draft.reference or "") from None
        _complete(session, known, draft, how=how, detail=detail or {}, by=by, at=at)
        return known
    record_many(session, [event_by(by, contact_id, "contact_created", at, {"how": how, "detail": dict(detail or {})})])
    return contact_id


def update_contact(
    session: Session, contact_id: int, changes: Mapping[str, object], *, by: By = PANEL, now: datetime | None = None
) -> list[str]:
    """Change fields by identity or any of their names. Returns the identities that really changed.

    One `contact_updated` event carries before and after: {"fields": "first_name, city", "changes": {...}}. An address
    field replaces the contact's first address of its kind; an empty value takes the value away.
    """
    at = now or clock.now()
    queries.lock(session, [contact_id])
    contact = _contact(session, contact_id)
    custom = queries.custom_fields(session)
    before_after: dict[str, list[str]] = {}
    values: dict[int, Value] = {}
    for name, raw in changes.items():
        info = _field(name, custom)
        if info.id is not None:
            values[info.id] = parse_value(info, raw)
        elif info.name in ADDRESS_KINDS:
            changed = _replace_address(session, contact, ADDRESS_KINDS[info.name], str(raw or ""), at)
            if changed:
                before_after[info.name] = changed
        elif info.name == "owner":
            changed = _change_owner(session, contact, raw)
            if changed:
                before_after["owner"] = changed
        else:
            changed = _change_column(session, contact, info.name, raw)
            if changed:
                before_after[info.name] = changed
    stored = store_values(session, {contact_id: values}).get(contact_id, {})
    names = {info.id: info.name for info in custom}
    before_after.update({names[field_id]: pair for field_id, pair in stored.items()})
    if not before_after:
        return []
    contact.updated_at = at
    session.flush()
    refresh_search(session, [contact_id])
    data = {"fields": ", ".join(before_after), "changes": before_after}
    record_many(session, [event_by(by, contact_id, "contact_updated", at, data)])
    return list(before_after)


def set_field(
    session: Session, contact_id: int, field: str, value: object, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """Set one field, by identity or any of its names; False when it had this value already."""
    return bool(update_contact(session, contact_id, {field: value}, by=by, now=now))


def set_field_many(
    session: Session, field: str, values: Mapping[int, object], *, by: Authors = PANEL, now: datetime | None = None
) -> list[int]:
    """Set one field of many contacts: {contact: value}. Returns those whose value changed; each gets an event.

    A custom field takes a few statements for all; a built-in one is written contact by contact.
    """
    info = _field(field, queries.custom_fields(session))
    if info.id is not None:
        return set_custom_many(session, info, values, by=by, now=now or clock.now())
    changed = []
    for contact_id, value in values.items():
        author = by if isinstance(by, By) else by.get(contact_id, PANEL)
        if update_contact(session, contact_id, {info.name: value}, by=author, now=now):
            changed.append(contact_id)
    return changed


def add_address(
    session: Session,
    contact_id: int,
    kind: str,
    text: str,
    *,
    label: str = "",
    by: By = PANEL,
    now: datetime | None = None,
) -> bool:
    """Give a contact one more address (email | phone | postal), after those it has. False when it has it already."""
    at = now or clock.now()
    queries.lock(session, [contact_id])
    contact = _contact(session, contact_id)
    address = parse(kind, text, region=queries.region(session))
    same_kind = [one for one in contact.addresses if one.kind == kind]
    if any(one.value == address.value for one in same_kind):
        return False
    position = max((one.position for one in same_kind), default=-1) + 1
    contact.addresses.append(
        ContactAddress(
            kind=kind, value=address.value, shown=address.shown, label=label, position=position, created_at=at
        )
    )
    _touched(session, contact, {kind: ["", address.shown]}, by, at)
    return True


def remove_address(
    session: Session, contact_id: int, kind: str, value: str, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """Take an address (its normalised value) off a contact. Blocks on it stay, they belong to the address."""
    at = now or clock.now()
    contact = _contact(session, contact_id)
    for one in contact.addresses:
        if one.kind == kind and one.value == value:
            contact.addresses.remove(one)
            _touched(session, contact, {kind: [one.shown, ""]}, by, at)
            return True
    return False


def assign_owner(
    session: Session, contact_id: int, user_id: int | None, *, by: By = PANEL, now: datetime | None = None
) -> bool:
    """Make a colleague responsible for a contact (None: nobody). False when that is so already."""
    at = now or clock.now()
    contact = _contact(session, contact_id)
    if contact.owner_id == user_id:
        return False
    names = {id_: name for id_, name in session.execute(select(User.id, User.name))}
    if user_id is not None and user_id not in names:
        raise UserError("owner_unknown", N_("There is no such colleague"))
    change = [names.get(contact.owner_id or 0, ""), names.get(user_id or 0, "")]
    contact.owner_id = user_id
    _touched(session, contact, {"owner": change}, by, at)
    return True


def add_note(
    session: Session, contact_id: int, text: str, *, by: By = PANEL, now: datetime | None = None
) -> int | None:
    """Write a note on a contact's timeline; the id of its event. An empty note is refused."""
    return note_many(session, {contact_id: text}, by=by, now=now)[0]


def note_many(
    session: Session, notes: Mapping[int, str], *, by: Authors = PANEL, now: datetime | None = None
) -> list[int | None]:
    """Write a note on many timelines: {contact: text}."""
    at = now or clock.now()
    events = []
    for contact_id, text in notes.items():
        cleaned = clean_free(text)
        if not cleaned:
            raise UserError("note_empty", N_("The note is empty"))
        events.append(event_by(by, contact_id, "note_added", at, {"text": cleaned}))
    return record_many(session, events)


def _draft(session: Session, contact: NewContact) -> Draft:
    region = queries.region(session)
    draft = Draft(
        name=clean(contact.name),
        first_name=clean(contact.first_name),
        last_name=clean(contact.last_name),
        language=parse_language(contact.language) if contact.language else None,
        reference=clean(contact.reference or "")[:120] or None,
    )
    found: dict[tuple[str, str], Address] = {}
    for kind, texts in (("email", contact.emails), ("phone", contact.phones)):
        for text in texts:
            if clean(text):
                address = parse(kind, text, region=region)
                found.setdefault((kind, address.value), address)
    custom = queries.custom_fields(session)
    for name, raw in contact.fields.items():
        info = _field(name, custom)
        if info.id is not None:
            draft.values[info.id] = parse_value(info, raw)
        elif info.name in ADDRESS_KINDS:
            if clean(raw):
                address = parse(ADDRESS_KINDS[info.name], raw, region=region)
                found.setdefault((address.kind, address.value), address)
        elif info.name == "owner":
            draft.owner_id = _person(session, raw)
        else:
            setattr(draft, COLUMNS[info.name], _column_value(info.name, raw))
    draft.addresses = list(found.values())
    draft.complete_names()
    return draft


def _known(session: Session, draft: Draft) -> int | None:
    """The one contact that this is, or None. Two people under one address are not told apart by it."""
    if draft.reference:
        found = queries.by_reference(session, draft.reference)
        if found is not None:
            return found
    for address in sorted(draft.addresses, key=lambda one: one.kind != "email"):
        if address.kind not in ("email", "phone"):
            continue
        candidates = queries.by_address(session, address.kind, address.value)
        if len(candidates) != 1:
            continue
        reference = session.scalar(select(Contact.reference).where(Contact.id == candidates[0]))
        if not (draft.reference and reference):
            return candidates[0]
    return None


def _complete(
    session: Session, contact_id: int, draft: Draft, *, how: str, detail: Mapping[str, Any], by: By, at: datetime
) -> None:
    contact = _contact(session, contact_id)
    changes: dict[str, list[str]] = {}
    if not (contact.name or contact.first_name or contact.last_name):
        contact.name, contact.first_name, contact.last_name = draft.name, draft.first_name, draft.last_name
        if draft.name:
            changes["full_name"] = ["", draft.name]
    for name in ("company", "language", "time_zone", "reference", "owner_id"):
        new = getattr(draft, name)
        if new and not getattr(contact, name):
            setattr(contact, name, new)
            changes[name] = ["", str(new)]
    known = {(one.kind, one.value): one for one in contact.addresses}
    fresh = [one for one in draft.addresses if (one.kind, one.value) not in known]
    insert_addresses(session, ((contact_id, one, 50 + i) for i, one in enumerate(fresh)), now=at)
    for one in fresh:
        changes[one.kind] = ["", one.shown]
    have = queries.values_many(session, [contact_id], (custom := queries.custom_fields(session)))[contact_id]
    names = {info.id: info.name for info in custom}
    missing = {id_: value for id_, value in draft.values.items() if names[id_] not in have}
    for field_id, pair in store_values(session, {contact_id: missing}).get(contact_id, {}).items():
        changes[names[field_id]] = pair
    if changes:
        session.flush()
        session.expire(contact, ["addresses"])
        _touched(session, contact, changes, by, at, {"how": how, "detail": dict(detail)})


def _touched(
    session: Session,
    contact: Contact,
    changes: Mapping[str, Sequence[str]],
    by: By,
    at: datetime,
    more: Mapping[str, Any] | None = None,
) -> None:
    contact.updated_at = at
    session.flush()
    refresh_search(session, [contact.id])
    data = {"fields": ", ".join(changes), "changes": {name: list(pair) for name, pair in changes.items()}}
    record_many(session, [event_by(by, contact.id, "contact_updated", at, data | dict(more or {}))])


def _reference_taken(reference: str) -> UserError:
    return UserError("reference_taken", N_("Another contact has the number %(reference)s"), reference=reference[:60])


def _contact(session: Session, contact_id: int) -> Contact:
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        raise UserError("contact_unknown", N_("There is no such contact"))
    return contact


def _field(name: str, custom: Sequence[FieldInfo]) -> FieldInfo:
    info = find(name, custom)
    if info is None:
        guess = nearest(name, custom)
        if guess:
            raise UserError(
                "field_unknown",
                N_('There is no field called "%(field)s". Did you mean "%(guess)s"?'),
                field=name[:80],
                guess=guess,
            )
        raise UserError("field_unknown", N_('There is no field called "%(field)s"'), field=name[:80])
    if not info.writable:
        raise UserError("field_not_writable", N_('The field "%(field)s" cannot be set'), field=name[:80])
    return info


def _replace_address(session: Session, contact: Contact, kind: str, text: str, at: datetime) -> list[str] | None:
    mine = sorted((one for one in contact.addresses if one.kind == kind), key=lambda one: (one.position, one.id))
    first = mine[0] if mine else None
    if not clean(text):
        if first is None:
            return None
        contact.addresses.remove(first)
        session.flush()
        return [first.shown, ""]
    address = parse(kind, text, region=queries.region(session))
    if first is not None and first.value == address.value:
        return None
    same = next((one for one in mine if one.value == address.value), None)
    lowest = (first.position if first else 0) - 1
    before = first.shown if first else ""
    if same is not None:  # known already: it becomes the first one
        same.position = lowest
    elif first is not None:
        first.value, first.shown, first.unusable_reason = address.value, address.shown, None
    else:
        contact.addresses.append(
            ContactAddress(kind=kind, value=address.value, shown=address.shown, position=0, created_at=at)
        )
    session.flush()
    return [before, address.shown]


def _change_owner(session: Session, contact: Contact, raw: object) -> list[str] | None:
    user_id = _person(session, str(raw or ""))
    if user_id == contact.owner_id:
        return None
    names = {id_: name for id_, name in session.execute(select(User.id, User.name))}
    before = names.get(contact.owner_id or 0, "")
    contact.owner_id = user_id
    return [before, names.get(user_id or 0, "")]


def _person(session: Session, text: str) -> int | None:
    """A colleague by handle, e-mail or name."""
    wanted = clean(text).lower()
    if not wanted:
        return None
    rows = session.execute(select(User.id, User.handle, User.email, User.name)).all()
    for id_, *names in rows:
        if wanted in {str(name).lower() for name in names if name}:
            return int(id_)
    raise UserError("owner_unknown_name", N_('There is no colleague called "%(name)s"'), name=text[:80])


def _column_value(name: str, raw: object) -> str | None:
    text = clean(str(raw)) if raw is not None else ""
    if name == "language":
        return parse_language(text) if text else None
    if name == "time_zone":
        return parse_time_zone(text) if text else None
    if name == "reference":
        return text[:120] or None
    return text


def _change_column(session: Session, contact: Contact, name: str, raw: object) -> list[str] | None:
    column = COLUMNS[name]
    new = _column_value(name, raw)
    old = getattr(contact, column)
    limit = getattr(Contact.__table__.c[column].type, "length", None)
    if new is not None and limit and len(new) > limit:
        raise UserError("value_too_long", N_("%(field)s: at most %(most)s characters"), field=name, most=limit)
    if (new or None) == (old or None):
        return None
    if name == "reference" and new and queries.by_reference(session, new) not in (None, contact.id):
        raise _reference_taken(new)
    setattr(contact, column, new)
    if name in ("first_name", "last_name") and contact.name == _joined(contact, column, old):
        contact.name = f"{contact.first_name} {contact.last_name}".strip()[:300]
    elif name == "full_name" and not (contact.first_name or contact.last_name):
        contact.first_name, _, contact.last_name = (part[:150] for part in contact.name.partition(" "))
    return [old or "", new or ""]


def _joined(contact: Contact, column: str, old: str) -> str:
    first = old if column == "first_name" else contact.first_name
    last = old if column == "last_name" else contact.last_name
    return f"{first} {last}".strip()
