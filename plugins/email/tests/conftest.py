from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from panel.sdk.channels import Outgoing, Skeleton, TemplateContent
from plugins.email.channel import EmailChannel

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DATE = "Sun, 22 Nov 2026 09:30:00 +0000"


@dataclass
class FakeContext:
    """What the plugin needs of the panel."""

    folder: Path
    given: dict[str, Any] = field(default_factory=dict)
    plugin_id: str = "email"
    public_url: str = "https://panel.test"

    def settings(self) -> Mapping[str, Any]:
        return self.given

    def company(self) -> Mapping[str, str]:
        return {"name": "Nava Books", "address": "Herzl 1, Tel Aviv"}

    def now(self) -> datetime:
        return NOW

    def sign(self, purpose: str, value: str) -> str:
        return f"{purpose}-{value}"

    def unsign(self, purpose: str, token: str) -> str | None:
        name, _, value = token.partition("-")
        return value if name == purpose else None


@dataclass
class RecordingWire:
    """A journal that remembers the order of things."""

    notes: list[str] = field(default_factory=list)

    def begin(self, outgoing: Outgoing) -> None:
        self.notes.append(f"begin {outgoing.message_id}")

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None:
        self.notes.append(f"accepted {outgoing.message_id}")


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return FakeContext(tmp_path, {"from_address": "shalom@nava.test", "from_name": "נאווה"})


@pytest.fixture
def channel(context: FakeContext) -> EmailChannel:
    return EmailChannel(context)  # type: ignore[arg-type]


@pytest.fixture
def wire() -> RecordingWire:
    return RecordingWire()


def fill(channel: EmailChannel, skeleton: Skeleton, **values: str) -> bytes:
    """A finished mail; merge fields by identity, everything else has a fixed value."""
    fixed = {
        "message_id": "m1.1@nava.test",
        "key": "m1.1@nava.test",
        "date": DATE,
        "to": "dana@example.org",
        "subject": "?",
        "unsubscribe": "https://panel.test/u/UUU",
        "preferences": "https://panel.test/p/PPP",
        "pixel": "https://panel.test/o/OOO.gif",
    }
    encoded = []
    seal = None
    for place, slot in enumerate(skeleton.slots):
        kind, _, rest = slot.name.partition(":")
        if kind == "seal":
            seal = place
            encoded.append(b"")
        elif kind == "field":
            name, bar, default = rest.partition("|")
            encoded.append(channel.encode(slot.coding, values.get(name, default if bar else "")))
        elif kind == "link":
            encoded.append(channel.encode(slot.coding, f"https://panel.test/c/LINK{rest}"))
        else:
            encoded.append(channel.encode(slot.coding, values.get(kind, fixed[kind])))
    payload = skeleton.fill(encoded)
    if seal is not None:
        encoded[seal] = channel.seal(payload)
        payload = skeleton.fill(encoded)
    return payload


def content(html: str = "", text: str = "", subject: str = "Hello", language: str = "en") -> TemplateContent:
    return TemplateContent(subject, html, text, language)
