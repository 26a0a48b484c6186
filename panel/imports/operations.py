"""An import's way from file to contacts: brought, read, mapped, ruled, checked, run. Nobody commits here."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_field, create_list
from panel.contacts.queries import custom_fields
from panel.contacts.typed import FieldInfo
from panel.errors import UserError
from panel.i18n import N_
from panel.imports import rules as rules_
from panel.imports.models import Import
from panel.imports.reading import Reading, Rows, examine, preview
from panel.imports.running import day_orders

FOLDER = "imports"
MAX_FILE = 2 * 1024**3
CHUNK = 1 << 20


def bring(
    session: Session,
    stream: IO[bytes],
    file_name: str,
    instance: Path,
    *,
    language: str = "en",
    user_id: int | None = None,
    now: datetime | None = None,
) -> Import:
    """Keep a copy of the file in the instance folder, look at it, and guess how to read and map it.

    Raises UserError, and keeps nothing, when the file is empty or no table.
    """
    folder = instance / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(12)}.data"
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("xb") as target:
            path.chmod(0o600)
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > MAX_FILE:
                    raise UserError("file_too_big", N_("The file is bigger than 2 GB. Divide it."))
                digest.update(chunk)
                target.write(chunk)
        reading = examine(path, language)
        task = Import(
            file_name=_plain_name(file_name),
            path=str(path.relative_to(instance)),
            sha256=digest.hexdigest(),
            reading=reading.plain(),
            mapping={},
            rules={"language": language},
            created_at=now or clock.now(),
            user_id=user_id,
        )
        _guess(session, task, instance)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    session.add(task)
    session.flush()
    return task


def read_as(session: Session, task: Import, instance: Path, changes: Mapping[str, Any]) -> Reading:
    """Read the file in another way (encoding, separator, sheet, header_row); columns are guessed anew."""
    _must_be_open(task)
    reading = Reading.of({**task.reading, **changes})
    is_persian = reading.encoding == "cp1256" and task.rules.get("language") == "fa"
    reading = replace(reading, persian_letters=is_persian)
    task.reading = reading.plain()
    _guess(session, task, instance)
    return reading


def map_columns(
    session: Session, task: Import, instance: Path, columns: Mapping[str, str], *, now: datetime | None = None
) -> None:
    """Say where each column goes: {"0": "first_name", "3": "new:text", "4": ""}; "new:<type>" makes a field named
    like the column."""
    _must_be_open(task)
    reading = _reading(task)
    headers = Rows(instance / task.path, reading).headers
    mapping = dict(columns)
    for at, target in columns.items():
        if target.startswith("new:"):
            if not at.isdigit() or int(at) >= len(headers):
                raise UserError("column_unknown", N_("The file has no column number %(n)s"), n=at)
            label = headers[int(at)]
            language = str(task.rules.get("language") or "en")
            mapping[at] = create_field(session, label, target[4:] or "text", labels={language: label}, now=now).name
    rules_.check_columns(mapping, len(headers), custom_fields(session))
    task.mapping = {at: target for at, target in mapping.items() if target}
    task.state = "uploaded"


def set_rules(
    session: Session, task: Import, instance: Path, data: Mapping[str, Any], *, now: datetime | None = None
) -> None:
    """Say what is to happen with the rows. After this the import is ready to be checked and run."""
    _must_be_open(task)
    at = now or clock.now()
    reading = _reading(task)
    rules = rules_.read_rules({"language": task.rules.get("language", "en"), **data}, today=at.date())
    custom = custom_fields(session)
    rules_.check_columns(task.mapping, len(Rows(instance / task.path, reading).headers), custom)
    if not rules.day_order:
        orders = day_orders(instance / task.path, reading, task.mapping, _date_fields(custom))
        rules = replace(rules, day_order=orders)
    for name in rules.lists:
        create_list(session, name, now=at)
    task.rules = rules.plain()
    task.state = "ready"


def start(session: Session, task: Import, *, rows: int = 0, now: datetime | None = None) -> None:
    """Let the workers run it. `rows`, when a check counted them, makes the progress bar true from the beginning."""
    if task.state != "ready":
        raise UserError("import_not_ready", N_("This import is not ready to run"))
    task.state = "running"
    task.rows_total = rows
    task.started_at = now or clock.now()


def discard(session: Session, task: Import, instance: Path) -> None:
    """Drop an import that never ran, with its file."""
    _must_be_open(task)
    (instance / task.path).unlink(missing_ok=True)
    session.delete(task)


def _guess(session: Session, task: Import, instance: Path) -> None:
    reading = Reading.of(task.reading)
    shown = preview(instance / task.path, reading)
    custom = custom_fields(session)
    task.mapping = rules_.guess_columns(shown.headers, [row.cells for row in shown.rows], custom)
    task.state = "uploaded"


def _reading(task: Import) -> Reading:
    reading = Reading.of(task.reading)
    if reading.format == "csv" and reading.encoding is None:
        raise UserError(
            "encoding_needed",
            N_("It is not clear in which encoding this file is written. Choose the one that reads well."),
        )
    return reading


def _date_fields(custom: list[FieldInfo]) -> set[str]:
    return {info.name for info in custom if info.type == "date"}


def _must_be_open(task: Import) -> None:
    if task.state not in ("uploaded", "ready"):
        raise UserError("import_started", N_("This import has run already"))


def _plain_name(name: str) -> str:
    """The name to show, without the folders that some browsers send."""
    name = name.replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip()
    return name[-300:] or "file"
