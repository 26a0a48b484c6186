"""People who work here: users, roles, and what they did (audit)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_security.core import RoleMixin, UserMixin
from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.db import Base, BigId

user_roles = Table(
    "user_roles",
    Base.metadata,
    Column("user_id", BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", BigId, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)


class Role(Base, RoleMixin):
    """One of owner, marketing, support, viewer; what each may do is in `staff.rules`."""

    __tablename__ = "roles"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    description: Mapped[str] = mapped_column(String(200), default="")


class User(Base, UserMixin):
    """A colleague who logs in. Times are shown in `time_zone`, dates in `calendar`, numbers in `digits`."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    handle: Mapped[str | None] = mapped_column(String(60), unique=True)  # how journeys name a person: owner: dana
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str] = mapped_column(String(5), default="en")
    calendar: Mapped[str] = mapped_column(String(20), default="gregorian")  # gregorian | hebrew | solar_hijri
    digits: Mapped[str] = mapped_column(String(10), default="latin")  # latin | local
    theme: Mapped[str] = mapped_column(String(10), default="auto")  # auto | light | dark
    time_zone: Mapped[str] = mapped_column(String(60), default="Asia/Jerusalem")
    # Which notices also come as mail: kinds of `rules.MAILED` with spaces between, or "default".
    mailed: Mapped[str] = mapped_column(String(200), default="default", server_default="default")
    created_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]

    roles: Mapped[list[Role]] = relationship(secondary=user_roles, lazy="selectin")  # type: ignore[assignment]


class Notice(Base):
    """Something a colleague should know, in the bell of the panel. `sentence` is an English msgid, filled from `params`
    in the reader's language. A repeat under the same `dedupe_key` is swallowed."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(40))
    sentence: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    contact_id: Mapped[int | None] = mapped_column(BigId)
    enrolment_id: Mapped[int | None] = mapped_column(BigId)
    task_id: Mapped[int | None] = mapped_column(BigId)
    read_at: Mapped[datetime | None]
    dedupe_key: Mapped[str | None] = mapped_column(String(200), unique=True)

    __table_args__ = (
        Index("ix_notices_user_id", "user_id", "id"),
        Index(
            "ix_notices_unread",
            "user_id",
            sqlite_where=text("read_at IS NULL"),
            postgresql_where=text("read_at IS NULL"),
        ),
        Index("ix_notices_contact_id", "contact_id"),
    )


class NoticeMail(Base):
    """A notice that also goes out as mail, to one colleague, at most once: `claimed` is written before the mail is
    handed over. States: waiting | claimed | sent | unknown (handed over without an answer) | failed | seen (in the
    panel, before its mail). `claimed_at` is also set while a worker has it in hand and has not begun."""

    __tablename__ = "notice_mails"

    notice_id: Mapped[int] = mapped_column(BigId, ForeignKey("notices.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    due_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index(
            "ix_notice_mails_open",
            "due_at",
            sqlite_where=text("state IN ('waiting', 'claimed')"),
            postgresql_where=text("state IN ('waiting', 'claimed')"),
        ),
        Index("ix_notice_mails_user_id", "user_id", "claimed_at"),
    )


class AuditEntry(Base):
    """What a colleague did to the system; append-only, each row hashed over the one before it."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(BigId)
    actor: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    previous_hash: Mapped[str] = mapped_column(String(64), default="")
    hash: Mapped[str] = mapped_column(String(64))
