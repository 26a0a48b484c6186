"""Which channel a contact answers best, from what was sent and what came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of
from panel.messages.models import Message

ARRIVED = ("sent", "delivered")


@dataclass(frozen=True)
class Evidence:
    """Of `sent` messages that arrived on a channel, `answered` were clicked or replied to by a person."""

    channel: str
    sent: int
    answered: int


def preferred_channels(
    session: Session, contact_ids: Collection[int], now: datetime
) -> dict[int, tuple[str, tuple[Evidence, ...]]]:
    """The best channel per contact with the evidence for every channel; who never answered anything is left out."""
    answered = func.count(func.coalesce(Message.first_clicked_at, Message.replied_at))
    query = (
        select(Message.contact_id, Message.channel, func.count(), answered)
        .where(among(session, Message.contact_id, contact_ids), Message.status.in_(ARRIVED), Message.kind == "message")
        .group_by(Message.contact_id, Message.channel)
    )
    seen: dict[int, list[Evidence]] = defaultdict(list)
    for contact_id, channel, sent, good in connection_of(session).execute(query):
        seen[contact_id].append(Evidence(channel, sent, good))
    found = {}
    for contact_id, evidence in seen.items():
        best = max(evidence, key=lambda one: ((one.answered + 0.5) / (one.sent + 1), one.channel))
        if best.answered:
            found[contact_id] = (best.channel, tuple(sorted(evidence, key=lambda one: one.channel)))
    return found
