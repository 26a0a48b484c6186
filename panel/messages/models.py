"""Templates and the message ledger: what we meant to send, what went out, exactly as it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.db import Base, BigId


class Template(Base):
    """A text that can be sent, by name (any language). Its content is in its versions."""

    __tablename__ = "templates"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(160), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    current_version_id: Mapped[int | None] = mapped_column(BigId)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TemplateVersion(Base):
    """An immutable version of a template; messages refer to it for ever."""

    __tablename__ = "template_versions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    template_id: Mapped[int] = mapped_column(BigId, ForeignKey("templates.id"))
    number: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(BigId)

    forms: Mapped[list[TemplateForm]] = relationship(cascade="all, delete-orphan")

    __table_args__ = (UniqueConstraint("template_id", "number"),)


class TemplateForm(Base):
    """A version's content for one channel in one language ("" = any). Email uses subject, html and text; SMS text."""

    __tablename__ = "template_forms"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    version_id: Mapped[int] = mapped_column(BigId, ForeignKey("template_versions.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(5), default="")
    subject: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (UniqueConstraint("version_id", "channel", "language"),)


class Skeleton(Base):
    """A compiled message: its fixed bytes, content-addressed, with slots for one contact's values between them.

    A message is `segments[0] + value[0] + segments[1] + ... + segments[n]`; `slots` names the values, `links` are the
    original targets of its tracked links. Never changed, never deleted while a message refers to it.
    """

    __tablename__ = "skeletons"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(String(20))
    body: Mapped[bytes] = mapped_column(LargeBinary)  # the segments, see messages.skeletons
    slots: Mapped[list[str]] = mapped_column(default=list)
    links: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]


class Message(Base):
    """One row per intended message: the send ledger. States and rules: `messages.states`.

    `dedupe_key` makes a second intention of the same message impossible; `our_message_id` goes on the wire and never
    changes. `values` are the encoded slot values that, put into `skeleton`, give back the exact bytes that were sent;
    `content_sha256` proves it.
    """

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(String(120), unique=True)
    our_message_id: Mapped[str] = mapped_column(String(160), unique=True)
    contact_id: Mapped[int] = mapped_column(BigId)
    enrolment_id: Mapped[int | None] = mapped_column(BigId)
    journey_id: Mapped[str | None] = mapped_column(String(80))
    step_id: Mapped[str | None] = mapped_column(String(120))
    channel: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(10), default="message")  # message | call
    purpose: Mapped[str] = mapped_column(String(10), default="marketing")
    template_version_id: Mapped[int | None] = mapped_column(BigId)
    inline: Mapped[dict[str, Any] | None]  # a text written in the journey or by hand, instead of a template
    rules: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the send step's own hours, limits, if_missing, ...
    language: Mapped[str | None] = mapped_column(String(5))
    address: Mapped[str | None] = mapped_column(String(320))
    mailbox: Mapped[str | None] = mapped_column(String(320))  # the plain spelling of `address`, where it is another
    subject: Mapped[str | None] = mapped_column(Text)
    skeleton: Mapped[str | None] = mapped_column(String(64))
    values: Mapped[list[Any] | None]
    content_sha256: Mapped[str | None] = mapped_column(String(64))

    status: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    planned_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    priority: Mapped[int] = mapped_column(default=5)
    attempt: Mapped[int] = mapped_column(default=0)
    attempt_token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]
    wire_at: Mapped[datetime | None]
    provider: Mapped[str | None] = mapped_column(String(60))
    provider_message_id: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    first_opened_at: Mapped[datetime | None]
    first_clicked_at: Mapped[datetime | None]
    replied_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(String(60))
    is_test: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(
            "ix_messages_queued",
            "channel",
            "priority",
            "not_before",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_messages_lease",
            "lease_until",
            sqlite_where=text("status IN ('claimed', 'on_wire')"),
            postgresql_where=text("status IN ('claimed', 'on_wire')"),
        ),
        Index("ix_messages_contact_id_channel_wire_at", "contact_id", "channel", "wire_at"),
        Index("ix_messages_address_wire_at", "address", "wire_at"),
        Index(
            "ix_messages_mailbox_wire_at",
            "mailbox",
            "wire_at",
            sqlite_where=text("mailbox IS NOT NULL"),
            postgresql_where=text("mailbox IS NOT NULL"),
        ),
        Index("ix_messages_status_id", "status", "id"),
        Index(
            "ix_messages_enrolment_id",
            "enrolment_id",
            sqlite_where=text("enrolment_id IS NOT NULL"),
            postgresql_where=text("enrolment_id IS NOT NULL"),
        ),
        Index(
            "ix_messages_provider_message_id",
            "provider_message_id",
            sqlite_where=text("provider_message_id IS NOT NULL"),
            postgresql_where=text("provider_message_id IS NOT NULL"),
        ),
    )
