"""Segments: saved conditions. Who is in them is kept by `journeys.engine.audiences`, under "segment:<id>"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Segment(Base):
    """A condition with a name. `source_yaml` is what a person wrote, `resolved` what is asked (see `language.program`).

    Conditions call it by its name, so that only changes while nothing uses it.
    """

    __tablename__ = "segments"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    source_yaml: Mapped[str] = mapped_column(Text)
    resolved: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[int | None] = mapped_column(BigId)

    @property
    def audience(self) -> str:
        """The key of its members in the table `audience_states`."""
        return f"segment:{self.id}"
