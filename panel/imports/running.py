"""Working an import off, batch by batch: each batch is one transaction, and the row knows how far we are."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.models import Consent
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.queries import custom_fields, region
from panel.db import look_at, writing
from panel.db import reading as reading_session
from panel.errors import Problem, UserError
from panel.i18n import use_language
from panel.imports import errorfile
from panel.imports.models import Import
from panel.imports.reading import Reading, Row, Rows
from panel.imports.rows import Person, Plan
from panel.imports.rules import Rules, guess_day_order, read_rules
from panel.imports.writing import Batch, Outcome
from panel.staff.models import User
from panel.timeline.models import Event

BATCH = 1000
SAMPLE_FOR_DAYS = 2000
KEPT_EXAMPLES = 50


@dataclass
class Position:
    """An open file and where we are in it; `done` counts the data rows already read."""

    rows: Rows
    done: int = 0

    def skip_to(self, done: int) -> None:
        for _ in itertools.islice(self.rows, done - self.done):
            pass
        self.done = done

    def take(self, count: int) -> list[Row]:
        taken = list(itertools.islice(self.rows, count))
        self.done += len(taken)
        return taken


@dataclass
class Checked:
    """What would happen. `examples` are the first refused rows: (row number, reasons)."""

    rows: int = 0
    new: int = 0
    known: int = 0
    refused: int = 0
    examples: list[tuple[int, list[Problem]]] = field(default_factory=list)


# Open files of this process, so that a slice of work goes on where the last one stopped.
_open: dict[tuple[str, int], Position] = {}


def plan_of(session: Session, task: Import, rules: Rules, width: int) -> Plan:
    """The mapping of this import, made ready for its rows."""
    custom = custom_fields(session)
    owners: dict[str, int] = {}
    for id_, *names in session.execute(select(User.id, User.name, User.email, User.handle)):
        owners.update({str(name).lower(): id_ for name in names if name})
    return Plan(
        task.mapping, custom, width=width, region=region(session), owners=owners, day_order=dict(rules.day_order)
    )


def rules_of(task: Import) -> Rules:
    return read_rules(task.rules, today=clock.now().date())


def day_orders(path: Path, reading: Reading, columns: dict[str, str], date_fields: set[str]) -> dict[str, str]:
    """For each column of days: which comes first, the day or the month, by the file's own values."""
    wanted = [at for at, target in columns.items() if target in date_fields]
    if not wanted:
        return {}
    values: dict[str, list[str]] = {at: [] for at in wanted}
    for row in itertools.islice(Rows(path, reading), SAMPLE_FOR_DAYS):
        for at in wanted:
            if int(at) < len(row.cells):
                values[at].append(row.cells[int(at)])
    return {at: guess_day_order(found) for at, found in values.items()}


def check(session: Session, task: Import, path: Path, *, limit: int | None = None) -> Checked:
    """Read the whole file as the import would, and write nothing."""
    rules = rules_of(task)
    rows = Rows(path, Reading.of(task.reading))
    plan = plan_of(session, task, rules, len(rows.headers))
    batch = Batch(session, task, rules, clock.now(), {})
    found = Checked()
    seen: set[tuple[str, str]] = set()
    while taken := list(itertools.islice(rows, BATCH)):
        people = [plan.read(row) for row in taken]
        outcome = Outcome(refused=[person for person in people if person.problems])
        new, known = batch.sort([person for person in people if not person.problems], outcome)
        for person in new:
            keys = {(one.kind, one.value) for one in person.draft.addresses}
            if person.draft.reference:
                keys.add(("reference", person.draft.reference))
            if keys & seen:
                found.known += 1
            else:
                found.new += 1
            seen |= keys
        found.rows += len(taken)
        found.known += len(known)
        found.refused += len(outcome.refused)
        outcome.refused.sort(key=lambda person: person.number)
        for person in outcome.refused[: KEPT_EXAMPLES - len(found.examples)]:
            found.examples.append((person.number, person.problems))
        if limit is not None and found.rows >= limit:
            break
    return found


def work(import_id: int, instance: Path, *, seconds: float | None = None, batch_size: int = BATCH) -> bool:
    """Write batches until the file ends or `seconds` are over. True while rows are left.

    Safe to be killed anywhere and to be called by two workers at once: each batch locks the import's row and starts
    where the last committed one ended.
    """
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            more = _one_batch(import_id, instance, batch_size)
        except UserError as error:
            _fail(import_id, error.problem)
            return False
        if not more:
            _open.pop((str(instance), import_id), None)
            return False
        if end is not None and time.monotonic() >= end:
            return True


def _one_batch(import_id: int, instance: Path, batch_size: int) -> bool:
    now = clock.now()
    with writing() as session:
        task = session.scalars(
            select(Import).where(Import.id == import_id).with_for_update(skip_locked=True)
        ).one_or_none()
        if task is None or task.state != "running":
            return False  # gone, finished, or another worker is at it
        position = _position(task, instance)
        rules = rules_of(task)
        plan = plan_of(session, task, rules, len(position.rows.headers))
        with use_language(rules.language):  # names of fields inside the reasons
            people = [plan.read(row) for row in position.take(batch_size)]
        good = [person for person in people if not person.problems]
        batch = Batch(session, task, rules, now, {info.id: info.name for info in custom_fields(session) if info.id})
        outcome = batch.write(good)
        refused = sorted([*outcome.refused, *(person for person in people if person.problems and person not in good)],
                         key=lambda person: person.number)  # fmt: skip
        _note_refused(task, instance, position, refused, rules.language)
        task.rows_done += len(people)
        task.created_count += outcome.created
        task.updated_count += outcome.updated
        task.unchanged_count += outcome.unchanged
        task.error_count += len(refused)
        if len(people) < batch_size:
            task.state = "done"
            task.finished_at = now
            task.rows_total = task.rows_done
            if task.rows_done >= batch_size:
                look_at(session, Contact, ContactAddress, Consent, Event)
            return False
        task.rows_total = max(task.rows_total, task.rows_done)
    return True


def _position(task: Import, instance: Path) -> Position:
    key = (str(instance), task.id)
    position = _open.get(key)
    if position is None or position.done != task.rows_done:
        position = Position(Rows(instance / task.path, Reading.of(task.reading)))
        position.skip_to(task.rows_done)
        _open[key] = position
    return position


def _note_refused(task: Import, instance: Path, position: Position, refused: list[Person], language: str) -> None:
    if not refused:
        return
    size = int(task.reading.get("error_bytes", 0))
    if not size or task.error_path is None:
        task.error_path = str(Path(task.path).with_suffix(".errors.csv"))
        size = errorfile.start(instance / task.error_path, position.rows.written_headers, language)
    rows = ((person.cells, person.problems) for person in refused)
    width = len(position.rows.written_headers)
    size = errorfile.append(instance / task.error_path, size, rows, width, language)
    task.reading = {**task.reading, "error_bytes": size}


def _fail(import_id: int, problem: Problem) -> None:
    """Stop an import that cannot go on, with the reason; what it wrote stays and can be undone."""
    with writing() as session:
        task = session.get(Import, import_id)
        if task is not None and task.state == "running":
            task.state = "failed"
            task.finished_at = clock.now()
            task.problem = as_data(problem)


def as_data(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "sentence": problem.sentence, "params": problem.params}


def running_imports() -> list[int]:
    with reading_session() as session:
        return list(session.scalars(select(Import.id).where(Import.state == "running").order_by(Import.id)))


def started(task: Import, now: datetime) -> None:
    task.state = "running"
    task.started_at = now
