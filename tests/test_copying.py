"""Many rows at once: what goes in comes out again, with every type, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.contacts.sets import among
from panel.copying import put_rows, update_alike, update_rows
from panel.db import connection_of, reading, table_of, writing
from panel.journeys.models import StepRun
from panel.sdk.context import NewContact

BEGAN = datetime(2026, 11, 22, 8, 0, 0, 123457, tzinfo=UTC)
COLUMNS = ("id", "enrolment_id", "seq", "step_id", "path", "version_id", "kind", "outcome", "reason", "detail",
           "began_at", "ended_at")  # fmt: skip


def _row(id_: int, **changed: Any) -> tuple[Any, ...]:
    values = dict(zip(COLUMNS, (id_, 7, id_, "שלב", "p", 1, "wait", "done", None, {}, BEGAN, BEGAN), strict=True))
    return tuple((values | changed).values())


def _stored(id_: int) -> Any:
    with reading() as session:
        return session.execute(select(StepRun).where(StepRun.id == id_)).scalar_one()


@pytest.mark.parametrize(
    "detail",
    [{}, {"n": 2**70, "name": 'دانا "x" \\ \n'}, {"list": [1, None, True, 2.5], "deep": {"1": {}}}, {"emoji": "🙂"}],
)
def test_json_of_every_kind_comes_out_as_it_went_in(app: Flask, detail: dict[str, Any]) -> None:
    with writing() as session:
        put_rows(connection_of(session), StepRun, COLUMNS, [_row(1, detail=detail), _row(2)])
    assert _stored(1).detail == detail
    assert _stored(2).detail == {}


def test_moments_keep_their_microseconds_and_their_instant(app: Flask) -> None:
    from_elsewhere = BEGAN.astimezone(tz=None)
    long_ago = datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC)
    with writing() as session:
        put_rows(connection_of(session), StepRun, COLUMNS, [_row(1, began_at=long_ago, ended_at=from_elsewhere)])
    assert (_stored(1).began_at, _stored(1).ended_at) == (long_ago, BEGAN)


def test_updating_twice_in_one_transaction_changes_only_the_rows_that_are_named(app: Flask) -> None:
    later = BEGAN + timedelta(days=1)
    columns = ("reason", "detail", "ended_at")
    with writing() as session:
        connection = connection_of(session)
        put_rows(connection, StepRun, COLUMNS, [_row(1), _row(2), _row(3)])
        update_rows(connection, StepRun, columns, [("first", {"a": 1}, later, 1), (None, {}, later, 2)])
        session.execute(StepRun.__table__.update().where(StepRun.id == 1).values(reason="ours"))
        update_rows(connection, StepRun, columns, [("second", {"b": 2}, later, 3)])
        update_rows(connection, StepRun, columns, [])
    found = [(one.reason, one.detail, one.ended_at) for one in (_stored(1), _stored(2), _stored(3))]
    assert found == [("ours", {"a": 1}, later), (None, {}, later), ("second", {"b": 2}, later)]


def test_rows_that_become_alike_are_changed_together_and_no_others(app: Flask) -> None:
    later = BEGAN.astimezone(tz=None) + timedelta(days=1)
    columns = ("reason", "detail", "ended_at", "outcome")
    with writing() as session:
        connection = connection_of(session)
        put_rows(connection, StepRun, COLUMNS, [_row(n, reason="before") for n in range(1, 6)])
        update_alike(connection, StepRun, columns, (None, {"למה": 'x"\\'}, later, "late"), [2, 4, 99])
        update_alike(connection, StepRun, columns, ("nobody", {}, later, "late"), [])
    assert [_stored(n).reason for n in range(1, 6)] == ["before", None, "before", None, "before"]
    assert (_stored(4).detail, _stored(4).ended_at, _stored(4).outcome) == ({"למה": 'x"\\'}, later, "late")


def test_a_row_is_updated_only_where_it_still_holds_what_the_writer_remembers(app: Flask) -> None:
    with writing() as session:
        connection = connection_of(session)
        put_rows(connection, StepRun, COLUMNS, [_row(1), _row(2, reason="hers"), _row(3, reason=None)])
        changed = [
            ("mine", None, "done", 1),
            ("mine", "hers", "done", 2),
            ("mine", None, "done", 3),
            ("mine", None, "", 3),
        ]
        assert update_rows(connection, StepRun, ("reason",), changed, same=("reason", "outcome")) == 1
        assert update_rows(connection, StepRun, ("reason",), [("anybody's", 1), ("anybody's", 9)]) == 1
    assert [_stored(one).reason for one in (1, 2, 3)] == ["anybody's", "mine", None]


def test_a_repeated_row_is_an_integrity_error_whatever_the_driver_calls_it(app: Flask) -> None:
    with writing() as session:
        put_rows(connection_of(session), StepRun, COLUMNS, [_row(1)])
        with pytest.raises(IntegrityError), session.begin_nested():
            put_rows(connection_of(session), StepRun, COLUMNS, [_row(2), _row(1)])
    with reading() as session:
        assert session.scalars(select(StepRun.id)).all() == [1]


def test_what_is_no_json_is_refused_and_nothing_is_written(app: Flask) -> None:
    with writing() as session, pytest.raises(TypeError):
        put_rows(connection_of(session), StepRun, COLUMNS, [_row(1), _row(2, detail={"at": BEGAN})])
    with reading() as session:
        assert session.scalars(select(StepRun.id)).all() == []


def test_sets_of_texts_and_numbers_find_exactly_their_members(app: Flask) -> None:
    names = ['a "quoted" name', "back\\slash", "{brace},comma", "null", "", "دانا", "כהן"]
    with writing() as session:
        ids = [
            create_contact(session, NewContact(name=name or "?"), how="manual", now=BEGAN)
            for name in names
        ]  # fmt: skip
        session.execute(table_of(Contact).update().where(Contact.id == ids[4]).values(name=""))
        for n, name in enumerate(names):
            found = session.scalars(select(Contact.id).where(among(session, Contact.name, [name, "nobody"]))).all()
            assert found == [ids[n]]
        assert set(session.scalars(select(Contact.id).where(among(session, Contact.id, ids[:3])))) == set(ids[:3])
        assert session.scalars(select(Contact.id).where(among(session, Contact.id, []))).all() == []


def test_rows_of_several_statements_and_the_rest_all_go_in_as_they_are(app: Flask) -> None:
    rows = [_row(n, detail={"n": n}, ended_at=BEGAN + timedelta(microseconds=n)) for n in range(1, 1_001)]
    with writing() as session:
        put_rows(connection_of(session), StepRun, COLUMNS, rows)
    with reading() as session:
        stored = session.execute(select(StepRun.id, StepRun.detail, StepRun.ended_at).order_by(StepRun.id)).all()
    assert [(one.id, one.detail["n"]) for one in stored] == [(n, n) for n in range(1, 1_001)]
    assert all(one.ended_at == BEGAN + timedelta(microseconds=one.id) for one in stored)


@pytest.mark.parametrize("count", [1, 166, 1_999, 2_000, 4_321])
def test_what_all_rows_share_is_given_once_and_stands_in_every_row(app: Flask, count: int) -> None:
    shared, halves = {"because": "سلام"}, (None, "reason")
    rows = [_row(n, seq=n, detail=shared, reason=halves[n % 2]) for n in range(1, count + 1)]
    with writing() as session:
        put_rows(connection_of(session), StepRun, COLUMNS, rows)
    with reading() as session:
        found = session.scalars(select(StepRun).order_by(StepRun.id)).all()
    assert [(one.id, one.seq, one.reason, one.detail, one.step_id, one.ended_at) for one in found] == [
        (n, n, halves[n % 2], shared, "שלב", BEGAN) for n in range(1, count + 1)
    ]
