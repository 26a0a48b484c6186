from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from panel.contacts.operations import create_contact
from panel.sdk.context import NewContact
from panel.staff.models import User
from panel.staff.operations import ensure_roles

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def colleague(session: Session) -> Callable[..., int]:
    """Make a colleague: colleague("Dana Levi", "support", handle="dana") gives the id."""

    def make(name: str, role: str = "support", *, handle: str | None = None, active: bool = True) -> int:
        email = f"{name.lower().replace(' ', '.')}@example.com"
        user = User(email=email, name=name, handle=handle, active=active, fs_uniquifier=email)
        user.roles = [ensure_roles(session)[role]]
        session.add(user)
        session.flush()
        return user.id

    return make


@pytest.fixture
def contact(session: Session) -> int:
    return create_contact(session, NewContact(name="Noa Bar", emails=("noa@example.com",)), how="manual", now=NOW)
