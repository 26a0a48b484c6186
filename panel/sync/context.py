"""What a plugin's hooks are given: its settings, its rows, and a few verbs over contacts, messages and the timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.consent import operations as consent
from panel.contacts import addresses, queries
from panel.contacts.fields import find
from panel.contacts.operations import create_contact
from panel.contacts.origin import By
from panel.db import connection_of, reading, writing
from panel.errors import UserError
from panel.installation.queries import get_setting
from panel.issues.operations import raise_issue, resolve_issue
from panel.messages import reports
from panel.messages.reports import State
from panel.plugin_manager.manager import PluginManager
from panel.plugin_manager.models import PluginRecord
from panel.plugin_manager.queries import record_of, records_of
from panel.sdk.context import NewContact, Record, Unit
from panel.timeline.operations import record
from panel.timeline.registry import types

COMPANY = ("name", "address", "country", "time_zone", "language")


class PanelUnit:
    """`panel.sdk.context.Unit` over one session; whoever opened the session commits it."""

    def __init__(self, session: Session, plugin_id: str) -> None:
        self._session = session
        self._plugin_id = plugin_id
        self._source = plugin_id
        self._by = By(source=plugin_id)

    def record_event(
        self,
        contact_id: int,
        kind: str,
        *,
        occurred_at: datetime,
        data: Mapping[str, Any],
        external_id: str | None = None,
        starts_journeys: bool = True,
    ) -> int | None:
        if types.get(kind) is None:
            raise ValueError(f'the event type "{kind}" is not declared: see register_event_types')
        return record(
            self._session,
            contact_id=queries.canonical(self._session, contact_id),
            kind=kind,
            occurred_at=occurred_at,
            data=data,
            source=self._source,
            external_id=external_id,
            starts_journeys=starts_journeys,
        )

    def find_contacts(
        self, *, reference: str | None = None, field: tuple[str, str] | None = None, email: str = "", phone: str = ""
    ) -> list[int]:
        found: list[int] = []
        if reference and (one := queries.by_reference(self._session, reference)) is not None:
            found.append(one)
        if field is not None:
            info = find(field[0], queries.custom_fields(self._session))
            if info is not None and info.id is not None:
                found += queries.by_field(self._session, info.id, field[1])
        for kind, text in (("email", email), ("phone", phone)):
            if text:
                try:
                    address = addresses.parse(kind, text, region=queries.region(self._session))
                except UserError:
                    continue  # what cannot be an address belongs to nobody
                found += queries.by_address(self._session, kind, address.value)
        return list(dict.fromkeys(found))

    def create_contact(
        self, contact: NewContact, *, how: str, detail: Mapping[str, Any], starts_journeys: bool = True
    ) -> int:
        by = By(source=self._source, starts_journeys=starts_journeys)
        return create_contact(self._session, contact, how=how, detail=detail, by=by, match=False)

    def opt_out(
        self,
        contact_id: int,
        channel: str,
        *,
        how: str,
        wording: str,
        proof: Mapping[str, Any],
        address: str | None = None,
    ) -> None:
        consent.opt_out(
            self._session,
            contact_id,
            channel,
            how=how,
            wording=wording,
            source=self._source,
            proof=dict(proof),
            by=self._by,
            address=address,
        )

    def suppress(self, channel: str, address: str, *, reason: str, contact_id: int | None = None) -> None:
        consent.suppress(self._session, channel, address, reason=reason, contact_id=contact_id, source=self._source)

    def last_message(self, channel: str, address: str) -> tuple[str, int] | None:
        message = reports.latest_to(self._session, channel, address)
        return (message.our_message_id, message.contact_id) if message is not None else None

    def report_message(
        self,
        *,
        key: str | None = None,
        provider_id: str | None = None,
        state: State,
        at: datetime,
        detail: str = "",
        external_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        message = reports.report(
            self._session,
            state=state,
            at=at,
            source=self._source,
            key=key,
            provider_id=provider_id,
            detail=detail,
            external_id=external_id,
            data=data,
        )
        if message is None:
            return False
        if message.address and state in ("bounced_hard", "complained"):
            reason = "hard_bounce" if state == "bounced_hard" else "complained"
            self.suppress(message.channel, message.address, reason=reason, contact_id=message.contact_id)
        return True

    def get(self, kind: str, key: str) -> Record | None:
        row = record_of(self._session, self._plugin_id, kind, key)
        return _record(row) if row is not None else None

    def put(self, record: Record) -> None:
        connection = connection_of(self._session)
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        values = {
            "data": record.data,
            "digest": record.digest,
            "contact_id": record.contact_id,
            "updated_at": clock.now(),
        }
        statement = dialect.insert(PluginRecord).values(
            plugin_id=self._plugin_id, kind=record.kind, key=record.key, **values
        )
        connection.execute(statement.on_conflict_do_update(index_elements=["plugin_id", "kind", "key"], set_=values))
        # The row may be in the session's memory with its old values.
        self._session.expire_all()

    def delete(self, kind: str, key: str) -> None:
        self._session.execute(
            delete(PluginRecord).where(
                PluginRecord.plugin_id == self._plugin_id, PluginRecord.kind == kind, PluginRecord.key == key
            )
        )

    def records(self, kind: str, *, contact_id: int | None = None, latest: int | None = None) -> Iterable[Record]:
        # What was linked to a contact before it was merged into this one is this one's now.
        ids = None if contact_id is None else queries.aliases(self._session, contact_id)
        return [_record(row) for row in records_of(self._session, self._plugin_id, kind, ids, latest)]

    def raise_issue(self, key: str, sentence: str, **params: Any) -> None:
        raise_issue(
            self._session, self._issue(key), code=f"{self._plugin_id}_{key}"[:60], sentence=sentence, params=params
        )

    def resolve_issue(self, key: str) -> None:
        resolve_issue(self._session, self._issue(key))

    def _issue(self, key: str) -> str:
        return f"plugin:{self._plugin_id}:own:{key}"[:200]


class PanelContext:
    """`panel.sdk.context.PluginContext` of one plugin in one application."""

    def __init__(self, manager: PluginManager, plugin_id: str, instance: Path, public_url: Callable[[], str]) -> None:
        self.plugin_id = plugin_id
        self._manager = manager
        self._instance = instance
        self._public_url = public_url

    @property
    def folder(self) -> Path:
        folder = self._instance / "plugin_data" / self.plugin_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def public_url(self) -> str:
        return self._public_url()

    def settings(self) -> Mapping[str, Any]:
        return self._manager.settings(self.plugin_id)

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        with writing() as session:
            yield PanelUnit(session, self.plugin_id)

    def now(self) -> datetime:
        return clock.now()

    def company(self) -> Mapping[str, str]:
        with reading() as session:
            stored = get_setting(session, "company")
        return {name: str(stored.get(name) or "") for name in COMPANY}

    def sign(self, purpose: str, value: str) -> str:
        return self._manager.secrets.sign(self.plugin_id, purpose, value)

    def unsign(self, purpose: str, token: str) -> str | None:
        return self._manager.secrets.unsign(self.plugin_id, purpose, token)


def _record(row: PluginRecord) -> Record:
    return Record(row.kind, row.key, dict(row.data), row.digest, row.contact_id)
