"""Reads about the installation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from panel.installation.models import Setting


def get_setting(session: Session, name: str) -> dict[str, Any]:
    """Return a setting of the installation, or an empty dict when nobody set it."""
    value = session.scalar(setting_query(name))
    return dict(value) if value else {}


def setting_query(name: str) -> Select[dict[str, Any]]:
    """The value of a setting as a query of at most one value, to be asked together with others."""
    return select(Setting.value).where(Setting.name == name)
