"""A channel in trouble rests: its hand-overs stop for a while instead of burning through the queue.

State is a row, so that all workers and the panel see the same. Growing pauses, at most an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from panel.db import from_micros, to_micros
from panel.installation.models import Setting
from panel.installation.operations import set_setting
from panel.messages.models import Message

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
CLOCKS_APART = timedelta(minutes=1)  # of two machines that both keep time


def _name(channel: str) -> str:
    return f"channel:{channel}"


def resting_until(session: Session, channel: str, now: datetime) -> datetime | None:
    row = session.get(Setting, _name(channel))
    if row is None or not row.value.get("open_until"):
        return None
    until = from_micros(row.value["open_until"])
    since = from_micros(row.value.get("since", row.value["open_until"]))
    # A rest that begins only in the future is one whose clock was set back since: nobody waits for that day.
    return until if since - CLOCKS_APART <= now < until else None


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


def end_rest(session: Session, channel: str, now: datetime) -> None:
    """A person says that the channel is mended: it is tried at once, and so is what it had put off meanwhile.

    What it puts off is a message that had begun its hand-over and certainly did not leave.
    """
    well(session, channel)
    session.execute(
        update(Message)
        .where(
            Message.channel == channel,
            Message.status == "queued",
            Message.reason.is_(None),
            Message.attempt > 0,
            Message.not_before > now,
        )
        .values(not_before=now)
        .execution_options(synchronize_session=False)
    )
