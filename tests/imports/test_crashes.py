"""kill -9 in the middle of an import, as a machine that loses its power would."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter

from sqlalchemy import func, select

from panel.contacts.models import Contact, ContactAddress
from panel.imports import jobs
from panel.imports.models import ImportedContact
from panel.timeline.models import Event
from tests.imports.conftest import csv_of, task_of

ROWS = 6_000
WORK = """
from panel.app import create_app
from panel.imports.running import work
app = create_app()
with app.app_context():
    work({id}, app.config["PANEL"].instance, batch_size=200)
"""


def test_three_killed_workers_lose_nobody_and_bring_nobody_twice(app, bring, instance, session):
    rows = [["name", "email", "phone"]]
    rows += [[f"Person {n}", f"p{n}@shop.co.il" if n % 50 else "wrong", f"05{n:08}"] for n in range(ROWS)]
    import_id = bring(csv_of(rows), rules={"list": "Everybody"})
    config = app.config["PANEL"]
    environment = {**os.environ, "PANEL_INSTANCE": str(instance), "PANEL_DATABASE_URL": config.database_url}
    killed = 0
    for _ in range(3):
        before = task_of(import_id).rows_done
        worker = subprocess.Popen([sys.executable, "-c", WORK.format(id=import_id)], env=environment)
        end = time.monotonic() + 60
        while worker.poll() is None and time.monotonic() < end:
            if task_of(import_id).rows_done > before + 300:
                worker.kill()
                killed += 1
                break
            time.sleep(0.01)
        worker.wait(60)
    assert killed == 3
    assert task_of(import_id).state == "running"
    jobs.run_now(import_id)

    task = task_of(import_id)
    assert (task.state, task.rows_done, task.created_count, task.error_count) == ("done", ROWS, ROWS - 120, 120)
    assert session.scalar(select(func.count()).select_from(Contact)) == ROWS - 120
    assert session.scalar(select(func.count()).select_from(ImportedContact)) == ROWS - 120
    kinds = Counter(session.scalars(select(Event.kind)))
    assert kinds == {"contact_created": ROWS - 120, "list_joined": ROWS - 120}
    assert session.scalar(select(func.count(func.distinct(ContactAddress.value)))) == 2 * (ROWS - 120)
    with (instance / task.error_path).open(encoding="utf-8-sig", newline="") as stream:
        refused = [row[0] for row in csv.reader(stream)][1:]
    assert refused == [f"Person {n}" for n in range(0, ROWS, 50)]
