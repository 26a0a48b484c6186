"""The SQL database: Flask-SQLAlchemy, one time type, one way to write, ids in advance.

SQLite and PostgreSQL behave alike here. On SQLite every writing transaction starts as BEGIN IMMEDIATE: a transaction
that reads first and wants to write later cannot wait for the lock, it fails at once ("database is locked").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Connection, DateTime, Engine, Integer, MetaData, Select, Table, event, text
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.types import JSON, TypeDecorator

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite (so that they sort)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Any) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        return to_micros(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return from_micros(value) if dialect.name == "sqlite" else value.astimezone(UTC)


def to_micros(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    return _EPOCH + timedelta(0, 0, value)


# SQLite only autoincrements a column declared exactly INTEGER PRIMARY KEY.
BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    # Given through the registry: Flask-SQLAlchemy subclasses Base, and SQLAlchemy 2.1 refuses the map on both classes.
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={datetime: UTCDateTime, dict[str, Any]: JSON, list[Any]: JSON, list[str]: JSON},
    )


db = SQLAlchemy(model_class=Base)

# True while the present context means to write: the web sets it for unsafe methods, `writing()` for everything else.
write_intent: ContextVar[bool] = ContextVar("panel_write_intent", default=False)


def prepare_engine(engine: Engine) -> None:
    """Attach what SQLite needs to an engine; PostgreSQL is left as it is. Safe to call once per engine."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "busy_timeout=20000",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "cache_size=-65536",
        ):
            cursor.execute("PRAGMA " + pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write_intent.get() else "BEGIN")


@contextmanager
def writing() -> Iterator[Session]:
    """One writing transaction: committed at the end of the block, rolled back when it raises.

    Needs an application context. Raises OperationalError when the database stays locked for 20 s.
    """
    token = write_intent.set(True)
    session = Session(db.engine, expire_on_commit=False)
    try:
        with session.begin():
            session.connection()
            yield session
    finally:
        session.close()
        write_intent.reset(token)


@contextmanager
def reading() -> Iterator[Session]:
    """A session for reading only; nothing is committed.

    It never asks for SQLite's write lock, so it may be opened while this very thread holds it.
    """
    token = write_intent.set(False)
    try:
        with Session(db.engine) as session:
            yield session
    finally:
        write_intent.reset(token)


def connection_of(session: Session | Connection) -> Connection:
    return session.connection() if isinstance(session, Session) else session


def next_ids(session: Session | Connection, table: str, count: int) -> Sequence[int]:
    """Reserve `count` ids of `table` before its rows exist, so that linked rows can be written in bulk.

    PostgreSQL takes them from the table's sequence (gaps after a rollback are harmless). On SQLite the writer holds
    the only write lock, so a counter row in the same transaction is enough and rolls back with it.
    """
    if count < 1:
        return []
    connection = connection_of(session)
    if connection.dialect.name == "postgresql":
        rows = connection.execute(
            text("SELECT nextval(:s) FROM generate_series(1, :n)"), {"s": f"{table}_id_seq", "n": count}
        )
        return rows.scalars().all()
    last = connection.execute(
        text(
            "INSERT INTO id_counters(name, last) VALUES (:t, coalesce((SELECT max(id) FROM " + table + "), 0) + :n)"
            " ON CONFLICT(name) DO UPDATE SET last = max(last, excluded.last - :n) + :n RETURNING last"
        ),
        {"t": table, "n": count},
    ).scalar_one()
    return range(last - count + 1, last + 1)


def look_at(session: Session | Connection, *models: type[Base]) -> None:
    """Have the database learn how much is in these tables, after many rows came into them at once. PostgreSQL would do
    so by itself within a minute, SQLite never; until then both plan as for an empty table."""
    connection = connection_of(session)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA analysis_limit = 1000")  # rows of each index; a large table costs no more
    for model in models:
        connection.exec_driver_sql(f"ANALYZE {table_of(model).name}")


def table_of(model: type[Base]) -> Table:
    """The Core table of a model, for statements about many rows that need no objects."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def rows_of(session: Session | Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """The rows of a query as plain dictionaries."""
    result = connection_of(session).execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]
