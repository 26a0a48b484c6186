"""R01 to R08, R10 to R12, R16 to R18, W01, W02: real workers killed, what they stand on broken, all at random.

The mail server's own log is the judge. The long version is `make bench BENCH=crash KILLS=2000`.
"""

from __future__ import annotations

import pytest

from bench.crash import crash
from bench.crash_stage import POINTS

KILLS = 50  # on each of two databases


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_r01_to_r08_workers_killed_anywhere_lose_nothing_and_send_nothing_twice(kind: str) -> None:
    report = crash(kind, kills=KILLS, seed=20261122)
    assert report.wrong == {}, report.stories
    assert report.killed >= KILLS
    assert set(POINTS) <= set(report.kills), "every named point was hit"
    assert report.sink_faults, "the mail server misbehaved too"


def test_r09_fresh_interpreters_are_no_different() -> None:
    """The other runs fork their workers from one parent; these are started as the supervisor starts them."""
    report = crash("sqlite", kills=1, seed=1, fresh=True, points={"after_on_wire_commit": 1.0})
    assert report.wrong == {}, report.stories
