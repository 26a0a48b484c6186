"""The ticker asks SQL what is due and rings for it. It may be killed, run twice, or find the broker down: nothing is
lost, because it keeps nothing."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from panel import clock
from panel.db import db, writing
from panel.jobs import heartbeats, versions
from panel.jobs.bells import ring
from panel.jobs.drains import DRAINS, Drain

log = logging.getLogger(__name__)

TICK_SECONDS = 5.0
TIDY_SECONDS = 3_600.0


class Ticker:
    """`around` gives the application context that each tick needs."""

    def __init__(self, url: str, workers: int, around: Callable[[], AbstractContextManager[Any]]) -> None:
        self.url, self.workers, self.around = url, max(1, workers), around
        self.next_at: dict[str, float] = {}
        self.told: dict[str, str] = {}

    def tick(self) -> dict[str, int]:
        """Ring for all that is due; returns how much was found due by drain. One drain's trouble stops no other's."""
        found: dict[str, int] = {}
        for drain in DRAINS.values():
            if time.monotonic() < self.next_at.get(drain.name, 0.0):
                continue
            self.next_at[drain.name] = time.monotonic() + (drain.every if drain.due is None else TICK_SECONDS * 0.9)
            try:
                found[drain.name] = self._ring(drain)
                self.told.pop(drain.name, None)
            except (SQLAlchemyError, ImportError, AttributeError) as error:
                self._tell_once(drain, error)
        return found

    def _ring(self, drain: Drain) -> int:
        drain.function()  # nobody is rung for what no worker could do
        with self.around(), db.engine.connect() as connection:
            due = drain.backlog(connection, clock.now())
            if isinstance(due, Iterable):
                # Read while the connection is open: it may be a generator.
                by_argument = dict(due) if isinstance(due, Mapping) else dict.fromkeys(due, 1)
            else:
                by_argument = {"": due} if due else {}
        for argument, count in by_argument.items():
            ring(drain.name, argument, rings=min(self.workers, math.ceil(count / drain.batch)), url=self.url)
        return sum(by_argument.values())

    def _tell_once(self, drain: Drain, error: Exception) -> None:
        """Say the same trouble once, not at every tick."""
        if self.told.get(drain.name) != repr(error):
            log.error("%s could not be asked what is due: %s", drain.name, error)
            self.told[drain.name] = repr(error)


def run(
    url: str,
    workers: int,
    number: str,
    around: Callable[[], AbstractContextManager[Any]],
    each_tick: Callable[[], None] = lambda: None,
) -> None:
    """Tick until SIGTERM or SIGINT, or until the tables have moved (see `versions`). `each_tick` is called in an
    application context after each look."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    ticker, heart = Ticker(url, workers, around), heartbeats.Heart("ticker", number, around)
    tidy_at = 0.0
    while not stop.is_set() and not _have_moved(around):
        found = ticker.tick()
        heart.beat(due={name: count for name, count in found.items() if count})
        _guarded(around, each_tick)
        if time.monotonic() >= tidy_at:
            tidy_at = time.monotonic() + TIDY_SECONDS
            _tidy(around)
        stop.wait(TICK_SECONDS)
    heart.stop()


def _have_moved(around: Callable[[], AbstractContextManager[Any]]) -> bool:
    with around():
        return versions.have_moved()


def _guarded(around: Callable[[], AbstractContextManager[Any]], each_tick: Callable[[], None]) -> None:
    try:
        with around():
            each_tick()
    except (SQLAlchemyError, OSError) as error:
        log.warning("after the tick: %s", error)


def _tidy(around: Callable[[], AbstractContextManager[Any]]) -> None:
    try:
        with around(), writing() as session:
            heartbeats.forget_old(session, clock.now())
    except SQLAlchemyError as error:
        log.warning("old heartbeats stay: %s", type(error).__name__)
