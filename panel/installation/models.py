"""What belongs to the whole installation: its settings, its processes' heartbeats, its id counters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Setting(Base):
    """A setting of the whole installation, by name (company, sending_paused, demo_loaded, ...)."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Heartbeat(Base):
    """When a process was last seen alive."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class IdCounter(Base):
    """SQLite's stand-in for sequences, see `db.next_ids`."""

    __tablename__ = "id_counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    last: Mapped[int] = mapped_column(BigId)


class ChannelLine(Base):
    """The line in which a channel's messages wait when it keeps to so many a second, see `journeys.engine.rates`.

    `free_at`: microseconds since 1970 by the database's clock (SQLite: the machine's), not yet promised to anybody.
    """

    __tablename__ = "channel_lines"

    channel: Mapped[str] = mapped_column(String(60), primary_key=True)
    free_at: Mapped[int] = mapped_column(BigInteger)
