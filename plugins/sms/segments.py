"""How many SMS a text costs: GSM 03.38 seven-bit characters if all of them exist there, UCS-2 otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€\f")  # two septets each: an escape and the character

Coding = Literal["GSM-7", "UCS-2"]
ALONE: dict[Coding, int] = {"GSM-7": 160, "UCS-2": 70}
JOINED: dict[Coding, int] = {"GSM-7": 153, "UCS-2": 67}  # a header takes the rest when a text has several parts


@dataclass(frozen=True)
class Count:
    """`units` are septets or UTF-16 units, `left` how many still fit into the last part, `forcing` the characters that
    make a text UCS-2, first come first."""

    coding: Coding
    units: int
    parts: int
    left: int
    forcing: tuple[str, ...] = ()


def count(text: str) -> Count:
    """Count a text as a telephone network does. An empty text takes no part."""
    forcing = tuple(dict.fromkeys(c for c in text if c not in BASIC and c not in EXTENSION))
    coding: Coding = "UCS-2" if forcing else "GSM-7"
    if coding == "GSM-7":
        widths = [2 if c in EXTENSION else 1 for c in text]
    else:
        widths = [2 if ord(c) > 0xFFFF else 1 for c in text]
    units = sum(widths)
    if units <= ALONE[coding]:
        return Count(coding, units, 1 if units else 0, ALONE[coding] - units, forcing)
    # Neither an escaped character nor a surrogate pair is torn apart between two parts.
    parts, used = 1, 0
    for width in widths:
        if used + width > JOINED[coding]:
            parts, used = parts + 1, 0
        used += width
    return Count(coding, units, parts, JOINED[coding] - used, forcing)
