"""A plain text taken apart, so that its links can be marked without being links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINK = re.compile(r"https?://[^\s<>\"'\u200e\u200f\u202a-\u202e\u2066-\u2069]+", re.IGNORECASE)
_TAIL = ".,;:!?)]}'\"،؛؟»״׳…"  # punctuation after a link belongs to the sentence


@dataclass(frozen=True)
class Piece:
    """Words as they stand in the text. `is_link` marks an address; `target` is where a tracked one leads."""

    text: str
    is_link: bool = False
    target: str = ""


def marked(text: str, targets: Mapping[str, str]) -> list[Piece]:
    """The pieces of `text`, in order; joined they are the text again. `targets`: where a tracked address leads."""
    pieces, at = [], 0
    for match in _LINK.finditer(text):
        address = match[0].rstrip(_TAIL)
        if match.start() > at:
            pieces.append(Piece(text[at : match.start()]))
        pieces.append(Piece(address, True, targets.get(address, "")))
        at = match.start() + len(address)
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return pieces
