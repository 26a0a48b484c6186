"""What the editor offers at a cursor: keys, verbs, words, and the names that this panel has; and its live checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from panel.i18n import translate
from panel.journeys.language import where
from panel.journeys.language.documents import check, check_journey
from panel.journeys.language.grammar import CORE_CHANNELS, FORMS, Channel, Choice, Key, Name, Scalar, Type
from panel.journeys.language.scalars import time_zones
from panel.journeys.language.vocabulary import Vocabulary, fold

_MOST = 200
# What a scalar may look like: shown when nothing is written yet, and never checked.
_EXAMPLES: dict[str, tuple[str, ...]] = {
    "length": ("1 hour", "1 day", "2 days", "3 days", "1 week", "2 weeks", "1 month", "3 months"),
    "some_length": ("1 hour", "1 day", "2 days", "3 days", "1 week", "2 weeks", "1 month", "3 months", "1 year"),
    "offset": ("1 day before", "3 days before", "1 week before", "1 day after"),
    "clock": ("09:00", "10:00", "12:00", "17:00", "20:00"),
    "closing": ("17:00", "19:00", "20:00", "24:00"),
    "weekday": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    "percent": ("10%", "45%", "50%"),
    "yes_no": ("yes", "no"),
    "limit": ("1 per day", "3 per week", "2 per month", "200 per day"),
    "re_enter": ("never", "after_exit", "always", "after 30 days"),
    "review": ("90 days", "6 months", "1 year"),
    "rhythm": ("hourly", "daily at 06:00"),
    "count": ("at least 2", "exactly 1"),
    "score": ('"+10"', '"-5"'),
    "priority": ("1", "5", "9"),
    "positive": ("3", "100"),
    "version": ("1",),
}
_NEEDS_QUOTES = re.compile(r"^[\s&*!|>%@`'\"#\[\]{},?-]|: |:$| #|\s$")


def completions(
    text: str, line: int, column: int, vocabulary: Vocabulary | None = None, language: str = "en"
) -> list[dict[str, Any]]:
    """What may be written at line and column (from 1), also in a text that is not finished.

    Each is {"label", "insert", "kind": key | verb | word | name | field | example, "detail", "from", "to"}: put
    `insert` in place of the columns `from` to `to` (exclusive) of that line. The best come first; at most 200.
    """
    known = vocabulary or Vocabulary()
    place = where.place_at(text, line, column)
    found: list[dict[str, Any]] = []

    def offer(label: str, insert: str, kind: str, detail: str, start: int, word: str) -> None:
        if len(found) < _MOST and (not word or fold(word) in fold(label)):
            found.append(
                {"label": label, "insert": insert, "kind": kind, "detail": detail, "from": start, "to": column}
            )

    merge = re.search(r"\[\[([^\[\]|]*)$", place.word)
    if merge:
        start = column - len(merge[1])
        for name in known.names("field") or ():
            offer(name, name + "]]", "field", "", start, merge[1])
        return found
    word = place.word.strip().strip("'\"")
    is_value = place.key is not None
    if not is_value:
        dash = "- " if where.is_list(place.types) and not place.in_item else ""
        for name, key, kind in _keys(place, known):
            detail = translate(language, key.meaning) if key else ""
            offer(name, f"{dash}{name}: ", kind, detail, place.start, word)
    if is_value or place.in_item:
        for label, kind, detail in _values(place, text, known, language):
            quoted = kind != "example" and _NEEDS_QUOTES.search(label)
            insert = '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"' if quoted else label
            offer(label, insert, kind, detail, place.start, word)
    return found


def _keys(place: where.Place, known: Vocabulary) -> Iterable[tuple[str, Key | None, str]]:
    """The keys that may still be written in this block, required and main ones first."""
    for name in where.forms(place.types):
        shape = FORMS[name]
        main = [key for key in shape.one_of if key in place.siblings]
        open_keys = []
        for key, spec in shape.keys.items():
            if key in place.siblings or (key in shape.one_of and main):
                continue
            if spec.goes_with and not any(one in place.siblings for one in spec.goes_with):
                continue
            rank = 0 if spec.required else 1 if key in shape.one_of or spec.goes_with else 2
            open_keys.append((rank, key, spec))
        for _rank, key, spec in sorted(open_keys, key=lambda one: one[0]):
            yield key, spec, "verb" if name == "step" and key in shape.one_of else "key"
        if shape.channel_keys is not None:
            for channel in dict.fromkeys([*(known.channels or CORE_CHANNELS)]):
                if channel not in place.siblings:
                    yield channel, None, "key"


def _values(place: where.Place, text: str, known: Vocabulary, language: str) -> Iterable[tuple[str, str, str]]:
    for kind in where.scalar_types(place.types):
        yield from ((label, what, detail) for label, what, detail in _of_type(kind, text, known, language))


def _of_type(kind: Type, text: str, known: Vocabulary, language: str) -> Iterable[tuple[str, str, str]]:
    if isinstance(kind, Choice):
        for word in kind.words:
            yield word, "word", ""
    elif isinstance(kind, Channel):
        for word in dict.fromkeys([*(known.channels or CORE_CHANNELS), *kind.also]):
            yield word, "word", ""
    elif isinstance(kind, Name):
        detail = translate(language, kind.shown)
        for name in _names(kind.kind, text, known):
            yield name, "name", detail
    elif isinstance(kind, Scalar):
        detail = translate(language, kind.shown)
        examples = _EXAMPLES.get(kind.reader, ())
        if kind.reader == "time_zone":
            examples = ("contact", "company", *time_zones())
        for example in examples:
            yield example, "example", detail


def _names(kind: str, text: str, known: Vocabulary) -> Iterable[str]:
    if kind in ("step", "since"):
        steps = list(dict.fromkeys(re.findall(r"^[\s-]*id:\s*([a-z][a-z0-9_]*)", text, re.MULTILINE)))
        messages = re.findall(r"^[\s-]*(?:send:|message:)\s+([^\s{][^#\n{}]*?)\s*$", text, re.MULTILINE)
        return [*(("entry", "this_step") if kind == "since" else ()), *steps, *dict.fromkeys(messages)]
    if kind == "journey":
        here = re.findall(r"^  ([a-z][a-z0-9_]*):", text, re.MULTILINE)
        return list(dict.fromkeys([*here, *(known.journeys or ())]))
    if kind == "blueprint":
        return list(known.blueprints)
    if kind == "any_field":
        of_events = [f"event.{field}" for fields in (known.events or {}).values() for field in fields or ()]
        return list(dict.fromkeys([*(known.names("field") or ()), *of_events, "entry.trigger"]))
    return known.names(kind) or ()


def lint(
    text: str,
    vocabulary: Vocabulary | None = None,
    language: str = "en",
    *,
    file_text: str | None = None,
    today: date | None = None,
) -> list[dict[str, Any]]:
    """Everything to say about a text in an editor, in the order of the text (see `Problem.as_dict`).

    With `file_text` the text is that of one journey, and defaults and blueprints come from the file.
    """
    if file_text is not None:
        checked = check_journey(text, file_text, vocabulary, today=today)
    else:
        checked = check(text, vocabulary, today=today)
    return [problem.as_dict(language) for problem in checked.everything]
