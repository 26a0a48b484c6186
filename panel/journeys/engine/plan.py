"""Plan: what time alone brings about. Today: journeys that close, and the watchdog that finds what stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import Connection, exists, func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.models import Enrolment, Journey
from panel.journeys.operations import watch_file
from panel.messages.models import Message
from panel.timeline.models import Event

STANDS_STILL = timedelta(minutes=10)
UNROUTED = timedelta(minutes=5)
IN_THE_AIR = ("queued", "claimed", "on_wire", "unknown", "held")


def run(limit_seconds: float, argument: str = "") -> bool:
    plan()
    return False


def plan() -> None:
    """Do what is due by time alone. Needs an application context; harmless to repeat."""
    with writing() as session:
        watch_file(session, current_app.config["PANEL"].journeys_file, now=clock.now())
    with writing() as session:
        now = clock.now()
        _end_closed(session, now)
        watch(session, now)


def _end_closed(session: Session, now: datetime) -> None:
    """A closing journey with nobody inside is over."""
    inside = exists().where(Enrolment.journey_id == Journey.id, Enrolment.status.in_(("active", "held")))
    connection_of(session).execute(
        update(Journey).where(Journey.state == "closing", ~inside).values(state="ended", updated_at=now)
    )


@dataclass(frozen=True)
class Finding:
    """An invariant of the engine, broken `count` times right now (0: it holds)."""

    key: str
    sentence: str
    count: int


def watch(session: Session, now: datetime) -> None:
    """Raise an issue for each broken invariant, and resolve it when it holds again."""
    for finding in findings(connection_of(session), now):
        if finding.count:
            raise_issue(
                session, finding.key, code=finding.key, sentence=finding.sentence, params={"n": finding.count}, now=now
            )
        else:
            resolve_issue(session, finding.key)


def findings(connection: Connection, now: datetime) -> Iterator[Finding]:
    in_the_air = exists().where(Message.enrolment_id == Enrolment.id, Message.status.in_(IN_THE_AIR))
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    stranded = select(Enrolment.id).where(Enrolment.status == "active", Enrolment.due_at.is_(None), ~in_the_air)
    yield Finding(
        "watchdog_stranded",
        N_("%(n)s runs stand still with nothing to wait for. Open the journey and retry them."),
        _count(connection, stranded),
    )
    late = select(Enrolment.id).where(
        Enrolment.status == "active", Enrolment.due_at < now - STANDS_STILL, Enrolment.journey_id.not_in(paused)
    )
    yield Finding(
        "watchdog_late",
        N_("%(n)s runs are more than 10 minutes late. Are the workers running?"),
        _count(connection, late),
    )
    unrouted = select(Event.id).where(Event.routed_at.is_(None), Event.received_at < now - UNROUTED)
    yield Finding(
        "watchdog_unrouted",
        N_("%(n)s events have waited more than 5 minutes. Are the workers running?"),
        _count(connection, unrouted),
    )


def _count(connection: Connection, query: object) -> int:
    return connection.execute(select(func.count()).select_from(query.limit(1000).subquery())).scalar_one()  # type: ignore[attr-defined]
