"""Custom fields: making them, and storing their values for many contacts at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import queries
from panel.contacts.bulk import insert_values
from panel.contacts.fields import TYPES, FieldInfo, find
from panel.contacts.models import Contact, Field, FieldValue
from panel.contacts.origin import Authors, event_by
from panel.contacts.search import fold
from panel.contacts.sets import among
from panel.contacts.values import Value, clean, parse
from panel.db import connection_of
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

_NOT_IDENTITY = re.compile(r"[^a-z0-9]+")


def create_field(
    session: Session,
    name: str,
    type_: str = "text",
    *,
    labels: Mapping[str, str] | None = None,
    aliases: Sequence[str] = (),
    choices: Sequence[str] = (),
    now: datetime | None = None,
) -> FieldInfo:
    """Make a custom field, or return the one that answers to this name. `name` may be in any language.

    Refuses a name or alias that another field has already, and a type that is not one of `fields.TYPES`.
    """
    name = " ".join(clean(name).split())
    if not name:
        raise UserError("name_empty", N_("A name is missing"))
    if type_ not in TYPES:
        raise UserError("field_type_unknown", N_('"%(type)s" is not a type of field'), type=type_)
    if type_ == "choice" and not choices:
        raise UserError("field_without_choices", N_('The field "%(field)s" needs its choices'), field=name)
    known = queries.custom_fields(session)
    same = find(name, known)
    if same is not None and same.id is not None and same.type == type_:
        return same
    for word in (name, *(labels or {}).values(), *aliases):
        taken = find(word, known)
        if taken is not None:
            raise UserError("field_name_taken", N_('Another field is called "%(field)s" already'), field=word[:80])
    identity = _identity(name, {info.name for info in known})
    shown = dict(labels or {}) or {"en": name}
    also = [*aliases] if name in shown.values() or name == identity else [name, *aliases]
    row = {
        "name": identity,
        "type": type_,
        "labels": shown,
        "aliases": also,
        "choices": list(choices),
        "created_at": now or clock.now(),
    }
    id_ = int(session.execute(insert(Field).values(**row).returning(Field.id)).scalar_one())
    return FieldInfo(identity, type_, shown, tuple(also), tuple(choices), id_)


def _identity(name: str, taken: Collection[str]) -> str:
    base = _NOT_IDENTITY.sub("_", fold(name)).strip("_")[:60] or "field"
    identity, n = base, 1
    while identity in taken or find(identity) is not None or base == "field" and n == 1:
        n += 1
        identity = f"{base}_{n}"
    return identity


def set_custom_many(
    session: Session, info: FieldInfo, values: Mapping[int, object], *, by: Authors, now: datetime
) -> list[int]:
    """Set one custom field of many contacts; those whose value changed, each with a `contact_updated` event."""
    assert info.id is not None
    wanted = {contact_id: {info.id: parse(info, raw)} for contact_id, raw in values.items()}
    queries.lock(session, list(wanted))
    changed = store_values(session, wanted)
    if not changed:
        return []
    connection_of(session).execute(
        update(Contact).where(among(session, Contact.id, list(changed))).values(updated_at=now)
    )
    events = []
    for contact_id, pairs in changed.items():
        data = {"fields": info.name, "changes": {info.name: pairs[info.id]}}
        events.append(event_by(by, contact_id, "contact_updated", now, data))
    record_many(session, events)
    return list(changed)


def store_values(session: Session, wanted: Mapping[int, Mapping[int, Value]]) -> dict[int, dict[int, list[str]]]:
    """Make values so: {contact: {field id: Value}}. Returns what changed: {contact: {field id: [before, after]}}."""
    contact_ids = [contact_id for contact_id, values in wanted.items() if values]
    if not contact_ids:
        return {}
    connection = connection_of(session)
    field_ids = sorted({field_id for values in wanted.values() for field_id in values})
    have = {
        (contact_id, field_id): text
        for contact_id, field_id, text in connection.execute(
            select(FieldValue.contact_id, FieldValue.field_id, FieldValue.text).where(
                among(connection, FieldValue.contact_id, contact_ids), among(connection, FieldValue.field_id, field_ids)
            )
        )
    }
    changed: dict[int, dict[int, list[str]]] = {}
    new, other, gone = [], [], []
    for contact_id in contact_ids:
        for field_id, value in wanted[contact_id].items():
            before = have.get((contact_id, field_id))
            if (before or "") == value.text:
                continue
            changed.setdefault(contact_id, {})[field_id] = [before or "", value.text]
            if not value.text:
                gone.append({"c": contact_id, "f": field_id})
            elif before is None:
                new.append((contact_id, field_id, value))
            else:
                other.append({"c": contact_id, "f": field_id, **value.plain()})
    insert_values(session, new)
    table = cast(Table, FieldValue.__table__)
    here = (table.c.contact_id == bindparam("c")) & (table.c.field_id == bindparam("f"))
    if other:
        connection.execute(
            update(table).where(here).values(text=bindparam("text"), number=bindparam("number"), day=bindparam("day")),
            other,
        )
    if gone:
        connection.execute(delete(table).where(here), gone)
    return changed
