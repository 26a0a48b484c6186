"""From an author's text to the bytes of one SMS, and back for showing."""

from __future__ import annotations

import re
import unicodedata

from panel.sdk.channels import Measure, Shown, Skeleton, Slot, TemplateContent
from panel.sdk.merge import MergeField, TemplateError, split
from plugins.sms.segments import count

_LINK = re.compile(r"https?://[^\s<>\"'\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_TAIL = ".,;:!?)]}'\"،؛؟»״׳…"  # punctuation after a link belongs to the sentence
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")


def compile_text(content: TemplateContent) -> Skeleton:
    """Compile `content.text`: merge fields and links become slots. A link written around a merge field stays as it is.

    Raises TemplateError("sms_without_text") when there is nothing to send.
    """
    text = content.text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise TemplateError("sms_without_text")
    segments: list[bytes] = []
    slots: list[Slot] = []
    links: list[str] = []
    literal = ""
    pieces = list(split(text))
    for number, piece in enumerate(pieces):
        if isinstance(piece, MergeField):
            segments.append(clean(literal).encode())
            slots.append(Slot(piece.slot))
            literal = ""
            continue
        at = 0
        for match in _LINK.finditer(piece):
            url = match[0].rstrip(_TAIL)
            grows = match.end() == len(piece) and number + 1 < len(pieces) and match[0] == url
            if grows:  # "https://shop.example/[[code]]": its end differs for every contact
                continue
            segments.append(clean(literal + piece[at : match.start()]).encode())
            slots.append(Slot(f"link:{len(links)}"))
            links.append(url)
            literal = ""
            at = match.start() + len(url)
        literal += piece[at:]
    segments.append(clean(literal).encode())
    return Skeleton(tuple(segments), tuple(slots), tuple(links))


def encode_value(value: str) -> bytes:
    """A value inside a text: on one line, without control characters, composed as telephones expect."""
    return clean(" ".join(value.split())).encode()


def clean(text: str) -> str:
    return _UNSEEN.sub("", unicodedata.normalize("NFC", text))


def show_text(payload: bytes) -> Shown:
    text = payload.decode("utf-8", "replace")
    counted = count(text)
    measure = Measure(counted.coding, counted.units, counted.left, counted.forcing)
    return Shown(text=text, parts=max(1, counted.parts), measure=measure)
