"""Who agreed to what, with the proof; and which addresses we must never use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Consent(Base):
    """One decision of a contact about one channel, with its proof. Append-only; `is_current` marks the latest."""

    __tablename__ = "consents"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))  # opted_in | opted_out
    how: Mapped[str] = mapped_column(String(40))  # import | form | one_click | preference_page | reply | by_hand | api
    wording: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(200), default="")
    proof: Mapped[dict[str, Any]] = mapped_column(default=dict)  # file and row, page address, message id, IP
    at: Mapped[datetime]
    is_current: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        Index("ix_consents_contact_id", "contact_id"),
        Index(
            "uq_consents_current",
            "contact_id",
            "channel",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
    )


class Suppression(Base):
    """An address that a channel must not use, whatever the contact's consent says.

    `channel` "*" means every channel of that address kind. It belongs to the address, not to a contact, so that an
    import cannot bring it back.
    """

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    channel: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(320))
    reason: Mapped[str] = mapped_column(String(30))  # unsubscribed | complained | hard_bounce | manual | legal
    contact_id: Mapped[int | None] = mapped_column(BigId)
    source: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_suppressions_active",
            "address",
            "channel",
            unique=True,
            sqlite_where=text("lifted_at IS NULL"),
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )


class Rest(Base):
    """Nothing is sent to a contact until a day that a colleague chose.

    In force while `ended_at` is empty and `until` is to come; ended ones are kept.

    `scope`: marketing (what must go, goes) | everything.
    """

    __tablename__ = "rests"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(10))
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(BigId)
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_rests_contact_id", "contact_id"),
        Index(
            "uq_rests_open",
            "contact_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
