"""The details of two cards put together for a merge, and taken apart again: columns, fields, addresses, lists, tags.

Each `take_...` returns what its `return_...` needs. What was changed since the merge is left as it is then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from panel.contacts.fields import COLUMNS
from panel.contacts.models import Contact, ContactAddress, ContactTag, Field, FieldValue, ListMember

# Fields of a contact that are columns, by identity; the owner is one of them here.
DETAILS = {**COLUMNS, "owner": "owner_id"}
_KEYS = {ListMember: ("list_id", "joined_at"), ContactTag: ("tag_id", "added_at")}


def chosen(mine: Any, other: Any, take: bool) -> Any:
    """The value that stays of a field: one's own, unless it is empty or the other's is wanted."""
    return other if other not in (None, "") and (take or mine in (None, "")) else mine


def take_details(session: Session, kept: Contact, merged: Contact, take: Collection[str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for identity, name in DETAILS.items():
        mine, other = getattr(kept, name), getattr(merged, name)
        new = chosen(mine, other, identity in take)
        if new != mine:
            changed[name] = {"before": mine, "after": new, "other": other}
    if "reference" in changed:  # unique, and both numbers go on leading here: they change places
        kept.reference = merged.reference = None
        session.flush()
        merged.reference = changed["reference"]["before"]
        session.flush()
    for name, one in changed.items():
        setattr(kept, name, one["after"])
    if merged.score:
        changed["score"] = {"more": merged.score}
        kept.score += merged.score
    session.flush()
    return changed


def return_details(session: Session, kept: Contact, merged: Contact, changed: Mapping[str, Any]) -> None:
    if "reference" in changed and kept.reference == changed["reference"]["after"]:
        kept.reference = merged.reference = None
        session.flush()
        kept.reference, merged.reference = changed["reference"]["before"], changed["reference"]["other"]
        session.flush()
    for name, one in changed.items():
        if name == "score":
            kept.score -= one["more"]
        elif name != "reference" and getattr(kept, name) == one["after"]:
            setattr(kept, name, one["before"])
    session.flush()


def take_addresses(session: Session, kept: Contact, merged: Contact) -> dict[str, Any]:
    """New addresses move behind the kept one's own. One that both have does not work when it did not for either."""
    have = {(one.kind, one.value): one for one in kept.addresses}
    last: dict[str, int] = {}
    for one in kept.addresses:
        last[one.kind] = max(last.get(one.kind, -1), one.position)
    moved, marked = [], []
    for one in sorted(merged.addresses, key=lambda address: (address.kind, address.position, address.id)):
        same = have.get((one.kind, one.value))
        if same is None:
            last[one.kind] = last.get(one.kind, -1) + 1
            moved.append((one.id, one.position, last[one.kind]))
        elif one.unusable_reason and not same.unusable_reason:
            marked.append(same.id)
            same.unusable_reason = one.unusable_reason
    session.flush()
    for id_, _, position in moved:
        session.execute(
            update(ContactAddress)
            .where(ContactAddress.id == id_)
            .values(contact_id=kept.id, position=position)
            .execution_options(synchronize_session=False)
        )
    return {"moved": [[id_, position] for id_, position, _ in moved], "marked": marked}


def return_addresses(session: Session, kept_id: int, merged_id: int, before: Mapping[str, Any]) -> None:
    for id_, position in before["moved"]:
        session.execute(
            update(ContactAddress)
            .where(ContactAddress.id == id_, ContactAddress.contact_id == kept_id)
            .values(contact_id=merged_id, position=position)
            .execution_options(synchronize_session=False)
        )
    if before["marked"]:
        session.execute(
            update(ContactAddress)
            .where(ContactAddress.id.in_(before["marked"]), ContactAddress.contact_id == kept_id)
            .values(unusable_reason=None)
            .execution_options(synchronize_session=False)
        )


def take_values(session: Session, kept_id: int, merged_id: int, take: Collection[str]) -> list[dict[str, Any]]:
    names = {id_: name for id_, name in session.execute(select(Field.id, Field.name))}
    mine, other = _values(session, kept_id), _values(session, merged_id)
    changed = []
    for field_id, value in other.items():
        before = mine.get(field_id)
        if before is not None and (names.get(field_id) not in take or before["text"] == value["text"]):
            continue
        _put_value(session, kept_id, field_id, value)
        changed.append({"field": field_id, "before": before, "after": value["text"]})
    return changed


def return_values(session: Session, kept_id: int, changed: Collection[Mapping[str, Any]]) -> None:
    have = _values(session, kept_id)
    for one in changed:
        if have.get(one["field"], {}).get("text") == one["after"]:
            _put_value(session, kept_id, one["field"], one["before"])


def _values(session: Session, contact_id: int) -> dict[int, dict[str, Any]]:
    rows = session.execute(
        select(FieldValue.field_id, FieldValue.text, FieldValue.number, FieldValue.day).where(
            FieldValue.contact_id == contact_id
        )
    )
    return {
        field_id: {
            "text": text,
            "number": None if number is None else str(number),
            "day": None if day is None else day.isoformat(),
        }
        for field_id, text, number, day in rows
    }


def _put_value(session: Session, contact_id: int, field_id: int, value: Mapping[str, Any] | None) -> None:
    session.execute(delete(FieldValue).where(FieldValue.contact_id == contact_id, FieldValue.field_id == field_id))
    if value is not None:
        session.execute(
            insert(FieldValue).values(
                contact_id=contact_id,
                field_id=field_id,
                text=value["text"],
                number=None if value["number"] is None else Decimal(value["number"]),
                day=None if value["day"] is None else date.fromisoformat(value["day"]),
            )
        )


def take_memberships(session: Session, model: Any, kept_id: int, merged_id: int) -> list[dict[str, Any]]:
    """Memberships move to the kept contact, so that nobody is counted or written to twice."""
    key, since_name = _KEYS[model]
    column, at = getattr(model, key), getattr(model, since_name)
    have = set(session.scalars(select(column).where(model.contact_id == kept_id)))
    rows = session.execute(select(column, at).where(model.contact_id == merged_id).order_by(column)).all()
    session.execute(delete(model).where(model.contact_id == merged_id))
    new = [{key: id_, "contact_id": kept_id, since_name: since} for id_, since in rows if id_ not in have]
    if new:
        session.execute(insert(model), new)
    return [{"id": id_, "since": since.isoformat(), "gained": id_ not in have} for id_, since in rows]


def return_memberships(
    session: Session, model: Any, kept_id: int, merged_id: int, rows: Collection[Mapping[str, Any]]
) -> None:
    key, since_name = _KEYS[model]
    column = getattr(model, key)
    for row in rows:
        still = session.scalar(
            select(func.count()).select_from(model).where(model.contact_id == kept_id, column == row["id"])
        )
        if not still:  # taken away since: of both
            continue
        if row["gained"]:
            session.execute(delete(model).where(model.contact_id == kept_id, column == row["id"]))
        has = session.scalar(
            select(func.count()).select_from(model).where(model.contact_id == merged_id, column == row["id"])
        )
        if has:  # by somebody who had not seen the merge yet
            continue
        since = datetime.fromisoformat(row["since"])
        session.execute(insert(model), [{key: row["id"], "contact_id": merged_id, since_name: since}])
