"""Contacts and what we know of them: addresses, typed fields, lists, tags, merges."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Numeric, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.db import Base, BigId


class Contact(Base):
    """A person (or a firm) the business keeps in touch with.

    `search_text` is the folded form of name, addresses and tags (see `contacts.search`). A merged contact stays as an
    alias: `merged_into_id` names the one that is shown, and its own events keep their contact_id.
    """

    __tablename__ = "contacts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(26), unique=True)  # opaque; the only id that leaves the house
    name: Mapped[str] = mapped_column(String(300), default="")
    first_name: Mapped[str] = mapped_column(String(150), default="")
    last_name: Mapped[str] = mapped_column(String(150), default="")
    company: Mapped[str] = mapped_column(String(200), default="")
    language: Mapped[str | None] = mapped_column(String(5))
    time_zone: Mapped[str | None] = mapped_column(String(60))
    owner_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id", ondelete="SET NULL"))
    reference: Mapped[str | None] = mapped_column(
        String(120), unique=True
    )  # the business's own number for this contact
    search_text: Mapped[str] = mapped_column(Text, default="")
    score: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # journeys raise and lower it
    merged_into_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("contacts.id"))
    erased_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    addresses: Mapped[list[ContactAddress]] = relationship(
        back_populates="contact", cascade="all, delete-orphan", order_by="ContactAddress.position"
    )

    __table_args__ = (
        Index("ix_contacts_merged_into_id", "merged_into_id"),
        Index("ix_contacts_updated_at", "updated_at", "id"),
    )


class ContactAddress(Base):
    """One way to reach a contact: kind email (normalised), phone (E.164), postal (free text).

    `value` is the normalised form used for matching and sending, `shown` what the person wrote. The lowest `position`
    of a kind is the primary one. `unusable_reason` is technical (hard bounce, number off), never a choice.
    """

    __tablename__ = "contact_addresses"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    value: Mapped[str] = mapped_column(String(320))
    shown: Mapped[str] = mapped_column(String(320))
    label: Mapped[str] = mapped_column(String(60), default="")
    position: Mapped[int] = mapped_column(default=0)
    unusable_reason: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime]

    contact: Mapped[Contact] = relationship(back_populates="addresses")

    __table_args__ = (
        UniqueConstraint("contact_id", "kind", "value"),
        Index("ix_contact_addresses_kind_value", "kind", "value"),
    )


class Field(Base):
    """A custom field: identity, type, names in every language, aliases. `[[first name]]`, `[[שם פרטי]]` and `[[نام]]`
    are one field; built-in ones (first_name, phone, ...) are declared in `contacts.fields`."""

    __tablename__ = "fields"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)  # ASCII identity
    type: Mapped[str] = mapped_column(String(20), default="text")  # text | number | date | yes_no | choice | money
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict)
    aliases: Mapped[list[str]] = mapped_column(default=list)
    choices: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]


class FieldValue(Base):
    """A contact's value of a custom field, in the column of its type; `text` always holds a readable form."""

    __tablename__ = "field_values"

    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    field_id: Mapped[int] = mapped_column(BigId, ForeignKey("fields.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    number: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    day: Mapped[date | None]

    __table_args__ = (
        Index("ix_field_values_field_id_number", "field_id", "number"),
        Index("ix_field_values_field_id_day", "field_id", "day"),
    )


class ContactList(Base):
    """A list that contacts join and leave (computed groups are segments)."""

    __tablename__ = "lists"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]


class ListMember(Base):
    __tablename__ = "list_members"

    list_id: Mapped[int] = mapped_column(BigId, ForeignKey("lists.id", ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    joined_at: Mapped[datetime]

    __table_args__ = (Index("ix_list_members_contact_id", "contact_id"),)


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    color: Mapped[str] = mapped_column(String(20), default="")
    created_at: Mapped[datetime]


class ContactTag(Base):
    __tablename__ = "contact_tags"

    tag_id: Mapped[int] = mapped_column(BigId, ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    added_at: Mapped[datetime]

    __table_args__ = (Index("ix_contact_tags_contact_id", "contact_id"),)


class ContactMerge(Base):
    """One merge: which contact became an alias of which, and what to put back on undo."""

    __tablename__ = "contact_merges"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kept_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id"))
    merged_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id"))
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(BigId)
    undone_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_contact_merges_active",
            "merged_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
    )
