"""Where in the grammar a cursor stands, also in a text that is only half written and cannot be parsed.

Lines are read by their indentation alone, and what stands between braces by a small scanner; nothing here fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from panel.journeys.language.grammar import (
    FORMS,
    Either,
    Form,
    ListOf,
    MapOf,
    Type,
)
from panel.journeys.language.reading import clean, normalise

_DASH = re.compile(r"-(?:\s+|$)")
_KEY = re.compile(r"((?:[^\s:#'\"{}\[\],]|:(?=\S))(?:[^:#{}\[\]]|:(?=\S))*?)\s*:(?:\s+|$)")
_MOST_LETTERS = 2_000  # of a line; the key stands at its beginning
_FILE = re.compile(r"^\ufeff?(?:language|defaults|blueprints|journeys)\s*:", re.MULTILINE)


@dataclass
class Place:
    """A cursor's place. `types` are the types that may stand there; `key` the key whose value is being written, or
    None when a key is; `word` what is already written of it, beginning at column `start` (from 1); `siblings` the keys
    that the same block has already."""

    types: list[Type]
    key: str | None = None
    word: str = ""
    start: int = 1
    siblings: list[str] = field(default_factory=list)
    in_item: bool = False  # behind a dash, or between braces


@dataclass
class _Level:
    indent: int
    key: str | None  # None: a list item
    siblings: list[str] = field(default_factory=list)  # the keys so far of the block that this key or item holds
    items: int = 0  # the list items so far
    number: int = 0  # of an item: which one it is, from 1


def place_at(text: str, line: int, column: int) -> Place:
    """The place of a cursor at line and column (both from 1)."""
    lines = re.split(r"\r\n|\r|\n", text)
    before, current = lines[: max(line - 1, 0)], lines[line - 1] if 0 < line <= len(lines) else ""
    current = current[: max(column - 1, 0)]
    root = _Level(-1, None)
    stack = [root]
    literal: int | None = None  # inside a block of free text: its lines say nothing
    for written in before:
        indent = len(written) - len(written.lstrip(" "))
        bare = written.strip()
        if literal is not None and (not bare or indent > literal):
            continue
        literal = None
        if not bare or bare.startswith("#"):
            continue
        value = _take(stack, written, indent)[1]
        if re.fullmatch(r"[|>][+-]?\d*\s*(?:#.*)?", value):
            literal = indent
    indent = len(current) - len(current.lstrip(" "))
    if not current.strip():
        _close(stack, indent, dash=False)
        return _place(text, stack, None, "", len(current) + 1, in_item=False)
    start, value = _take(stack, current, indent)
    top = stack[-1]
    if value[:1] in ("{", "["):
        return _between_braces(text, stack, value, start)
    complete = top.key is not None and start > top.indent and _KEY.match(current[top.indent :])
    if complete and not value and not current.endswith((" ", "\t")):
        complete = None  # "wait:" without a space yet
    if complete:
        return _place(text, stack[:-1], top.key, value, start + 1, in_item=True)
    dashed = bool(_DASH.match(current.lstrip(" ")))
    return _place(text, stack, None, value, start + 1, in_item=dashed)


def path_at(text: str, line: int) -> str:
    """The path of the key or item that a line writes, like `journeys/welcome/steps/2/wait`, by indentation alone."""
    stack = [_Level(-1, None)]
    literal: int | None = None
    for written in re.split(r"\r\n|\r|\n", text)[:line]:
        indent = len(written) - len(written.lstrip(" "))
        bare = written.strip()
        if (literal is not None and (not bare or indent > literal)) or not bare or bare.startswith("#"):
            continue
        value = _take(stack, written, indent)[1]
        literal = indent if re.fullmatch(r"[|>][+-]?\d*\s*(?:#.*)?", value) else None
    return "/".join(level.key or str(level.number) for level in stack[1:])


def _close(stack: list[_Level], indent: int, *, dash: bool) -> None:
    """Leave the blocks that end above a line of this indentation. A list may stand as far left as its key."""
    while len(stack) > 1:
        top = stack[-1]
        if top.indent > indent or (top.indent == indent and (top.key is None or not dash)):
            stack.pop()
        else:
            return


def _take(stack: list[_Level], written: str, indent: int) -> tuple[int, str]:
    """Read one line into the stack; returns where its value begins (from 0) and the value."""
    written = written[:_MOST_LETTERS]
    position = indent
    _close(stack, indent, dash=bool(_DASH.match(written, indent)))
    while dash := _DASH.match(written, position):
        stack[-1].items += 1
        stack.append(_Level(position, None, number=stack[-1].items))
        position = dash.end()
    key = _KEY.match(written, position)
    if key:
        name = normalise(clean(key[1]))
        stack[-1].siblings.append(name)
        stack.append(_Level(position, name))
        position = key.end()
    return position, written[position:].split(" #")[0]


def _between_braces(text: str, stack: list[_Level], value: str, start: int) -> Place:
    """Inside `{a: b, c: [d` on one line."""
    opened: list[_Level] = []
    word, word_start, quote = "", start, ""
    key: str | None = None
    for offset, letter in enumerate(value):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "{[":
            if key is not None and opened:
                opened.append(_Level(0, key))
            opened.append(_Level(0, letter))
            word, word_start, key = "", start + offset + 1, None
            continue
        elif letter in "}]":
            while opened and opened[-1].key not in ("{", "["):
                opened.pop()
            if opened:
                opened.pop()
            if opened and opened[-1].key not in ("{", "["):
                opened.pop()
            word, word_start, key = "", start + offset + 1, None
            continue
        elif letter == ",":
            word, word_start, key = "", start + offset + 1, None
            continue
        elif letter == ":" and value[offset + 1 : offset + 2] in (" ", "") and opened and opened[-1].key == "{":
            key = normalise(word)
            opened[-1].siblings.append(key)
            word, word_start = "", start + offset + 1
            continue
        word += letter
    while word.startswith(" "):
        word, word_start = word[1:], word_start + 1
    path = list(stack)
    for level in opened:
        if level.key == "[":
            path.append(_Level(0, None))
        elif level.key == "{":
            path[-1] = _Level(path[-1].indent, path[-1].key, level.siblings)
        else:
            path.append(_Level(0, level.key))
    if not opened:
        return Place([])
    in_map = opened[-1].key == "{"
    if in_map and key is not None:
        return _place(text, path, key, word, word_start + 1, in_item=True)
    if in_map:
        return _place(text, path, None, word, word_start + 1, in_item=True)
    place = _place(text, path, None, word, word_start + 1, in_item=True)
    place.key = next((level.key for level in reversed(path) if level.key), None)
    return place


def _place(text: str, path: list[_Level], key: str | None, word: str, start: int, *, in_item: bool) -> Place:
    # A text that is not yet a file may become one, or be one journey on its own.
    alone: list[Type] = [] if _FILE.search(text) else [MapOf(Form("journey"), "identity")]
    types: list[Type] = [Form("file"), *alone]
    for level in path[1:]:
        types = _item(types) if level.key is None else _below(types, level.key)
    siblings = path[-1].siblings
    if key is not None:
        types = _below(types, key)
    return Place(types, key, word, start, [s for s in siblings if s != key], in_item)


def _below(types: list[Type], key: str) -> list[Type]:
    """The types of the value of `key`."""
    found: list[Type] = []
    for kind in _open(types):
        if isinstance(kind, MapOf):
            found.append(kind.of)
        elif isinstance(kind, Form):
            shape = FORMS[kind.name]
            if key in shape.keys:
                found.append(shape.keys[key].type)
            elif shape.channel_keys is not None:
                found.append(shape.channel_keys)
    return found


def _item(types: list[Type]) -> list[Type]:
    return [kind.of for kind in _alternatives(types) if isinstance(kind, ListOf)]


def _alternatives(types: list[Type]) -> list[Type]:
    return [o for kind in types for o in (_alternatives(list(kind.options)) if isinstance(kind, Either) else [kind])]


def _open(types: list[Type]) -> list[Type]:
    """Alternatives, with a list standing for its one item as well."""
    found: list[Type] = []
    for kind in _alternatives(types):
        found.append(kind)
        if isinstance(kind, ListOf):
            found += _open([kind.of])
    return found


def scalar_types(types: list[Type]) -> list[Type]:
    """The types of single values that may stand there."""
    return [kind for kind in _open(types) if not isinstance(kind, (Form, ListOf, MapOf))]


def forms(types: list[Type]) -> list[str]:
    """The names of the forms whose keys may stand there."""
    return list(dict.fromkeys(kind.name for kind in _open(types) if isinstance(kind, Form)))


def is_list(types: list[Type]) -> bool:
    return any(isinstance(kind, ListOf) for kind in _alternatives(types))
