"""The score of a contact: a number that journeys raise and lower, usable in conditions as the field `score`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.origin import PANEL, Authors, event_by
from panel.contacts.queries import lock
from panel.contacts.sets import among
from panel.db import connection_of
from panel.timeline.operations import record_many


def change_scores(
    session: Session, changes: Mapping[int, int], *, by: Authors = PANEL, now: datetime | None = None
) -> dict[int, int]:
    """Raise (or lower) scores: {contact: by how much}. Returns the new scores; each change is a `score_changed`."""
    at = now or clock.now()
    amounts: dict[int, list[int]] = defaultdict(list)
    for contact_id, amount in changes.items():
        if amount:
            amounts[amount].append(contact_id)
    if not amounts:
        return {}
    lock(session, [contact_id for some in amounts.values() for contact_id in some])
    connection = connection_of(session)
    for amount, contact_ids in amounts.items():
        connection.execute(
            update(Contact).where(among(session, Contact.id, contact_ids)).values(score=Contact.score + amount)
        )
    changed = [contact_id for contact_ids in amounts.values() for contact_id in contact_ids]
    query = select(Contact.id, Contact.score).where(among(session, Contact.id, changed))
    scores = {row.id: row.score for row in connection.execute(query)}
    record_many(
        session,
        [
            event_by(by, contact_id, "score_changed", at, {"by": changes[contact_id], "score": score})
            for contact_id, score in scores.items()
        ],
    )
    return scores
