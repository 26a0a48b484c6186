"""The timeline: one append-only table of everything that happened to contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, Sequence, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Event(Base):
    """One fact about one contact. Never changed; erased only as its type declares.

    Ordered by (occurred_at, id) within a contact: that is the primary key, so on SQLite (WITHOUT ROWID) a page of a
    timeline is one contiguous read. `source` says who told us ("panel", "import:12", "accounting:main", ...), and
    (source, external_id) makes a repeated report a no-op. `summary` keeps the sentence's parameters when a plugin that
    knew the kind is gone. `run_id`/`depth` mark events that a journey caused, against loops.
    """

    __tablename__ = "events"

    contact_id: Mapped[int] = mapped_column(BigId)
    occurred_at: Mapped[datetime]
    id: Mapped[int] = mapped_column(BigId, Sequence("events_id_seq"), autoincrement=False)
    kind: Mapped[str] = mapped_column(String(80))
    received_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str | None] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    message_id: Mapped[int | None] = mapped_column(BigId)
    enrolment_id: Mapped[int | None] = mapped_column(BigId)
    user_id: Mapped[int | None] = mapped_column(BigId)
    depth: Mapped[int] = mapped_column(default=0)
    starts_journeys: Mapped[bool] = mapped_column(default=True)  # False: history only (a first import, an undo)
    routed_at: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("contact_id", "occurred_at", "id"),
        UniqueConstraint("id"),
        UniqueConstraint("source", "external_id"),
        Index("ix_events_contact_id_kind_occurred_at", "contact_id", "kind", "occurred_at"),
        Index(
            "ix_events_unrouted",
            "id",
            sqlite_where=text("routed_at IS NULL"),
            postgresql_where=text("routed_at IS NULL"),
        ),
        Index(
            "ix_events_message_id",
            "message_id",
            sqlite_where=text("message_id IS NOT NULL"),
            postgresql_where=text("message_id IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False},
    )


class CustomEventType(Base):
    """An event kind that this business named itself (sent in by API or import), e.g. billing.card_expired."""

    __tablename__ = "custom_event_types"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    labels: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {"en": ..., "he": ..., "fa": ...}
    fields: Mapped[list[str]] = mapped_column(default=list)
