"""What a worker runs: imports that were started or are being taken back."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from flask import current_app
from sqlalchemy import Connection, select

from panel.db import writing
from panel.imports.models import Import
from panel.imports.running import running_imports, work
from panel.imports.undoing import undo_batch
from panel.jobs import wake


def run(limit_seconds: float, argument: str = "") -> bool:
    """Work on one import (its id) or on all that are due, for about so long. True while more may be due."""
    end = time.monotonic() + limit_seconds
    ids = [int(argument)] if argument else _due_ids()
    more = False
    for import_id in ids:
        left = end - time.monotonic()
        if left <= 0:
            return True
        more = _step(import_id, left) or more
    return more


def due(connection: Connection, now: datetime) -> Iterable[str]:
    """The imports that wait for a worker, one ring each."""
    rows = connection.execute(select(Import.id).where(Import.state.in_(("running", "undoing"))).order_by(Import.id))
    return [str(id_) for id_ in rows.scalars()]


def run_now(import_id: int) -> None:
    """Work on one import to its end, in this process."""
    while _step(import_id, 3600.0):
        pass


def _step(import_id: int, seconds: float) -> bool:
    instance = current_app.config["PANEL"].instance
    if import_id in running_imports():
        more = work(import_id, instance, seconds=seconds)
        wake("route")
        return more
    end = time.monotonic() + seconds
    while True:
        with writing() as session:
            more = undo_batch(session, import_id)
        if not more or time.monotonic() >= end:
            return more


def _due_ids() -> list[int]:
    with writing() as session:
        return [int(id_) for id_ in due(session.connection(), datetime.min)]  # noqa: DTZ901 - not looked at
