"""How long it takes to begin to watch a condition over everybody, and to look at it on the next morning.

BENCH_CONTACTS contacts (default 100,000) with three orders each; the condition is "bought once, but not in the last
three months". The floor is the one SQL statement that says for whom it holds; the morning only looks at those whose
window ends on that day.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel import clock
from panel.contacts.bulk import Draft, insert_contacts
from panel.db import connection_of, db, reading, writing
from panel.journeys.engine.audiences import recheck
from panel.journeys.engine.sets import contacts_where
from panel.journeys.models import AudienceState, EntryCheck
from panel.journeys.operations import publish
from panel.timeline.operations import NewEvent, record_many

JOURNEY = """quiet:
  name: Quiet
  purpose: service
  start_when:
    - becomes_true: {all: [{happened: order_paid}, {not_happened: order_paid, within: 3 months}]}
      check: daily at 07:00
  review_after: 1 year
  steps: [{wait: 30 days}]
"""
CONDITION = {
    "test": "all",
    "of": [
        {"test": "happened", "event": "order_paid"},
        {"test": "not_happened", "event": "order_paid", "within": {"months": 3, "days": 0, "seconds": 0}},
    ],
}


def run(url: str) -> Result:
    contacts = int(os.environ.get("BENCH_CONTACTS") or 100_000)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        app = application(url, Path(folder))
        with app.app_context():
            _people(contacts)
            now = clock.now()
            with reading() as session:
                contacts_where(session, CONDITION, now, {"time_zone": "contact"}, [1])
                started = time.perf_counter()
                holding = len(contacts_where(session, CONDITION, now, {"time_zone": "contact"}))
                floor = time.perf_counter() - started
            started = time.perf_counter()
            with writing() as session:
                publish(session, "quiet", text=JOURNEY, now=now)
            baseline = time.perf_counter() - started
            with clock.hold(now + timedelta(days=1)):
                with reading() as session:
                    due = select(func.count()).where(AudienceState.recheck_at <= clock.now())
                    flipping = session.scalar(due) or 0
                started = time.perf_counter()
                while recheck():
                    pass
                morning = time.perf_counter() - started
            with reading() as session:
                skipped = session.scalar(select(func.count()).select_from(EntryCheck)) or 0
            db.engine.dispose()
    more = {"contacts": contacts, "holding": holding, "skipped": skipped, "morning_s": morning, "looked_at": flipping}
    return Result("audiences", kind_of(url), baseline, "s", floor, "s (SQL)", floor / baseline, peak_mb(), more)


def _people(count: int) -> None:
    dice, now = random.Random(7), clock.now()
    zones = ["Asia/Jerusalem", "Asia/Tehran", "America/New_York", None]
    with writing() as session:
        ids = insert_contacts(session, [Draft(name=f"Contact {n}") for n in range(count)], now=now)
        for start in range(0, count, 20_000):
            record_many(
                session,
                [
                    NewEvent(id_, "order_paid", now - timedelta(days=dice.uniform(0, 365)), {"amount": 10},
                             starts_journeys=False)
                    for id_ in ids[start : start + 20_000] for _ in range(3)
                ],
            )  # fmt: skip
        for number, zone in enumerate(zones):
            connection_of(session).exec_driver_sql(
                f"UPDATE contacts SET time_zone = {'NULL' if zone is None else repr(zone)} WHERE id % 4 = {number}"  # noqa: S608
            )
    with Session(db.engine) as session:
        connection_of(session).exec_driver_sql("ANALYZE")
        session.commit()
