"""The checker: walks the tree by the grammar, gives typed values, and notes every problem at once.

It knows nothing about any single key; what belongs together is in `belonging.py`, names are looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from panel.journeys.language import scalars
from panel.journeys.language.grammar import (
    CORE_CHANNELS,
    FORMS,
    Anything,
    Channel,
    Choice,
    Either,
    Form,
    ListOf,
    MapOf,
    Name,
    Scalar,
    Shape,
    Type,
)
from panel.journeys.language.problems import Message
from panel.journeys.language.reading import Block, Entry, Items, Node, Source, Text, clean, normalise
from panel.journeys.language.scalars import ScalarError
from panel.journeys.language.vocabulary import Vocabulary, fold

READERS: dict[str, Callable[[str], Any]] = {
    "words": scalars.words,
    "message_text": scalars.words,
    "length": scalars.length,
    "some_length": scalars.some_length,
    "offset": scalars.offset,
    "clock": scalars.clock,
    "closing": scalars.closing,
    "day": scalars.day,
    "weekday": scalars.weekday,
    "month_day": scalars.whole(1, 31),
    "positive": scalars.whole(1, 1_000_000),
    "priority": scalars.whole(1, 9),
    "version": scalars.whole(0, 1_000),
    "score": scalars.whole(-1_000_000, 1_000_000),
    "percent": scalars.percent,
    "yes_no": scalars.yes_no,
    "time_zone": scalars.time_zone,
    "limit": scalars.limit,
    "identity": scalars.identity,
    "re_enter": scalars.re_enter,
    "review": scalars.review,
    "rhythm": scalars.rhythm,
    "count": scalars.count,
    "name": scalars.name,
}

_LONG = frozenset({"words", "message_text", "name"})
_MOST_LETTERS = 1_000

# What people write from habit, or know from other products; used only to guess.
SYNONYMS = {
    "template": "message",
    "channel": "via",
    "channels": "via",
    "delay": "wait",
    "sleep": "wait",
    "pause": "wait",
    "email": "send",
    "mail": "send",
    "add_tag": "tag",
    "remove_tag": "untag",
    "trigger": "start_when",
    "triggers": "start_when",
    "start": "start_when",
    "when": "start_when",
    "exit": "stop_when",
    "stop_if": "stop_when",
    "condition": "if",
    "timeout": "on_timeout",
    "title": "name",
    "exit_if": "stop_when",
    "list": "joins_list",
    "equals": "is",
    "greater_than": "more_than",
    "no": "else",
    "yes": "then",
    "end": "stop",
    "goto": "go_to",
    "quiet_hours": "send_hours",
    "review": "review_after",
}
# A Cyrillic or Greek letter that looks like a Latin one; used only to guess.
_LOOK_ALIKES = str.maketrans("асеорхуіӏκονΑΒΕΗΙΚΜΝΟΡΤΧаВЕКМНОРСТХ", "aceopxyilkovABEHIKMNOPTXaBEKMHOPCTX")

_COMBINATIONS = ({"date", "every"},)
ANSWER = re.compile(r"\$\{([^{}]{1,100})\}")  # simple, so that no text can make it slow


class Values(dict[str, Any]):
    """The typed values of one block, with the place of each key. A value that was wrong is None."""

    __slots__ = ("form", "guesses", "identity", "named", "node", "path")

    def __init__(self, form: str, node: Block, path: str) -> None:
        super().__init__()
        self.form, self.node, self.path = form, node, path
        self.identity = ""
        self.named = False
        self.guesses: set[str | None] = set()  # what mistyped keys probably mean; those are not missing

    def place(self, key: str | None = None) -> tuple[int, int]:
        """Where a key stands (or the beginning of the block)."""
        entry = self.node.entries.get(key) if key else None
        if entry:
            return entry.start, entry.end
        first = next(iter(self.node.entries.values()), None)
        return (first.start, first.end) if first else (self.node.start, self.node.start + 1)

    def value_place(self, key: str) -> tuple[int, int]:
        entry = self.node.entries.get(key)
        return (entry.value.start, entry.value.end) if entry else self.place()


@dataclass
class Mention:
    """Something that can only be judged when the whole journey is known: a merge field, a field, a step."""

    kind: str  # text | field | step | since
    text: str
    node: Text
    path: str
    put: Callable[[str], None]
    holds: bool = False


class Checker:
    """Checks the blocks of one source."""

    def __init__(self, source: Source, vocabulary: Vocabulary | None = None) -> None:
        self.source = source
        self.vocabulary = vocabulary or Vocabulary()
        self.lenient = False  # inside a blueprint: keys may be missing
        self.answers = False  # inside a blueprint or a journey made from one: an unanswered ${question} says nothing
        self.mentions: list[Mention] = []
        self.file_journeys: dict[str, str] = {}  # folded -> identity, of the journeys of this file
        self.file_blueprints: set[str] = set()

    # --- problems ----------------------------------------------------------------------------------------------------

    def at(self, node: Node, code: str, path: str, guess: str | None = None, /, **params: Any) -> None:
        end = node.end if isinstance(node, Text) else node.start + 1
        self.source.add(code, node.start, end, path, guess, **params)

    def key(self, values: Values, key: str | None, code: str, guess: str | None = None, /, **params: Any) -> None:
        """A problem at a key of a block (None: at the block's beginning)."""
        start, end = values.place(key)
        path = f"{values.path}/{key}" if key else values.path
        self.source.add(code, start, end, path, guess, **params)

    # --- values ------------------------------------------------------------------------------------------------------

    def read(self, node: Node, kind: Type, path: str, put: Callable[[Any], None], event: str | None = None) -> Any:
        """The typed value of `node`, or None after noting why there is none. `put` replaces it later on."""
        if isinstance(kind, Either):
            return self._either(node, kind, path, put, event)
        if isinstance(kind, ListOf):
            return self._list(node, kind, path, event)
        if isinstance(kind, Form):
            if isinstance(node, Block):
                return self.form(node, kind.name, path, event)
            self._not_a_block(node, kind.name, path)
            return None
        if isinstance(kind, MapOf):
            return self._map(node, kind, path)
        if isinstance(kind, Anything):
            return node
        if not isinstance(node, Text):
            if self.source.text[max(0, node.start - 1) : node.start + 2].find("[[") >= 0:
                self.at(node, "needs_quotes", path, self._quoted_guess(node), mark="[[")
            else:
                self.at(node, "expected_value", path)
            return None
        if self.answers and ANSWER.search(node.value):
            return None
        try:
            return self._scalar(node, kind, path, put, event)
        except ScalarError as wrong:
            self.at(node, wrong.code, path, wrong.guess, **wrong.params)
            return None

    def _not_a_block(self, node: Node, form: str, path: str) -> None:
        """Something else stands where a block should; guess what was meant where one can."""
        shape = FORMS[form]
        word = node.value.strip() if isinstance(node, Text) else ""
        verb, _, rest = word.replace(":", " ").partition(" ")
        if form == "step" and normalise(verb) in shape.one_of:
            self.at(node, "colon_missing", path, f"{verb}: {rest.strip()}".strip())
        elif form == "step":
            self.at(node, "expected_steps", path, self._quoted_guess(node))
        else:
            guess = None
            if normalise(word) == "manual" and "manual" in shape.keys:
                guess = "{manual: yes}"
            elif "event" in shape.one_of and re.fullmatch(r"[a-z][a-z0-9_.]*", word):
                guess = f"{{event: {word}}}"
            self.at(node, "expected_block", path, guess, keys=", ".join(list(shape.one_of or shape.keys)[:6]))

    def _quoted_guess(self, node: Node) -> str | None:
        text = self.source.text[node.start : node.end].strip()
        return f'"{text}"' if text.startswith("[[") and "\n" not in text and '"' not in text else None

    def _scalar(self, node: Text, kind: Type, path: str, put: Callable[[Any], None], event: str | None) -> Any:
        if isinstance(kind, Scalar):
            # A short form of a megabyte is wrong after its first words.
            written = node.value if kind.reader in _LONG else node.value[:_MOST_LETTERS]
            value = READERS[kind.reader](written)
            if kind.reader == "message_text":
                self.mentions.append(Mention("text", value, node, path, put))
            return value
        if isinstance(kind, Choice):
            word = normalise(node.value)
            if word in kind.words:
                return word
            raise ScalarError(
                "not_one_of", self.source.guess(word, kind.words), value=node.value, choices=", ".join(kind.words)
            )
        if isinstance(kind, Channel):
            return self._channel(node, kind, path)
        assert isinstance(kind, Name)
        return self._name(node, kind.kind, path, put, event)

    def _either(self, node: Node, kind: Either, path: str, put: Callable[[Any], None], event: str | None) -> Any:
        if isinstance(node, Text):
            options = [o for o in kind.options if isinstance(o, (Scalar, Choice, Name, Channel))]
            if self.answers and ANSWER.search(node.value):
                return None
            if not options:
                return self.read(node, kind.options[0], path, put, event)
            wrongs = []
            for option in options:
                try:
                    return self._scalar(node, option, path, put, event)
                except ScalarError as wrong:
                    wrongs.append(wrong)
            chosen = next((w for w in wrongs if w.guess), wrongs[-1])
            self.at(node, chosen.code, path, chosen.guess, **chosen.params)
            return None
        wanted: tuple[type, ...] = (Form,) if isinstance(node, Block) else (ListOf,)
        for option in kind.options:
            if isinstance(option, wanted):
                return self.read(node, option, path, put, event)
        for option in kind.options:
            if isinstance(option, ListOf):
                return self.read(node, option, path, put, event)
        return self.read(node, kind.options[0], path, put, event)

    def _list(self, node: Node, kind: ListOf, path: str, event: str | None) -> list[Any] | None:
        if isinstance(node, Items) and not node.values:
            self.at(node, "empty_value", path, key=path.rsplit("/", 1)[-1])
            return None
        nodes = node.values if isinstance(node, Items) else [node]
        result: list[Any] = []
        for number, item in enumerate(nodes):
            result.append(None)

            def put(value: Any, number: int = number) -> None:
                result[number] = value

            result[number] = self.read(item, kind.of, f"{path}/{number + 1}", put, event)
        return result

    def _map(self, node: Node, kind: MapOf, path: str) -> Any:
        if not isinstance(node, Block):
            self.at(node, "expected_block", path, keys="a, b")
            return None
        if isinstance(kind.of, Form):
            result: dict[str, Any] = {}
            for name, entry in node.entries.items():
                identity = self.identity_key(entry, name, f"{path}/{name}")
                if self.empty(entry, f"{path}/{name}"):
                    continue
                result[identity] = self.read(entry.value, kind.of, f"{path}/{name}", lambda _v: None)
            return result
        found: dict[str, Any] = {}
        for name, entry in node.entries.items():
            key = name if kind.keys == "answer" else entry.written
            if kind.keys == "field":
                key = self._field_key(entry, f"{path}/{entry.written}")

            def put(value: Any, key: str = key) -> None:
                found[key] = value

            if not self.empty(entry, f"{path}/{entry.written}"):
                found[key] = self.read(entry.value, kind.of, f"{path}/{entry.written}", put)
        return found

    def identity_key(self, entry: Entry, name: str, path: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            guess = scalars.ascii_identity(entry.written) or None
            self.source.add("not_an_identity", entry.start, entry.end, path, guess, value=entry.written)
        return name

    def _field_key(self, entry: Entry, path: str) -> str:
        table = self.vocabulary.table("field")
        if table is None or (self.answers and ANSWER.search(entry.written)):
            return entry.written
        key = table.get(fold(entry.written))
        if key is None:
            guess = self.source.guess(entry.written, self.vocabulary.names("field"))
            self.source.add("unknown_field", entry.start, entry.end, path, guess, name=entry.written)
        elif (info := (self.vocabulary.fields or {}).get(key)) is not None and not info.settable:
            self.source.add("field_not_settable", entry.start, entry.end, path, name=entry.written)
        return key or entry.written

    def empty(self, entry: Entry, path: str) -> bool:
        value = entry.value
        empty = isinstance(value, Text) and value.plain and not value.value
        if empty:
            self.source.add("empty_value", entry.start, entry.end, path, key=entry.written)
        return empty

    # --- blocks ------------------------------------------------------------------------------------------------------

    def form(self, node: Block, name: str, path: str, event: str | None = None) -> Values:
        shape = FORMS[name]
        values = Values(name, node, path)
        own_event = next((w for k in ("event", "happened", "not_happened") if (w := _word(node, k))), None)
        event = own_event or event
        unknown = 0
        for key, entry in node.entries.items():
            kind = self._key_type(shape, key)
            if kind is None:
                unknown += 1
                values.guesses.add(self.unknown_key(shape, key, entry, path, node))
                continue
            if key == "stop" and name == "step" and isinstance(entry.value, Text) and not entry.value.value:
                values[key] = ""
                continue
            if self.empty(entry, f"{path}/{key}"):
                values[key] = None
                continue

            def put(value: Any, key: str = key) -> None:
                values[key] = value

            values[key] = self.read(entry.value, kind, f"{path}/{key}", put, event)
        self.belongs(values, shape, unknown)
        return values

    def _key_type(self, shape: Shape, key: str) -> Type | None:
        if key in shape.keys:
            return shape.keys[key].type
        if shape.channel_keys is not None and self._known_channel(key):
            return shape.channel_keys
        return None

    def _elsewhere(self, shape: Shape, key: str, node: Block, path: str) -> tuple[str, str] | None:
        """A key of the right kind one level too high or too low: the code, and the key of the block it belongs to."""
        step = FORMS["step"]
        if shape is step:
            inside = [verb for verb in step.one_of if verb in node.entries and _has(step.keys[verb].type, key)]
            return ("belongs_inside", inside[0]) if inside else None
        parts = path.split("/")
        verb = parts[-2] if len(parts) > 1 and parts[-1].isdigit() else parts[-1]
        if verb in step.one_of and key in step.keys and key not in step.one_of:
            mains = step.keys[key].goes_with
            return ("belongs_beside", verb) if not mains or verb in mains else None
        if shape.title == FORMS["journey"].title:
            inside = [name for name, spec in shape.keys.items() if _has(spec.type, key)]
            return ("belongs_inside", inside[0]) if len(inside) == 1 else None
        return None

    def unknown_key(self, shape: Shape, key: str, entry: Entry, path: str, node: Block) -> str | None:
        place = f"{path}/{key}"
        elsewhere = self._elsewhere(shape, key, node, path)
        if elsewhere:
            code, block = elsewhere
            self.source.add(code, entry.start, entry.end, place, key=entry.written, block=block)
            return key
        plain = normalise(key.translate(_LOOK_ALIKES))
        known = list(shape.keys)
        if shape.channel_keys is not None:
            known += self.channels()
        synonym = SYNONYMS.get(plain)
        guess = plain if plain in known else synonym if synonym in known else self.source.guess(plain, known)
        self.source.add(
            "unknown_key",
            entry.start,
            entry.end,
            place,
            guess,
            key=entry.written,
            form=Message(shape.title),
        )
        return guess

    def belongs(self, values: Values, shape: Shape, unknown: int) -> None:
        node = values.node
        said = [key for key in shape.one_of if key in node.entries]
        if shape.one_of and not said:
            # One mistake, one problem: a mistyped verb has already been said.
            if not unknown:
                self.key(values, None, "nothing_said", keys=", ".join(shape.one_of))
            return
        if len(said) > 1 and set(said) not in _COMBINATIONS:
            self.key(values, said[1], "too_many", keys=", ".join(said), form=Message(shape.title))
        for key, spec in shape.keys.items():
            if spec.required and key not in node.entries and key not in values.guesses and not self._supplied(values):
                start, end = values.place()
                self.source.add(
                    "missing_key", start, end, f"{values.path}/{key}", key=key, meaning=Message(spec.meaning)
                )
            if spec.goes_with and key in node.entries and not any(k in node.entries for k in spec.goes_with):
                self.key(values, key, "out_of_place", key=key, keys=", ".join(spec.goes_with))

    def _supplied(self, values: Values) -> bool:
        """A journey inside a blueprint may leave keys to the journey that uses it."""
        return self.lenient and values.form == "journey"

    # --- names -------------------------------------------------------------------------------------------------------

    def channels(self) -> list[str]:
        return list(dict.fromkeys([*CORE_CHANNELS, *(self.vocabulary.channels or ())]))

    def _known_channel(self, word: str) -> bool:
        return word in self.channels()

    def _channel(self, node: Text, kind: Channel, path: str) -> str:
        word = normalise(node.value)
        if word in kind.also:
            return word
        if not self._known_channel(word):
            raise ScalarError(
                "unknown_channel", self.source.guess(word, [*self.channels(), *kind.also]), name=node.value
            )
        if self.vocabulary.channels is not None and word not in self.vocabulary.channels:
            self.at(node, "channel_off", path, name=word)
        return word

    def _name(self, node: Text, kind: str, path: str, put: Callable[[Any], None], event: str | None) -> Any:
        name = scalars.name(node.value)
        if not name:
            raise ScalarError("empty_value", key=path.rsplit("/", 1)[-1])
        if kind == "any_field":
            return self._any_field(node, name, path, put, event)
        if kind in ("step", "since"):
            if kind == "since" and normalise(name) in ("entry", "this_step"):
                return normalise(name)
            self.mentions.append(Mention("step", name, node, path, put))
            return name
        if kind == "journey":
            return self._journey(name)
        if kind == "blueprint":
            return self._blueprint(name)
        table = self.vocabulary.table(kind)
        if kind == "tag":
            return (table or {}).get(fold(name), name)
        if table is None:
            return name
        found = table.get(fold(name))
        if found is None:
            self._unknown(node, kind, name, path)
            return name
        return found

    def _unknown(self, node: Text, kind: str, name: str, path: str) -> None:
        plugin = name.split(".", 1)[0]
        plugins = self.vocabulary.plugins
        if kind in ("event", "check", "action") and "." in name and plugins is not None and plugin not in plugins:
            near = self.source.guess(plugin, plugins)
            self.at(node, "plugin_missing", path, near and f"{near}.{name.split('.', 1)[1]}", name=name, plugin=plugin)
            return
        names = self.vocabulary.names(kind) or ()
        self.at(node, f"unknown_{kind}", path, self.source.guess(name, names), name=name)

    def _journey(self, name: str) -> str:
        written = normalise(name)
        known = self.file_journeys
        if written in known or self.vocabulary.journeys is None or written in self.vocabulary.journeys:
            return written
        raise ScalarError("unknown_journey", self.source.guess(written, [*known, *self.vocabulary.journeys]), name=name)

    def _blueprint(self, name: str) -> str:
        known = {*self.file_blueprints, *self.vocabulary.blueprints}
        for word in (normalise(name), name):
            if word in known:
                return word
        raise ScalarError("unknown_blueprint", self.source.guess(name, known), name=name)

    def _any_field(self, node: Text, name: str, path: str, put: Callable[[Any], None], event: str | None) -> str:
        """`event.amount`, `run.x` and `entry.x` speak of the event and the run; everything else of the contact."""
        space, dot, rest = name.partition(".")
        space = normalise(space)
        if dot and space in ("run", "entry"):
            return f"{space}.{normalise(rest)}"
        if dot and space == "event":
            field = normalise(rest)
            self._event_field(node, event, field, path, put)
            return f"event.{field}"
        bare = rest if dot and space == "contact" else name
        if event is not None and self.fields_of(event) and normalise(bare) in (self.fields_of(event) or ()):
            return f"event.{normalise(bare)}"
        table = self.vocabulary.table("field")
        if table is None:
            return bare
        found = table.get(fold(bare))
        if found is None:
            raise ScalarError("unknown_field", self.source.guess(bare, self.vocabulary.names("field")), name=bare)
        return found

    def fields_of(self, event: str) -> list[str] | None:
        """The fields of an event, or None when they are not known."""
        name = self.vocabulary.find("event", event)
        fields = (self.vocabulary.events or {}).get(name) if name else None
        return None if fields is None else [normalise(field) for field in fields]

    def _event_field(self, node: Text, event: str | None, field: str, path: str, put: Callable[[Any], None]) -> None:
        if event is None:
            self.mentions.append(Mention("event_field", field, node, path, put))
            return
        fields = self.fields_of(event)
        if fields is not None and field not in fields:
            near = self.source.guess(field, fields)
            self.at(node, "unknown_event_field", path, near and f"event.{near}", event=event, name=field)


def _has(kind: Type, key: str) -> bool:
    """Whether a block of this type has this key (its blocks of blocks do not count)."""
    if isinstance(kind, Either):
        return any(_has(option, key) for option in kind.options)
    if isinstance(kind, ListOf):
        return _has(kind.of, key)
    return isinstance(kind, Form) and kind.name != "step" and key in FORMS[kind.name].keys


def _word(node: Block, key: str) -> str | None:
    entry = node.entries.get(key)
    return clean(entry.value.value) if entry and isinstance(entry.value, Text) and entry.value.value else None
