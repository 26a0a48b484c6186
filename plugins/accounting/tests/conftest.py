"""A folder, the plugin's real context on the test's database, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import db, reading, writing
from panel.installation.operations import set_setting
from panel.issues.models import Issue
from panel.plugin_manager.manager import current
from panel.plugin_manager.operations import save_settings, set_enabled
from panel.sdk.context import NewContact, PluginContext
from panel.timeline.models import Event
from plugins.accounting import rounds
from plugins.accounting.settings import FIELDS

# Examples may take long on a busy machine; that says nothing about the code.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
START = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)  # a Sunday morning, 10:00 in Jerusalem


@dataclass
class Office:
    """A business that uses the plugin: it saves files, time passes, the panel looks into the folder."""

    ctx: PluginContext
    now: datetime = START
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def root(self) -> Path:
        return Path(str(self.ctx.settings()["folder"] or self.ctx.folder))

    def save(self, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        """The accounting software writes a file into the folder."""
        path = self.root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    def sync(self, **later: float) -> None:
        """`later` (days=, hours=...) the panel does the plugin's work."""
        self.go_on(**later)
        rounds.run(self.ctx)

    def go_on(self, **later: float) -> None:
        self.now += timedelta(**later)
        # The offices of one test share the clock; they take turns, so that no earlier hold comes back at the end.
        self.held.close()
        self.held.enter_context(clock.hold(self.now))

    def contact(self, **values: Any) -> int:
        with writing() as session:
            return create_contact(session, NewContact(**values), how="manual", match=False)

    def events(self, kind: str = "", contact_id: int | None = None) -> list[Event]:
        with reading() as session:
            query = select(Event).where(Event.source == "accounting", Event.kind != "contact_created")
            if kind:
                query = query.where(Event.kind == f"accounting.{kind}")
            if contact_id is not None:
                query = query.where(Event.contact_id == contact_id)
            found = list(session.scalars(query.order_by(Event.id)))
            session.expunge_all()
            return found

    def kinds(self, contact_id: int | None = None) -> list[str]:
        return [event.kind.removeprefix("accounting.") for event in self.events(contact_id=contact_id)]

    def issues(self) -> dict[str, str]:
        """Open issues of the plugin: key -> sentence in English."""
        with reading() as session:
            return {
                issue.key.rpartition("own:")[2]: issue.sentence % issue.params
                for issue in session.scalars(select(Issue).where(Issue.state == "open"))
            }

    def contacts(self) -> list[Contact]:
        with Session(db.engine, expire_on_commit=False) as session:
            found = list(session.scalars(select(Contact).order_by(Contact.id)))
            for one in found:
                list(one.addresses)
            return found

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())

    def set(self, **changed: Any) -> None:
        with writing() as session:
            values = dict(self.ctx.settings()) | changed
            save_settings(session, "accounting", FIELDS, values, current().secrets)
        with reading() as session:
            current().refresh_if_changed(session)


@pytest.fixture
def make_office(app: Flask, tmp_path: Path) -> Iterator[Callable[[], Office]]:
    """Make offices; each new one begins with empty tables and a folder of its own."""
    made: list[Office] = []
    held = ExitStack()

    def make() -> Office:
        with writing() as session:
            if made:
                _empty(session)
            company = {"name": "מאפיית לוי", "country": "IL", "time_zone": "Asia/Jerusalem", "language": "en"}
            set_setting(session, "company", company)
            set_enabled(session, "accounting", True)
        with reading() as session:
            current().refresh_if_changed(session)
        office = Office(current().context("accounting"), held=held)
        folder = tmp_path / f"books{len(made)}"
        folder.mkdir()
        office.set(quiet_seconds=0, folder=str(folder))
        made.append(office)
        office.go_on()
        return office

    yield make
    held.close()


def _empty(session: Session) -> None:
    for table in ("plugin_records", "events", "contact_addresses", "contacts", "issues", "id_counters"):
        session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names written above


@pytest.fixture
def office(make_office: Callable[[], Office]) -> Office:
    return make_office()
