"""Forecasts in the background. A worker's job may last two minutes at most, so it only starts the process that does it.

`python -m panel.journeys.simulate.work ID` makes one forecast and writes its progress; whoever finds that it has been
silent for long says that it failed.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel import config as configuration
from panel.db import writing
from panel.i18n import N_
from panel.journeys.simulate.installed import settings
from panel.journeys.simulate.models import Simulation
from panel.journeys.simulate.whole import APPLICATION, Cancelled, forecast

NAME = "simulations"
SILENT = timedelta(minutes=3)
KEPT = 10
UNDER_WAY = Simulation.state.in_(("waiting", "running"))
WANTED = Simulation.state != "cancelled"  # one that was given up as silent, but lives, may still come to its end
STOPPED = N_("The process that made it was stopped.")


def ask(session: Session, days: int, *, user_id: int | None = None, now: datetime | None = None) -> Simulation:
    """Ask for a forecast; one that is under way is given back instead of a second one. The oldest are dropped."""
    running = session.scalars(select(Simulation).where(UNDER_WAY)).first()
    if running is not None:
        return running
    old = session.scalars(select(Simulation).order_by(Simulation.id.desc()).offset(KEPT)).all()
    for one in old:
        session.delete(one)
    found = Simulation(days=days, user_id=user_id, created_at=now or clock.now())
    session.add(found)
    session.flush()
    return found


def latest(session: Session, *, state: str | None = None) -> Simulation | None:
    query = select(Simulation).order_by(Simulation.id.desc()).limit(1)
    return session.scalars(query.where(Simulation.state == state) if state else query).first()


def due(connection: Connection, now: datetime) -> Iterable[str]:
    """What waits for a process, or whose process has fallen silent."""
    silent = (Simulation.state == "running") & or_(Simulation.alive_at.is_(None), Simulation.alive_at < now - SILENT)
    rows = connection.execute(select(Simulation.id).where(or_(Simulation.state == "waiting", silent)))
    return [str(id_) for id_ in rows.scalars()]


def run(limit_seconds: float, argument: str = "") -> bool:
    """Start a process for what waits; give up what has fallen silent."""
    now = clock.now()
    with writing() as session:
        session.execute(
            update(Simulation)
            .where(Simulation.state == "running", Simulation.alive_at < now - SILENT)
            .values(state="failed", problem=STOPPED, finished_at=now)
        )
        waiting = session.scalars(
            select(Simulation).where(Simulation.state == "waiting").order_by(Simulation.id).with_for_update()
        ).all()
        for one in waiting:
            one.state, one.alive_at = "running", now
        ids = [one.id for one in waiting]
    for id_ in ids:
        _start(id_)
    return False


def _start(id_: int) -> None:
    subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "panel.journeys.simulate.work", str(id_)], start_new_session=True
    )


def cancel(session: Session) -> bool:
    """Nobody waits for the forecast under way any more: its process ends at its next sign of life. False: there is
    none."""
    cancelled = session.execute(
        update(Simulation).where(UNDER_WAY).values(state="cancelled", finished_at=clock.now()).returning(Simulation.id)
    )
    return bool(cancelled.all())


def make(id_: int, *, processes: int = 2) -> None:
    """Make one forecast to its end, in this process, or until nobody waits for it. Needs an application context."""

    def tell(share: float) -> None:
        with writing() as session:
            waited_for = session.execute(
                update(Simulation)
                .where(Simulation.id == id_, WANTED)
                .values(progress=round(share * 100), alive_at=clock.now())
                .returning(Simulation.id)
            ).all()
        if not waited_for:
            raise Cancelled

    with writing() as session:
        days = session.get_one(Simulation, id_).days
    try:
        told = forecast(settings(), days, processes, tell=tell)
    except Cancelled:
        return
    except Exception as error:
        with writing() as session:
            _finish(session, id_, state="failed", problem=f"{type(error).__name__}: {error}"[:300])
        raise
    with writing() as session:
        _finish(session, id_, state="done", progress=100, result=told.as_dict())


def _finish(session: Session, id_: int, **values: object) -> None:
    session.execute(update(Simulation).where(Simulation.id == id_, WANTED).values(finished_at=clock.now(), **values))


def main() -> None:
    with pkgutil.resolve_name(APPLICATION)(configuration.load()).app_context():
        make(int(sys.argv[1]))


if __name__ == "__main__":
    main()
