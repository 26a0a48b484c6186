"""Contacts, templates and ledger rows to begin a test with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_contact
from panel.installation.operations import set_setting
from panel.messages.models import Message
from panel.messages.rendering import Renderer
from panel.messages.templates import Form, save_template
from panel.sdk.context import NewContact
from plugins.email.channel import EmailChannel

SECRET = "a secret of this installation"
PUBLIC_URL = "https://panel.test"


class _Context:
    """What the email channel needs of the panel."""

    plugin_id = "email"
    public_url = PUBLIC_URL

    def __init__(self) -> None:
        self.given: dict[str, Any] = {"from_address": "shalom@nava.test", "from_name": "Nava"}

    def settings(self) -> dict[str, Any]:
        return self.given

    def company(self) -> dict[str, str]:
        return {"name": "Nava"}


@pytest.fixture
def now() -> Iterator[datetime]:
    moment = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    with clock.hold(moment + timedelta(days=1)):
        yield moment


@pytest.fixture
def channel() -> EmailChannel:
    return EmailChannel(_Context())  # type: ignore[arg-type]


@pytest.fixture
def make_contact(session: Session, now: datetime) -> Callable[..., int]:
    def make(first: str = "דנה", last: str = "לוי", **given: Any) -> int:
        given.setdefault("emails", [f"c{secrets.token_hex(4)}@example.org"])
        contact = NewContact(name=f"{first} {last}".strip(), first_name=first, last_name=last, **given)
        return create_contact(session, contact, how="manual", now=now, match=False)

    return make


@pytest.fixture
def make_template(session: Session, now: datetime) -> Callable[..., int]:
    """Gives the id of the template's version; keyword arguments are one text per language (`any` for all)."""

    def make(name: str = "welcome", **texts: Any) -> int:
        texts = texts or {"any": "<p>Hi [[first name]]</p>"}
        forms = [
            Form("email", "" if language == "any" else language, subject="Hello [[first name|you]]", html=text)
            if isinstance(text, str)
            else text
            for language, text in texts.items()
        ]
        version = save_template(session, name, forms, now=now).current_version_id
        assert version is not None
        return version

    return make


@pytest.fixture
def make_message(session: Session, now: datetime) -> Callable[..., Message]:
    def make(contact_id: int, version: int | None = None, **given: Any) -> Message:
        number = secrets.token_hex(6)
        values: dict[str, Any] = {
            "dedupe_key": number, "our_message_id": f"m{number}@nava.test", "contact_id": contact_id,
            "channel": "email", "template_version_id": version, "status": "claimed", "purpose": "service",
            "planned_at": now, "not_before": now, "rules": {}, **given,
        }  # fmt: skip
        message = Message(**values)
        session.add(message)
        session.flush()
        return message

    return make


@pytest.fixture
def renderer(session: Session, channel: EmailChannel, now: datetime) -> Renderer:
    set_setting(
        session,
        "company",
        {"name": "Nava Books", "address": "Herzl 1, Tel Aviv", "language": "he", "time_zone": "Asia/Jerusalem"},
    )
    session.flush()
    return Renderer(session, {"email": channel}, PUBLIC_URL, SECRET, now=now)
