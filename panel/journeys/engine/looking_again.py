"""What was put off looks again before its moment: its contact has moved to another clock, its journey was
published anew, or a place has become free.

"Not before" was the earliest moment by what was known then. The claim judges anew; whoever still has to wait is put off
once more. What a colleague or a provider has put off is left alone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from panel.contacts.addresses import suppression_key
from panel.contacts.sets import among
from panel.db import connection_of
from panel.messages.models import Message

BY_LIMITS = ("postponed_limit", "postponed_address")
BY_THE_CLOCK = (*BY_LIMITS, "postponed_hours", "postponed_holiday")


def on_another_clock(session: Session, contact_ids: Collection[int], now: datetime) -> None:
    """These contacts live by another clock now."""
    if contact_ids:
        # Without a reason and never tried: it was planned for a moment that was closed.
        planned = and_(Message.reason.is_(None), Message.attempt == 0)
        theirs = among(session, Message.contact_id, list(contact_ids))
        _look_again(session, and_(theirs, or_(Message.reason.in_(BY_THE_CLOCK), planned)), now)


def in_another_version(session: Session, journey_id: str, now: datetime) -> None:
    """A journey was published with other hours or limits, perhaps."""
    _look_again(session, and_(Message.journey_id == journey_id, Message.reason.in_(BY_THE_CLOCK)), now)


def places_are_free(
    session: Session, contact_ids: Collection[int], addresses: Collection[str | None], now: datetime
) -> None:
    """Messages to these contacts and addresses did not go, or will not: others may take their places."""
    if not contact_ids:
        return
    theirs = [among(session, Message.contact_id, list(contact_ids))]
    written = {one for one in addresses if one}
    if written:
        boxes = {suppression_key(one) for one in written}
        theirs.append(among(session, Message.address, list(boxes | written)))
        if any("@" in one for one in boxes):
            theirs.append(among(session, Message.mailbox, list(boxes)))
    _look_again(session, and_(or_(*theirs), Message.reason.in_(BY_LIMITS)), now)


def _look_again(session: Session, which: ColumnElement[bool], now: datetime) -> None:
    # Whoever holds one of them is judging it at this moment; nobody waits for that.
    found = (
        select(Message.id)
        .where(which, Message.status == "queued", Message.not_before > now, Message.journey_id.is_not(None))
        .with_for_update(skip_locked=True)
    )
    ids = connection_of(session).execute(found).scalars().all()
    if ids:
        connection_of(session).execute(update(Message).where(among(session, Message.id, ids)).values(not_before=now))
