"""Many new contacts at once, in a few statements; what the importer and `create_contact` stand on."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from panel.contacts.addresses import Address
from panel.contacts.models import Contact, ContactAddress, FieldValue
from panel.contacts.search import search_text
from panel.contacts.values import Value
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
    connection.execute(
        insert(Contact),
        [
            {
                "id": id_,
                "public_id": new_public_id(),
                "name": draft.name[:300],
                "first_name": draft.first_name[:150],
                "last_name": draft.last_name[:150],
                "company": draft.company[:200],
                "language": draft.language,
                "time_zone": draft.time_zone,
                "owner_id": draft.owner_id,
                "reference": draft.reference,
                "search_text": draft.search_text,
                "created_at": now,
                "updated_at": now,
            }
            for id_, draft in zip(ids, drafts, strict=True)
        ],
    )
    insert_addresses(
        session,
        ((id_, address, position) for id_, draft in zip(ids, drafts, strict=True)
         for position, address in enumerate(draft.addresses)),
        now=now,
    )  # fmt: skip
    insert_values(
        session,
        ((id_, field_id, value) for id_, draft in zip(ids, drafts, strict=True)
         for field_id, value in draft.values.items() if value.text),
    )  # fmt: skip
    return ids


def insert_addresses(session: Session, rows: Iterable[tuple[int, Address, int]], *, now: datetime) -> None:
    """Store addresses as (contact id, address, position). The caller knows that they are new to the contact."""
    stored: list[dict[str, Any]] = [
        {
            "contact_id": contact_id,
            "kind": address.kind,
            "value": address.value,
            "shown": address.shown,
            "position": position,
            "created_at": now,
        }
        for contact_id, address, position in rows
    ]
    if stored:
        connection_of(session).execute(insert(ContactAddress), stored)


def insert_values(session: Session, rows: Iterable[tuple[int, int, Value]]) -> None:
    """Store values of custom fields as (contact id, field id, value). The caller knows that there were none."""
    stored = [{"contact_id": contact_id, "field_id": field_id, **value.plain()} for contact_id, field_id, value in rows]
    if stored:
        connection_of(session).execute(insert(FieldValue), stored)


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
