"""A channel in trouble rests: its hand-overs stop for a while instead of burning through the queue.

State is a row, so that all workers and the panel see the same. Growing pauses, at most an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from panel.db import from_micros, to_micros
from panel.installation.models import Setting
from panel.installation.operations import set_setting

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)


def _name(channel: str) -> str:
    return f"channel:{channel}"


def resting_until(session: Session, channel: str, now: datetime) -> datetime | None:
    row = session.get(Setting, _name(channel))
    if row is None or not row.value.get("open_until"):
        return None
    until = from_micros(row.value["open_until"])
    return until if until > now else None


def trouble(session: Session, channel: str, detail: str, now: datetime, after: timedelta | None = None) -> datetime:
    """Note a failed hand-over of the whole connection; returns when to try again."""
    row = session.get(Setting, _name(channel))
    failures = (row.value.get("failures", 0) if row else 0) + 1
    pause = after or min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
    until = now + pause
    value = {"failures": failures, "open_until": to_micros(until), "detail": detail[:500], "since": to_micros(now)}
    set_setting(session, _name(channel), value)
    return until


def well(session: Session, channel: str) -> None:
    row = session.get(Setting, _name(channel))
    if row is not None and row.value.get("failures"):
        set_setting(session, _name(channel), {})
