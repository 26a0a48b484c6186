"""A mapping file: how to read a contact file and what to do with it, for imports that a script starts.

columns: {"שם פרטי": first_name, "Mobile": phone, "Remarks": ""}   # others are guessed; "" leaves one out
match: [reference, email, phone]
mode: both                        # both | create | update
lists: [Newsletter]
tags: [fair 2026]
consent: {channels: [email], source: Paper form, date: 2026-01-31, wording: "Yes, write to me"}
start_journeys: no
encoding: cp1255                  # only when the guess is wrong; likewise separator, sheet, header_row
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml

from panel.contacts.fields import FieldInfo, find, key, nearest
from panel.errors import UserError
from panel.i18n import N_
from panel.imports.rules import EXTRAS, SKIP

READING = ("encoding", "separator", "sheet", "header_row")
RULES = ("match", "mode", "lists", "list", "tags", "tag", "consent", "start_journeys", "language")
KEYS = ("columns", "guess", *READING, *RULES)
MAX_FILE = 200_000


@dataclass(frozen=True)
class MappingFile:
    """What a mapping file says. `columns` are by header name."""

    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    guess: bool = True


def parse(text: str) -> MappingFile:
    """Read a mapping file (YAML or JSON). Raises UserError with the line, or the unknown key and the nearest one."""
    if len(text) > MAX_FILE:
        raise UserError("mapping_too_long", N_("The mapping file is too long"))
    try:
        # Every scalar is text: YAML would read "no" as False and 0501234567 as a number.
        data = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes only texts, lists and mappings
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            "mapping_broken",
            N_("The mapping file cannot be read (line %(line)s): %(why)s"),
            line=mark.line + 1 if mark else "?",
            why=str(getattr(error, "problem", "") or error)[:200],
        ) from None
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise UserError("mapping_broken_kind", N_("The mapping file should have keys like columns, match and lists"))
    for name in data:
        if name not in KEYS:
            near = get_close_matches(name, KEYS, n=1, cutoff=0.5)
            raise UserError(
                "mapping_unknown_key",
                N_('"%(key)s" is not something a mapping file can have. Did you mean "%(guess)s"?'),
                key=name[:60],
                guess=near[0] if near else "columns",
            )
    columns = data.get("columns") or {}
    if columns == "auto":
        columns = {}
    if not isinstance(columns, dict) or not all(isinstance(one, str) for one in columns.values()):
        raise UserError("mapping_columns", N_("Under columns stands one field for each column name"))
    reading: dict[str, Any] = {name: data[name] for name in READING if name in data}
    if "header_row" in reading:
        if not str(reading["header_row"]).isdigit():
            raise UserError("mapping_header_row", N_("header_row is the number of the row that names the columns"))
        reading["header_row"] = int(reading["header_row"])
    if reading.get("separator") in ("tab", "\\t"):
        reading["separator"] = "\t"
    return MappingFile(
        columns,
        reading,
        {name: data[name] for name in RULES if name in data},
        str(data.get("guess", "yes")).lower() not in ("no", "false", "0"),
    )


def columns_of(
    mapping: MappingFile, headers: Sequence[str], guessed: Mapping[str, str], custom: Sequence[FieldInfo]
) -> dict[str, str]:
    """The mapping by column number. A name that the file does not have is a UserError with the nearest one."""
    by_key = {key(header): str(at) for at, header in enumerate(headers)}
    found = dict(guessed) if mapping.guess else {}
    wanted: dict[str, str] = {}
    for header, target in mapping.columns.items():
        at = by_key.get(key(header))
        if at is None:
            near = get_close_matches(key(header), by_key, n=1, cutoff=0.5)
            raise UserError(
                "mapping_no_such_column",
                N_('The file has no column called "%(column)s". Did you mean "%(guess)s"?'),
                column=header[:80],
                guess=headers[int(by_key[near[0]])] if near else ", ".join(headers)[:200],
            )
        wanted[at] = _target(target.strip(), custom)
    # What was written wins over a guess for the same field.
    taken = {target for target in wanted.values() if target not in ("email", "phone", *EXTRAS)}
    return {at: target for at, target in found.items() if target not in taken} | wanted


def _target(target: str, custom: Sequence[FieldInfo]) -> str:
    if target == SKIP or target in EXTRAS or target.startswith("new:"):
        return target
    info = find(target, custom)
    if info is None:
        guess = nearest(target, custom)
        raise UserError(
            "field_unknown",
            N_('There is no field called "%(field)s". Did you mean "%(guess)s"?')
            if guess
            else N_('There is no field called "%(field)s"'),
            field=target[:80],
            guess=guess,
        )
    return info.name
