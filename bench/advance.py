"""How many journey steps a second one worker takes, against L: one set-based SQL statement doing the same writes.

The step: a run whose wait is over finishes it (a step_runs row), plans a message (a messages row, after conditions,
channel, consent, hours), and stands waiting for it (the enrolments row).
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from bench.stories import publish_with_letter
from bench.timeline import fill
from panel import clock
from panel.contacts.addresses import Address
from panel.contacts.bulk import Draft, insert_contacts
from panel.copying import put_rows
from panel.db import connection_of, db, writing
from panel.journeys.engine.advance import advance
from panel.journeys.models import Enrolment

JOURNEY = """language: 1
journeys:
  bench:
    name: Bench
    purpose: service
    start_when: [{manual: yes}]
    exclude_if: {has_tag: staff}
    stop_when: [{event: order_paid}]
    send_hours: {days: [sun, mon, tue, wed, thu, fri, sat], from: 00:00, to: 24:00}
    limits: {messages: 3 per week}
    re_enter: always
    review_after: 1 year
    steps:
      - wait: 1 minute
        id: pause
      - send: letter
"""

# The same three writes for all due rows at once: L.
FLOOR = {
    "postgresql": [
        """WITH due AS (
             UPDATE enrolments SET step_id = 'send_letter', phase = 'sending', seq = seq + 1, due_at = NULL,
               step_began_at = now(), wait = '{"kind": "message"}'
             WHERE status = 'active' AND due_at <= now() RETURNING id, contact_id, version_id, seq, priority),
           steps AS (
             INSERT INTO step_runs (enrolment_id, seq, step_id, path, version_id, kind, outcome, detail, began_at, ended_at)
             SELECT id, seq - 1, 'pause', 'steps/1', version_id, 'wait', 'time_came', '{}', now(), now() FROM due)
           INSERT INTO messages (dedupe_key, our_message_id, contact_id, enrolment_id, journey_id, step_id, channel,
             kind, purpose, rules, address, status, detail, planned_at, not_before, expires_at, priority, attempt, is_test)
           SELECT 'enrolment:' || id || ':' || seq, id || '.' || seq || '.' || md5(id::text), contact_id, id, 'bench',
             'send_letter', 'email', 'message', 'service', '{"if_missing": "hold"}', 'c@example.com', 'queued', '{}',
             now(), now(), now(), priority, 0, false FROM due"""
    ],
    "sqlite": [
        """INSERT INTO step_runs (enrolment_id, seq, step_id, path, version_id, kind, outcome, detail, began_at, ended_at)
           SELECT id, seq, 'pause', 'steps/1', version_id, 'wait', 'time_came', '{}', due_at, due_at
           FROM enrolments WHERE status = 'active'""",
        """INSERT INTO messages (dedupe_key, our_message_id, contact_id, enrolment_id, journey_id, step_id, channel,
             kind, purpose, rules, address, status, detail, planned_at, not_before, expires_at, priority, attempt, is_test)
           SELECT 'enrolment:' || id || ':' || seq, id || '.' || seq || '.' || hex(randomblob(6)), contact_id, id, 'bench',
             'send_letter', 'email', 'message', 'service', '{"if_missing": "hold"}', 'c@example.com', 'queued', '{}',
             due_at, due_at, due_at, priority, 0, 0 FROM enrolments WHERE status = 'active'""",
        """UPDATE enrolments SET step_id = 'send_letter', phase = 'sending', seq = seq + 1, due_at = NULL,
             wait = '{"kind": "message"}' WHERE status = 'active'""",
    ],
}  # fmt: skip


def run(url: str) -> Result:
    """BENCH_RUNS runs (20,000), BENCH_EVENTS events on their timelines (none), the best of BENCH_ROUNDS (3).

    The ratio is of rates, as promised. That of processor times (this process and the database's) is told besides: a
    busy machine disturbs it least.
    """
    runs, rounds = number("RUNS", 20_000), number("ROUNDS", 3)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            contacts = set_up(runs)
            if events := number("EVENTS", 0):
                fill(events, runs, kind_of(url))
            found = [_round(contacts, kind_of(url)) for _ in range(rounds)]
            db.engine.dispose()
    # The best of each: a round whose floor was disturbed would flatter us.
    figure, floor = (max(one[at] for one in found) for at in (0, 1))
    cpu, work, floor_work = (min(one[at] for one in found) for at in (2, 3, 4))
    more = {"runs": runs, "events": events, "python_us_per_step": cpu, "rounds": found}
    note = (
        f"processor time of a step {work:.1f} us ({cpu:.1f} of them in this process), of L {floor_work:.1f} us,"
        f" ratio {floor_work / work:.3f}"
    )
    ratio = figure / floor
    return Result("advance", kind_of(url), figure, "steps/s", floor, "steps/s (L)", ratio, peak_mb(), more, note)


def number(name: str, default: int) -> int:
    return int(os.environ.get(f"BENCH_{name}") or default)


def _round(contacts: list[int], kind: str) -> tuple[float, float, float, float, float]:
    """Steps a second, L, and microseconds of processor time: of a step in this process and in all, of a row of L."""
    enrol(contacts)
    worked = work()
    floor = floor_of(len(contacts), kind)
    floor_work = (work() - worked) / len(contacts) * 1e6
    clear()
    enrol(contacts)
    advance(500)  # warm: compiled statements, cached programs
    worked = work()
    steps, seconds, cpu = drain()
    worked = work() - worked
    clear()
    return steps / seconds, floor, cpu / steps * 1e6, worked / steps * 1e6, floor_work


def drain() -> tuple[int, float, float]:
    """Advance until nothing is due: steps, seconds, seconds of processor time."""
    started, cpu, steps = time.perf_counter(), time.process_time(), 0
    while done := advance():
        steps += done
    return steps, time.perf_counter() - started, time.process_time() - cpu


def work() -> float:
    """Seconds of processor time of this process so far, and of all processes of the database (SQLite has none)."""
    spent = time.process_time()
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            for process in connection.exec_driver_sql("SELECT pid FROM pg_stat_activity").scalars().all():
                with suppress(FileNotFoundError):
                    spent += int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    return spent


def set_up(count: int) -> list[int]:
    now = clock.now()
    with writing() as session:
        publish_with_letter(session, JOURNEY, "bench", now)
        drafts = [
            Draft(name=f"Contact {n}", addresses=[Address("email", f"c{n}@example.com", f"c{n}@example.com")])
            for n in range(count)
        ]
        return insert_contacts(session, drafts, now=now)


def enrol(contacts: list[int], *, wait: timedelta = timedelta(minutes=-5)) -> None:
    """A run for each contact that waits until `wait` from now, each for a moment of its own."""
    now = clock.now()
    dues = [now + wait + timedelta(milliseconds=n % 60_000) for n in range(len(contacts))]
    with writing() as session:
        version = session.scalars(text("SELECT live_version_id FROM journeys WHERE id = 'bench'")).one()
        columns = ("journey_id", "version_id", "contact_id", "entry_key", "run_no", "entered_at", "status", "step_id",
                   "step_began_at", "seq", "phase", "due_at", "wait", "data", "priority", "depth", "is_test")  # fmt: skip
        put_rows(connection_of(session), Enrolment, columns, (
            ("bench", version, contact, "", 1, due - timedelta(minutes=1), "active", "pause", due - timedelta(minutes=1),
             0, "waiting", due, {"kind": "wait", "until": due.isoformat()}, {"event": {}, "run": {}}, 5, 0, False)
            for contact, due in zip(contacts, dues, strict=True)
        ))  # fmt: skip
    analyse()


def floor_of(runs: int, kind: str) -> float:
    started = time.perf_counter()
    with writing() as session:
        for statement in FLOOR[kind]:
            connection_of(session).exec_driver_sql(statement)
    return runs / (time.perf_counter() - started)


def clear() -> None:
    with writing() as session:
        for table in ("messages", "step_runs", "enrolments"):
            connection_of(session).exec_driver_sql(f"DELETE FROM {table}")


def analyse() -> None:
    with Session(db.engine) as session:
        connection_of(session).exec_driver_sql("ANALYZE")
        session.commit()
