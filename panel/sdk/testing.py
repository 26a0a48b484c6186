"""For tests of plugins and of the panel: a channel that records instead of sending, and a wire that notes."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from panel.sdk.channels import (
    AddressKind,
    ChannelFacts,
    Outgoing,
    Result,
    Sent,
    Shown,
    Skeleton,
    Slot,
    TemplateContent,
    Wire,
)
from panel.sdk.merge import split


@dataclass
class RecordingChannel:
    """A channel whose hand-overs end up in `sent`. `answer` decides what becomes of each message."""

    name: str = "email"
    label: str = "Recording"
    icon: str = "mail"
    address_kind: AddressKind = "email"
    facts: ChannelFacts = field(default_factory=lambda: ChannelFacts(batch_size=50))
    answer: Callable[[Outgoing], Result] = lambda outgoing: Sent(f"p{outgoing.message_id}")
    sent: list[Outgoing] = field(default_factory=list)

    def compile(self, content: TemplateContent) -> Skeleton:
        segments, slots = [b""], []
        for piece in split(f"{content.subject}\n{content.text or html.unescape(content.html)}"):
            if isinstance(piece, str):
                segments[-1] += piece.encode()
            else:
                slots.append(Slot(piece.slot))
                segments.append(b"")
        return Skeleton(tuple(segments), tuple(slots))

    def encode(self, coding: str, value: str) -> bytes:
        return value.encode()

    def send(self, batch: Sequence[Outgoing], wire: Wire) -> Sequence[Result]:
        results = []
        for outgoing in batch:
            wire.begin(outgoing)
            result = self.answer(outgoing)
            if isinstance(result, Sent):
                self.sent.append(outgoing)
                wire.accepted(outgoing, result.provider_id)
            results.append(result)
        return results

    def lookup(self, key: str) -> Literal["sent", "not_sent", "cannot_say"]:
        return "cannot_say"

    def show(self, payload: bytes) -> Shown:
        subject, _, text = payload.decode().partition("\n")
        return Shown(subject=subject, text=text)


@dataclass
class NotingWire:
    """A wire journal that keeps its notes in memory: ("begin" | "accepted", message id)."""

    notes: list[tuple[str, int]] = field(default_factory=list)

    def begin(self, outgoing: Outgoing) -> None:
        self.notes.append(("begin", outgoing.message_id))

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None:
        self.notes.append(("accepted", outgoing.message_id))
