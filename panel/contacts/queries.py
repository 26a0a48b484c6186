"""Reads about contacts. A merged contact is an alias: `canonical` names the one that is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.contacts.fields import ADDRESS_KINDS, BUILT_IN, COLUMNS, FieldInfo
from panel.contacts.models import Contact, ContactAddress, ContactList, ContactTag, Field, FieldValue, ListMember, Tag
from panel.contacts.search import fold
from panel.contacts.sets import among
from panel.db import connection_of
from panel.installation.queries import get_setting
from panel.staff.models import User


@dataclass(frozen=True)
class Card:
    """One contact with all that its page shows, except the timeline. `fields` are (field, readable value)."""

    contact: Contact
    aliases: list[int]
    addresses: list[ContactAddress]
    lists: list[ContactList]
    tags: list[Tag]
    fields: list[tuple[FieldInfo, FieldValue | None]]
    owner: User | None


def region(session: Session) -> str:
    """The country whose way of writing telephone numbers is understood without a country code."""
    return str(get_setting(session, "company").get("country") or "IL").upper()


def custom_fields(session: Session) -> list[FieldInfo]:
    """The fields this business added, by name."""
    rows = session.execute(
        select(Field.id, Field.name, Field.type, Field.labels, Field.aliases, Field.choices).order_by(Field.name)
    )
    return [FieldInfo(name, type_, labels, tuple(aliases), tuple(choices), id_)
            for id_, name, type_, labels, aliases, choices in rows]  # fmt: skip


def all_fields(session: Session) -> list[FieldInfo]:
    """Built-in fields first, then the business's own."""
    return [*BUILT_IN.values(), *custom_fields(session)]


def canonical(session: Session, contact_id: int) -> int:
    """The contact that is shown for this one: itself, or what it was merged into (however many times)."""
    seen = {contact_id}
    while (into := session.scalar(select(Contact.merged_into_id).where(Contact.id == contact_id))) is not None:
        if into in seen:
            break
        seen.add(into)
        contact_id = into
    return contact_id


def aliases(session: Session, contact_id: int) -> list[int]:
    """The ids whose history belongs to this contact: itself first, then everything merged into it, however deep."""
    found, edge = [contact_id], [contact_id]
    while edge:
        edge = [
            id_
            for id_ in session.scalars(select(Contact.id).where(Contact.merged_into_id.in_(edge)).order_by(Contact.id))
            if id_ not in found
        ]
        found += edge
    return found


def by_address(session: Session, kind: str, value: str) -> list[int]:
    """Contacts with this normalised address, aliases resolved, erased ones left out; the longest known first."""
    rows = session.execute(
        select(Contact.id, Contact.merged_into_id)
        .join(ContactAddress, ContactAddress.contact_id == Contact.id)
        .where(ContactAddress.kind == kind, ContactAddress.value == value, Contact.erased_at.is_(None))
        .order_by(Contact.id)
    ).all()
    return list(dict.fromkeys(id_ if into is None else canonical(session, into) for id_, into in rows))


def by_reference(session: Session, reference: str) -> int | None:
    """The contact the business knows under this number, alias resolved."""
    row = session.execute(select(Contact.id, Contact.merged_into_id).where(Contact.reference == reference)).first()
    if row is None:
        return None
    return row[0] if row[1] is None else canonical(session, row[1])


def by_field(session: Session, field_id: int, text: str) -> list[int]:
    """Contacts whose custom field reads exactly `text`, aliases resolved."""
    rows = session.execute(
        select(Contact.id, Contact.merged_into_id)
        .join(FieldValue, FieldValue.contact_id == Contact.id)
        .where(FieldValue.field_id == field_id, FieldValue.text == text, Contact.erased_at.is_(None))
        .order_by(Contact.id)
    ).all()
    return list(dict.fromkeys(id_ if into is None else canonical(session, into) for id_, into in rows))


def by_public_id(session: Session, public_id: str) -> Contact | None:
    return session.scalars(select(Contact).where(Contact.public_id == public_id)).first()


def list_named(session: Session, name: str) -> ContactList | None:
    """A list by its exact name; spaces around it and differences of case and letters are forgiven."""
    return _named(session, ContactList, name)


def tag_named(session: Session, name: str) -> Tag | None:
    return _named(session, Tag, name)


def _named(session: Session, model: Any, name: str) -> Any:
    exact = session.scalars(select(model).where(model.name == name.strip())).first()
    if exact is not None:
        return exact
    wanted = fold(name)
    same = [id_ for id_, known in session.execute(select(model.id, model.name)) if fold(known) == wanted]
    return session.get(model, same[0]) if len(same) == 1 else None


def card(session: Session, contact_id: int) -> Card | None:
    """Everything for a contact's page, aliases resolved; None when there is no such contact."""
    contact = session.get(Contact, canonical(session, contact_id))
    if contact is None:
        return None
    id_ = contact.id
    values = {
        value.field_id: value for value in session.scalars(select(FieldValue).where(FieldValue.contact_id == id_))
    }
    return Card(
        contact,
        aliases(session, id_),
        list(contact.addresses),
        list(session.scalars(select(ContactList).join(ListMember, ListMember.list_id == ContactList.id)
                             .where(ListMember.contact_id == id_).order_by(ContactList.name))),
        list(session.scalars(select(Tag).join(ContactTag, ContactTag.tag_id == Tag.id)
                             .where(ContactTag.contact_id == id_).order_by(Tag.name))),
        [(info, values.get(info.id)) for info in custom_fields(session) if info.id is not None],
        session.get(User, contact.owner_id) if contact.owner_id else None,
    )  # fmt: skip


def lock(session: Session, contact_ids: Collection[int], *, referable: bool = False) -> None:
    """Let nobody else change these contacts until the transaction ends (SQLite has one writer anyway).

    In the order of their ids, so that two transactions with several contacts wait for each other instead of
    deadlocking. `referable`: rows that name the contacts may still be written meanwhile.
    """
    session.execute(
        select(Contact.id)
        .where(among(session, Contact.id, contact_ids))
        .order_by(Contact.id)
        .with_for_update(key_share=referable)
    ).all()


def primary_addresses(session: Session, contact_ids: Collection[int], kind: str) -> dict[int, str]:
    """The usable address of a kind that each contact is reached at; contacts without one are left out."""
    session.flush()  # the driver's plain rows, not the session's: many contacts are asked about at once
    query = (
        select(ContactAddress.contact_id, ContactAddress.value)
        .where(
            among(session, ContactAddress.contact_id, contact_ids),
            ContactAddress.kind == kind,
            ContactAddress.unusable_reason.is_(None),
        )
        .order_by(ContactAddress.contact_id, ContactAddress.position.desc(), ContactAddress.id.desc())
    )
    # The last one wins: the lowest position. All at once: a fetch for each row costs as much as the row.
    return {contact_id: value for contact_id, value in connection_of(session).execute(query).all()}


def values_many(
    session: Session, contact_ids: Collection[int], infos: Collection[FieldInfo]
) -> dict[int, dict[str, str]]:
    """Readable values of some fields for many contacts: {contact: {field identity: text}}; empty ones are left out.

    `personal_link` is not a stored value and is left to whoever sends.
    """
    found: dict[int, dict[str, str]] = {contact_id: {} for contact_id in contact_ids}
    names = {info.name for info in infos}
    columns = {name: column for name, column in COLUMNS.items() if name in names}
    if columns or "owner" in names:
        query = select(Contact.id, User.name, *(getattr(Contact, column) for column in columns.values()))
        query = query.outerjoin(User, User.id == Contact.owner_id).where(among(session, Contact.id, contact_ids))
        for id_, owner, *values in session.execute(query):
            found[id_].update({name: value for name, value in zip(columns, values, strict=True) if value})
            if owner and "owner" in names:
                found[id_]["owner"] = owner
    for name in names & ADDRESS_KINDS.keys():
        for id_, value in primary_addresses(session, contact_ids, ADDRESS_KINDS[name]).items():
            found[id_][name] = value
    if "score" in names:
        for id_, score in session.execute(
            select(Contact.id, Contact.score).where(among(session, Contact.id, contact_ids))
        ):
            found[id_]["score"] = str(score)
    custom = {info.id: info.name for info in infos if info.id is not None}
    if custom:
        rows = session.execute(
            select(FieldValue.contact_id, FieldValue.field_id, FieldValue.text).where(
                among(session, FieldValue.contact_id, contact_ids), among(session, FieldValue.field_id, list(custom))
            )
        )
        for contact_id, field_id, text in rows:
            found[contact_id][custom[field_id]] = text
    return found


def members(session: Session, list_id: int) -> int:
    """How many contacts are on a list."""
    return session.scalar(select(func.count()).select_from(ListMember).where(ListMember.list_id == list_id)) or 0


def names_of(session: Session, contact_ids: Collection[int]) -> Mapping[int, str]:
    """A name to show for each contact: its name, else its company, else an address."""
    rows = session.execute(
        select(Contact.id, Contact.name, Contact.company).where(among(session, Contact.id, contact_ids))
    ).all()
    named = {id_: name or company for id_, name, company in rows}
    for kind in ("email", "phone"):
        without = [id_ for id_, name in named.items() if not name]
        if without:
            named.update(primary_addresses(session, without, kind))
    return named
