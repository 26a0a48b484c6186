"""How a transaction that nobody committed ends: what only asked keeps its prepared statements, what wrote is undone."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from panel.db import db, write_intent
from panel.installation.models import Setting


@pytest.fixture(autouse=True)
def _means_only_to_read(app):
    token = write_intent.set(False)
    yield
    write_intent.reset(token)


def found() -> list[str]:
    with Session(db.engine) as session:
        return list(session.scalars(select(Setting.name).where(Setting.name.like("test%"))))


@pytest.mark.databases("postgresql")
def test_what_is_asked_again_and_again_is_planned_by_the_database_once():
    for _ in range(8):
        found()
    with Session(db.engine) as session:
        kept = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert any("FROM settings" in one for one in kept)


@pytest.mark.parametrize("way", ["orm", "core", "text", "cte", "driver", "after a question"])
def test_what_was_written_and_not_committed_is_undone(way):
    plain = "INSERT INTO settings (name, value) VALUES ('test', '{}')"
    with Session(db.engine) as session:
        if way == "orm":
            session.add(Setting(name="test", value={}))
            session.flush()
        elif way == "core":
            session.execute(insert(Setting).values(name="test", value={}))
        elif way == "text":
            session.execute(text(plain))
        elif way == "cte":
            if db.engine.dialect.name == "sqlite":
                return  # has no writing inside a question
            new = insert(Setting).values(name="test", value={}).returning(Setting.name).cte()
            assert session.scalars(select(new.c.name)).all() == ["test"]
        elif way == "driver":
            session.connection().exec_driver_sql(plain)
        else:
            session.scalars(select(Setting.name)).all()
            session.execute(insert(Setting).values(name="test", value={}))
            session.scalars(select(Setting.name)).all()
    assert found() == []


def test_a_question_that_failed_leaves_the_connection_usable():
    for _ in range(2):
        with Session(db.engine) as session, pytest.raises(Exception, match="nowhere"):
            session.execute(select(text("1")).select_from(text("nowhere")))
    assert found() == []


@pytest.mark.databases("postgresql")
def test_who_asks_while_the_server_goes_away_is_told_that_and_may_ask_again():
    def ask():
        with Session(db.engine) as session:
            mine = session.scalars(select(func.pg_backend_pid())).one()
            with Session(db.engine) as other:
                other.execute(select(func.pg_terminate_backend(mine)))
            session.scalars(select(Setting.name)).all()

    with pytest.raises(OperationalError):
        ask()
    assert found() == []
