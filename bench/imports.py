"""How many contacts a second come in from a CSV file, with validation, matching and a timeline line each.

The floor is the same rows put back into the same indexed tables in one go: COPY on PostgreSQL, executemany on SQLite.
BENCH_CONTACTS says how many (default 50,000).
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel.contacts.operations import create_field
from panel.db import db, writing
from panel.imports import jobs, operations
from panel.imports.models import Import

# In the order in which they can be filled again.
TABLES = ("contacts", "contact_addresses", "field_values", "events", "imported_contacts")
FIRST = ("דנה", "יוסי", "שרה", "علی", "شیرین", "مریم", "Emma", "Noah")
LAST = ("לוי", "כהן", "מזרחי", "کریمی", "رضایی", "احمدی", "Clarke", "Weiss")


def run(url: str) -> Result:
    count = int(os.environ.get("BENCH_CONTACTS") or 50_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            instance: Path = app.config["PANEL"].instance
            import_id = _bring(_file(count), instance)
            started, cpu = time.perf_counter(), time.process_time()
            jobs.run_now(import_id)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            peak = peak_mb()
            with writing() as session:
                task = session.get_one(Import, import_id)
                assert (task.state, task.created_count) == ("done", count), (task.state, task.problem)
            floor_seconds = (_floor_postgresql if kind_of(url) == "postgresql" else _floor_sqlite)()
            db.engine.dispose()
    figure, floor = count / seconds, count / floor_seconds
    more = {"contacts": count, "seconds": seconds, "floor_seconds": floor_seconds, "python_us": cpu / count * 1e6}
    return Result("import", kind_of(url), figure, "contacts/s", floor, "contacts/s", figure / floor, peak, more)


def _file(count: int) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["שם פרטי", "שם משפחה", "נייד", 'דוא"ל', "מספר לקוח", "עיר"])
    for n in range(count):
        writer.writerow(
            [FIRST[n % 8], LAST[n // 8 % 8], f"05{n % 100_000_000:08}", f"person.{n}@shop{n % 97}.co.il", n + 1, "חיפה"]
        )
    return buffer.getvalue().encode("utf-8-sig")


def _bring(body: bytes, instance: Path) -> int:
    with writing() as session:
        create_field(session, "city", labels={"en": "city", "he": "עיר"})
        task = operations.bring(session, io.BytesIO(body), "people.csv", instance, language="he")
        operations.map_columns(session, task, instance, task.mapping)
        operations.set_rules(session, task, instance, {})
        operations.start(session, task)
        assert len(task.mapping) == 6, task.mapping
        return task.id


def _floor_postgresql() -> float:
    raw: Any = db.engine.raw_connection()
    cursor = raw.cursor()
    kept = {}
    for table in TABLES:
        with cursor.copy(f"COPY {table} TO STDOUT") as copy:
            kept[table] = b"".join(bytes(part) for part in copy)
    cursor.execute("TRUNCATE " + ", ".join(TABLES) + " CASCADE")
    raw.commit()
    started = time.perf_counter()
    for table in TABLES:
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            copy.write(kept[table])
    raw.commit()
    seconds = time.perf_counter() - started
    raw.close()
    return seconds


def _floor_sqlite() -> float:
    raw: Any = db.engine.raw_connection()
    cursor = raw.cursor()
    kept = {table: cursor.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    cursor.execute("BEGIN IMMEDIATE")
    for table in reversed(TABLES):
        cursor.execute(f"DELETE FROM {table}")
    cursor.execute("COMMIT")
    started = time.perf_counter()
    cursor.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        holes = ", ".join("?" * len(kept[table][0]))
        cursor.executemany(f"INSERT INTO {table} VALUES ({holes})", kept[table])
    cursor.execute("COMMIT")
    seconds = time.perf_counter() - started
    raw.close()
    return seconds
