"""What one contact that breaks its step costs the thousand it is claimed with.

Batches of 1,000 runs, with and without one whose step raises an error. Figure and floor are work counted: function
calls in the batch that has the poison and in one that has none (the clock of a busy machine cannot see a few per cent;
`more` has the processor times). The next batch does not have it, for it is held.
"""

from __future__ import annotations

import logging
import tempfile
import time
from cProfile import Profile
from pathlib import Path
from typing import Any

from bench.advance import clear, enrol, number, set_up
from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel.db import db
from panel.journeys.engine.advance import advance
from panel.journeys.engine.verbs import sending

BATCH = 1_000


def run(url: str) -> Result:
    rounds = number("ROUNDS", 9)
    logging.disable(logging.ERROR)
    whole = sending.Letter.message
    poison: set[int] = set()

    def poisoned(letter: sending.Letter, id_: int, one: Any, *rest: Any, **more: Any) -> sending.Planned:
        if one.contact_id in poison:
            raise ValueError("poison")
        return whole(letter, id_, one, *rest, **more)

    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            contacts = set_up(BATCH)
            sending.Letter.message = poisoned  # type: ignore[method-assign, assignment]
            times: dict[bool, list[float]] = {False: [], True: []}
            calls: dict[bool, int] = {}
            for at in range(rounds * 2 + 2):
                enrol(contacts)
                poison.clear()
                if at % 2:
                    poison.add(contacts[BATCH // 2])
                counted, started = Profile(), time.process_time()
                if at >= rounds * 2:
                    counted.enable()
                assert advance(BATCH) == BATCH
                counted.disable()
                times[bool(at % 2)].append((time.process_time() - started) / BATCH * 1e6)
                calls[bool(at % 2)] = sum(one.callcount for one in counted.getstats())
                clear()
            db.engine.dispose()
            sending.Letter.message = whole  # type: ignore[method-assign]
    more = {"batch": BATCH, "us_with": times[True][1:-1], "us_without": times[False][1:-1]}
    note = f"one poison in {BATCH:,} costs its batch {(calls[True] / calls[False] - 1) * 100:.1f} % more work"
    ratio = calls[False] / calls[True]
    return Result("poison", kind_of(url), calls[True], "calls", calls[False], "calls", ratio, peak_mb(), more, note)
