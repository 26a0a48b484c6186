"""Forecasts of everybody: asked for by a person, made by a worker, kept as their result."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Simulation(Base):
    """One forecast. `state`: waiting | running | done | failed | cancelled; `progress` in percent; `alive_at`: its
    latest news."""

    __tablename__ = "simulations"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    days: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    progress: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None]
    problem: Mapped[str] = mapped_column(String(300), default="")
    user_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]
    alive_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
