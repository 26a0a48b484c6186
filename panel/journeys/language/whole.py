"""Checks that need the whole journey: identities, references to steps, merge fields, fields of the starting event."""

from __future__ import annotations

import re
from typing import Any

from panel.journeys.language import belonging
from panel.journeys.language.checking import Checker, Mention, Values
from panel.journeys.language.reading import normalise
from panel.journeys.language.steps import assign_identities, verb_of, walk
from panel.journeys.language.vocabulary import fold

MERGE_FIELD = re.compile(r"\[\[([^\[\]|]{1,200})(?:\|([^\[\]]*))?\]\]")
_TRIGGER_EVENTS = {
    "contact_created": "contact_created",
    "joins_list": "list_joined",
    "leaves_list": "list_left",
    "tag_added": "tag_added",
    "tag_removed": "tag_removed",
    "form_submitted": "form_submitted",
    "page_visited": "page_visited",
}
_LEFTOVER = re.compile(r".{0,20}(?:\[\[|\]\]).{0,20}", re.DOTALL)


def check_whole(checker: Checker, journey: Values, identity: str) -> dict[str, Values]:
    """Check a journey whose blocks have been read; returns its steps by identity."""
    belonging.check_all(checker, journey)
    steps = assign_identities(checker, journey)
    known = _Known(checker, journey, steps)
    for mention in checker.mentions:
        if mention.kind == "text":
            known.text(mention)
        elif mention.kind == "event_field":
            known.event_field(mention)
        else:
            known.step(mention)
    checker.mentions.clear()
    _by_journey(checker, journey, identity)
    return steps


def _by_journey(checker: Checker, journey: Values, identity: str) -> None:
    for step in walk(journey.get("steps")):
        send = step.get("send")
        if isinstance(send, Values) and send.get("ignore_limits") and journey.get("purpose") == "marketing":
            checker.key(send, "ignore_limits", "service_only")
        if step.get("start_journey") == identity:
            checker.key(step, "start_journey", "starts_itself")


class _Known:
    """What can be named inside one journey."""

    def __init__(self, checker: Checker, journey: Values, steps: dict[str, Values]) -> None:
        self.checker, self.journey, self.steps = checker, journey, steps
        self.by_word: dict[str, list[str]] = {}
        for identity, step in steps.items():
            for word in _words(step):
                self.by_word.setdefault(fold(word), []).append(identity)
        self.event_fields = self._starting_fields()

    def _starting_fields(self) -> set[str] | None:
        """The fields that the starting event may bring; None when they cannot be known."""
        if self.checker.vocabulary.events is None:
            return None
        fields: set[str] = set()
        for trigger in self.journey.get("start_when") or []:
            if not isinstance(trigger, Values):
                return None
            for event in _events_of(trigger):
                found = self.checker.fields_of(event)
                if found is None:
                    return None
                fields.update(found)
        return fields

    # --- steps -------------------------------------------------------------------------------------------------------

    def step(self, mention: Mention) -> None:
        """Identity first, then the message it sends or the title it has. Whatever was written, identities are kept."""
        written = mention.text
        key = mention.path.rsplit("/", 1)[-1]
        if normalise(written) in self.steps:
            found = [normalise(written)]
        else:
            found = self.by_word.get(fold(written), [])
        if key == "message":
            messages = [identity for identity in found if verb_of(self.steps[identity]) in ("send", "reach")]
            if found and not messages:
                self.checker.at(mention.node, "not_a_message_step", mention.path, step=written)
                return
            found = messages
        if not found:
            words = [*self.steps, *(word for step in self.steps.values() for word in _words(step))]
            guess = self.checker.source.guess(written, words)
            self.checker.at(mention.node, "unknown_step", mention.path, guess, step=written)
        elif len(found) > 1:
            self.checker.at(mention.node, "ambiguous_step", mention.path, step=written)
        else:
            mention.put(found[0])

    # --- fields ------------------------------------------------------------------------------------------------------

    def event_field(self, mention: Mention) -> None:
        if self.event_fields is not None and mention.text not in self.event_fields:
            near = self.checker.source.guess(mention.text, self.event_fields)
            events = ", ".join(event for t in self.journey.get("start_when") or [] for event in _events_of(t))
            guess = near and f"event.{near}"
            path = mention.path
            self.checker.at(mention.node, "unknown_event_field", path, guess, event=events, name=mention.text)

    def text(self, mention: Mention) -> None:
        """Every merge field of a text: well formed, known, and with a default when it may be empty."""
        rest = MERGE_FIELD.sub("", mention.text)
        broken = _LEFTOVER.search(rest)
        if broken:
            self.checker.at(mention.node, "merge_field_broken", mention.path, text=broken[0].strip())
        for match in MERGE_FIELD.finditer(mention.text):
            self._merge_field(mention, match[1].strip(), match[2])

    def _merge_field(self, mention: Mention, name: str, default: str | None) -> None:
        if not name:
            self.checker.at(mention.node, "merge_field_broken", mention.path, text=f"[[{name}]]")
            return
        table = self.checker.vocabulary.table("field")
        space = normalise(name.partition(".")[0]) if "." in name else ""
        if table is None or space in ("run", "entry", "event"):
            return
        bare = name.partition(".")[2] if space == "contact" else name
        key = table.get(fold(bare))
        of_event = {fold(field) for field in self.event_fields or ()}
        if key is None and fold(bare) not in of_event and self.event_fields is not None:
            names = [*(self.checker.vocabulary.names("field") or ()), *self.event_fields]
            guess = self.checker.source.guess(bare, names)
            self.checker.at(mention.node, "unknown_merge_field", mention.path, guess and f"[[{guess}]]", name=name)
        elif key is not None and default is None and "/send/" in mention.path and self._holds(mention):
            info = (self.checker.vocabulary.fields or {}).get(key)
            if info is not None and not info.always:
                self.checker.at(mention.node, "field_may_be_empty", mention.path, name=name)

    def _holds(self, mention: Mention) -> bool:
        """Whether an empty field would hold the contact there (`if_missing: hold`, which is the default)."""
        for step in self.steps.values():
            send = step.get("send")
            if isinstance(send, Values) and mention.path.startswith(send.path + "/"):
                return (send.get("if_missing") or self.journey.get("if_missing") or "hold") == "hold"
        return True


def _events_of(trigger: Any) -> list[str]:
    """The events behind a trigger; a person or the time alone starts without any."""
    if not isinstance(trigger, Values):
        return []
    if "event" in trigger:
        return [trigger["event"] or ""]
    return [event for key, event in _TRIGGER_EVENTS.items() if key in trigger]


def _words(step: Values) -> list[str]:
    """What else a step may be called: the template it sends, its title."""
    words: list[Any] = [step.get("name")]
    for verb in ("send", "reach"):
        said = step.get(verb)
        words.append(said.get("message") if isinstance(said, Values) else said)
    return list(dict.fromkeys(word for word in words if isinstance(word, str) and word))
