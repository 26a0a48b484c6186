"""The names that journeys may use: what the panel and its plugins have at this moment.

Everything is optional: a kind that is None is not checked at all, so that a file can be checked on a machine that has
no database. Tags are open: any tag may be used, nobody has to declare it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from panel.journeys.language.reading import INVISIBLE

_LOOK_ALIKES = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "\u200c": None, "\u200d": None})


def fold(name: str) -> str:
    """A name for looking up: case, spaces, joiners, and the Arabic forms of the Persian yeh and kaf do not matter."""
    text = unicodedata.normalize("NFKC", name).translate(INVISIBLE).translate(_LOOK_ALIKES)
    return re.sub(r"[\s_\-]+", "", text).casefold()


@dataclass(frozen=True)
class FieldInfo:
    """A field of the contact. `names` are all its names (key, labels and aliases in every language); `always` says
    that it always has a value; `type` is that of the field (text, number, date, ...); `settable` False: no step sets
    it."""

    names: tuple[str, ...] = ()
    type: str = "text"
    always: bool = False
    settable: bool = True


@dataclass(frozen=True)
class TemplateInfo:
    """A template: the channels it has a form for, and the languages it is written in; None means not known."""

    channels: frozenset[str] | None = None
    languages: frozenset[str] | None = None


@dataclass(frozen=True)
class Vocabulary:
    """`events` maps an event to the names of its fields (None: any field). `templates` and `fields` are keyed by the
    name or key that the engine uses. `journeys` are the identities of journeys outside the file. `blueprints` are the
    blueprints of plugins, as YAML text of one blueprint block. `languages` are those every template should have."""

    channels: Collection[str] | None = None
    events: Mapping[str, Collection[str] | None] | None = None
    history: Collection[str] = ()  # those of the events that wake no journey
    lists: Collection[str] | None = None
    tags: Collection[str] = ()
    fields: Mapping[str, FieldInfo] | None = None
    templates: Mapping[str, TemplateInfo] | None = None
    people: Collection[str] | None = None
    segments: Collection[str] | None = None
    forms: Collection[str] | None = None
    pages: Collection[str] | None = None
    checks: Collection[str] | None = None
    actions: Collection[str] | None = None
    calendars: Collection[str] | None = None
    journeys: Collection[str] | None = None
    blueprints: Mapping[str, str] = field(default_factory=dict)
    plugins: Collection[str] | None = None
    languages: tuple[str, ...] = ()

    def names(self, kind: str) -> Collection[str] | None:
        """All names of a kind as people write them, or None when the kind is not checked."""
        if kind == "field":
            return None if self.fields is None else [n for key, info in self.fields.items() for n in (key, *info.names)]
        return {
            "channel": self.channels,
            "event": self.events,
            "list": self.lists,
            "tag": self.tags,
            "template": self.templates,
            "person": self.people,
            "segment": self.segments,
            "form": self.forms,
            "page": self.pages,
            "check": self.checks,
            "action": self.actions,
            "calendar": self.calendars,
            "journey": self.journeys,
        }.get(kind)

    @cached_property
    def _folded(self) -> dict[str, dict[str, str]]:
        return {}

    def table(self, kind: str) -> dict[str, str] | None:
        """Folded name -> the name the engine uses; None when the kind is not checked."""
        if kind not in self._folded:
            names = self.names(kind)
            if names is None:
                return None
            if kind == "field":
                assert self.fields is not None
                table = {fold(n): key for key, info in self.fields.items() for n in (*info.names, key)}
            else:
                table = {fold(n): n for n in names}
            self._folded[kind] = table
        return self._folded[kind]

    def find(self, kind: str, name: str) -> str | None:
        """The name the engine uses, or None when there is no such name (or the kind is not checked)."""
        table = self.table(kind)
        return None if table is None else table.get(fold(name))
