"""The one place that reads the wall clock, so that tests and simulations can hold it still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_held: ContextVar[datetime | None] = ContextVar("panel_clock_held", default=None)


def now() -> datetime:
    """Return the present moment as an aware UTC datetime (or the held one, see `hold`)."""
    return _held.get() or datetime.now(UTC)


def is_held() -> bool:
    return _held.get() is not None


def let_go() -> None:
    """Let the clock run again, whoever held it (tests make sure of it at their end)."""
    _held.set(None)


@contextmanager
def hold(at: datetime) -> Iterator[None]:
    """Make `now()` return `at` inside the block. `at` must be aware."""
    if at.tzinfo is None:
        raise ValueError("hold() needs an aware datetime")
    token = _held.set(at.astimezone(UTC))
    try:
        yield
    finally:
        _held.reset(token)
