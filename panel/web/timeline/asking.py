"""What somebody asks a timeline for: kinds, channels, a journey, a colleague, days, words.

Read from an address, written back into one, and said in words; `panel.web.timeline.filtering` turns it into conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from panel import calendars
from panel.calendars import Reader
from panel.contacts.search import fold
from panel.dates import read_day
from panel.errors import UserError
from panel.i18n import N_, translate
from panel.timeline.queries import Cursor
from panel.web.timeline import words

# Name in the address -> words, in the order in which they are offered.
KINDS = {
    "messages": N_("Messages"),
    "engagement": N_("Opens and clicks"),
    "journeys": N_("Journeys"),
    "forms": N_("Forms and pages"),
    "notes": N_("Notes and tasks"),
    "profile": N_("Lists, tags, details"),
    "consent": N_("Consent"),
    "money": N_("Orders and invoices"),
    "other": N_("Everything else"),
}
MAX_WORDS = 8


@dataclass(frozen=True)
class Chosen:
    """One filter that is on: in words, and the arguments of the same address without it."""

    words: str
    without: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """`since` and `until` are days of the reader, both included; `*_text` is what was written. `person` is a user's
    number. `problems` are sentences about what could not be read: (field, sentence)."""

    kinds: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    journey: str = ""
    person: int | None = None
    since: date | None = None
    until: date | None = None
    since_text: str = ""
    until_text: str = ""
    no_machines: bool = False
    text: str = ""
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def is_everything(self) -> bool:
        return not (self.kinds or self.narrows)

    @property
    def narrows(self) -> bool:
        """Whether anything besides the kinds is asked for."""
        return bool(
            self.channels or self.journey or self.person is not None or self.since or self.until or self.no_machines
            or self.text or self.problems
        )  # fmt: skip

    @property
    def tab(self) -> str:
        """The one kind that is shown alone, "all" for everything, "" for several."""
        return "all" if not self.kinds else self.kinds[0] if len(self.kinds) == 1 else ""

    @property
    def words(self) -> list[str]:
        """The words that are searched for, folded."""
        return fold(self.text).split()[:MAX_WORDS]

    def args(self, **changed: Any) -> dict[str, Any]:
        """The arguments of the address that asks for this, for `url_for`; `changed` fields as they would be."""
        now = replace(self, **changed) if changed else self
        found = {
            "show": list(now.kinds), "channel": list(now.channels), "journey": now.journey, "by": now.person,
            "from": now.since_text, "to": now.until_text, "machines": "hide" if now.no_machines else "", "q": now.text,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value not in ("", None, [])}

    def without_kinds(self) -> dict[str, Any]:
        return self.args(kinds=())

    def start(self, reader: Reader) -> datetime | None:
        return calendars.start_of_day(self.since, reader) if self.since else None

    def end(self, reader: Reader) -> datetime | None:
        """The first moment that is too late."""
        return calendars.start_of_day(self.until + timedelta(days=1), reader) if self.until else None


def read(args: MultiDict[str, str], reader: Reader, today: date) -> Asked:
    """Read the arguments of a request; what nobody can have meant is left out."""
    problems: list[tuple[str, str]] = []
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        days[name] = None
        if text := args.get(name, "").strip():
            try:
                days[name] = read_day(text, reader, today)
            except (UserError, OverflowError) as error:
                said = error.words(reader.language) if isinstance(error, UserError) else text
                problems.append((name, said))
    since, until = days["from"], days["to"]
    if since and until and since > until:
        problems.append(("to", translate(reader.language, N_("The last day is before the first one."))))
    by = args.get("by", "").removeprefix("user:")
    return Asked(
        kinds=tuple(name for name in KINDS if name in args.getlist("show")),
        channels=tuple(dict.fromkeys(one for one in args.getlist("channel") if one))[:20],
        journey=args.get("journey", "")[:80],
        person=int(by) if by.isascii() and by.isdigit() and len(by) < 18 else None,
        since=since,
        until=until,
        since_text=args.get("from", "").strip()[:60],
        until_text=args.get("to", "").strip()[:60],
        no_machines=args.get("machines", "") == "hide",
        text=" ".join(args.get("q", "").replace("\x00", "").split())[:200],
        problems=tuple(problems),
    )


def read_go(text: str, reader: Reader, today: date) -> tuple[Cursor | None, str]:
    """Where a page must start so that this day is its first, and what could not be read: one of the two, or neither."""
    text = text.strip()[:60]
    if not text:
        return None, ""
    try:
        day = read_day(text, reader, today)
        return Cursor(calendars.start_of_day(day + timedelta(days=1), reader), 0), ""
    except UserError as error:
        return None, error.words(reader.language)
    except OverflowError:
        return None, translate(reader.language, N_("There is no such day."))


def chosen(asked: Asked, reader: Reader, journeys: Mapping[str, str], people: Mapping[int, str]) -> Sequence[Chosen]:
    """The filters that are on, each with the way to take it away."""
    language = reader.language
    found = []

    def add(sentence: str, params: Mapping[str, str], **changed: Any) -> None:
        found.append(Chosen(translate(language, sentence, **params), asked.args(**changed)))

    if len(asked.kinds) > 1:
        for kind in asked.kinds:
            add(KINDS[kind], {}, kinds=tuple(one for one in asked.kinds if one != kind))
    for channel in asked.channels:
        others = tuple(one for one in asked.channels if one != channel)
        add(N_("Channel: %(name)s"), {"name": _own(words.channel_words(channel, language))}, channels=others)
    if asked.journey:
        add(N_("Journey: %(name)s"), {"name": _own(journeys.get(asked.journey, asked.journey))}, journey="")
    if asked.person is not None:
        add(N_("By: %(name)s"), {"name": _own(people.get(asked.person, str(asked.person)))}, person=None)
    if asked.since:
        day = calendars.show_day(asked.since, reader)
        add(N_("From %(day)s"), {"day": _own(day)}, since=None, since_text="")
    if asked.until:
        day = calendars.show_day(asked.until, reader)
        add(N_("Until %(day)s"), {"day": _own(day)}, until=None, until_text="")
    if asked.no_machines:
        add(N_("Without what machines opened"), {}, no_machines=False)
    if asked.text:
        add(N_("Containing %(text)s"), {"text": _own(f"“{asked.text}”")}, text="")
    return found


def _own(value: str) -> str:
    """A value inside a sentence that is plain text keeps its own direction."""
    return f"\u2068{value}\u2069"
