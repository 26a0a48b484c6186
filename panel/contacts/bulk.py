"""Many new contacts at once, in a few statements; what the importer and `create_contact` stand on."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.contacts.addresses import Address
from panel.contacts.models import Contact, ContactAddress, FieldValue
from panel.contacts.search import search_text
from panel.contacts.values import Value
from panel.copying import put_rows
from panel.db import connection_of, next_ids

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass
class Draft:
    """A contact about to exist: everything read and valid. `values` are custom fields by field id."""

    name: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    language: str | None = None
    time_zone: str | None = None
    owner_id: int | None = None
    reference: str | None = None
    addresses: list[Address] = field(default_factory=list)
    values: dict[int, Value] = field(default_factory=dict)

    def complete_names(self) -> None:
        """A full name gives the first name and the rest; the parts give the full name."""
        if self.name and not self.first_name and not self.last_name:
            self.first_name, _, self.last_name = self.name.partition(" ")
            self.last_name = self.last_name.strip()
        elif not self.name:
            self.name = f"{self.first_name} {self.last_name}".strip()

    @property
    def search_text(self) -> str:
        return search_text(
            (self.name, self.first_name, self.last_name, self.company, self.reference),
            (one.value for one in self.addresses),
        )


def new_public_id() -> str:
    """An opaque id of 26 letters and digits that sorts by time of making and cannot be guessed."""
    number = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def insert_contacts(session: Session, drafts: Sequence[Draft], *, now: datetime) -> list[int]:
    """Store new contacts with their addresses and field values; their ids in order. Records nothing."""
    if not drafts:
        return []
    connection = connection_of(session)
    ids = list(next_ids(connection, "contacts", len(drafts)))
    pairs = list(zip(ids, drafts, strict=True))
    put_rows(
        connection,
        Contact,
        (
            "id", "public_id", "name", "first_name", "last_name", "company", "language", "time_zone", "owner_id",
            "reference", "search_text", "created_at", "updated_at",
        ),
        [
            (
                id_, new_public_id(), one.name[:300], one.first_name[:150], one.last_name[:150], one.company[:200],
                one.language, one.time_zone, one.owner_id, one.reference, one.search_text, now, now,
            )
            for id_, one in pairs
        ],
    )  # fmt: skip
    insert_addresses(
        session,
        ((id_, address, position) for id_, one in pairs for position, address in enumerate(one.addresses)),
        now=now,
    )
    insert_values(
        session,
        ((id_, field_id, value) for id_, one in pairs for field_id, value in one.values.items() if value.text),
    )
    return ids


def insert_addresses(session: Session, rows: Iterable[tuple[int, Address, int]], *, now: datetime) -> None:
    """Store addresses as (contact id, address, position). The caller knows that they are new to the contact."""
    stored = [
        (contact_id, address.kind, address.value, address.shown, "", position, now)
        for contact_id, address, position in rows
    ]
    if stored:
        columns = ("contact_id", "kind", "value", "shown", "label", "position", "created_at")
        put_rows(connection_of(session), ContactAddress, columns, stored)


def insert_values(session: Session, rows: Iterable[tuple[int, int, Value]]) -> None:
    """Store values of custom fields as (contact id, field id, value). The caller knows that there were none."""
    stored = [(contact_id, field_id, value.text, value.number, value.day) for contact_id, field_id, value in rows]
    if stored:
        columns = ("contact_id", "field_id", "text", "number", "day")
        put_rows(connection_of(session), FieldValue, columns, stored)


def refresh_search(session: Session, contact_ids: Collection[int]) -> None:
    """Write the searchable text of these contacts anew."""
    for contact_id in contact_ids:
        row = session.execute(
            select(Contact.name, Contact.first_name, Contact.last_name, Contact.company, Contact.reference).where(
                Contact.id == contact_id
            )
        ).first()
        if row is not None:
            values = session.scalars(select(ContactAddress.value).where(ContactAddress.contact_id == contact_id))
            session.execute(
                update(Contact).where(Contact.id == contact_id).values(search_text=search_text(row, values))
            )
