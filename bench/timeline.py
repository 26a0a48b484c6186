"""How long the first page of a timeline takes, server-side and warm, among millions of events.

Half of the pages are of a contact with 10,000 events, half of ordinary ones. The floor is the same 50 rows by a plain
statement on the driver. BENCH_EVENTS says how many events there are (default 500,000; the promise is for 20,000,000).
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel.contacts.queries import aliases
from panel.db import connection_of, db, writing
from panel.timeline.queries import PAGE, page

BUSY, BUSY_EVENTS, PAGES, PER_CONTACT = 1, 10_000, 2_000, 50
START = 1_735_700_000  # seconds since 1970
KINDS = "CASE {n} % 5 WHEN 0 THEN 'order_paid' WHEN 1 THEN 'note_added' WHEN 2 THEN 'message_sent'" \
        " WHEN 3 THEN 'message_opened' ELSE 'link_clicked' END"  # fmt: skip
DATA = '{"amount": "125.00", "order": "A-1042", "subject": "What is in season", "channel": "email"}'
COLUMNS = "contact_id, occurred_at, id, kind, received_at, source, data, depth, starts_journeys, routed_at"
FILL = {
    "sqlite": """WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})
        INSERT INTO events ({columns}) SELECT {contact}, ({start} + n) * 1000000, n, {kind}, ({start} + n) * 1000000,
        'bench', '{data}', 0, 0, ({start} + n) * 1000000 FROM numbers""",
    "postgresql": """INSERT INTO events ({columns}) SELECT {contact}, to_timestamp({start} + n), n, {kind},
        to_timestamp({start} + n), 'bench', '{data}', 0, false, to_timestamp({start} + n)
        FROM generate_series({first}::bigint, {last}::bigint) AS numbers(n)""",
}
FIRST_PAGE = "SELECT * FROM events WHERE contact_id = {contact} ORDER BY occurred_at DESC, id DESC LIMIT {limit}"


def run(url: str) -> Result:
    count = int(os.environ.get("BENCH_EVENTS") or 500_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            contacts = max(2, count // PER_CONTACT)
            fill(count, contacts, kind_of(url))
            chance = random.Random(1)
            asked = [BUSY if n % 2 else chance.randint(2, contacts) for n in range(PAGES)]
            ours = _p99(asked, _ours)
            floor = _p99(asked, _floor)
            db.engine.dispose()
    more = {
        "events": count + BUSY_EVENTS, "pages": PAGES, "median_ms": ours[1], "busy_p99_ms": ours[2], "cpu_ms": ours[3],
        "floor_median_ms": floor[1],
    }  # fmt: skip
    ratio = floor[0] / ours[0]
    return Result("timeline", kind_of(url), ours[0], "ms p99", floor[0], "ms p99", ratio, peak_mb(), more)


def fill(count: int, contacts: int, kind: str) -> None:
    parts = [(1, count, f"2 + (n * 7919) % {contacts - 1}"), (count + 1, count + BUSY_EVENTS, str(BUSY))]
    with writing() as session:
        for first, last, contact in parts:
            statement = FILL[kind].format(
                first=first,
                last=last,
                contact=contact,
                start=START,
                kind=KINDS.format(n="n"),
                data=DATA,
                columns=COLUMNS,
            )
            # The driver's own cursor: "%" and ":" in it are no placeholders.
            cursor: Any = connection_of(session).connection.cursor()
            cursor.execute(statement)
    with Session(db.engine) as session:
        connection_of(session).exec_driver_sql("ANALYZE")
        session.commit()


def _p99(asked: list[int], read: Callable[[int], int]) -> tuple[float, float, float, float]:
    """Slowest of a hundred, median, slowest of a hundred of the busy contact, processor time of one; milliseconds."""
    for contact in asked[:200]:
        read(contact)
    times, cpu = [], time.process_time()
    for contact in asked:
        started = time.perf_counter()
        assert read(contact) > 0
        times.append(((time.perf_counter() - started) * 1000, contact))
    cpu = (time.process_time() - cpu) * 1000 / len(asked)
    ordered = sorted(one for one, _ in times)
    busy = sorted(one for one, contact in times if contact == BUSY)
    return ordered[len(ordered) * 99 // 100], ordered[len(ordered) // 2], busy[len(busy) * 99 // 100], cpu


def _ours(contact: int) -> int:
    with Session(db.engine) as session:
        return len(page(session, aliases(session, contact)))


def _floor(contact: int) -> int:
    raw: Any = db.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(FIRST_PAGE.format(contact=contact, limit=PAGE))
        return len(cursor.fetchall())
    finally:
        raw.close()
