"""Imports of contact files: one row per import, one per contact it touched (for undo)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Import(Base):
    """One uploaded file on its way in. `path` and `error_path` are relative to the instance folder."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    file_name: Mapped[str] = mapped_column(String(300))
    path: Mapped[str] = mapped_column(String(400))
    sha256: Mapped[str] = mapped_column(String(64))
    reading: Mapped[dict[str, Any]] = mapped_column(default=dict)  # encoding, separator, sheet, header row
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)  # column -> field
    rules: Mapped[dict[str, Any]] = mapped_column(default=dict)  # match by, create/update, consent, list, tags
    state: Mapped[str] = mapped_column(String(12), default="uploaded")
    # uploaded | ready | running | done | failed | undoing | undone
    rows_total: Mapped[int] = mapped_column(default=0)
    rows_done: Mapped[int] = mapped_column(default=0)
    created_count: Mapped[int] = mapped_column(default=0)
    updated_count: Mapped[int] = mapped_column(default=0)
    unchanged_count: Mapped[int] = mapped_column(default=0)
    error_count: Mapped[int] = mapped_column(default=0)
    error_path: Mapped[str | None] = mapped_column(String(400))
    problem: Mapped[dict[str, Any] | None]
    user_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportedContact(Base):
    """What an import did to one contact. `before` holds the values it replaced; None for a contact it created."""

    __tablename__ = "imported_contacts"

    import_id: Mapped[int] = mapped_column(BigId, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId)
    action: Mapped[str] = mapped_column(String(10))  # created | updated | unchanged
    before: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("ix_imported_contacts_contact_id", "contact_id"),)
