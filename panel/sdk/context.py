"""What the panel hands to a plugin: its settings, its own rows, and a few verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Record:
    """One of the plugin's own rows."""

    kind: str
    key: str
    data: dict[str, Any]
    digest: str = ""
    contact_id: int | None = None


@dataclass(frozen=True)
class NewContact:
    """A contact to create or complete. `emails` and `phones` are as the source wrote them; the panel normalises."""

    name: str = ""
    first_name: str = ""
    last_name: str = ""
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()
    reference: str | None = None
    language: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


class Unit(Protocol):
    """One writing transaction of a plugin: everything in it is stored together, or nothing is."""

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
        """Put a line on the contact's timeline. Returns its id, or None when `external_id` was recorded before."""
        ...

    def find_contacts(
        self, *, reference: str | None = None, field: tuple[str, str] | None = None, email: str = "", phone: str = ""
    ) -> list[int]:
        """Contacts that match any one given criterion (aliases resolved to the contact that is shown)."""
        ...

    def create_contact(
        self, contact: NewContact, *, how: str, detail: Mapping[str, Any], starts_journeys: bool = True
    ) -> int:
        """Make a new contact and return its id. Raises UserError for an address or a value that cannot be read."""
        ...

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
        """The contact refuses a channel. `address`, when known, is blocked as well, whoever else has it."""
        ...

    def suppress(self, channel: str, address: str, *, reason: str, contact_id: int | None = None) -> None:
        """Never use this address on this channel again. `reason`: unsubscribed | complained | hard_bounce | manual."""
        ...

    def last_message(self, channel: str, address: str) -> tuple[str, int] | None:
        """(our key, contact id) of the latest message that left for this address: what a bare reply answers."""
        ...

    def report_message(
        self,
        *,
        key: str | None = None,
        provider_id: str | None = None,
        state: Literal["delivered", "failed", "bounced_hard", "bounced_soft", "complained", "replied"],
        at: datetime,
        detail: str = "",
        external_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """Tell what became of a message, by our key or the provider's id. False when no such message is known.

        A report also settles a message whose sending was in doubt.
        """
        ...

    def get(self, kind: str, key: str) -> Record | None: ...

    def put(self, record: Record) -> None: ...

    def delete(self, kind: str, key: str) -> None: ...

    def records(self, kind: str, *, contact_id: int | None = None, latest: int | None = None) -> Iterable[Record]:
        """The plugin's rows of a kind, oldest first; with `latest` only so many of the newest."""
        ...

    def raise_issue(self, key: str, sentence: str, **params: Any) -> None:
        """Tell the owner once that something needs a person. `sentence` is an English msgid."""
        ...

    def resolve_issue(self, key: str) -> None: ...


class PluginContext(Protocol):
    """Handed to the hooks of one plugin."""

    plugin_id: str

    @property
    def folder(self) -> Path:
        """The plugin's own folder under the instance, created on first use."""
        ...

    @property
    def public_url(self) -> str:
        """The panel's address as the world sees it, without a trailing slash."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """The plugin's settings as they are now, secrets in clear, defaults filled in."""
        ...

    def unit(self) -> AbstractContextManager[Unit]: ...

    def now(self) -> datetime: ...

    def company(self) -> Mapping[str, str]:
        """The business's own name, address, country (ISO 3166 alpha-2), time zone, language."""
        ...

    def sign(self, purpose: str, value: str) -> str:
        """A URL-safe token that only this installation can make for this purpose."""
        ...

    def unsign(self, purpose: str, token: str) -> str | None:
        """The value of a token made by `sign`, or None when it is not ours."""
        ...
