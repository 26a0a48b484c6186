"""What runs cost that wait for a later day: a look for due work, and steps, beside BENCH_WAITING (1,000,000) of them.

The figure is the time of a look (claim nothing, count nothing) in microseconds; the floor the same look in an empty
table. `more` says what a step costs with and without them.
"""

from __future__ import annotations

import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bench.advance import drain, enrol, number, set_up
from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel import clock
from panel.db import db
from panel.journeys.engine.advance import advance, due

LOOKS = 300
PART = 50_000  # written at once, so that the peak of memory is the engine's and not the setting of the stage


def run(url: str) -> Result:
    waiting, runs = number("WAITING", 1_000_000), number("RUNS", 20_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            contacts = set_up(runs * 2)
            advance()
            empty = _look()
            enrol(contacts[:runs])
            alone = drain()
            # Nobody looks at the contact of a run that waits, so these need none.
            first = contacts[-1] + 1
            for start in range(first, first + waiting, PART):
                enrol(list(range(start, min(start + PART, first + waiting))), wait=timedelta(days=30))
            full = _look()
            enrol(contacts[runs:])
            beside = drain()
            db.engine.dispose()
    more = {
        "waiting": waiting,
        "us_per_step_alone": alone[2] / alone[0] * 1e6,
        "us_per_step_beside": beside[2] / beside[0] * 1e6,
        "steps_per_second_alone": alone[0] / alone[1],
        "steps_per_second_beside": beside[0] / beside[1],
    }
    note = (
        f"{waiting:,} waiting; processor time of a step {more['us_per_step_alone']:.0f} us without,"
        f" {more['us_per_step_beside']:.0f} us with them"
    )
    return Result("waiting", kind_of(url), full, "us a look", empty, "us a look", empty / full, peak_mb(), more, note)


def _look() -> float:
    """Microseconds of the quickest tenth: a worker that finds nothing, and the ticker's question."""
    times = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        assert advance() == 0
        with db.engine.connect() as connection:
            assert due(connection, clock.now()) == 0
        times.append(time.perf_counter() - started)
    return sorted(times)[LOOKS // 10] * 1e6
