"""Plan: what time alone brings about: dates and schedules, journeys that close, and the watchdog that finds what stands
still."""

from __future__ import annotations

from datetime import datetime

from flask import current_app
from sqlalchemy import exists, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, writing
from panel.journeys.engine import dates, experiments
from panel.journeys.engine.audiences import catch_up
from panel.journeys.engine.becoming import forget_ended
from panel.journeys.engine.turns import repeat
from panel.journeys.engine.undecided import settle_undecided
from panel.journeys.engine.watchdog import watch
from panel.journeys.engine.zones import warn_of_unknown_zones
from panel.journeys.language.vocabulary import Vocabulary
from panel.journeys.models import Enrolment, Journey
from panel.journeys.operations import watch_file
from panel.plugin_manager import manager
from panel.tasks.reminding import remind_due


def run(limit_seconds: float, argument: str = "") -> bool:
    plan()
    return repeat(dates.enter, limit_seconds)


def plan() -> None:
    """Do what is due by time alone. Needs an application context; harmless to repeat."""
    # Lists and templates may be made after the file; a channel that a plugin brings is no mistake in it.
    offered = Vocabulary(channels=tuple(manager.current().channels()))
    with writing() as session:
        watch_file(session, current_app.config["PANEL"].journeys_file, vocabulary=offered, now=clock.now())
    with writing() as session:
        now = clock.now()
        _end_closed(session, now)
        experiments.end_asking(session)
        forget_ended(session)
        catch_up(session, now)
        remind_due(session, now)
        settle_undecided(session, now)
        warn_of_unknown_zones(session, now)
        watch(session, now)
    dates.plan_ahead()
    experiments.look()


def _end_closed(session: Session, now: datetime) -> None:
    """A closing journey with nobody inside is over."""
    inside = exists().where(Enrolment.journey_id == Journey.id, Enrolment.status.in_(("active", "held")))
    connection_of(session).execute(
        update(Journey).where(Journey.state == "closing", ~inside).values(state="ended", updated_at=now)
    )
