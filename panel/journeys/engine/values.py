"""Comparing values over a set: the distinct values are judged by the pure function, SQL asks for membership.

No database folds case, Persian digits, numbers and dates the way `conditions.matches` does, and two databases differ
from each other. So each *different* value is read once and judged, and the statement holds those that passed (or those
that failed, when they are fewer). The answer is that of the pure function by construction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Text, and_, false, not_, or_, select, true, type_coerce
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactAddress, Field, FieldValue
from panel.contacts.sets import among
from panel.db import connection_of
from panel.journeys.engine.conditions import Facts, matches
from panel.journeys.engine.facts import stored_value
from panel.timeline.models import Event

# Core columns under the names that conditions know them by (see `facts`).
COLUMNS: Mapping[str, Any] = {
    "name": Contact.name,
    "full_name": Contact.name,
    "first_name": Contact.first_name,
    "last_name": Contact.last_name,
    "company": Contact.company,
    "language": Contact.language,
    "reference": Contact.reference,
    "time_zone": Contact.time_zone,
    "score": Contact.score,
}
_NOBODY = Facts(0, datetime(1970, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
Judge = Callable[[Any], bool]


def of_contacts(
    session: Session, domain: ColumnElement[bool], name: str, test: Mapping[str, Any]
) -> ColumnElement[bool]:
    """Whether a field of the contact passes `test` ({"op", "value"}), as an expression over `contacts`."""

    def passes(value: Any) -> bool:
        return matches(test, value, _NOBODY)

    if name in COLUMNS:
        column = COLUMNS[name]
        found = connection_of(session).execute(select(column).where(domain).distinct()).scalars()
        return _member(session, column, list(found), passes)
    if name in ("email", "phone"):
        return _primary(session, domain, name, passes)
    return _custom(session, domain, name, passes)


def _member(session: Session, column: Any, found: Sequence[Any], passes: Judge) -> ColumnElement[bool]:
    """`column` holds a value that passes; NULL is judged as None."""
    good: list[Any] = []
    bad: list[Any] = []
    null = False
    for value in found:
        if value is None:
            null = passes(None)
        else:
            (good if passes(value) else bad).append(value)
    if len(good) <= len(bad):
        inside = among(session, column, good) if good else false()
        return or_(column.is_(None), inside) if null else and_(column.is_not(None), inside)
    outside = not_(among(session, column, bad)) if bad else true()
    return or_(column.is_(None), outside) if null else and_(column.is_not(None), outside)


def _primary(session: Session, domain: ColumnElement[bool], kind: str, passes: Judge) -> ColumnElement[bool]:
    """The first address of a kind, usable or not: what the contact's field `email` or `phone` shows."""
    value = (
        select(ContactAddress.value)
        .where(ContactAddress.contact_id == Contact.id, ContactAddress.kind == kind)
        .order_by(ContactAddress.position, ContactAddress.id)
        .limit(1)
        .correlate(Contact)
        .scalar_subquery()
    )
    found = connection_of(session).execute(select(value).select_from(Contact).where(domain).distinct()).scalars()
    return _member(session, type_coerce(value, ContactAddress.value.type), list(found), passes)


def _custom(session: Session, domain: ColumnElement[bool], name: str, passes: Judge) -> ColumnElement[bool]:
    """A field of the business's own. A row has a day, else a number, else a text; no row is None."""
    connection = connection_of(session)
    nothing = passes(None)
    field = connection.execute(select(Field.id, Field.type).where(Field.name == name)).first()
    if field is None:
        return true() if nothing else false()
    field_id, type_ = field
    here = and_(FieldValue.field_id == field_id, FieldValue.contact_id == Contact.id)
    rows = connection.execute(
        select(FieldValue.text, FieldValue.number, FieldValue.day).join(Contact, here).where(domain).distinct()
    )
    # Rows are told apart by their text. Should one text stand for two values that are judged differently (the type of
    # the field was changed), those rows are told apart by their contacts.
    good: set[str] = set()
    bad: set[str] = set()
    for text, number, day in rows:
        (good if passes(stored_value(type_, text, number, day)) else bad).add(text)
    doubtful = good & bad
    wanted = bad if nothing else good
    some = [among(session, FieldValue.text, list(wanted - doubtful))]
    if doubtful:
        some.append(
            among(
                session,
                FieldValue.contact_id,
                _one_by_one(session, here, doubtful, lambda *row: passes(stored_value(type_, *row)) != nothing),
            )
        )
    row = Contact.id.in_(select(FieldValue.contact_id).where(FieldValue.field_id == field_id, or_(*some)))
    return not_(row) if nothing else row


def _one_by_one(
    session: Session,
    here: ColumnElement[bool],
    texts: set[str],
    wanted: Callable[[str, Decimal | None, date | None], bool],
) -> list[int]:
    rows = connection_of(session).execute(
        select(FieldValue.contact_id, FieldValue.text, FieldValue.number, FieldValue.day)
        .join(Contact, here)
        .where(among(session, FieldValue.text, list(texts)))
    )
    return [contact_id for contact_id, text, number, day in rows if wanted(text, number, day)]


def of_events(session: Session, here: ColumnElement[bool], key: str, test: Mapping[str, Any]) -> ColumnElement[bool]:
    """Whether `data[key]` of an event passes `test`. `here` joins events and contacts and says which events count."""
    written = _written(session, key)
    connection = connection_of(session)
    found = connection.execute(select(written).select_from(Contact).join(Event, here).distinct()).scalars()

    def passes(text: str | None) -> bool:
        return matches(test, None if text is None else json.loads(text), _NOBODY)

    return _member(session, written, list(found), passes)


def _written(session: Session, key: str) -> ColumnElement[Any]:
    """The value of a key in `events.data` as JSON text: quotes and all, so that 1, "1" and true stay apart."""
    data = cast(Any, type_coerce(Event.data, Text))
    if connection_of(session).dialect.name == "postgresql":
        return sql_cast(data.op("->", return_type=Text())(key), Text)
    return cast(ColumnElement[Any], data.op("->", return_type=Text())(f'$."{key}"'))
