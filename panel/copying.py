"""Many rows into one table by the quickest way a database has: binary COPY on PostgreSQL, executemany on SQLite.

SQLAlchemy's insert spends several times the database's own time on each row; for some hundred rows use that instead.
Values are converted column by column, and a value that stands in many rows (the same object) is converted once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count, islice, repeat
from operator import is_
from typing import Any

import orjson
from sqlalchemy import Boolean, Connection, Date, Integer, LargeBinary, String, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, BigInteger, Float, Numeric

from panel.db import UTCDateTime, to_micros

Convert = Callable[[Any], Any]

_EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VALUES_IN_A_STATEMENT = 2_000  # far from SQLite's limit of 32,766; more do not help
_SHAPES = 50  # statements kept for the same columns: by which of them are alike in all rows
# What json would refuse stays refused: a date in an event's data is somebody's mistake, not a text.
_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def put_rows(connection: Connection, model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows given as tuples in the order of `columns`. Columns left out get their database default or NULL.

    Values are those of the model's types (aware datetimes, Decimals, dicts). Texts must not contain NUL. Defaults that
    live in Python are not applied: name every column that needs a value.
    """
    way = _way(model.__table__, tuple(columns), connection.dialect.name)
    with _driver(connection) as raw:
        if way.is_postgresql:
            with raw.cursor() as cursor, cursor.copy(way.copy) as copy:
                copy.set_types(way.types)
                write = copy.write_row
                for row in way.prepare(rows):
                    write(row)
        elif found := way.columns(rows):
            _put_into_sqlite(raw, way, found)


def _put_into_sqlite(raw: Any, way: _Way, columns: list[Sequence[Any]]) -> None:
    """Many rows in one statement: SQLite opens the table and its indexes anew for each. What is the same in all rows is
    bound once for all."""
    alike = tuple(map(_is_one, columns))
    statement, at_once = way.insert_many(alike)
    once = [column[0] for column, one in zip(columns, alike, strict=True) if one]
    rows = zip(*(column for column, one in zip(columns, alike, strict=True) if not one), strict=True)
    left = len(columns[0])
    while left >= at_once:
        raw.execute(statement, [*once, *chain.from_iterable(islice(rows, at_once))])
        left -= at_once
    if left:
        raw.executemany(way.insert, zip(*(column[-left:] for column in columns), strict=True))


def _is_one(column: Sequence[Any]) -> bool:
    """Whether all values are one and the same object."""
    first = column[0]
    return first is column[-1] and all(map(is_, column, repeat(first)))


def update_rows(
    connection: Connection,
    model: Any,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    same: Sequence[str] = (),
) -> int:
    """Update rows by their id; returns how many. `columns` are the ones to set; each row is (value of the first column,
    ..., values of the columns `same`, id), and is left alone unless the database still holds these same values."""
    if not rows:
        return 0
    way = _way(model.__table__, (*columns, *same, "id"), connection.dialect.name, len(same))
    prepared = way.prepare(rows)
    with _driver(connection) as raw:
        if way.is_postgresql:
            # Through a temporary table: COPY reads a row several times faster than arrays are written and parsed.
            with raw.cursor() as cursor:
                cursor.execute(way.begin_temporary)
                with cursor.copy(way.copy_temporary) as copy:
                    copy.set_types(way.types)
                    write = copy.write_row
                    for row in prepared:
                        write(row)
                cursor.execute(way.update_from_temporary)
                cursor.nextset()
                cursor.nextset()  # the third of its statements is the update
                changed = cursor.rowcount
        else:
            changed = raw.executemany(way.update, prepared).rowcount
    return int(changed)


def update_alike(
    connection: Connection, model: Any, columns: Sequence[str], values: Sequence[Any], ids: Sequence[int]
) -> None:
    """Give all rows with these ids the same `values`, in one statement. A row costs a third of one of `update_rows`."""
    way = _way(model.__table__, (*columns, "id"), connection.dialect.name)
    found = ",".join(map(str, ids))  # the driver spends a microsecond on each member of a list
    # What PostgreSQL is given as a text here it takes apart itself, so a moment is one of its own types.
    given = [
        None if one is None else convert(one) if convert else one
        for one, convert in zip(values, way.converts_alike, strict=True)
    ]
    with _driver(connection) as raw:
        raw.execute(way.update_alike, [*given, f"{{{found}}}" if way.is_postgresql else f"[{found}]"])


class _Way:
    """The statements and conversions for some columns of one table."""

    def __init__(self, table: Table, columns: tuple[str, ...], dialect: str, same: int) -> None:
        self.is_postgresql = dialect == "postgresql"
        types = [table.c[name].type for name in columns]
        converts = [_converter(type_, dialect) for type_ in types]
        self.odd = [(at, convert) for at, convert in enumerate(converts) if convert is not None]
        self.types = [_wire_type(type_) for type_ in types]
        quoted = [f'"{one}"' for one in columns]
        name, names, setting = table.name, ", ".join(quoted), quoted[: len(quoted) - 1 - same]
        compared = quoted[len(setting) :]
        # What a row is to hold and what it is to have held may be of one column.
        apart = [*setting, *(f'"was_{one}"' for one in columns[len(setting) : -1]), '"id"']
        holes = ", ".join("?" * len(columns))
        self.name, self.names = name, names
        self._insert_many: dict[tuple[bool, ...], tuple[str, int]] = {}
        self.insert = f"INSERT INTO {name} ({names}) VALUES ({holes})"  # noqa: S608
        where = " AND ".join(f"{one} = ?" for one in compared)
        self.update = f"UPDATE {name} SET {', '.join(f'{one} = ?' for one in setting)} WHERE {where}"  # noqa: S608
        alike = ", ".join(f"{one} = {'%s' if self.is_postgresql else '?'}" for one in setting)
        ids = "= ANY(%s::bigint[])" if self.is_postgresql else "IN (SELECT value FROM json_each(?))"
        self.update_alike = f"UPDATE {name} SET {alike} WHERE id {ids}"  # noqa: S608
        self.converts_alike = [
            to_json if isinstance(one, JSON) else None if self.is_postgresql else convert
            for one, convert in zip(types[: len(setting)], converts, strict=False)
        ]
        self.copy = f"COPY {name} ({names}) FROM STDIN (FORMAT BINARY)"
        temporary = f"new_{name}_{abs(hash((columns, same))):x}"[:60]
        self.begin_temporary = (
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} ON COMMIT DELETE ROWS"
            f" AS SELECT {', '.join(f'{one} AS {new}' for one, new in zip(quoted, apart, strict=True))}"
            f" FROM {name} LIMIT 0;"
            f" DELETE FROM {temporary}"  # it may have been used before in this very transaction
        )
        self.copy_temporary = f"COPY {temporary} ({', '.join(apart)}) FROM STDIN (FORMAT BINARY)"
        sets = ", ".join(f"{one} = n.{one}" for one in setting)
        # Row by row through the primary key. The planner knows nothing of a temporary table, and a join that reads all
        # of the other one seems cheap to it as long as that has no more than some ten thousand rows.
        where = " AND ".join(f"t.{one} = n.{new}" for one, new in zip(compared, apart[len(setting) :], strict=True))
        self.update_from_temporary = (
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
            f" UPDATE {name} t SET {sets} FROM {temporary} n WHERE {where};"  # noqa: S608
            " SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT"
        )

    def prepare(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        if not self.odd:
            return iter(rows)
        return zip(*self.columns(rows), strict=True)

    def columns(self, rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
        """The values as the driver takes them, column by column; empty without rows."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        if columns:
            for at, convert in self.odd:
                columns[at] = _each_once(columns[at], convert)
        return columns

    def insert_many(self, alike: tuple[bool, ...]) -> tuple[str, int]:
        """SQLite's statement for many rows that are alike in these columns, and how many. Its values are first those
        that all rows share, then those of one row after the other."""
        found = self._insert_many.get(alike)
        if found is None:
            at_once = max(1, _VALUES_IN_A_STATEMENT // max(1, alike.count(False)))
            shared, own = count(1), count(alike.count(True) + 1)
            places = [next(shared) if one else None for one in alike]
            rows = [f"({', '.join(f'?{place or next(own)}' for place in places)})" for _ in range(at_once)]
            found = (f"INSERT INTO {self.name} ({self.names}) VALUES {', '.join(rows)}", at_once)  # noqa: S608
            if len(self._insert_many) < _SHAPES:
                self._insert_many[alike] = found
        return found


@lru_cache(maxsize=200)
def _way(table: Table, columns: tuple[str, ...], dialect: str, same: int = 0) -> _Way:
    return _Way(table, columns, dialect, same)


def _each_once(values: Sequence[Any], convert: Convert) -> list[Any]:
    """The values converted; the same object is converted once (`values` keeps all of them alive)."""
    places = list(map(id, values))
    known = dict(zip(places, values, strict=True))
    if len(known) == len(values):  # each its own: nothing to remember
        return [None if value is None else convert(value) for value in values]
    converted = {place: None if value is None else convert(value) for place, value in known.items()}
    return list(map(converted.__getitem__, places))


@contextmanager
def _driver(connection: Connection) -> Iterator[Any]:
    """The driver's own connection; its errors come out as SQLAlchemy's, so that callers need to know one kind only."""
    base = connection.dialect.loaded_dbapi.Error
    try:
        yield connection.connection.driver_connection
    except base as error:
        raise DBAPIError.instance(None, None, error, base, dialect=connection.dialect) from error


def to_json(value: Any) -> str:
    """JSON as it is stored. What orjson refuses (numbers over 64 bits, keys that are no texts) the slow way takes."""
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError:
        return json.dumps(value)


def from_json(text: str) -> Any:
    """What `to_json` wrote, or the database's own JSON (which may hold what orjson refuses: NaN)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _converter(type_: Any, dialect: str) -> Convert | None:
    if isinstance(type_, JSON):
        return to_json
    if isinstance(type_, UTCDateTime):
        return to_micros if dialect == "sqlite" else _micros_since_2000
    if dialect == "postgresql":
        return None
    if isinstance(type_, Numeric):
        return _real
    return _day if type_.python_type is date else None


def _micros_since_2000(value: datetime) -> int:
    """A moment as PostgreSQL's binary format has it."""
    return (value - _EPOCH_2000) // _MICROSECOND


def _real(value: Decimal) -> float:
    return float(value)


def _day(value: date) -> str:
    return value.isoformat()


def _wire_type(type_: Any) -> str:
    """The type whose binary form is that of the column: a moment is eight bytes, JSON (not JSONB) is its text."""
    if isinstance(type_, UTCDateTime | BigInteger):
        return "int8"
    for kind, name in ((JSON, "text"), (Boolean, "bool"), (Integer, "int4"), (Float, "float8"), (Numeric, "numeric"),
                       (Date, "date"), (LargeBinary, "bytea"), (String, "text")):  # fmt: skip
        if isinstance(type_, kind):
            return name
    raise TypeError(f"no binary form is known for {type_!r}")
