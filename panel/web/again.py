"""Doing what a person asked for as one transaction, and again when a worker and this waited for each other."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from panel.db import db
from panel.journeys.engine.turns import retried


def again(once: Callable[[], int]) -> int:
    """Do it and commit. A deadlock or a locked database stored nothing of it, so it is done anew: `once` reads all that
    it needs itself. Returns what `once` returns."""

    def step() -> int:
        try:
            done = once()
            db.session.commit()
        except OperationalError:
            db.session.rollback()
            raise
        return int(done)

    return retried(step)
