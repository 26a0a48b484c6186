"""One row of a file becomes a person, or a list of what is wrong with it. Pure, and quick: it runs for every row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from panel.contacts.addresses import Address, parse
from panel.contacts.bulk import Draft
from panel.contacts.fields import ADDRESS_KINDS, COLUMNS, FieldInfo, find
from panel.contacts.models import Contact
from panel.contacts.values import DayOrder, Value, clean, clean_free, parse_language, parse_time_zone
from panel.contacts.values import parse as parse_value
from panel.errors import Problem, UserError
from panel.i18n import N_
from panel.imports.reading import UNREADABLE, Row
from panel.imports.rules import SKIP

_SPLIT = re.compile(r"[,;|،؛\n]+|\s/\s")
# An export puts a quote before what a spreadsheet would run; it is not part of the value.
_QUOTED = re.compile(r"'(?=\s*[=+\-@\t\r|＝－＋＠])")
_LENGTHS = {name: getattr(Contact.__table__.c[column].type, "length", None) for name, column in COLUMNS.items()}


@dataclass
class Person:
    """What a row says. `given` are the built-in fields that it names (an update leaves the others alone)."""

    number: int
    cells: list[str]
    draft: Draft = field(default_factory=Draft)
    given: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    note: str = ""
    problems: list[Problem] = field(default_factory=list)


Handler = Callable[[Person, str], None]


class Plan:
    """A mapping made ready: one function per column. `owners` are colleagues by every name they go by (lower case)."""

    def __init__(
        self,
        columns: Mapping[str, str],
        custom: Sequence[FieldInfo],
        *,
        width: int,
        region: str,
        owners: Mapping[str, int],
        day_order: Mapping[str, str],
    ) -> None:
        self.width = width
        self._region = region
        self._owners = owners
        self._handlers: list[tuple[int, Handler]] = []
        for at, target in columns.items():
            if target != SKIP:
                handler = self._handler(target, custom, cast("DayOrder", day_order.get(at, "dmy")))
                self._handlers.append((int(at), handler))
        self._handlers.sort(key=lambda one: one[0])

    def read(self, row: Row) -> Person:
        """The person of this row; `problems` says why it cannot be taken."""
        cells = row.cells
        person = Person(row.number, cells)
        if row.problem is not None:
            person.problems.append(row.problem)
            return person
        if len(cells) > self.width and any(cell.strip() for cell in cells[self.width :]):
            sentence = N_("This row has %(cells)s cells, but the file has %(columns)s columns")
            person.problems.append(Problem("row_ragged", sentence, {"cells": len(cells), "columns": self.width}))
            return person
        count = len(cells)
        for at, handle in self._handlers:
            if at >= count:
                continue
            text = cells[at]
            if not text or text.isspace():
                continue
            if UNREADABLE in text:
                sentence = N_('There are letters that cannot be read in "%(value)s". Is the encoding right?')
                person.problems.append(Problem("letters_unreadable", sentence, {"value": text[:60]}))
                continue
            if text[0] == "'" and _QUOTED.match(text):
                text = text[1:]
            try:
                handle(person, text)
            except UserError as error:
                person.problems.append(error.problem)
        if not person.problems:
            self._complete(person)
        return person

    @staticmethod
    def _complete(person: Person) -> None:
        draft, given = person.draft, person.given
        for name, value in given.items():
            setattr(draft, COLUMNS[name], value)
        draft.complete_names()
        if not (draft.name or draft.company or draft.reference or draft.addresses):
            person.problems.append(Problem("row_without_person", N_("This row names nobody: no name and no address")))

    def _handler(self, target: str, custom: Sequence[FieldInfo], day_order: DayOrder) -> Handler:
        if target == "tags":
            return lambda person, text: person.tags.extend(_names(text))
        if target == "lists":
            return lambda person, text: person.lists.extend(_names(text))
        if target == "note":
            return _take_note
        if target == "owner":
            return self._take_owner
        if target in ADDRESS_KINDS:
            return self._address_handler(ADDRESS_KINDS[target])
        if target in COLUMNS:
            return _column_handler(target)
        info = find(target, custom)
        assert info is not None
        assert info.id is not None
        return _value_handler(info, info.id, day_order)

    def _address_handler(self, kind: str) -> Handler:
        region = self._region

        def take(person: Person, text: str) -> None:
            # Files put two addresses in one cell; a postal address has commas of its own.
            parts = [text] if kind == "postal" or not _SPLIT.search(text) else _names(text)
            for part in parts:
                address = parse(kind, part, region=region)
                _add(person.draft.addresses, address)

        return take

    def _take_owner(self, person: Person, text: str) -> None:
        owner = self._owners.get(clean(text).lower())
        if owner is None:
            raise UserError("owner_unknown_name", N_('There is no colleague called "%(name)s"'), name=clean(text)[:80])
        person.draft.owner_id = owner


def _add(addresses: list[Address], address: Address) -> None:
    for one in addresses:
        if one.value == address.value and one.kind == address.kind:
            return
    addresses.append(address)


def _take_note(person: Person, text: str) -> None:
    person.note = f"{person.note}\n{clean_free(text)}".strip()


def _names(text: str) -> list[str]:
    return [name for part in _SPLIT.split(text) if (name := " ".join(clean(part).split())[:120])]


def _column_handler(target: str) -> Handler:
    read: Callable[[str], str] = {"language": parse_language, "time_zone": parse_time_zone}.get(target, _one_line)
    limit: Any = _LENGTHS[target]

    def take(person: Person, text: str) -> None:
        value = read(text)
        if limit and len(value) > limit:
            raise UserError("value_too_long", N_("%(field)s: at most %(most)s characters"), field=target, most=limit)
        if value:
            person.given[target] = value

    return take


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.strip()
    return " ".join(clean(text).split())


def _value_handler(info: FieldInfo, field_id: int, day_order: DayOrder) -> Handler:
    def take(person: Person, text: str) -> None:
        value: Value = parse_value(info, text, day_order=day_order)
        if value.text:
            person.draft.values[field_id] = value

    return take


def stored_words(person: Person) -> str:
    """What a row gives, in words: for showing a column's values before anything is stored."""
    words = [*person.given.values(), *(value.text for value in person.draft.values.values())]
    words += [one.value for one in person.draft.addresses]
    words += [*person.tags, *person.lists]
    return ", ".join([*words, person.note] if person.note else words)
