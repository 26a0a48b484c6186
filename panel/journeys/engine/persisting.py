"""Writing what must not be lost, however long the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from panel.db import writing
from panel.jobs import versions
from panel.journeys.engine import disk

TRIES_AFTER_MOVE = 5
T = TypeVar("T")
log = logging.getLogger(__name__)


def persist(write: Callable[[Session], T], within: Callable[[], AbstractContextManager[Session]] = writing) -> T:
    """One writing transaction, however long the database takes to come back: what a provider answered must not be
    lost, and what we hold must not stay behind. `write` may be called again after a commit whose answer was lost.

    `within` is `reading` for what only reads on behalf of what we hold. Raises what the database said when its tables
    have moved to another version: it may never say anything else, and the wire journal knows what was handed over."""
    pause, tries = 0.05, TRIES_AFTER_MOVE
    failed: str | None = None
    while True:
        try:
            with within() as session:
                done = write(session)
            if failed is not None:
                disk.tell(failed)
            return done
        except DBAPIError as error:
            if not (isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated):
                raise
            tries -= versions.have_moved()
            if not tries:
                raise
            failed = disk.failure(error) or failed
            log.warning("the database asks us to wait: %s", error.orig)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
