"""What a channel plugin offers. The panel owns the ledger; a channel compiles, hands over, and tells the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Protocol

AddressKind = Literal["email", "phone", "postal", "contact"]
# How a message of a channel looks when it is shown: a mail with its views, a bubble on a telephone, a printed page, a
# card inside an application.
Preview = Literal["mail", "bubble", "page", "card"]


@dataclass(frozen=True)
class ChannelFacts:
    """What the panel must know to use a channel safely.

    `idempotent`: the same key never sends twice, so an uncertain hand-over may be repeated. `batch_size`: how many
    messages one `send` takes. `timeout` bounds one hand-over; the lease is longer. `rate` is messages per second, None
    for no limit. `reports` lists what comes back: delivered, opened, clicked, replied, bounced. `price` is what one
    message costs in `currency` (None: nothing worth counting), for forecasts.
    """

    batch_size: int = 1
    idempotent: bool = False
    reports: frozenset[str] = frozenset()
    rate: float | None = None
    timeout: timedelta = timedelta(seconds=60)
    max_length: int | None = None
    price: Decimal | None = None
    currency: str = "ILS"


@dataclass(frozen=True)
class TemplateContent:
    """A template's content for one channel in one language, as its author wrote it, merge fields and all.

    `answers` is our key of the message that this one answers (see `Outgoing.key`), for channels that can say so.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    language: str = "en"
    answers: str = field(default="", repr=False)  # the written form names the text alone


@dataclass(frozen=True)
class Slot:
    """A hole in a skeleton. `name` says which value goes in, `coding` how the channel writes it there.

    Names: `field:<identity>|<default>` (a merge field), `link:<n>` (tracked link n), `pixel`, `unsubscribe`,
    `preferences`, `message_id`, `date`, `to`, `key` (our reference for the provider).
    """

    name: str
    coding: str = "text"


@dataclass(frozen=True)
class Skeleton:
    """A compiled message: `segments[0] + value of slots[0] + segments[1] + ...`; one more segment than slots.

    `links` are the original targets of the tracked links, by position.
    """

    segments: tuple[bytes, ...]
    slots: tuple[Slot, ...]
    links: tuple[str, ...] = ()

    def fill(self, values: Sequence[bytes]) -> bytes:
        """Put encoded `values` (one per slot, in order) into place."""
        if len(values) != len(self.slots):
            raise ValueError(f"{len(self.slots)} values needed, {len(values)} given")
        parts: list[bytes] = [b""] * (2 * len(values) + 1)
        parts[::2] = self.segments
        parts[1::2] = values
        return b"".join(parts)


def digest(payload: bytes) -> str:
    """SHA-256 of the bytes that go out; stored with the message and proven whenever it is shown."""
    return hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True)
class Outgoing:
    """One message ready to be handed over. `key` never changes, whatever happens; for email it is the Message-ID."""

    message_id: int
    key: str
    address: str
    payload: bytes
    language: str = "en"
    attempt: int = 1


@dataclass(frozen=True)
class Sent:
    """The provider said yes."""

    provider_id: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Failed:
    """The provider said no, for certain. `code` is failed_address (this address) or failed_provider (us or them).

    `suppress` asks the panel to stop using the address on this channel (no such mailbox, number not in service).
    """

    code: Literal["failed_address", "failed_provider"]
    detail: str = ""
    suppress: bool = False


@dataclass(frozen=True)
class Deferred:
    """Certainly not sent; try again after `after` (None: the panel chooses)."""

    detail: str = ""
    after: timedelta | None = None


@dataclass(frozen=True)
class Unknown:
    """Handed over, and no clear answer: it may or may not have arrived. Never repeated by itself."""

    detail: str = ""


Result = Sent | Failed | Deferred | Unknown


class Wire(Protocol):
    """The worker's journal of hand-overs; it narrows what a killed worker leaves in doubt to one message.

    Call `begin` just before the first byte that could cause delivery, and `accepted` as soon as the yes has been read.
    """

    def begin(self, outgoing: Outgoing) -> None: ...

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None: ...


@dataclass(frozen=True)
class Attachment:
    """A file that went along; `kind` is its media type, `size` counts bytes. Its content is not shown."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True)
class Measure:
    """How a network counts a text: `units` of `coding` ("GSM-7", "UCS-2"), `left` until the next part begins.

    `forcing` are the characters that made the coding the wider one, first come first.
    """

    coding: str
    units: int
    left: int
    forcing: Sequence[str] = ()


@dataclass(frozen=True)
class Shown:
    """A stored payload, taken apart for showing. `html` is the author's HTML, not yet made safe.

    `document` is the PDF that was handed over, for a channel whose messages are pages.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    headers: Sequence[tuple[str, str]] = field(default_factory=tuple)
    parts: int = 1  # SMS segments, letter pages
    attachments: Sequence[Attachment] = ()
    measure: Measure | None = None
    document: bytes = b""


class Channel(Protocol):
    """A way to reach contacts. One instance lives as long as its worker; it may keep connections open.

    `compile` and `encode` are pure. `send` may raise `TryLater` or `Misconfigured` only while it is certain that
    nothing of the batch was handed over; after that it returns one result per message, `Unknown` where it is not sure.

    Optional: `preview: Preview` says how its messages look. Without it HTML is a mail, a message to a telephone a
    bubble, one with a document a page, and everything else a card.
    """

    name: str
    label: str
    icon: str
    address_kind: AddressKind
    facts: ChannelFacts

    def compile(self, content: TemplateContent) -> Skeleton:
        """Compile an author's content. Raises `panel.sdk.merge.TemplateError` naming the place when it cannot."""
        ...

    def encode(self, coding: str, value: str) -> bytes:
        """Write one value so that it is safe at its place: no value can add a header, a tag or a second message."""
        ...

    def send(self, batch: Sequence[Outgoing], wire: Wire) -> Sequence[Result]: ...

    def lookup(self, key: str) -> Literal["sent", "not_sent", "cannot_say"]: ...

    def show(self, payload: bytes) -> Shown: ...
