"""Many rows into one table by the quickest way a database has: COPY on PostgreSQL, plain executemany on SQLite.

SQLAlchemy's insert spends several times the database's own time on each row; for some hundred rows use that instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, Numeric

from panel.db import UTCDateTime, to_micros

Convert = Callable[[Any], Any]


def put_rows(connection: Connection, model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows given as tuples in the order of `columns`. Columns left out get their database default or NULL.

    Values are those of the model's types (aware datetimes, Decimals, dicts). Texts must not contain NUL. Defaults that
    live in Python are not applied: name every column that needs a value.
    """
    table = model.__table__
    converts = [_converter(table.c[name].type, connection.dialect.name) for name in columns]
    odd = [(at, convert) for at, convert in enumerate(converts) if convert is not None]
    prepared = _converted(rows, odd) if odd else rows
    names = ", ".join(columns)
    with _driver(connection) as raw:
        if connection.dialect.name == "postgresql":
            with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for row in prepared:
                    copy.write_row(row)
        else:
            holes = ", ".join("?" * len(columns))
            raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({holes})", prepared)  # noqa: S608


def update_rows(connection: Connection, model: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Update rows by their id. `columns` are the ones to set; each row is (id, value of the first column, ...)."""
    table = model.__table__
    names = ("id", *columns)
    converts = [_converter(table.c[name].type, connection.dialect.name) for name in names]
    odd = [(at, convert) for at, convert in enumerate(converts) if convert is not None]
    prepared = list(_converted(rows, odd)) if odd else [list(row) for row in rows]
    if not prepared:
        return
    with _driver(connection) as raw:
        if connection.dialect.name == "postgresql":
            # One statement over arrays: the server plans once, and there is one round trip.
            types = (_array_type(table.c[name].type) for name in names)
            holes = ", ".join(f"%s::{type_}[]" for type_ in types)
            sets = ", ".join(f"{name} = v.{name}" for name in columns)
            values = f"unnest({holes}) AS v({', '.join(names)})"
            statement = f"UPDATE {table.name} t SET {sets} FROM {values} WHERE t.id = v.id"  # noqa: S608
            with raw.cursor() as cursor:
                cursor.execute(statement, [list(column) for column in zip(*prepared, strict=True)])
        else:
            sets = ", ".join(f"{name} = ?" for name in columns)
            statement = f"UPDATE {table.name} SET {sets} WHERE id = ?"  # noqa: S608
            raw.executemany(statement, [(*row[1:], row[0]) for row in prepared])


@contextmanager
def _driver(connection: Connection) -> Iterator[Any]:
    """The driver's own connection; its errors come out as SQLAlchemy's, so that callers need to know one kind only."""
    base = connection.dialect.loaded_dbapi.Error
    try:
        yield connection.connection.driver_connection
    except base as error:
        raise DBAPIError.instance(None, None, error, base, dialect=connection.dialect) from error


def _array_type(type_: Any) -> str:
    if isinstance(type_, JSON):
        return "json"
    if isinstance(type_, UTCDateTime):
        return "timestamptz"
    return {int: "bigint", bool: "boolean"}.get(type_.python_type, "text")


def _converted(rows: Iterable[Sequence[Any]], odd: list[tuple[int, Convert]]) -> Iterable[list[Any]]:
    for row in rows:
        changed = list(row)
        for at, convert in odd:
            if changed[at] is not None:
                changed[at] = convert(changed[at])
        yield changed


def _converter(type_: Any, dialect: str) -> Convert | None:
    if isinstance(type_, JSON):
        return _json
    if dialect == "postgresql":
        return None
    if isinstance(type_, UTCDateTime):
        return _micros
    if isinstance(type_, Numeric):
        return _real
    return _day if type_.python_type is date else None


def _json(value: Any) -> str:
    return json.dumps(value)


def _micros(value: datetime) -> int:
    return to_micros(value)


def _real(value: Decimal) -> float:
    return float(value)


def _day(value: date) -> str:
    return value.isoformat()
