"""Letting time pass in the copy: from one due moment to the next, never minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of
from panel.journeys.engine.advance import advance_in
from panel.journeys.engine.route import route_in
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message

MOST_MOMENTS = 3_000
MOST_TURNS = 200
Work = Callable[[Session, datetime], int]


class NeverRestsError(Exception):
    """The engine found something to do again and again at one moment."""


def play(
    session: Session,
    start: datetime,
    until: datetime,
    send: Work,
    others: Iterable[tuple[Callable[[Session], datetime | None], Work]] = (),
    moments: int = MOST_MOMENTS,
) -> datetime:
    """Play from `start` to `until`; returns how far it came (less than `until` after `moments` moments).

    `others` are further sources of things to do: when the next one is due, and doing it.
    """
    now, sources = start, list(others)
    for _ in range(moments):
        with clock.hold(now):
            settle(session, now, send, [work for _, work in sources])
        coming = [next_due(session), *(when(session) for when, _ in sources)]
        following = min((one for one in coming if one is not None), default=None)
        if following is None or following > until:
            return until
        now = max(following, now + timedelta(microseconds=1))
    return now


def settle(session: Session, now: datetime, send: Work, others: Iterable[Work] = ()) -> None:
    """Do everything that is due at this moment, until nothing is."""
    for _ in range(MOST_TURNS):
        done = sum(work(session, now) for work in others)
        done += route_in(session) + advance_in(session) + send(session, now)
        if not done:
            return
    raise NeverRestsError


def next_due(session: Session) -> datetime | None:
    """When the engine has something to do next; None when nothing waits for a moment."""
    connection = connection_of(session)
    asleep = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    run = connection.execute(
        select(func.min(Enrolment.due_at)).where(Enrolment.status == "active", Enrolment.journey_id.not_in(asleep))
    ).scalar()
    message = connection.execute(
        select(func.min(Message.not_before)).where(
            Message.status == "queued", func.coalesce(Message.journey_id, "").not_in(asleep)
        )
    ).scalar()
    return min((one for one in (run, message) if one is not None), default=None)
