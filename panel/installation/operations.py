"""Settings of the whole installation, and signs of life of its processes. Nobody commits here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from panel import clock
from panel.installation.models import Heartbeat, Setting


def set_setting(session: Session, name: str, value: dict[str, Any]) -> None:
    setting = session.get(Setting, name)
    if setting is None:
        session.add(Setting(name=name, value=value))
    else:
        setting.value = value


def beat(session: Session, name: str, *, now: datetime | None = None, data: dict[str, Any] | None = None) -> None:
    """Note that the process `name` (worker:1, ticker, ...) is alive."""
    heartbeat = session.get(Heartbeat, name)
    if heartbeat is None:
        session.add(Heartbeat(name=name, at=now or clock.now(), data=data or {}))
    else:
        heartbeat.at, heartbeat.data = now or clock.now(), data or {}
