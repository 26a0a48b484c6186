"""What the panel keeps for plugins: on or off, their settings, and their own rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class PluginState(Base):
    """Whether a plugin is enabled and how it is set up. Secrets inside `settings` are encrypted (see `secrets`)."""

    __tablename__ = "plugin_states"

    plugin_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    enabled: Mapped[bool | None]  # None: nobody decided yet, the manifest of a plugin of the product itself does
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    health: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {"state": "ok|failing|paused", "since", "detail"}
    updated_at: Mapped[datetime]


class PluginRecord(Base):
    """A row that belongs to a plugin (a customer of the accounting system, an invoice, a file already read).

    `kind` and `key` are the plugin's; `digest` lets it see whether anything changed. `contact_id` links the row to
    the contact it is about, so that erasing the contact can find it.
    """

    __tablename__ = "plugin_records"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    plugin_id: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(200))
    contact_id: Mapped[int | None] = mapped_column(BigId)
    digest: Mapped[str] = mapped_column(String(64), default="")
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    updated_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("plugin_id", "kind", "key"),
        Index("ix_plugin_records_contact_id", "contact_id", "plugin_id", "kind"),
    )
