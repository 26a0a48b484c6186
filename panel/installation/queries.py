"""Reads about the installation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.installation.models import Heartbeat, Setting


def get_setting(session: Session, name: str) -> dict[str, Any]:
    """Return a setting of the installation, or an empty dict when nobody set it."""
    value = session.scalar(select(Setting.value).where(Setting.name == name))
    return dict(value) if value else {}


def last_beats(session: Session) -> dict[str, datetime]:
    """When each process was last seen alive, by its name."""
    return {name: at for name, at in session.execute(select(Heartbeat.name, Heartbeat.at))}
