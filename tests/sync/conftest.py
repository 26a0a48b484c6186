"""An application with a plugin of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.messages.models import Message
from panel.plugin_manager.manager import PluginManager
from panel.sdk.context import NewContact
from panel.sync.wiring import install_plugins
from panel.timeline.models import Event

Plugin = Callable[[str], PluginManager]


@pytest.fixture
def plugin(app: Flask, tmp_path: Path) -> Plugin:
    """Install one enabled plugin "helper" with this code, in place of those of the product."""

    def make(code: str = "@hookimpl\ndef register_settings():\n    return []\n") -> PluginManager:
        folder = tmp_path / "product" / "helper"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.yaml").write_text(
            "id: helper\nname: Helper\nversion: 1\ndescription: x\nauthor: x\nenabled_by_default: yes\nsync_every: 60\n"
        )
        (folder / "__init__.py").write_text("from panel.hookspecs import hookimpl\n" + dedent(code))
        return install_plugins(
            instance=tmp_path / "instance",
            secret="secret",
            public_url=lambda: "http://panel.test",
            product=tmp_path / "product",
        )

    return make


@pytest.fixture
def contact(app: Flask) -> int:
    with writing() as session:
        new = NewContact(name="דנה לוי", emails=["dana@shop.co.il"], phones=["052-123-4567"])
        return create_contact(session, new, how="manual")


@pytest.fixture
def make_message(app: Flask, contact: int) -> Callable[..., int]:
    """Put a message in the ledger; it was sent unless told otherwise."""

    def make(**changes: object) -> int:
        now = clock.now()
        values: dict[str, object] = {
            "dedupe_key": f"k{changes.get('our_message_id', '')}",
            "our_message_id": "m1",
            "contact_id": contact,
            "channel": "sms",
            "address": "+972521234567",
            "status": "sent",
            "planned_at": now,
            "not_before": now,
            "wire_at": now,
            "sent_at": now,
        }
        with writing() as session:
            message = Message(**(values | changes))
            session.add(message)
            session.flush()
            return message.id

    return make


@pytest.fixture
def kinds(session: Session, contact: int) -> Callable[[], list[str]]:
    """What the contact's timeline says, oldest first."""

    def read() -> list[str]:
        session.expire_all()
        session.rollback()
        return list(session.scalars(select(Event.kind).where(Event.contact_id == contact).order_by(Event.id)))

    return read
