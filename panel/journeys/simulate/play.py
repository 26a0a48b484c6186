"""Letting time pass in the copy: from one due moment to the next, never minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of
from panel.journeys.engine import audiences, dates
from panel.journeys.engine.advance import advance_in
from panel.journeys.engine.route import route_in
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message

MOST_MOMENTS = 3_000
MOST_TURNS = 200
AT_ONCE = 2_000
Work = Callable[[Session, datetime], int]


class Source(Protocol):
    """Something else that falls due: when (None: nothing any more), and doing it; returns how much was done."""

    def come(self, session: Session, now: datetime) -> datetime | None: ...

    def do(self, session: Session, now: datetime) -> int: ...


class Dates:
    """Dates and schedules, planned and entered by the engine's own functions."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._looked = False

    def come(self, _session: Session, _now: datetime) -> datetime | None:
        return self._at

    def do(self, session: Session, now: datetime) -> int:
        if self._looked and (self._at is None or now < self._at):
            return 0
        dates.plan_in(session, now)
        done = 0
        while more := dates.enter_in(session, now, AT_ONCE):
            done += more
        following = dates.next_moment(session, now)
        # What is due now and stays (a paused journey's) is looked at again with the next planning.
        self._looked, self._at = True, following and max(following, now + timedelta(minutes=1))
        return done


class Audiences:
    """Conditions that time turns, and who waits in a row to enter: by the engine's own functions."""

    def come(self, session: Session, _now: datetime) -> datetime | None:
        return audiences.next_moment(session)

    def do(self, session: Session, now: datetime) -> int:
        coming = audiences.next_moment(session)
        return audiences.recheck_in(session, AT_ONCE) if coming is not None and coming <= now else 0


class NeverRestsError(Exception):
    """The engine found something to do again and again at one moment."""


def play(
    session: Session,
    start: datetime,
    until: datetime,
    send: Work,
    others: Iterable[Source] = (),
    moments: int = MOST_MOMENTS,
) -> datetime:
    """Play from `start` to `until`; returns how far it came (less than `until` after `moments` moments).

    `others` are further sources of things to do; what time brings (dates, schedules, conditions) always is one.
    """
    sources: list[Source] = [Dates(), Audiences(), *others]
    now = start
    for _ in range(moments):
        with clock.hold(now):
            settle(session, now, send, [source.do for source in sources])
        coming = [next_due(session), *(source.come(session, now) for source in sources)]
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
