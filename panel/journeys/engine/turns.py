"""One worker's turn at a function: again and again until nothing is due or the time is up."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from panel.journeys.engine import disk

log = logging.getLogger(__name__)
TRIES = 5


def repeat(step: Callable[[], int], limit_seconds: float) -> bool:
    """Call `step` (which returns how much it did) until it has nothing to do; True when the time ran out first.

    A deadlock or a locked database rolls the transaction back and is tried again: nothing was sent or lost.
    """
    stop = time.monotonic() + limit_seconds
    while time.monotonic() < stop:
        if not retried(step):
            return False
    return True


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles for the length of a batch: its many small objects live until the end of it and
    hold no cycles, and every collection in between would walk through all of them in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def retried(step: Callable[[], int]) -> int:
    failed: str | None = None
    for attempt in range(TRIES):
        try:
            done = step()
            if failed is not None:
                disk.tell(failed)
            return done
        except OperationalError as error:
            if attempt == TRIES - 1 or error.connection_invalidated:
                raise
            failed = disk.failure(error) or failed
            log.info("the database asked to try again: %s", error.orig)
            time.sleep(0.05 * 2**attempt)
    return 0
