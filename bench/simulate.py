"""How long the next 60 days of everybody take: BENCH_CONTACTS contacts (default 100,000), shared by two processes.

Every contact enters a series of four messages with waits, a branch, limits and hours.
The floor is the same number of step visits at the speed of one set-based SQL statement (the bench `advance`): no engine
that decides for each contact by itself can come near it.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from bench.stories import publish_with_letter
from panel import clock
from panel.consent.models import Consent
from panel.contacts.addresses import Address
from panel.contacts.bulk import Draft, insert_contacts
from panel.db import connection_of, db, writing
from panel.journeys.models import Enrolment
from panel.journeys.simulate.whole import forecast

JOURNEY = """language: 1
journeys:
  series:
    name: Series
    purpose: marketing
    start_when: [{manual: yes}]
    exclude_if: {has_tag: staff}
    stop_when: [{event: order_paid}]
    send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00}
    limits: {messages: [1 per day, 3 per week]}
    review_after: 1 year
    steps:
      - wait: 1 day
      - send: letter
        id: first
      - wait: 1 week
      - send: letter
        id: second
      - if: {message: first, was: opened}
        then:
          - tag: warm
        else:
          - tag: cold
      - wait: 2 weeks
      - send: letter
        id: third
      - wait: 3 weeks
      - send: letter
        id: fourth
"""
DAYS = 60


def run(url: str) -> Result:
    count = int(os.environ.get("BENCH_CONTACTS") or 100_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            _set_up(count)
            started = time.perf_counter()
            told = forecast(app.config["PANEL"], DAYS, int(os.environ.get("BENCH_PROCESSES") or 2))
            seconds = time.perf_counter() - started
            db.engine.dispose()
    floor = told.steps / _rows_per_second()
    more = {
        "contacts": count,
        "days": DAYS,
        "steps": told.steps,
        "steps_per_s": round(told.steps / seconds),
        "messages": sum(map(sum, told.messages.values())),
        "copied_in_s": told.more["copied_in"],
    }
    told_words = f"{seconds:.1f} s, {more['steps_per_s']:,} steps/s, {more['messages']:,} messages"
    print(f"{count:,} contacts x {DAYS} days: {told_words}")
    return Result("simulate", kind_of(url), seconds, "s", floor, "s", floor / seconds, peak_mb(), more)


def _rows_per_second() -> float:
    """How many step rows a database in memory takes in a second, by one statement."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute(
            "CREATE TABLE steps (id INTEGER PRIMARY KEY, run INTEGER, step TEXT, at INTEGER, detail TEXT)"
        )
        started = time.perf_counter()
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
            " INSERT INTO steps (run, step, at, detail) SELECT i, 'send', i * 1000000, '{}' FROM n"
        )
        return 200_000 / (time.perf_counter() - started)


def _set_up(count: int) -> None:
    now = clock.now()
    with writing() as session:
        live = publish_with_letter(session, JOURNEY, "series", now)
        contacts: list[int] = []
        for start in range(0, count, 10_000):
            contacts += insert_contacts(
                session,
                [
                    Draft(name=f"Contact {n}", addresses=[Address("email", f"c{n}@example.com", f"c{n}@example.com")])
                    for n in range(start, min(start + 10_000, count))
                ],
                now=now,
            )
        connection_of(session).execute(
            insert(Consent),
            [
                {"contact_id": one, "channel": "email", "state": "opted_in", "how": "import", "at": now, "proof": {}}
                for one in contacts
            ],
        )
        _enrol(session, live.id, live.resolved["first"], contacts)


def _enrol(session: Session, version: int, first: str, contacts: list[int]) -> None:
    """Everybody stands before the first step; they came in over the last day."""
    now = clock.now()
    rows = [
        {
            "journey_id": "series", "version_id": version, "contact_id": one, "entry_key": "", "run_no": 1,
            "entered_at": now - timedelta(seconds=number * 86_400 // len(contacts)), "status": "active",
            "step_id": first, "step_began_at": now - timedelta(seconds=number * 86_400 // len(contacts)), "seq": 0,
            "phase": "", "due_at": now, "wait": {}, "data": {"event": {}, "run": {}},
        }
        for number, one in enumerate(contacts)
    ]  # fmt: skip
    connection_of(session).execute(insert(Enrolment), rows)
