"""Reads about the installation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.installation.models import Setting


def get_setting(session: Session, name: str) -> dict[str, Any]:
    """Return a setting of the installation, or an empty dict when nobody set it."""
    value = session.scalar(select(Setting.value).where(Setting.name == name))
    return dict(value) if value else {}
