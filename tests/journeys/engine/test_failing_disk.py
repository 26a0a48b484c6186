"""R20: a disk that cannot keep what is written, for a moment. The mail server's own log is the judge."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bench import crash_programs
from bench.crash_report import Report, accepted_by, judge
from bench.crash_stage import Stage
from panel.db import reading
from panel.issues.models import Issue
from tests.fixtures.failing_disk import Disk
from tests.fixtures.processes import start, stop, wait_until

ROOT = Path(__file__).parents[3]
DICE = random.Random(20)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with Disk() as disk:
        yield disk


def fail_while_sending(stage: Stage, disk: Disk) -> None:
    """Fail one `fsync` after each ten mails or so, then five in a row."""
    for number, failures in enumerate((1, 1, 1, 5), start=1):
        wait_until(lambda count=number * 10: sent(stage) >= count, seconds=60, what="some mails")  # type: ignore[misc]
        before = disk.failed
        disk.failing = failures
        wait_until(lambda until=before + failures: sent(stage) >= 0 and disk.failed >= until,  # type: ignore[misc]
                   seconds=60, what="a failure")  # fmt: skip


def fail_once_more(stage: Stage, disk: Disk) -> bool:
    if not disk.failing:
        disk.failing = 1
    return sent(stage) >= 0 and "the disk failed" in (stage.folder / "processes.log").read_text()


def sent(stage: Stage) -> int:
    """How many mails have arrived; meanwhile there is always more to do."""
    stage.keep_going(DICE)
    stage.ring()
    return len(accepted_by(stage.sink.log))


def nothing_was_lost_or_sent_twice(stage: Stage) -> Report:
    stage.rest("the engine's rest")
    result = Report()
    judge(result, stage.sink.log, stage.contacts, stage.stopped)
    assert result.wrong == {}, result.stories
    return result


def test_r20_a_failing_fsync_of_sqlite_loses_nothing_and_sends_nothing_twice(disk: Disk) -> None:
    with Stage("sqlite", 20, lease=600, fresh=True) as stage:
        environment = {**os.environ, **stage.workers.environment}
        running = []
        try:
            with (stage.folder / "processes.log").open("ab") as log:
                for number in range(2):
                    command = [sys.executable, "-m", "tests.journeys.engine.checkpointing_worker", str(number)]
                    running.append(disk.start(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
            fail_while_sending(stage, disk)
            # SQLite keeps to itself that it could not write its log back, and does it again; a commit it cannot hide.
            wait_until(lambda: fail_once_more(stage, disk), seconds=60, what="a commit that failed")
            result = nothing_was_lost_or_sent_twice(stage)
            assert [one.poll() for one in running] == [None, None], "they go on"
        finally:
            for one in running:
                stop(one)
        said = (stage.folder / "processes.log").read_text()
        with reading() as session:
            issue = session.scalars(select(Issue).where(Issue.code == "disk_failing")).one()
    assert result.messages >= 40
    assert disk.failed >= 8
    assert disk.made > 0
    assert "the disk failed (disk I/O error)" in said
    assert (issue.state, issue.params) == ("open", {"detail": "disk I/O error"})


def test_r20_a_failing_fsync_of_postgresql_loses_nothing_and_sends_nothing_twice(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_this_disk(command: list[str], **options: Any) -> Any:
        return (disk.start if command[0].endswith("/postgres") else start)(command, **options)

    monkeypatch.setattr(crash_programs, "start", on_this_disk)
    monkeypatch.setattr(crash_programs, "SETTINGS", crash_programs.SETTINGS | {"fsync": "on"})
    with Stage("postgresql", 20, lease=600, fresh=False) as stage:
        for number in range(2):
            stage.workers.start(number, number)
        fail_while_sending(stage, disk)
        nothing_was_lost_or_sent_twice(stage)
        assert [stage.workers.status(number) for number in range(2)] == [None, None], "they go on"
        said = (stage.folder / "processes.log").read_text()
        assert stage.postgresql is not None
        server_said = (stage.postgresql.folder / "server.log").read_text()
    assert disk.failed == 8
    assert "PANIC" in server_said, "it goes down rather than call written what may not be"
    assert "the database asks us to wait" in said or "the database asked to try again" in said
