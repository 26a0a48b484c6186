"""Who is inside which journey, and where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.issues.models import Issue
from panel.journeys.language import Program
from panel.journeys.models import Enrolment, JourneyVersion, WaitingEntry
from panel.staff.models import User
from panel.web.issues import issue_words

OPEN = ("active", "held")


@dataclass(frozen=True)
class Inside:
    """How many contacts are inside; `held` of them stand still until somebody helps."""

    total: int = 0
    held: int = 0


@dataclass(frozen=True)
class Standing:
    """How many stand at one step of one version."""

    step_id: str | None
    version_id: int
    count: int
    held: int


@dataclass(frozen=True)
class VersionRow:
    id: int
    number: int
    published_at: object
    by: str | None
    note: str


def inside(session: Session) -> dict[str, Inside]:
    """People inside, by journey: one statement over the index of open runs."""
    found: dict[str, Inside] = {}
    rows = session.execute(
        select(Enrolment.journey_id, Enrolment.status, func.count())
        .where(Enrolment.status.in_(OPEN), Enrolment.is_test.is_(False))
        .group_by(Enrolment.journey_id, Enrolment.status)
    )
    for journey_id, status, count in rows:
        before = found.get(journey_id, Inside())
        found[journey_id] = Inside(before.total + count, before.held + (count if status == "held" else 0))
    return found


@dataclass(frozen=True)
class InARow:
    """Who waits to enter because of `entry_limit`: how many, and when the first and the last have their turn."""

    count: int
    first_at: datetime | None
    last_at: datetime | None


def in_a_row(session: Session, journey_id: str) -> InARow:
    count, first_at, last_at = session.execute(
        select(func.count(), func.min(WaitingEntry.due_at), func.max(WaitingEntry.due_at)).where(
            WaitingEntry.journey_id == journey_id
        )
    ).one()
    return InARow(count, first_at, last_at)


def standing(session: Session, journey_id: str) -> list[Standing]:
    """Where those inside one journey stand, by step and version."""
    counts: dict[tuple[str | None, int], list[int]] = defaultdict(lambda: [0, 0])
    rows = session.execute(
        select(Enrolment.step_id, Enrolment.version_id, Enrolment.status, func.count())
        .where(Enrolment.journey_id == journey_id, Enrolment.status.in_(OPEN), Enrolment.is_test.is_(False))
        .group_by(Enrolment.step_id, Enrolment.version_id, Enrolment.status)
    )
    for step_id, version_id, status, count in rows:
        counts[step_id, version_id][0] += count
        if status == "held":
            counts[step_id, version_id][1] += count
    return [Standing(step, version, total, held) for (step, version), (total, held) in counts.items()]


def programs_of(session: Session, inside: list[Standing]) -> dict[int, Program]:
    """The programs of all versions that somebody stands on."""
    query = select(JourneyVersion.id, JourneyVersion.resolved).where(
        JourneyVersion.id.in_({one.version_id for one in inside})
    )
    return {id_: resolved for id_, resolved in session.execute(query)}


def versions(session: Session, journey_id: str) -> list[VersionRow]:
    """All versions, newest first, with who published them."""
    rows = session.execute(
        select(
            JourneyVersion.id,
            JourneyVersion.number,
            JourneyVersion.published_at,
            User.name,
            User.email,
            JourneyVersion.note,
        )
        .outerjoin(User, User.id == JourneyVersion.published_by)
        .where(JourneyVersion.journey_id == journey_id)
        .order_by(JourneyVersion.number.desc())
    )
    return [VersionRow(id_, number, at, name or email, note) for id_, number, at, name, email, note in rows]


def issues(session: Session, language: str, journey_id: str | None = None) -> list[tuple[Issue, str]]:
    """Open issues about journeys (or about one) with their words; those about journeys.yaml itself come along."""
    query = select(Issue).where(Issue.state == "open").order_by(Issue.severity, Issue.last_seen.desc())
    if journey_id is not None:
        query = query.where(Issue.journey_id == journey_id)
    else:
        query = query.where(Issue.journey_id.is_not(None) | (Issue.key == "journeys_file"))
    return [(issue, issue_words(issue, language)) for issue in session.scalars(query.limit(50))]
