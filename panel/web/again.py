"""Doing what a person asked for as one transaction, and again when a worker got in between."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import IntegrityError, OperationalError

from panel.db import db
from panel.journeys.engine.turns import TRIES, retried


def again(once: Callable[[], int]) -> int:
    """Do it and commit. A deadlock, a locked database, or a row for which a worker was quicker (the contact that is
    being merged enters a journey in this moment) stored nothing of it, so it is done anew: `once` reads all that it
    needs itself. Returns what `once` returns."""

    def step() -> int:
        try:
            done = once()
            db.session.commit()
        except (OperationalError, IntegrityError):
            db.session.rollback()
            raise
        return int(done)

    for _ in range(TRIES - 1):
        try:
            return retried(step)
        except IntegrityError:
            continue
    return retried(step)
