"""Strict reading of YAML: every scalar is text, nothing is ever constructed, and every value knows its place.

YAML's own guesses turn `21:00` into 1260, `no` into False and the phone number `0501234567` into 84228471, so no
resolver is used at all. The tree is built from the parser's event stream: anchors, aliases, tags, a second document,
too many values or levels end the reading at once, before they can cost memory or time.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from panel.journeys.language.explaining import explain, quoted
from panel.journeys.language.problems import Problem, nearest

MOST_BYTES = 2_000_000
MOST_LEVELS = 40
MOST_VALUES = 60_000
_MOST_PROBLEMS = 1_000
_MOST_GUESSES = 300

# Direction marks, joiners of width zero and the byte order mark: invisible, so never part of a key or a name.
INVISIBLE = dict.fromkeys([0x200B, 0x200E, 0x200F, 0x061C, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# YAML 1.1 also breaks lines at U+0085, U+2028 and U+2029, people's editors do not: a text copied out of a word
# processor would fall apart invisibly, so these are named like characters that cannot be printed.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# Possessive throughout: a file of a million blank lines must not be tried in a million ways.
_DIRECTIVE = re.compile(r"(?:[ \t]*+(?:#[^\r\n]*+)?+[\r\n])*+%")


class Python(yaml.SafeLoader):
    """The pure Python parser without any resolver."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Fast(_Base):
    """libyaml's parser when it is there (ten times faster), without any resolver."""

    yaml_implicit_resolvers: dict[str, Any] = {}


@dataclass(slots=True)
class Text:
    """A scalar as it was written. `plain` means without quotes."""

    value: str
    start: int
    end: int
    plain: bool = True


@dataclass(slots=True)
class Items:
    """A list."""

    values: list[Node]
    start: int
    end: int


@dataclass(slots=True)
class Entry:
    """One `key: value` of a block; `written` is the key as the person wrote it, without invisible marks."""

    written: str
    start: int
    end: int
    value: Node


@dataclass(slots=True)
class Block:
    """A mapping, its keys normalised (see `normalise`)."""

    entries: dict[str, Entry]
    start: int
    end: int


Node = Text | Items | Block


@dataclass
class Source:
    """The text, its line starts, and the problems found in it so far."""

    text: str
    problems: list[Problem] = field(default_factory=list)
    _lines: array[int] = field(default_factory=lambda: array("L"), repr=False)  # a list would take 36 bytes a line
    _guesses: int = 0
    _seen: set[tuple[str, int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lines.append(0)
        self._lines.extend(match.end() for match in _LINE_BREAK.finditer(self.text))

    def position(self, index: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect.bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The text of a line (from 1), without its break; an empty string past the end."""
        if not 1 <= line <= len(self._lines):
            return ""
        end = self._lines[line] if line < len(self._lines) else len(self.text)
        return self.text[self._lines[line - 1] : end].rstrip("\r\n")

    def line_start(self, line: int) -> int:
        return self._lines[min(line, len(self._lines)) - 1]

    def guess(self, word: str, known: Any) -> str | None:
        """The nearest known word; stops guessing in a file that is wrong everywhere, because guessing is slow."""
        self._guesses += 1
        return nearest(word, known) if self._guesses <= _MOST_GUESSES else None

    def add(self, code: str, start: int, end: int, path: str = "", guess: str | None = None, /, **params: Any) -> None:
        """Note a problem at text[start:end]. The same code at the same place and path is noted once."""
        key = (code, start, path)
        if key in self._seen or len(self.problems) > _MOST_PROBLEMS:
            return
        self._seen.add(key)
        if len(self.problems) == _MOST_PROBLEMS:
            code, params, guess = "too_many_problems", {}, None
        line, column = self.position(start)
        end_line, end_column = self.position(max(end, start))
        self.problems.append(Problem(code, params, line, column, end_line, end_column, path, guess))


@lru_cache(maxsize=4096)
def normalise(key: str) -> str:
    """A key as the grammar knows it: `Start-When`, `start when` and `start_when` are the same."""
    text = unicodedata.normalize("NFKC", key).translate(INVISIBLE).strip().casefold()
    return re.sub(r"[\s\-_]+", "_", text)


def clean(name: str) -> str:
    """A name without invisible marks at either side of any letter and without outer spaces."""
    return unicodedata.normalize("NFC", name).translate(INVISIBLE).strip()


def decode(data: bytes) -> str | None:
    """File bytes as text: UTF-8 (with or without a byte order mark) or UTF-16 with one; None when it is neither."""
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def read(text: str | bytes, *, parser: Any = None) -> tuple[Source, Node | None]:
    """Read text into a tree. The tree is None when the text cannot be read; the source then says why.

    Never raises for any input. `parser` is `Fast` (the default) or `Python`; both give the same tree.
    """
    if isinstance(text, bytes):
        if len(text) > MOST_BYTES * 2:
            source = Source("")
            source.add("too_big", 0, 0)
            return source, None
        decoded = decode(text)
        if decoded is None:
            source = Source("")
            source.add("not_utf8", 0, 0)
            return source, None
        text = decoded
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        source = Source("")
        source.add("too_big", 0, 0)
        return source, None
    source = Source(text)
    # The byte order mark is skipped here and not by the parsers, which count it differently.
    skipped = 1 if text.startswith("\ufeff") else 0
    odd = _UNPRINTABLE.search(text)
    if odd:
        character = odd[0]
        source.add("odd_character", odd.start(), odd.end(), character=f"U+{ord(character):04X}")
        return source, None
    try:
        return source, _Builder(source, skipped).build(parser or Fast)
    except _RefusedError:
        return source, None
    except yaml.YAMLError as error:
        explain(source, error, skipped)
        return source, None


class _RefusedError(Exception):
    """The problem has been noted; stop reading."""


class _Builder:
    """Builds the tree from parse events, without recursion."""

    def __init__(self, source: Source, skipped: int) -> None:
        self.source, self.skipped = source, skipped
        self.root: Node | None = None
        self.open: list[tuple[Block | Items, Text | None]] = []  # the second: the key that waits for its value
        self.values = 0

    def build(self, parser: Any) -> Node | None:
        directive = _DIRECTIVE.match(self.source.text, self.skipped)
        if directive:
            self.refuse("several_documents", directive.end() - 1, directive.end())
        documents = 0
        for event in yaml.parse(self.source.text[self.skipped :], Loader=parser):
            assert event.start_mark is not None
            assert event.end_mark is not None
            start = event.start_mark.index + self.skipped
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse("several_documents", start, start + 3)
            elif isinstance(event, yaml.NodeEvent):
                self.node(event, start, event.end_mark.index + self.skipped)
            elif isinstance(event, yaml.CollectionEndEvent):
                closed = self.open.pop()[0]
                if event.end_mark.index > event.start_mark.index:  # a bracket; a block has no end of its own
                    closed.end = event.end_mark.index + self.skipped
                _grow(self.open, closed)
        if self.root is None:
            self.source.add("empty_file", 0, 0)
        return self.root

    def refuse(self, code: str, start: int, end: int, guess: str | None = None, /, **params: Any) -> None:
        self.source.add(code, start, end, "", guess, **params)
        raise _RefusedError

    def quoted(self, start: int) -> str:
        """The rest of the line as text between quotes."""
        return quoted(self.source.line_text(self.source.position(start)[0])[self.source.position(start)[1] - 1 :])

    def node(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self.refuse("anchor", start, end, self.quoted(start))
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.refuse(
                "tag",
                start,
                end,
                self.quoted(start),
                tag=self.source.text[start:end].split()[0][:40] if end > start else tag,
            )
        self.values += 1
        if self.values > MOST_VALUES:
            self.refuse("too_many_values", start, start, limit=MOST_VALUES)
        if isinstance(event, yaml.ScalarEvent):
            odd = _UNPRINTABLE.search(event.value)
            if odd:
                self.refuse("odd_character", start, end, character=f"U+{ord(odd[0]):04X}")
            self.place(Text(event.value, start, end, not event.style))
            return
        made: Block | Items
        if isinstance(event, yaml.MappingStartEvent):
            made = Block({}, start, end)
        else:
            made = Items([], start, end)
        self.place(made)
        self.open.append((made, None))
        if len(self.open) > MOST_LEVELS:
            self.refuse("too_deep", start, start, limit=MOST_LEVELS)

    def place(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        parent, key = self.open[-1]
        if isinstance(parent, Items):
            parent.values.append(node)
        elif key is None:
            if not isinstance(node, Text):
                braces = self.source.text[node.start : node.start + 2]
                if braces in ("[[", "{{") or self.source.text[max(0, node.start - 1) : node.start + 1] == "{{":
                    self.refuse("needs_quotes", node.start, node.start + 1, mark=braces if braces[1:] else "{{")
                self.refuse("key_not_text", node.start, node.start + 1)
            assert isinstance(node, Text)
            self.open[-1] = (parent, node)
        else:
            self.open[-1] = (parent, None)
            self.entry(parent, key, node)
            return
        _grow(self.open, node)

    def entry(self, block: Block, key: Text, value: Node) -> None:
        name = normalise(key.value)
        if key.plain and key.value[:1] in "\u00a0\u3000\u2002\u2003\u2007\u202f\u2009" and key.value:
            self.source.add("odd_space", key.start, key.end, word=clean(key.value))
            return
        first = block.entries.get(name)
        if first is not None:
            line = self.source.position(first.start)[0]
            self.source.add("duplicate_key", key.start, key.end, name, key=clean(key.value), first=line)
        else:
            block.entries[name] = Entry(clean(key.value), key.start, key.end, value)
        _grow(self.open, value)


def _grow(open_nodes: list[tuple[Block | Items, Text | None]], node: Node) -> None:
    """A block ends where its last leaf ends; the parser's own end mark runs on over the comments that follow.

    Only the innermost open block grows; it passes its end on when it is closed.
    """
    if open_nodes:
        parent = open_nodes[-1][0]
        parent.end = max(parent.end, node.end)


def leaves(node: Node) -> Iterator[Text]:
    """Every scalar value below a node."""
    if isinstance(node, Text):
        yield node
    elif isinstance(node, Items):
        for value in node.values:
            yield from leaves(value)
    else:
        for entry in node.entries.values():
            yield from leaves(entry.value)
