"""Old and new version together: workers whose code and tables are not of one version. The mail server is the judge."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from bench.crash_report import Report, accepted_by, judge
from bench.crash_stage import Stage
from panel import migrations
from panel.db import db, writing
from panel.jobs.versions import AGAIN, Tables
from panel.journeys.engine.persisting import persist
from tests.fixtures.processes import stop, wait_until
from tests.jobs.newer_worker import newer, write_migration

ROOT = Path(__file__).parents[2]
MAILS = 15
DICE = random.Random(26)


def sent(stage: Stage) -> int:
    """How many mails have arrived; meanwhile there is always more to do."""
    stage.keep_going(DICE)
    stage.ring()
    return len(accepted_by(stage.sink.log))


def more_sent(stage: Stage, count: int) -> None:
    until = sent(stage) + count
    wait_until(lambda: sent(stage) >= until, seconds=60, what="more mails")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_r26_workers_are_replaced_by_newer_ones_while_mails_go_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First a rolling restart, then a deploy: newer workers start, the tables are changed, older workers leave."""
    with Stage(kind, 26, lease=600, fresh=False) as stage:
        folder = stage.folder / "newer"
        write_migration(folder)
        for number in range(4):
            stage.workers.start(number, number)
        for number in range(4):
            more_sent(stage, MAILS)
            stage.workers.signal(number, signal.SIGTERM)
            wait_until(lambda number=number: stage.workers.status(number) == 0, seconds=60, what="its end")  # type: ignore[misc]
            stage.workers.start(4 + number, number)
        stage.workers.start(8, 8, kind="ticker")
        log = stage.folder / "newer.log"
        environment = {**os.environ, **stage.workers.environment, "NEWER_MIGRATIONS": str(folder)}
        newcomers = []
        try:
            newcomers += [newcomer("worker", 10, environment, log), newcomer("ticker", 11, environment, log)]
            wait_until(lambda: log.read_text().count("needs newer: waiting") == 2, seconds=60, what="their waiting")
            more_sent(stage, MAILS)
            # The deploy migrates under everybody.
            with monkeypatch.context() as patch:
                patch.setattr(migrations, "settings", lambda: newer(folder))
                migrations.upgrade(db.engine)
            wait_until(lambda: {stage.workers.status(number) for number in range(4, 9) if sent(stage) >= 0} == {AGAIN},
                       seconds=60, what="the end of the old ones")  # fmt: skip
            newcomers += [newcomer("worker", number, environment, log) for number in range(12, 15)]
            stage.rest("the engine's rest")
            assert [one.poll() for one in newcomers] == [None] * 5
        finally:
            for one in newcomers:
                stop(one)
        result = Report()
        judge(result, stage.sink.log, stage.contacts, stage.stopped)
    assert result.wrong == {}, result.stories
    assert result.messages > 5 * MAILS


def newcomer(kind: str, number: int, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        command = [sys.executable, "-m", "tests.jobs.newer_worker", kind, str(number)]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)


def at(level: str) -> None:
    with writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :level"), {"level": level})


def test_code_that_is_older_than_the_tables_from_its_start_does_not_work(app: Any) -> None:
    at("of a version to come")
    assert not Tables().wait(db.engine)


def test_code_whose_tables_are_not_there_yet_waits_for_them(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = migrations.newest()
    assert newest is not None
    at("0001")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        at(newest)

    monkeypatch.setattr("panel.jobs.versions.time.sleep", sleep)
    assert Tables().wait(db.engine)
    assert len(waited) == 1


def test_a_database_that_is_away_has_not_moved(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables()

    def level(engine: object) -> str:
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(migrations, "level", level)
    assert not tables.have_moved(db.engine)


def test_the_database_is_asked_at_most_once_a_second(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables()
    asked: list[object] = []

    def level(engine: object) -> str:
        asked.append(engine)
        return tables.newest

    monkeypatch.setattr(migrations, "level", level)
    assert [tables.have_moved(db.engine) for _ in range(3)] == [False] * 3
    assert len(asked) == 1


def test_who_holds_results_that_the_new_tables_refuse_lets_go_of_them_for_the_wire_journal_knows(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def write(session: Any) -> None:
        tried.append(1)
        session.execute(text("SELECT a_column_that_was_dropped FROM messages"))

    monkeypatch.setattr("panel.journeys.engine.persisting.time.sleep", lambda seconds: None)
    monkeypatch.setattr("panel.jobs.versions.have_moved", lambda: len(tried) > 3)
    with pytest.raises(DBAPIError):
        persist(write)
    assert len(tried) == (8 if db.engine.dialect.name == "sqlite" else 1), "SQLite calls it what it calls a full disk"
