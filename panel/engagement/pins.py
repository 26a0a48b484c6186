"""A colleague's word on which channel to use: it wins over the estimate, in journeys and on the page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.erasing import also_forgets
from panel.contacts.models import Contact
from panel.contacts.origin import PANEL, By, event_by
from panel.contacts.queries import lock
from panel.contacts.sets import among
from panel.contacts.values import clean
from panel.db import connection_of
from panel.engagement.models import ChannelPin
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

LONGEST_REASON = 500


def pinned(session: Session, contact_ids: Collection[int]) -> dict[int, str]:
    """The pinned channel of each of these contacts. A pin of somebody who was merged in holds for who is shown, unless
    that one has a pin of their own."""
    query = (
        select(ChannelPin.contact_id, Contact.merged_into_id, ChannelPin.channel)
        .join(Contact, Contact.id == ChannelPin.contact_id)
        .where(
            ChannelPin.ended_at.is_(None),
            or_(among(session, Contact.id, contact_ids), among(session, Contact.merged_into_id, contact_ids)),
        )
        .order_by(ChannelPin.pinned_at)
    )
    own: dict[int, str] = {}
    merged: dict[int, str] = {}
    for contact_id, into, channel in connection_of(session).execute(query):
        if into is None:
            own[contact_id] = channel
        else:
            merged[into] = channel
    return merged | own


def pin_of(session: Session, ids: Sequence[int]) -> ChannelPin | None:
    """The pin in force for one person by all ids whose history is theirs, the shown one's first."""
    query = select(ChannelPin).where(ChannelPin.ended_at.is_(None), ChannelPin.contact_id.in_(ids))
    found = session.scalars(query.order_by(ChannelPin.pinned_at.desc())).all()
    return next((one for one in found if one.contact_id == ids[0]), found[0] if found else None)


def pin(
    session: Session, contact_id: int, channel: str, reason: str, *, by: By = PANEL, now: datetime | None = None
) -> ChannelPin:
    """Use this channel for this contact from now on. Repeating it changes nothing; another channel takes its place."""
    at = now or clock.now()
    reason = " ".join(clean(reason).split())[:LONGEST_REASON]
    if not channel:
        raise UserError("channel_missing", N_("Choose a channel"))
    lock(session, [contact_id])
    there = _in_force(session, contact_id)
    if there is not None and (there.channel, there.reason) == (channel, reason):
        return there
    if there is not None:
        there.ended_at = at
        session.flush()
    new = ChannelPin(contact_id=contact_id, channel=channel, reason=reason, user_id=by.user_id, pinned_at=at)
    session.add(new)
    session.flush()
    data = {"channel": channel, "reason": reason}
    record_many(session, [event_by(by, contact_id, "channel_pinned", at, data)])
    return new


def unpin(session: Session, ids: Sequence[int], *, by: By = PANEL, now: datetime | None = None) -> ChannelPin | None:
    """Let the estimate speak again; returns the pin that was in force, None when there was none."""
    at = now or clock.now()
    lock(session, [ids[0]])
    found = pin_of(session, ids)
    if found is None:
        return None
    # Every one of them, or an older one of a merged contact would come to light.
    for one in session.scalars(
        select(ChannelPin).where(ChannelPin.ended_at.is_(None), ChannelPin.contact_id.in_(ids))
    ).all():
        one.ended_at = at
    session.flush()
    record_many(session, [event_by(by, ids[0], "channel_unpinned", at, {"channel": found.channel})])
    return found


def restore(session: Session, contact_id: int, pin_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Pin again as it was, in the place of whatever is pinned now; False when there is no such pin of this contact."""
    former = session.get(ChannelPin, pin_id)
    if former is None or former.contact_id != contact_id:
        return False
    pin(session, contact_id, former.channel, former.reason, by=by, now=now)
    return True


def _in_force(session: Session, contact_id: int) -> ChannelPin | None:
    return session.scalars(
        select(ChannelPin).where(ChannelPin.contact_id == contact_id, ChannelPin.ended_at.is_(None))
    ).first()


def _forget(session: Session, contact_ids: Collection[int], _now: datetime) -> None:
    session.execute(delete(ChannelPin).where(among(session, ChannelPin.contact_id, contact_ids)))


also_forgets.add(_forget)
