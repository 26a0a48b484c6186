"""Reads about segments: who is in them, what uses them, and whom a condition would hold for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys import usage
from panel.journeys.engine.sets import select_where
from panel.journeys.models import Audience, AudienceState, Enrolment, Journey, JourneyVersion
from panel.segments.models import Segment

CLOCK = {"time_zone": "contact"}  # a segment looks at everybody's own clock


@dataclass(frozen=True)
class Listed:
    """A segment with how many are in it, and when somebody last came in or went out."""

    segment: Segment
    members: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Use:
    """What a segment is used by: kind "journey" (its identity) or "segment" (its number), and the name people know."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class Preview:
    """For how many a condition holds now, and the first of them by name."""

    count: int
    first: Sequence[Contact]


def listed(session: Session) -> list[Listed]:
    """All segments by name."""
    counts = {
        audience: count
        for audience, count in session.execute(
            select(AudienceState.audience, func.count())
            .where(AudienceState.audience.startswith("segment:"), AudienceState.is_true)
            .group_by(AudienceState.audience)
        )
    }
    changed = {
        id_: at
        for id_, at in session.execute(
            select(Audience.id, Audience.changed_at).where(Audience.id.startswith("segment:"))
        )
    }
    segments = session.scalars(select(Segment).order_by(Segment.name)).all()
    return [Listed(one, counts.get(one.audience, 0), changed.get(one.audience)) for one in segments]


def count_members(session: Session, segment: Segment) -> int:
    return session.scalar(select(func.count()).select_from(_in(segment).subquery())) or 0


def members(session: Session, segment: Segment, *, offset: int = 0, limit: int = 50) -> list[tuple[Contact, datetime]]:
    """Who is in it and since when, the newest first."""
    rows = session.execute(
        select(Contact, AudienceState.since)
        .join(AudienceState, AudienceState.contact_id == Contact.id)
        .where(AudienceState.audience == segment.audience, AudienceState.is_true)
        .order_by(AudienceState.since.desc(), Contact.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [(contact, since) for contact, since in rows]


def _in(segment: Segment) -> Any:
    return select(AudienceState.contact_id).where(AudienceState.audience == segment.audience, AudienceState.is_true)


def preview(session: Session, condition: Mapping[str, Any], now: datetime, *, limit: int = 10) -> Preview:
    """Ask a condition that is not saved yet. Raises NotForSetsError for conditions about one run."""
    ids = select_where(session, condition, now, CLOCK)
    count = session.scalar(select(func.count()).select_from(ids.subquery())) or 0
    first = session.scalars(select(Contact).where(Contact.id.in_(ids)).order_by(Contact.name, Contact.id).limit(limit))
    return Preview(count, first.all())


def names_in(resolved: Any) -> Iterator[str]:
    """The segments that a condition or a whole program mentions."""
    if isinstance(resolved, Mapping):
        if resolved.get("test") == "in_segment":
            yield resolved["segment"]
        for below in resolved.values():
            yield from names_in(below)
    elif isinstance(resolved, list):
        for below in resolved:
            yield from names_in(below)


def uses(session: Session, name: str) -> list[Use]:
    """Live journeys (also older versions that somebody is still inside) and segments that use a segment."""
    inside = select(Enrolment.version_id).where(Enrolment.status.in_(("active", "held")))
    rows = session.execute(
        select(Journey.id, Journey.name, JourneyVersion.resolved)
        .join(JourneyVersion, JourneyVersion.journey_id == Journey.id)
        .where(
            or_(JourneyVersion.id == Journey.live_version_id, JourneyVersion.id.in_(inside)), Journey.state != "ended"
        )
        .order_by(Journey.id)
    )
    found = {id_: Use("journey", id_, title or id_) for id_, title, resolved in rows if name in set(names_in(resolved))}
    segments = session.scalars(select(Segment).order_by(Segment.name)).all()
    others = [Use("segment", str(one.id), one.name) for one in segments if name in set(names_in(one.resolved))]
    return [*found.values(), *others]


def segments_using(session: Session, kind: str, name: str) -> list[str]:
    """The names of the segments whose condition uses a field, a list or a tag; by name."""
    rows = session.execute(select(Segment.name, Segment.resolved).order_by(Segment.name))
    return [one for one, resolved in rows if name in usage.named(resolved, kind)]


def refuse_if_used(session: Session, kind: str, name: str) -> None:
    """Raise UserError that says which journeys, templates or segments use it: without it they would find nobody, and
    nothing would say so."""
    usage.refuse_if_used(session, kind, name)
    if kind in usage.KEYS and (segments := segments_using(session, kind, name)):
        raise UserError(
            "used_by_segments",
            N_("“%(name)s” is used by the segments: %(segments)s. Change or delete them first."),
            name=name,
            segments=", ".join(segments),
        )
