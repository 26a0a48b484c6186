"""A judged condition in words: what decided, and what was seen.

The trees are what `engine.conditions.judge` wrote when it decided; nothing is evaluated again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panel import amounts
from panel.calendars import Reader, show_moment
from panel.i18n import N_, translate
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels, plain_names
from panel.messages.reasons import words as message_words

# What a test on a message saw of it, where its state is no reason that has a sentence of its own.
_FATES = {
    "queued": N_("it had not gone out yet"),
    "claimed": N_("it had not gone out yet"),
    "on_wire": N_("it was just going out"),
    "held": N_("it had not gone out yet"),
    "skipped": N_("it was not sent"),
    "cancelled": N_("it was not sent"),
    "failed": N_("it could not be sent"),
    "bounced": N_("it came back"),
}
_ASKED_ONLY = ("within", "since", "where")
_ABSENT: dict[str, Any] = {"where": [], "within": None, "since": None, "times": None, "value": ""}


@dataclass(frozen=True)
class Tested:
    """One test as it came out: the clause that is true, whether the test held, and what was seen ("" for nothing).

    A test that cannot be decided now has not held, and its clause says that nobody can tell.
    """

    words: str
    held: bool
    seen: str = ""

    def sentence(self, language: str) -> str:
        if not self.seen:
            return self.words
        return translate(language, N_("%(clause)s (%(seen)s)"), clause=self.words, seen=self.seen)


def told(
    tree: Mapping[str, Any] | None, reader: Reader, now: datetime, names: Labels = plain_names
) -> tuple[Tested, ...]:
    """The tests that decided: of an "all" that failed those that failed, of an "any" that held those that held."""
    return tuple(_test(leaf, reader, now, names) for leaf in deciding(tree)) if tree else ()


def deciding(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The single tests on which the result of this tree hung."""
    parts = tree.get("of")
    if parts is None:
        yield tree
        return
    result = tree["result"]
    decided = result is None or {"all": not result, "any": result}.get(tree["test"], False)
    for part in [parts] if isinstance(parts, Mapping) else parts:
        if not decided or part["result"] == result:
            yield from deciding(part)


def _test(leaf: Mapping[str, Any], reader: Reader, now: datetime, names: Labels) -> Tested:
    held, unknown = bool(leaf["result"]), leaf["result"] is None
    try:
        if leaf["test"] == "date_comes":
            words = clauses.trigger({**leaf, "on": "date"}, reader.language, names)
        else:
            words = clauses.condition({**_ABSENT, **leaf}, reader.language, names, holds=held or unknown)
        if unknown:
            words = translate(reader.language, N_("nobody can tell now whether %(clause)s"), clause=words)
    except KeyError:
        # A test that a newer version (or a plugin that is gone) wrote.
        words = translate(reader.language, N_("the test %(test)s: %(result)s"), test=str(leaf.get("test")),
                          result=_yes(held, reader.language))  # fmt: skip
    return Tested(words, held, "" if unknown else seen_of(leaf, reader, now, names))


def _yes(held: bool, language: str) -> str:
    return translate(language, N_("holds") if held else N_("does not hold"))


def seen_of(leaf: Mapping[str, Any], reader: Reader, now: datetime, names: Labels = plain_names) -> str:
    """What this test saw. Of what happened it only saw what it asked about: so far back, and with these values."""
    seen, test = leaf.get("seen"), leaf.get("test")
    if isinstance(seen, Mapping) and seen.get("count") == 0 and any(leaf.get(key) for key in _ASKED_ONLY):
        return ""
    if test == "message" and leaf["result"]:
        return ""  # that it was opened says more than that it was sent
    if test == "in_journey":
        seen = [names("journey", one, reader.language) for one in seen or ()]
    elif test == "can_reach":
        seen = [phrases.channel(one, reader.language) for one in seen or ()]
    elif test == "prefers" and seen:
        seen = phrases.channel(seen, reader.language)
    elif test == "date_comes" and seen:
        return show_moment(datetime.fromisoformat(seen), reader)
    return seen_words(seen, reader, now)


def seen_words(seen: Any, reader: Reader, now: datetime) -> str:
    """What a test saw, shortly: when something last happened, the tags there are, the value of a field."""
    language = reader.language
    if amounts.seen(seen, reader):
        return translate(language, amounts.WHY_HIDDEN)
    if isinstance(seen, Mapping) and "count" in seen:
        if not seen["count"]:
            return translate(language, N_("never happened"))
        if not seen.get("last"):
            return ""
        last = datetime.fromisoformat(seen["last"])
        age = (now - last).days
        if age < 1:
            return translate(language, N_("last time: %(date)s"), date=show_moment(last, reader))
        length = phrases.length({"months": 0, "days": age, "seconds": 0}, language)
        return translate(
            language, N_("last time %(length)s ago, %(date)s"), length=length, date=show_moment(last, reader)
        )
    if isinstance(seen, Mapping) and isinstance(seen.get("status"), str):
        fate = _FATES.get(seen["status"])
        return translate(language, fate) if fate else message_words(seen["status"], language).rstrip(".")
    if isinstance(seen, Mapping):
        shown = ", ".join(f"{value}" for value in seen.values() if value not in (None, ""))
    elif isinstance(seen, (list, tuple, set)):
        shown = ", ".join(str(one) for one in seen)
    elif seen in (None, "") or isinstance(seen, bool):
        shown = ""
    else:
        shown = str(seen)
        return translate(language, N_("it is %(value)s"), value=shown)
    return (
        translate(language, N_("there is: %(value)s"), value=shown)
        if shown
        else translate(language, N_("nothing there"))
    )
