"""R01 to R07: workers killed by SIGKILL at every named point. The mail server's own log is the judge.

The long version is `make bench BENCH=crash KILLS=2000`; this one kills at each point at least once.
"""

from __future__ import annotations

from pathlib import Path

from bench.crash import POINTS, crash


def test_workers_killed_at_every_named_point_lose_nothing_and_send_nothing_twice(
    database_url: str, tmp_path: Path
) -> None:
    report = crash(database_url, tmp_path, kills=len(POINTS), contacts=30)
    assert set(report.kills) == set(POINTS)
    assert report.twice == []
    assert report.lost == []
    assert report.disagree == [], "the ledger and the mail server do not agree"
    assert report.gaps == [], "a trace has a gap"
    assert report.unfinished == []
    assert report.unknown <= sum(report.kills.values()), "at most one message is left in doubt by a kill"
