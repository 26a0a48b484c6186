"""How long the first page of a timeline takes, warm, among millions of events, and the whole page of the contact.

The contact has 10,000 events and 2,000 messages with opens, scattered among everybody's. Told are: the slowest of a
hundred of the page's own statements taken together (SQL: from asking until the rows are there), the processor time and
the statements of the whole page as a browser gets it, and the same for a search. The floor is the same 30 rows by one
plain statement on the driver. BENCH_EVENTS says how many events there are (default 500,000; the promise is for 20 M).
"""

from __future__ import annotations

import contextvars
import os
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask_security import hash_password
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel.calendars import Reader
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import connection_of, db, writing
from panel.sdk.context import NewContact
from panel.staff.operations import create_user
from panel.web.timeline import queries
from panel.web.timeline.asking import Asked

BUSY_EVENTS, PAGES, WHOLE, SEARCHES, PER_CONTACT = 10_000, 1_000, 100, 40, 50
START = 1_735_700_000  # seconds since 1970
KIND = "CASE n % 5 WHEN 0 THEN 'order_paid' WHEN 1 THEN 'note_added' WHEN 2 THEN 'message_sent'" \
       " WHEN 3 THEN 'message_opened' ELSE 'link_clicked' END"  # fmt: skip
DATA = (
    '{"amount": "125.00", "order": "A-1042", "subject": "What is in season", "channel": "email", "text": "Call back"}'
)
COLUMNS = "contact_id, occurred_at, id, kind, received_at, source, data, depth, starts_journeys, routed_at, message_id"
# The busy contact's lines lie among everybody's, as they would; three of five belong to a message of it.
OWNER = "CASE WHEN n % {step} < 5 THEN {busy} ELSE {busy} + 1 + (n * 7919) % {contacts} END"
MESSAGE = "CASE WHEN n % {step} BETWEEN 2 AND 4 THEN n - n % 5 + 2 END"
FILL = {
    "sqlite": """WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count} - 1)
        INSERT INTO events ({columns}) SELECT {owner}, ({start} + n) * 1000000, n + 1, {kind}, ({start} + n) * 1000000,
        'bench', '{data}', 0, 0, ({start} + n) * 1000000, {message} FROM numbers ORDER BY 1, 2""",
    "postgresql": """INSERT INTO events ({columns}) SELECT {owner}, to_timestamp({start} + n), n + 1, {kind},
        to_timestamp({start} + n), 'bench', '{data}', 0, false, to_timestamp({start} + n), {message}
        FROM generate_series(0::bigint, {count}::bigint - 1) AS numbers(n)""",
}
MESSAGES = """INSERT INTO messages (id, dedupe_key, our_message_id, contact_id, channel, kind, purpose, rules, address,
    subject, status, detail, planned_at, not_before, priority, attempt, sent_at, is_test)
    SELECT message_id, 'bench:' || message_id, message_id || '@bench', contact_id, 'email', 'message', 'marketing',
    '{}', 'busy@example.com', 'What is in season', 'sent', '{}', occurred_at, occurred_at, 5, 1, occurred_at, false
    FROM events WHERE contact_id = :busy AND kind = 'message_sent'"""
HITS = """INSERT INTO tracking_hits (message_id, contact_id, kind, at, method, user_agent, network, verdict, reason,
    rules, is_prefetch) SELECT message_id, contact_id, 'open', occurred_at, 'GET', 'Mozilla/5.0', '', 'machine',
    'apple_privacy', 2, false FROM events WHERE contact_id = :busy AND kind = 'message_opened'"""
FIRST_PAGE = "SELECT * FROM events WHERE contact_id = {contact} ORDER BY occurred_at DESC, id DESC LIMIT {limit}"
PASSWORD = "a long enough word for a bench"  # noqa: S105


def run(url: str) -> Result:
    count = int(os.environ.get("BENCH_EVENTS") or 500_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        app.config["WTF_CSRF_ENABLED"] = False
        app.config["RATELIMIT_ENABLED"] = False
        with app.app_context():
            contacts = max(2, count // PER_CONTACT) | 1  # odd: every one of them gets its share
            started = time.perf_counter()
            busy, public_id = fill(count, contacts, kind_of(url))
            filling = time.perf_counter() - started
            chance = random.Random(1)
            asked = [busy if n % 2 else chance.randint(busy + 1, busy + contacts) for n in range(PAGES)]
            clock = _Clock()
            ours = _p99(asked, busy, clock, lambda contact: _ours(contact, Asked()))
            search = _p99([busy] * SEARCHES, busy, clock, lambda contact: _ours(contact, Asked(text="season back")))
            floor = _p99(asked, busy, clock, _floor)
            # Each look is a request of its own: inside this application's context they would share what they know.
            whole = contextvars.Context().run(_whole, app, clock, public_id)
            db.engine.dispose()
    more = {
        "events": count, "fill_s": filling, "sql_median_ms": ours[1], "busy_sql_p99_ms": ours[2],
        "search_sql_p99_ms": search[2], "page_cpu_ms": whole[0], "page_p99_cpu_ms": whole[1],
        "page_statements": whole[2], "page_kb": whole[3], "floor_median_ms": floor[1],
    }  # fmt: skip
    return Result("timeline", kind_of(url), ours[0], "ms p99", floor[0], "ms p99", floor[0] / ours[0], peak_mb(), more)


def fill(count: int, contacts: int, kind: str) -> tuple[int, str]:
    """Returns the busy contact's number and public id."""
    with writing() as session:
        user, _ = create_user(session, "bench@example.com", name="Bench", role="owner", by=None)
        user.password, user.must_change_password = hash_password(PASSWORD), False
        busy = create_contact(session, NewContact(name="Busy Contact", emails=["busy@example.com"]), how="manual")
        public_id = session.get_one(Contact, busy).public_id
        session.execute(text("DELETE FROM events"))
    step = max(5, count // (BUSY_EVENTS // 5))
    parts = {"step": step, "busy": busy, "contacts": contacts}
    statement = FILL[kind].format(
        count=count, columns=COLUMNS, start=START, kind=KIND, data=DATA, owner=OWNER.format(**parts),
        message=MESSAGE.format(**parts),
    )  # fmt: skip
    with writing() as session:
        connection = connection_of(session)
        rebuild = _without_indexes(connection, kind)
        # The driver's own cursor: "%" and ":" in it are no placeholders.
        cursor: Any = connection.connection.cursor()
        cursor.execute(statement)
        for one in rebuild:
            connection.exec_driver_sql(one)
        session.execute(text(MESSAGES), {"busy": busy})
        session.execute(text(HITS), {"busy": busy})
        if kind == "postgresql":
            session.execute(text("SELECT setval(pg_get_serial_sequence('messages', 'id'), max(id)) FROM messages"))
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if kind == "postgresql":
            # What filling left to the background is done now, not while it is measured.
            connection.exec_driver_sql("VACUUM (ANALYZE)")
            connection.exec_driver_sql("CHECKPOINT")
        else:
            connection.exec_driver_sql("ANALYZE")
    return busy, public_id


def _without_indexes(connection: Any, kind: str) -> list[str]:
    """Drop what can be built faster afterwards; returns the statements that build it."""
    if kind == "sqlite":
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL"
        ).all()
        for name, _ in rows:
            connection.exec_driver_sql(f'DROP INDEX "{name}"')
        return [sql for _, sql in rows]
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
    constraints = connection.exec_driver_sql(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'events'::regclass"
        " AND contype IN ('p', 'u')"
    ).all()
    for name, _ in constraints:
        connection.exec_driver_sql(f'ALTER TABLE events DROP CONSTRAINT "{name}"')
    indexes = connection.exec_driver_sql("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'events'").all()
    for name, _ in indexes:
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
    return [f'ALTER TABLE events ADD CONSTRAINT "{name}" {sql}' for name, sql in constraints] + [
        sql for _, sql in indexes
    ]


class _Clock:
    """Time between asking the database and having its rows, and the number of statements."""

    def __init__(self) -> None:
        self.seconds, self.statements, self._began = 0.0, 0, 0.0
        sqlalchemy_event.listen(db.engine, "before_cursor_execute", self._before)
        sqlalchemy_event.listen(db.engine, "after_cursor_execute", self._after)

    def _before(self, *_given: Any) -> None:
        self._began = time.perf_counter()

    def _after(self, _connection: Any, _cursor: Any, statement: str, *_given: Any) -> None:
        self.seconds += time.perf_counter() - self._began
        self.statements += not statement.startswith("BEGIN")

    def reset(self) -> None:
        self.seconds, self.statements = 0.0, 0


def _p99(asked: list[int], busy: int, clock: _Clock, read: Callable[[int], int]) -> tuple[float, float, float]:
    """Milliseconds in SQL: slowest of a hundred, median, slowest of a hundred of the busy contact."""
    for contact in asked[:200]:
        read(contact)
    times = []
    for contact in asked:
        clock.reset()
        started = time.perf_counter()
        assert read(contact) > 0
        # What goes around SQLAlchemy (the floor) is not seen by the clock: its whole time counts.
        took = clock.seconds if clock.statements else time.perf_counter() - started
        times.append((took * 1000, contact))
    ordered = sorted(one for one, _ in times)
    mine = sorted(one for one, contact in times if contact == busy)
    return ordered[len(ordered) * 99 // 100], ordered[len(ordered) // 2], mine[len(mine) * 99 // 100]


def _ours(contact: int, asked: Asked) -> int:
    with Session(db.engine) as session:
        return len(queries.load(session, [contact], asked=asked, reader=Reader(), with_pending=True).lines)


def _floor(contact: int) -> int:
    raw: Any = db.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(FIRST_PAGE.format(contact=contact, limit=queries.PAGE))
        return len(cursor.fetchall())
    finally:
        raw.close()


def _whole(app: Flask, clock: _Clock, public_id: str) -> tuple[float, float, int, int]:
    """Processor time of the whole page (median, slowest of a hundred), its statements with the frame's, its size."""
    client = app.test_client()
    page = client.get("/account/login")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    form = {"email": "bench@example.com", "password": PASSWORD, "csrf_token": token[1] if token else ""}
    assert client.post("/account/login", data=form).status_code == 302
    times, size = [], 0
    for number in range(WHOLE + 10):
        clock.reset()
        started = time.process_time()
        answer = client.get(f"/admin/contact/{public_id}")
        took = (time.process_time() - started) * 1000
        assert answer.status_code == 200, answer.status_code
        size = len(answer.data)
        if number >= 10:
            times.append(took)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100], clock.statements, size // 1024
