"""Settings of the whole installation. Nobody commits here."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from panel.installation.models import Setting


def set_setting(session: Session, name: str, value: dict[str, Any]) -> None:
    setting = session.get(Setting, name)
    if setting is None:
        session.add(Setting(name=name, value=value))
    else:
        setting.value = value
