"""Code and tables belong together: a process works only on the tables that its code was written for.

A deploy changes the tables under processes that still run the old code, and may start the new code before it does. So
each background process remembers at its start which tables it knows, and looks at the database's at most once a second:
- the tables are not there yet: it waits, before it has touched anything;
- they have changed under it: it finishes the slice in its hands, takes nothing new, and ends with `AGAIN`, so that its
  supervisor starts it again with the code that is there by then.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from panel import migrations
from panel.db import db

log = logging.getLogger(__name__)

AGAIN = 75  # "temporary failure; the user is invited to retry" (sysexits.h)
LOOK_SECONDS = 1.0
WAIT_SECONDS = 0.5
# Code that is older than the tables from its very start is not started again in a hurry.
REST_SECONDS = 5.0


class Tables:
    """The tables that this process's code knows, as they were when it started: its files may be replaced meanwhile."""

    def __init__(self) -> None:
        self.known = migrations.revisions()
        self.newest = self.known[0]
        self.looked_at = float("-inf")
        self.moved = False

    def wait(self, engine: Engine) -> bool:
        """Return when the database has these tables; False when it has newer ones. Waits while it has older ones."""
        told = False
        while (level := migrations.level(engine)) != self.newest:
            if level is not None and level not in self.known:
                log.error("the database is at %s, which this version does not know (it knows %s)", level, self.newest)
                self.moved = True
                return False
            if not told:
                log.warning(
                    "the database is at %s, this version needs %s: waiting for panel db upgrade", level, self.newest
                )
                told = True
            time.sleep(WAIT_SECONDS)
        return True

    def have_moved(self, engine: Engine) -> bool:
        """Whether the database has left the tables that this code knows. A database that is away has not."""
        now = time.monotonic()
        if self.moved or now - self.looked_at < LOOK_SECONDS:
            return self.moved
        self.looked_at = now
        try:
            level = migrations.level(engine)
        except SQLAlchemyError:
            return False
        if level != self.newest:
            log.warning("the database went from %s to %s: this process ends, to be started again", self.newest, level)
            self.moved = True
        return self.moved


_ours: list[Tables] = []


def settle() -> int:
    """At the start of a background process, in an application context: wait for the tables. Returns 0 when they are
    there, `AGAIN` when this process must not work."""
    _ours[:] = [Tables()]
    if _ours[0].wait(db.engine):
        return 0
    time.sleep(REST_SECONDS)
    return AGAIN


def have_moved() -> bool:
    """Whether this process must end. Needs an application context; asks the database at most once a second.

    False in processes that never called `settle`: commands and pages are over before it matters.
    """
    return bool(_ours) and _ours[0].have_moved(db.engine)


def code() -> int:
    """The exit code of this background process: `AGAIN` when its tables have moved."""
    return AGAIN if _ours and _ours[0].moved else 0
