"""Conditions, as a pure function over what is known of one contact, with the trace of what was seen.

`needs` says what must be loaded first, so that a whole batch of contacts is read in a handful of queries (see `facts`).

A result is True, False or None: None when it cannot be decided now, because the source of the facts has been silent for
too long (language rule 2d.10) or the plugin that judges is away. Whoever asks must wait then, not guess.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from panel.engagement.rhythm import Rhythm, State
from panel.journeys.engine.lengths import add
from panel.journeys.engine.occurrences import days_around, moment_of, occurrences, rule_of

Condition = Mapping[str, Any]

# A `date` trigger that a run waits for or is stopped by: not written as a condition, but judged like one.
DATE_COMES = "date_comes"
# What a condition asks of a contact's rhythm, and what the rhythm is called there.
RHYTHMS = {"going_quiet": State.QUIET, "woke_up": State.WOKE_UP}
WAITS_AT_MOST = timedelta(days=3 * 366)

# What each "was" of a message condition accepts; a later state implies the earlier ones.
_WAS = {
    "sent": lambda m: m["status"] in ("sent", "delivered", "bounced"),
    "delivered": lambda m: m["delivered_at"] is not None or m["opened"] is not None or m["clicked"] is not None,
    "opened": lambda m: m["opened"] is not None or m["clicked"] is not None,
    "clicked": lambda m: m["clicked"] is not None,
    "replied": lambda m: m["replied"] is not None,
    "failed": lambda m: m["status"] == "failed",
    "bounced": lambda m: m["status"] == "bounced" or m["bounced_at"] is not None,
    "unknown": lambda m: m["status"] == "unknown",
    "skipped": lambda m: m["status"] in ("skipped", "cancelled"),
}


@dataclass(frozen=True)
class PastEvent:
    id: int
    kind: str
    occurred_at: datetime
    data: Mapping[str, Any]


@dataclass
class Facts:
    """What is known of one contact (and of its run, when there is one) at the moment of asking."""

    contact_id: int
    now: datetime
    zone: ZoneInfo
    tags: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    segments: Collection[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[PastEvent] = ()
    reachable: set[str] = field(default_factory=set)
    messages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    open_journeys: set[str] = field(default_factory=set)
    event: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    entered_at: datetime | None = None
    step_began_at: datetime | None = None
    step_times: Mapping[str, datetime] = field(default_factory=dict)
    prefers: str | None = None  # the channel answered best, when there is evidence
    rhythm: Rhythm = Rhythm()
    checks: Mapping[str, bool | None] = field(default_factory=dict)  # by `check_key`; None: the plugin is away
    stale: Collection[str] = ()  # kinds of events whose source has been silent for too long


@dataclass
class Needs:
    """What must be loaded to judge some conditions."""

    tags: bool = False
    lists: bool = False
    fields: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    messages: bool = False
    journeys: bool = False
    segments: bool = False
    step_times: bool = False
    prefers: bool = False
    rhythm: bool = False
    checks: dict[str, Condition] = field(default_factory=dict)

    def add(self, other: Needs) -> None:
        self.tags |= other.tags
        self.lists |= other.lists
        self.fields |= other.fields
        self.kinds |= other.kinds
        self.channels |= other.channels
        self.messages |= other.messages
        self.journeys |= other.journeys
        self.segments |= other.segments
        self.step_times |= other.step_times
        self.prefers |= other.prefers
        self.rhythm |= other.rhythm
        self.checks |= other.checks


def walk(condition: Condition | None) -> Iterator[Condition]:
    """Every test inside a condition, itself included."""
    if not condition:
        return
    yield condition
    below = condition.get("of")
    if isinstance(below, Mapping):
        yield from walk(below)
    elif below:
        for one in below:
            yield from walk(one)


def needs(condition: Condition | None) -> Needs:
    found = Needs()
    for one in walk(condition):
        test = one["test"]
        if test == "has_tag":
            found.tags = True
        elif test == "in_list":
            found.lists = True
        elif test in ("field", DATE_COMES):
            if not one["field"].startswith(("event.", "run.", "entry.")):
                found.fields.add(one["field"])
        elif test in ("happened", "not_happened"):
            found.kinds.add(one["event"])
            found.step_times |= one.get("since") not in (None, "entry", "this_step")
            names = {line["field"] for line in one.get("where") or ()}
            found.fields |= {name for name in names if not name.startswith(("event.", "run.", "entry."))}
        elif test == "message":
            found.messages = True
            found.step_times |= one["was"] == "skipped"
        elif test == "can_reach":
            found.channels.add(one["channel"])
        elif test == "in_journey":
            found.journeys = True
        elif test == "in_segment":
            found.segments = True
        elif test == "prefers":
            found.prefers = True
        elif test == "rhythm":
            found.rhythm = True
        elif test == "check":
            found.checks[check_key(one)] = one
    return found


def check_key(condition: Condition) -> str:
    """What makes two `check:` conditions the same: the name and the settings."""
    return f"{condition['name']} {json.dumps(condition.get('with') or {}, sort_keys=True, ensure_ascii=False)}"


class UndecidedError(Exception):
    """A condition cannot be decided now; `tree` says which part and why."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        super().__init__(why_undecided(tree))
        self.tree = tree


def holds(condition: Condition | None, facts: Facts) -> bool:
    """Whether it holds. Raises UndecidedError when that cannot be said now."""
    if condition is None:
        return True
    tree = judge(condition, facts)
    if tree["result"] is None:
        raise UndecidedError(tree)
    return bool(tree["result"])


def why_undecided(tree: Mapping[str, Any]) -> str:
    """The event or the plugin's condition that cannot be known now; empty when everything is decided."""
    if tree["result"] is not None:
        return ""
    for part in tree.get("of") or ():
        if found := why_undecided(part):
            return found
    return str(tree.get("event") or tree.get("name") or "")


def _all(results: Iterable[bool | None]) -> bool | None:
    seen = set(results)
    return False if False in seen else None if None in seen else True


def _any(results: Iterable[bool | None]) -> bool | None:
    seen = set(results)
    return True if True in seen else None if None in seen else False


def judge(condition: Condition, facts: Facts) -> dict[str, Any]:
    """Evaluate and explain: `{"test", "result", "seen", "of"}`, with the values that were seen."""
    test = condition["test"]
    if test in ("all", "any"):
        parts = [judge(one, facts) for one in condition["of"]]
        results = [part["result"] for part in parts]
        return {"test": test, "result": _all(results) if test == "all" else _any(results), "of": parts}
    if test == "not":
        part = judge(condition["of"], facts)
        opposite = None if part["result"] is None else not part["result"]
        return {"test": "not", "result": opposite, "of": [part]}
    result, seen = _TESTS[test](condition, facts)
    return {**_plain(condition), "result": result, "seen": seen}


def _plain(condition: Condition) -> dict[str, Any]:
    return {key: value for key, value in condition.items() if value is not None}


def _has_tag(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return condition["tag"] in facts.tags, sorted(facts.tags)


def _in_list(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return condition["list"] in facts.lists, sorted(facts.lists)


def _in_segment(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return condition["segment"] in facts.segments, sorted(facts.segments)


def _in_journey(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return condition["journey"] in facts.open_journeys, sorted(facts.open_journeys)


def _can_reach(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return condition["channel"] in facts.reachable, sorted(facts.reachable)


def _message(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    found = facts.messages.get(condition["step"])
    if found is None:
        # No message, though the step is behind the run: it was passed over.
        return condition["was"] == "skipped" and condition["step"] in facts.step_times, None
    return _WAS[condition["was"]](found), {"status": found["status"]}


def _field(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    value = lookup(condition["field"], facts)
    return matches(condition, value, facts), _readable(value)


def _happened(condition: Condition, facts: Facts) -> tuple[bool | None, Any]:
    found = list(counted_events(condition, facts))
    times = condition.get("times")
    result = _compare_count(times["op"], len(found), int(times["n"])) if times else bool(found)
    seen = {"count": len(found), "last": found[-1].occurred_at.isoformat() if found else None}
    if condition["event"] in facts.stale and not _proven(times, result):
        return None, {**seen, "stale": True}
    return result, seen


def _proven(times: Mapping[str, Any] | None, result: bool) -> bool:
    """Whether events that have not arrived yet cannot change the answer: more of them only ever add."""
    if times is None or times["op"] in ("at_least", "more_than"):
        return result
    return times["op"] in ("at_most", "less_than") and not result


def _not_happened(condition: Condition, facts: Facts) -> tuple[bool | None, Any]:
    result, seen = _happened(condition, facts)
    return (None if result is None else not result), seen


def date_comes_at(condition: Condition, facts: Facts) -> datetime | None:
    """The first time that the date comes round since entry (or since the step began); None: there is no such date."""
    since = facts.step_began_at if condition["since"] == "this_step" else facts.entered_at
    day = _day(lookup(condition["field"], facts))
    if since is None or day is None:
        return None
    rule = rule_of(condition)
    first, last = days_around(rule, since.date(), since.date() + WAITS_AT_MOST)
    moments = (moment_of(rule, found, facts.zone) for found in occurrences(rule, day, first, last))
    return next((moment for moment in moments if moment >= since), None)


def _date_comes(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    at = date_comes_at(condition, facts)
    return at is not None and at <= facts.now, at.isoformat() if at is not None else None


def _prefers(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    return facts.prefers == condition["channel"], facts.prefers


def _rhythm(condition: Condition, facts: Facts) -> tuple[bool, Any]:
    habit = facts.rhythm
    seen = {"count": habit.visits, "last": habit.last_at.isoformat() if habit.last_at else None}
    return habit.state(facts.now) == RHYTHMS[condition["state"]], seen


def _check(condition: Condition, facts: Facts) -> tuple[bool | None, Any]:
    return facts.checks.get(check_key(condition)), None


_TESTS = {
    "has_tag": _has_tag,
    "in_list": _in_list,
    "in_segment": _in_segment,
    "in_journey": _in_journey,
    "can_reach": _can_reach,
    "message": _message,
    "field": _field,
    "happened": _happened,
    "not_happened": _not_happened,
    "prefers": _prefers,
    "rhythm": _rhythm,
    "check": _check,
    DATE_COMES: _date_comes,
}


def counted_events(condition: Condition, facts: Facts) -> Iterator[PastEvent]:
    start: datetime | None = None
    if condition.get("within"):
        start = add(facts.now, condition["within"], facts.zone, -1)
    since = condition.get("since")
    if since:
        began = {"entry": facts.entered_at, "this_step": facts.step_began_at}.get(since) or facts.step_times.get(since)
        if began is None and since not in ("entry", "this_step"):
            return  # the run never came to that step: nothing has happened since
        if began is not None and (start is None or began > start):
            start = began
    for event in facts.history:
        if event.kind != condition["event"] or (start is not None and event.occurred_at < start):
            continue
        if event_matches(condition.get("where") or (), event.data, facts):
            yield event


def event_matches(where: Sequence[Mapping[str, Any]], data: Mapping[str, Any], facts: Facts) -> bool:
    """Whether an event's own fields match every line of a `where`."""
    for one in where:
        name = one["field"]
        value = data.get(name.removeprefix("event.")) if name.startswith("event.") else lookup(name, facts)
        if not matches(one, value, facts):
            return False
    return True


def lookup(name: str, facts: Facts) -> Any:
    """The value of `event.x` (the event that started the run), `run.x`, `entry.x`, or a contact's field."""
    if name.startswith("event."):
        return facts.event.get(name[6:])
    if name.startswith("run."):
        return facts.run.get(name[4:])
    if name.startswith("entry."):
        return facts.run.get(name)
    return facts.fields.get(name)


def matches(test: Mapping[str, Any], value: Any, facts: Facts) -> bool:
    """Compare a value the way its operator asks: numbers as numbers, dates as dates, words without regard to case."""
    op, wanted = test["op"], test.get("value")
    if op == "is_set":
        return (value not in (None, "")) == (wanted in (True, None, "yes"))
    if isinstance(wanted, str) and wanted.startswith(("run.", "event.", "entry.")):
        wanted = lookup(wanted, facts)
    if op == "in":
        return any(_same(value, one) for one in wanted or ())
    if op == "is":
        return _same(value, wanted)
    if op == "is_not":
        return not _same(value, wanted)
    if value in (None, "") or wanted in (None, ""):
        return False
    if op == "contains":
        return _folded(wanted) in _folded(value)
    if op == "starts_with":
        return _folded(value).startswith(_folded(wanted))
    if op in ("before", "after"):
        left, right = _day(value), _day(wanted)
        if left is None or right is None:
            return False
        return left < right if op == "before" else left > right
    left_number, right_number = number(value), number(wanted)
    if left_number is None or right_number is None:
        return False
    return {
        "more_than": left_number > right_number,
        "less_than": left_number < right_number,
        "at_least": left_number >= right_number,
        "at_most": left_number <= right_number,
    }[op]


_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫", "01234567890123456789.", "٬,")


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    try:
        found = Decimal(str(value).strip().translate(_DIGITS))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip().translate(_DIGITS)[:10])
    except ValueError:
        return None


def _same(left: Any, right: Any) -> bool:
    """Numbers are the same however they are written; what is written like a code ("007") is one, and not the 7."""
    is_code = isinstance(left, str) and isinstance(right, str) and (_looks_coded(left) or _looks_coded(right))
    left_number, right_number = number(left), number(right)
    if not is_code and left_number is not None and right_number is not None:
        return left_number == right_number
    return _folded(left) == _folded(right)


def _looks_coded(text: str) -> bool:
    written = text.strip().translate(_DIGITS)
    return len(written) > 1 and written[0] == "0" and written.isdigit()


def _folded(value: Any) -> str:
    return "" if value is None else str(value).strip().casefold()


def _readable(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | None) else str(value)


def _compare_count(op: str, found: int, wanted: int) -> bool:
    return {
        "at_least": found >= wanted,
        "at_most": found <= wanted,
        "is": found == wanted,
        "more_than": found > wanted,
        "less_than": found < wanted,
    }[op]
