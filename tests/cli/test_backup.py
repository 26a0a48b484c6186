"""A saved database put back starts paused, whichever way it was put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from panel.cli import main
from panel.cli.backup import postgresql_url
from panel.db import db
from panel.installation.operations import set_setting
from panel.installation.queries import get_setting
from panel.journeys.engine.marks import engine_on


@pytest.fixture
def run(app, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", app.instance_path)
    monkeypatch.setenv("PANEL_DATABASE_URL", db.engine.url.render_as_string(hide_password=False))
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.mark.databases("sqlite")
def test_o06_backup_and_restore_start_paused(run, session, tmp_path: Path) -> None:
    set_setting(session, "company", {"name": "before"})
    session.commit()
    copy = tmp_path / "copy.sqlite"
    done = run("backup", str(copy))
    assert done.exit_code == 0, done.output
    engine = engine_on(copy)
    with Session(engine) as other:
        assert get_setting(other, "sending_paused")["why"] == "restored"
    engine.dispose()
    assert run("backup", str(copy)).exit_code == 1
    set_setting(session, "company", {"name": "after"})
    session.commit()
    session.close()
    done = run("restore", str(copy), "--yes")
    assert done.exit_code == 0, done.output
    session.get_bind().dispose()  # this process still had the old file open
    assert get_setting(session, "company") == {"name": "before"}
    assert get_setting(session, "sending_paused")["why"] == "restored"
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    session.close()
    assert run("restore", str(broken), "--yes").exit_code == 1
    assert get_setting(session, "company") == {"name": "before"}


@pytest.mark.databases("postgresql")
def test_without_the_programs_of_postgresql_the_command_says_so(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("backup", str(tmp_path / "copy"))
    assert (done.exit_code, "pg_dump" in done.output) == (1, True)


def test_postgresql_is_named_without_the_driver() -> None:
    assert postgresql_url("postgresql+psycopg://u:p@h/d") == "postgresql://u:p@h/d"
