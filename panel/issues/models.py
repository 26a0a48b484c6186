"""Issues: what needs a person, said once and counted, never piled up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Issue(Base):
    """Something that needs a person. `key` makes repeats count up instead of piling up."""

    __tablename__ = "issues"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    severity: Mapped[str] = mapped_column(String(10), default="error")  # error | warning
    code: Mapped[str] = mapped_column(String(60))
    sentence: Mapped[str] = mapped_column(Text)  # an English msgid, filled from `params` in the reader's language
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    journey_id: Mapped[str | None] = mapped_column(String(80))
    step_id: Mapped[str | None] = mapped_column(String(120))
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(10), default="open")  # open | resolved | ignored

    __table_args__ = (Index("ix_issues_state", "state", "last_seen"),)
