"""The same steps as in `advance`, taken by two worker processes at once. The floor is again L, by one statement."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.advance import clear, drain, enrol, floor_of, number, set_up, work
from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from bench.timeline import fill
from panel.db import db
from panel.journeys.engine.advance import advance
from panel.journeys.engine.turns import retried

WORKERS = 2


def run(url: str) -> Result:
    """BENCH_EVENTS and BENCH_ROUNDS as in `advance`; BENCH_RUNS is 100,000 here: with few runs the last batch, which only
    one of them can take, weighs more than the rate that is promised."""
    runs = number("RUNS", 100_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            contacts = set_up(runs)
            if events := number("EVENTS", 0):
                fill(events, runs, kind_of(url))
            found = [_round(url, Path(folder), contacts) for _ in range(number("ROUNDS", 3))]
            db.engine.dispose()
    # The best of each: a round whose floor was disturbed would flatter us.
    figure, floor, peak = (max(one[at] for one in found) for at in (0, 1, 4))
    cpu, server = (min(one[at] for one in found) for at in (2, 3))
    more = {"runs": runs, "events": events, "workers": WORKERS, "python_us_per_step": cpu, "rounds": found}
    note = (
        f"{WORKERS} workers, processor time of a step {cpu:.1f} us in them, {server:.1f} us in the database's processes"
    )
    return Result("two", kind_of(url), figure, "steps/s", floor, "steps/s (L)", figure / floor, peak, more, note)


def _round(url: str, folder: Path, contacts: list[int]) -> tuple[float, float, float, float, float]:
    """Steps a second, L, microseconds of processor time of a step in the workers and in the database, MB of a worker."""
    enrol(contacts)
    floor = floor_of(len(contacts), kind_of(url))
    clear()
    command = [sys.executable, "-m", "bench.two", url, str(folder)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)
    ]
    enrol(contacts)
    for one in workers:
        assert one.stdout is not None
        one.stdout.readline()  # it is warm
    started, worked = time.perf_counter(), work()
    for one in workers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = [json.loads(one.stdout.readline()) for one in workers if one.stdout is not None]
    seconds = time.perf_counter() - started
    served = work() - worked
    for one in workers:
        one.communicate()
    clear()
    steps = sum(answer["steps"] for answer in answers)
    cpu = sum(answer["cpu"] for answer in answers) / steps * 1e6
    return steps / seconds, floor, cpu, served / steps * 1e6, max(answer["peak_mb"] for answer in answers)


def worker(url: str, folder: Path) -> None:
    app = application(url, folder)
    with app.app_context():
        retried(lambda: advance(200))
        print("ready", flush=True)
        sys.stdin.readline()
        steps, _, cpu = drain()
        print(json.dumps({"steps": steps, "cpu": cpu, "peak_mb": peak_mb()}), flush=True)
        sys.stdin.readline()  # the processor time of its connection is read before that is gone


if __name__ == "__main__":
    worker(sys.argv[1], Path(sys.argv[2]))
