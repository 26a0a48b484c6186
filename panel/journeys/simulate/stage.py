"""The stage: what decides about some contacts, copied into a database in memory that is thrown away afterwards.

The engine runs there unchanged, in one transaction that is rolled back. The real database is only read: a simulation
holds no lock that a worker waits for, uses up no id and cannot leave anything behind, whatever a step does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from panel import clock
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.queries import aliases
from panel.contacts.sets import among
from panel.copying import put_rows
from panel.db import Base, db, table_of
from panel.journeys.models import Enrolment
from panel.messages.models import Message

# Nothing is decided by these. (A row that hangs on one that is not copied would stand in the way of a new one.)
LEFT_OUT = frozenset(
    {"alembic_version", "audit_entries", "channel_lines", "contact_merges", "heartbeats", "id_counters",
     "imported_contacts", "imports", "issues", "journey_files", "notice_mails", "presences", "simulations", "skeletons",
     "tracking_hits"}
)  # fmt: skip
# Rows of a run, which carry no contact themselves.
OF_RUNS = {"step_runs": "enrolment_id"}
PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "temp_store=MEMORY", "foreign_keys=OFF", "cache_size=-262144")
# What was written down of messages that are long gone; a message that goes out here is written anew.
COLUMNS_LEFT_OUT = {"messages": {"skeleton", "values"}}
ROWS_AT_ONCE = 10_000


@contextmanager
def snapshot() -> Iterator[Session]:
    """A session that sees the database as it is at this moment until its end, and writes nothing."""
    with Session(db.engine) as session:
        if db.engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            session.connection(execution_options=options)
        yield session


@contextmanager
def stage(source: Session, contact_ids: Collection[int]) -> Iterator[Session]:
    """A session on a copy of these contacts (cards merged into them included) and of every definition.

    The transaction is rolled back at the end, and the copy is gone.
    """
    everybody = sorted({one for contact_id in contact_ids for one in aliases(source, contact_id)} | set(contact_ids))
    engine = empty()
    try:
        with engine.begin() as target:
            copy(source, target, everybody)
            tidy(target, clock.now())
        with Session(engine, expire_on_commit=False) as session:
            yield session
            session.rollback()
    finally:
        engine.dispose()


def empty() -> Engine:
    """An empty database with all our tables, in memory, without any of what makes a real one durable."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    return engine


def copy(source: Session, target: Connection, contact_ids: Sequence[int]) -> None:
    """Copy what decides about these contacts."""
    mine = among(source, ContactAddress.contact_id, contact_ids)
    addresses = source.execute(select(ContactAddress.value).where(mine)).scalars().all()
    for table in Base.metadata.sorted_tables:
        if table.name not in LEFT_OUT:
            copy_table(source, target, table, _wanted(source, table, contact_ids, addresses))


def copy_table(source: Session, target: Connection, table: Table, query: Select[Any]) -> None:
    columns = [one for one in query.selected_columns if one.name not in COLUMNS_LEFT_OUT.get(table.name, ())]
    names, query = [column.name for column in columns], query.with_only_columns(*columns)
    found = source.connection().execute(query.execution_options(yield_per=ROWS_AT_ONCE))
    for rows in found.partitions():
        put_rows(target, _Rows(table), names, rows)


@dataclass(frozen=True)
class _Rows:
    """A table in the place of its model."""

    __table__: Table


def tidy(target: Connection, now: datetime) -> None:
    """What is in a worker's hands at this moment: claimed waits for its turn, what is on the wire will have gone."""
    target.execute(update(Message).where(Message.status == "claimed").values(status="queued"))
    flying = select(Message.enrolment_id).where(Message.status == "on_wire", Message.enrolment_id.is_not(None))
    target.execute(update(Enrolment).where(Enrolment.id.in_(flying), Enrolment.status == "active").values(due_at=now))
    target.execute(update(Message).where(Message.status == "on_wire").values(status="sent", sent_at=Message.wire_at))


def _wanted(source: Session, table: Table, contact_ids: Sequence[int], addresses: Sequence[str]) -> Select[Any]:
    query, column = select(table), cast(Any, table.c)  # columns and mapped attributes compare alike
    if table is table_of(Contact):
        return query.where(among(source, column.id, contact_ids))
    if table.name == "suppressions":
        # A block belongs to the address: one that another card brought counts as well.
        return query.where(or_(table.c.contact_id.is_(None), among(source, column.address, addresses)))
    if table is table_of(Message):
        # So does a message that went to the same mailbox under another name.
        return query.where(or_(among(source, column.contact_id, contact_ids), among(source, column.address, addresses)))
    if "contact_id" in table.c:
        return query.where(among(source, column.contact_id, contact_ids))
    if table.name in OF_RUNS:
        runs = Base.metadata.tables["enrolments"]
        own = select(runs.c.id).where(among(source, cast(Any, runs.c.contact_id), contact_ids))
        return query.where(table.c[OF_RUNS[table.name]].in_(own))
    return query
