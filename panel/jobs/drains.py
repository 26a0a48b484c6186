"""What may be rung: each drain is a function that works off what is due, found by its dotted path.

Paths, not imports: this package lies below the features, and the table is also the list of all that a worker will ever
run, whatever else somebody writes into the broker.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

# One job works at most this long, so that each kind of work gets its turn with a few workers.
TURN_SECONDS = 20.0
# A drain is asked again after each slice, which is how long a stop request waits at most (plus one batch).
SLICE_SECONDS = 2.0


@dataclass(frozen=True)
class Drain:
    """`run(limit_seconds, *arguments)` works for about so long and returns a true value while more may be due.

    `due(connection, now)` answers how much is due as a number (an estimate, cheap), as a mapping from argument to such
    a number, or as an iterable of arguments: one ring each. Without `due` the ticker rings every `every` seconds,
    whether or not there is something to do.
    `batch` is what one ring is expected to work off: the ticker rings once for each, up to once per worker.
    """

    name: str
    run: str
    due: str | None = None
    every: float = 5.0
    batch: int = 2_000

    def function(self) -> Callable[..., Any]:
        """Raises ImportError or AttributeError when the path leads nowhere."""
        return _resolve(self.run)

    def backlog(self, connection: Connection, now: datetime) -> int | Mapping[str, int] | Iterable[str]:
        return 1 if self.due is None else _resolve(self.due)(connection, now)


DRAINS: dict[str, Drain] = {
    drain.name: drain
    for drain in (
        Drain("route", "panel.journeys.engine.route:run", "panel.journeys.engine.route:due"),
        Drain("advance", "panel.journeys.engine.advance:run", "panel.journeys.engine.advance:due"),
        Drain("deliver", "panel.journeys.engine.deliver:run", "panel.journeys.engine.deliver:due", batch=500),
        Drain("reap", "panel.journeys.engine.reap:run", "panel.journeys.engine.reap:due", every=30.0),
        Drain("audiences", "panel.journeys.engine.audiences:run", "panel.journeys.engine.audiences:due"),
        Drain("plan", "panel.journeys.engine.plan:run", every=60.0),
        Drain("sync", "panel.sync.jobs:run", "panel.sync.jobs:due", every=10.0),
        Drain("simulations", "panel.journeys.simulate.work:run", "panel.journeys.simulate.work:due"),
        Drain("segments", "panel.segments.ready:run", "panel.segments.ready:due", every=60.0),
        Drain("mails", "panel.tasks.mailing:run", "panel.tasks.mailing:due"),
        Drain("imports", "panel.imports.jobs:run", "panel.imports.jobs:due"),
    )
}


def drain(name: str) -> Drain:
    """Raises KeyError with the names that exist."""
    try:
        return DRAINS[name]
    except KeyError:
        raise KeyError(f"no drain is called {name!r}; there are: {', '.join(DRAINS)}") from None


def missing() -> dict[str, str]:
    """Drains whose functions cannot be found, with the reason. Empty in a sound installation."""
    found: dict[str, str] = {}
    for each in DRAINS.values():
        for path in filter(None, (each.run, each.due)):
            try:
                _resolve(path)
            except (ImportError, AttributeError) as error:
                found[each.name] = f"{path}: {error}"
    return found


def _resolve(path: str) -> Callable[..., Any]:
    function: Callable[..., Any] = pkgutil.resolve_name(path)
    return function
