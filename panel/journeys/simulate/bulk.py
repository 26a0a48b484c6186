"""The preview sender for everybody at once: the same last checks, no texts, and what nobody reads is not written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.copying import update_rows
from panel.db import connection_of, rows_of, table_of
from panel.journeys.engine.checks import Decision, decide, decide_calls
from panel.journeys.engine.claiming import Claimed
from panel.journeys.engine.marking import not_now
from panel.journeys.engine.verbs.calling import ACTION
from panel.journeys.models import Enrolment, Journey
from panel.journeys.simulate.sender import TOKEN
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many

MESSAGES = table_of(Message)
AT_ONCE = 4_000


@dataclass
class Counts:
    """What went out and what was in the way, per local day of the business."""

    zone: ZoneInfo
    sent: Counter[tuple[str, date]] = field(default_factory=Counter)  # (channel, day)
    collisions: Counter[tuple[str, str, date]] = field(default_factory=Counter)  # (journey, reason, day)
    looked_at: int = 0

    def day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()


def send_due(session: Session, now: datetime, counts: Counts, listened: bool) -> int:
    """Send up to `AT_ONCE` due messages of the copy; returns how many were looked at.

    `listened`: a journey looks at events of sent messages, so they are written.
    """
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    rows = rows_of(
        session,
        select(MESSAGES)
        .where(
            Message.status == "queued", Message.not_before <= now, func.coalesce(Message.journey_id, "").not_in(paused)
        )
        .order_by(Message.priority, Message.not_before)
        .limit(AT_ONCE),
    )
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        first.setdefault((row["channel"], row["contact_id"]), row)
    taken: set[int] = set()
    for channel in dict.fromkeys(name for name, _ in first):
        # Two channels for one contact in one turn: the second sees what the first used up of the limits.
        chosen = [row for (name, _), row in first.items() if name == channel]
        taken |= {row["id"] for row in chosen}
        decisions = (decide_calls if channel == ACTION else decide)(session, chosen, now)
        _store(session, channel, chosen, decisions, now, counts, listened)
    counts.looked_at += len(taken)
    return len(taken)


def _store(
    session: Session,
    channel: str,
    rows: Sequence[dict[str, Any]],
    decisions: Mapping[int, Decision],
    now: datetime,
    counts: Counts,
    listened: bool,
) -> None:
    connection, day = connection_of(session), counts.day(now)
    going = [row for row in rows if decisions[row["id"]].verdict == "go"]
    waiting = [row for row in rows if decisions[row["id"]].verdict == "wait"]
    if going:
        update_rows(
            connection,
            Message,
            ("status", "reason", "wire_at", "sent_at", "address"),
            [("sent", None, now, now, decisions[row["id"]].address or row["address"], row["id"]) for row in going],
        )
        runs = [row["enrolment_id"] for row in going if row["enrolment_id"]]
        connection.execute(
            update(Enrolment).where(among(session, Enrolment.id, runs), Enrolment.status == "active").values(due_at=now)
        )
        if channel != ACTION:
            counts.sent[(channel, day)] += len(going)
        if listened:
            record_many(session, [_sent_event(row, channel, now) for row in going])
    later = now + timedelta(seconds=1)
    if waiting:
        update_rows(
            connection,
            Message,
            ("reason", "not_before"),
            [
                (decisions[row["id"]].reason, max(decisions[row["id"]].not_before or later, later), row["id"])
                for row in waiting
            ],
        )
    others = [row for row in rows if decisions[row["id"]].verdict not in ("go", "wait")]
    if others:
        connection.execute(
            update(MESSAGES).where(MESSAGES.c.id == bindparam("m_id")).values(status="claimed", attempt_token=TOKEN),
            [{"m_id": row["id"]} for row in others],
        )
    for row in others:
        not_now(session, Claimed(row, TOKEN), decisions[row["id"]], now)
    for row in (*waiting, *others):
        counts.collisions[(row["journey_id"] or "", decisions[row["id"]].reason or "", day)] += 1


def _sent_event(row: Mapping[str, Any], channel: str, now: datetime) -> NewEvent:
    data = {"channel": channel, "address": row["address"], "step": row["step_id"], "subject": ""}
    return NewEvent(
        row["contact_id"], "message_sent", now, data, "journeys", None, row["id"], row["enrolment_id"], depth=1
    )  # fmt: skip
