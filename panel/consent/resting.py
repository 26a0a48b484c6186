"""A rest: nothing is sent to a contact until a day that a colleague chose, and then what waited goes on by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.models import Rest
from panel.consent.rules import Purpose
from panel.contacts.models import Contact
from panel.contacts.origin import PANEL, By, event_by
from panel.contacts.queries import lock
from panel.contacts.sets import among
from panel.contacts.values import clean_free
from panel.db import connection_of
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

MARKETING, EVERYTHING = "marketing", "everything"
SCOPES = (MARKETING, EVERYTHING)


class Resting(NamedTuple):
    """A rest in force."""

    until: datetime
    scope: str

    def covers(self, purpose: str) -> bool:
        return self.scope == EVERYTHING or purpose == Purpose.MARKETING


def rest(
    session: Session,
    contact_id: int,
    until: datetime,
    *,
    scope: str = MARKETING,
    reason: str = "",
    by: By = PANEL,
    now: datetime | None = None,
) -> bool:
    """Send nothing to this contact until then; a rest in force is replaced. False when it is so already.

    Raises UserError when the moment has passed, or lies more than two years ahead (that is an opt-out).
    """
    at = now or clock.now()
    if scope not in SCOPES:
        raise ValueError(scope)
    if until <= at:
        raise UserError("rest_in_the_past", N_("This day has passed. Choose one that is still to come."))
    if (until - at).days > 731:
        raise UserError(
            "rest_too_long",
            N_("A rest lasts two years at most. If nothing should ever be sent again, note an opt-out instead."),
        )
    lock(session, [contact_id])
    if session.scalar(select(Contact.erased_at).where(Contact.id == contact_id)) is not None:
        raise UserError("contact_unknown", N_("There is no such contact"))
    reason = clean_free(reason)[:2000]
    known = session.scalars(select(Rest).where(Rest.contact_id == contact_id, Rest.ended_at.is_(None))).first()
    if known is not None:
        if (known.until, known.scope, known.reason) == (until, scope, reason):
            return False
        known.ended_at = at
        session.flush()
    session.add(Rest(contact_id=contact_id, scope=scope, until=until, reason=reason, at=at, user_id=by.user_id))
    session.flush()
    data = {"until": until.isoformat(), "scope": scope, "reason_words": reason}
    record_many(session, [event_by(by, contact_id, "rest_began", at, data)])
    return True


def end_rest(session: Session, contact_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """End the rest of a contact before its day. False when there is none."""
    at = now or clock.now()
    lock(session, [contact_id])
    ended = session.execute(
        update(Rest)
        .where(Rest.contact_id == contact_id, Rest.ended_at.is_(None), Rest.until > at)
        .values(ended_at=at)
        .execution_options(synchronize_session=False)
    )
    if not ended.rowcount:  # type: ignore[attr-defined]
        return False
    record_many(session, [event_by(by, contact_id, "rest_ended", at, {})])
    return True


def resting_many(session: Session, contact_ids: Collection[int], now: datetime) -> dict[int, Resting]:
    """The rests in force of these contacts."""
    rows: Any = connection_of(session).execute(
        select(Rest.contact_id, Rest.until, Rest.scope).where(
            among(session, Rest.contact_id, contact_ids), Rest.ended_at.is_(None), Rest.until > now
        )
    )
    return {contact_id: Resting(until, scope) for contact_id, until, scope in rows}
