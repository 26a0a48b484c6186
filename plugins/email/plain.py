"""The text part: from the author's own text, or read off the HTML."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from panel.sdk.channels import Slot
from panel.sdk.merge import FIELD, MergeField
from plugins.email.bodies import Hole, Piece
from plugins.email.pages import Links, slot_for

_BLOCKS = frozenset(
    ["p", "div", "table", "tr", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "section"]
    + ["article", "header", "footer", "pre", "dl", "dt", "dd", "hr", "center", "form", "main"]
)
_SPACED = frozenset(["p", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"])
_SILENT = frozenset(["style", "script", "head", "title", "template"])
_VOID = frozenset(["br", "img", "hr", "meta", "link", "input", "col", "area", "base", "source", "wbr"])
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"'\u05be\u2018-\u201f]+[^\s<>\"'.,;:!?)\]}\u05be\u2018-\u201f\u060c\u061b]")
_UNFINISHED = re.compile(r"https?://\S*\Z")


class _Reader(HTMLParser):
    """Collects readable text; merge fields pass through as they are."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._silent: list[str] = []
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "br":
            self.out.append("\n")
        elif tag == "hr":
            self.out.append("\n----\n")
        elif tag == "img" and given.get("alt"):
            self._add(given["alt"])
        if tag in _VOID:
            return
        if self._silent or tag in _SILENT or _HIDDEN.search(given.get("style", "")):
            self._silent.append(tag)
            return
        if tag in _BLOCKS:
            self.out.append("\n\n" if tag in _SPACED else "\n")
        if tag == "li":
            self.out.append("- ")
        if tag == "a":
            self._links.append((given.get("href", "").strip(), len(self.out)))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            # An unclosed hidden element must not swallow the rest of the mail.
            if tag in self._silent:
                while self._silent.pop() != tag:
                    pass
            return
        if tag == "a" and self._links:
            target, start = self._links.pop()
            words = "".join(self.out[start:]).strip()
            if target and not target.startswith("#") and words not in (target, target.removeprefix("mailto:")):
                self.out.append(f": {target}" if words else target)
        elif tag in ("td", "th"):
            self.out.append(" ")
        elif tag in _BLOCKS:
            self.out.append("\n\n" if tag in _SPACED else "\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._add(re.sub(r"[ \t\r\n\f\u00a0]+", " ", data))

    def _add(self, text: str) -> None:
        if not self._silent:
            self.out.append(text)


def text_from_html(source: str) -> str:
    """Readable text of an HTML mail: paragraphs, lists, links with their addresses; hidden parts left out."""
    # Merge fields stay whole: their defaults may hold characters that HTML writes as entities.
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = "".join(reader.out)
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]{2,}", " ", text)).strip() + "\n"


def html_from_text(source: str) -> str:
    """Paragraphs and links for a mail that was written as text only. Merge fields stay as they are."""
    paragraphs = re.split(r"\n\s*\n", source.replace("\r\n", "\n").strip())
    made = []
    for paragraph in paragraphs:
        escaped = html.escape(paragraph, quote=True)
        linked = _URL.sub(lambda match: f'<a href="{match[0]}">{match[0]}</a>', escaped)
        made.append('<p dir="auto">' + linked.replace("\n", "<br>") + "</p>")
    return "".join(made)


def compile_text(source: str, links: Links, *, track_clicks: bool) -> list[Piece]:
    """The text part as pieces: merge fields and tracked links become holes."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[Piece] = []
    at = 0
    for match in FIELD.finditer(source):
        before = source[at : match.start()]
        # An address that goes on with a merge field is different for everybody: it is left as it is.
        tail = _UNFINISHED.search(before)
        cut = tail.start() if tail else len(before)
        _put_links(pieces, before[:cut], links, track_clicks)
        pieces.append(before[cut:])
        default = None if match[2] is None else match[2].strip()
        pieces.append(Hole(slot_for(MergeField(match[1].strip(), default), "url" if tail else "text")))
        at = match.end()
    _put_links(pieces, source[at:], links, track_clicks)
    return pieces


def _put_links(pieces: list[Piece], text: str, links: Links, track_clicks: bool) -> None:
    at = 0
    if track_clicks:
        for match in _URL.finditer(text):
            pieces.append(text[at : match.start()])
            pieces.append(Hole(Slot(f"link:{links.number(match[0])}", "text")))
            at = match.end()
    pieces.append(text[at:])
