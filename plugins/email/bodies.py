"""Body values and bodies in quoted-printable: ASCII on the wire, no line longer than 76."""

from __future__ import annotations

import html
import re
from binascii import b2a_qp
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import cast
from urllib.parse import quote

from panel.sdk.channels import Slot

# What is no text at all; line ends and tabs may stay.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]")
_SAFE_SCHEMES = re.compile(r"(?:https?://|mailto:|tel:|sms:)", re.IGNORECASE)
_BARE_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/|\Z)")


def clean(text: str) -> str:
    """Text without control characters, its line ends as \\n. Lone surrogates become question marks."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    return text


def quoted(text: str) -> bytes:
    """Quoted-printable with CRLF line ends; starts at the beginning of a line and leaves room for one more "="."""
    raw = b2a_qp(text.encode("utf-8", "replace"), istext=True)
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    last = len(raw) - raw.rfind(b"\n") - 1
    if last < 76:
        return raw
    cut = len(raw) - 4
    while raw[cut - 1 : cut] == b"=" or raw[cut - 2 : cut - 1] == b"=":
        cut -= 1  # not inside an encoded byte
    return raw[:cut] + b"=\r\n" + raw[cut:]


def in_html(value: str) -> str:
    return html.escape(clean(value), quote=True).replace("\n", "<br>")


def in_attribute(value: str) -> str:
    return html.escape(clean(value).replace("\n", " "), quote=True)


def in_address(value: str) -> str:
    """A value inside a link's address: percent-encoded."""
    return quote(clean(value).replace("\n", " "), safe="")


def whole_address(value: str) -> str:
    """A value that is a whole link address: only addresses that are safe to follow; anything else leads nowhere."""
    value = clean(value).replace("\n", "").strip()
    if _SAFE_SCHEMES.match(value):
        return html.escape(value, quote=True)
    if _BARE_HOST.match(value):
        return html.escape("https://" + value, quote=True)
    return "#"


# Text that reads the same in HTML, in an attribute and in quoted-printable, and fits on a line.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/_.~-]{0,70}(?<!\.)\Z")
CODINGS = {"text": clean, "html": in_html, "attr": in_attribute, "url": in_address, "href": whole_address}


@dataclass(frozen=True)
class Hole:
    """A place in a body where a slot's value goes."""

    slot: Slot


Piece = str | Hole


def body(pieces: Iterable[Piece]) -> tuple[list[bytes], list[Slot]]:
    """A body in quoted-printable with its slots. Every value stands on lines of its own, between soft line breaks."""
    segments: list[bytes] = [b""]
    slots: list[Slot] = []
    for is_hole, group in groupby(pieces, key=lambda piece: isinstance(piece, Hole)):
        if not is_hole:
            text = clean("".join(cast(Iterable[str], group)))
            if segments[-1] == b"=\r\n" and text.startswith("\n"):
                segments[-1] = b""  # the value ends its line by itself
            segments[-1] += quoted(text)
            continue
        for hole in cast(Iterable[Hole], group):
            if segments[-1] and not segments[-1].endswith(b"\r\n"):
                segments[-1] += b"=\r\n"
            slots.append(hole.slot)
            segments.append(b"=\r\n")
    return segments, slots
