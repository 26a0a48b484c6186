"""Contacts to begin a test with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_contact
from panel.sdk.context import NewContact


@pytest.fixture
def now() -> Iterator[datetime]:
    """A moment that lies two months back, so that a test may let time pass."""
    moment = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    with clock.hold(moment + timedelta(days=60)):
        yield moment


@pytest.fixture
def make_contact(session: Session, now: datetime) -> Callable[..., int]:
    def make(name: str = "דנה לוי", **given: Any) -> int:
        given.setdefault("now", now)
        at = given.pop("now")
        return create_contact(session, NewContact(name=name, **given), how="manual", now=at, match=False)

    return make
