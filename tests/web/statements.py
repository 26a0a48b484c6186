"""How many statements a page costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event as sqlalchemy_event

from panel.db import db
from panel.plugin_manager import manager


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that reach the database inside the block, without those that only hold transactions."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    sqlalchemy_event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sqlalchemy_event.remove(db.engine, "before_cursor_execute", note)


def asked_anew() -> None:
    """The next page asks whether plugins changed, as one page a second does."""
    manager.current()._checked_at = float("-inf")
