"""Published versions, read once and kept: a version never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.journeys.engine.changes import ABOUT_MESSAGES, kinds_of
from panel.journeys.engine.conditions import DATE_COMES, Needs, needs
from panel.journeys.engine.membership import Place, inside
from panel.journeys.models import Journey, JourneyVersion

# The event that each short trigger stands for, with the key of its data that names the thing.
TRIGGER_EVENTS = {
    "contact_created": ("contact_created", "how", "source"),
    "joins_list": ("list_joined", "list", "list"),
    "leaves_list": ("list_left", "list", "list"),
    "tag_added": ("tag_added", "tag", "tag"),
    "tag_removed": ("tag_removed", "tag", "tag"),
    "form_submitted": ("form_submitted", "form", "form"),
    "page_visited": ("page_visited", "page", "page"),
}


@dataclass(frozen=True)
class Trigger:
    """A trigger as an event kind to wake on and lines its data must match."""

    kind: str
    where: tuple[Mapping[str, Any], ...]
    name: str
    reason: str | None = None


def as_trigger(raw: Mapping[str, Any]) -> Trigger | None:
    """None for triggers that no event starts (manual, dates, schedules, conditions)."""
    on = raw["on"]
    if on == "event":
        return Trigger(raw["event"], tuple(raw.get("where") or ()), raw["event"], raw.get("reason"))
    if on in TRIGGER_EVENTS:
        kind, key, given = TRIGGER_EVENTS[on]
        value = raw.get(given)
        where: tuple[Mapping[str, Any], ...] = ()
        if value not in (None, True, "yes"):
            where = ({"field": f"event.{key}", "op": "is", "value": value},)
        return Trigger(kind, where, on, raw.get("reason"))
    return None


def as_condition(raw: Mapping[str, Any], since: str) -> Mapping[str, Any] | None:
    """What a run waits for or is stopped by that is no event: a condition, or a date that comes round."""
    if raw["on"] == "becomes_true":
        found: Mapping[str, Any] = raw["cond"]
        return found
    return {**raw, "test": DATE_COMES, "since": since} if raw["on"] == "date" else None


@dataclass
class Program:
    """One version of a journey, ready to run."""

    version_id: int
    journey_id: str
    number: int
    resolved: Mapping[str, Any]
    settings: Mapping[str, Any] = field(init=False)
    steps: Mapping[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.settings = self.resolved["settings"]
        self.steps = self.resolved["steps"]

    @cached_property
    def by_key(self) -> Mapping[str, Mapping[str, Any]]:
        """The steps by what they are known by in every version, see `language.program.carry_over`."""
        return {step.get("key") or identity: step for identity, step in self.steps.items()}

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """The steps that other versions know by another identity, with what they are known by in all of them."""
        return {identity: step["key"] for identity, step in self.steps.items() if step.get("key", identity) != identity}

    @cached_property
    def places(self) -> Mapping[str, frozenset[Place]]:
        """The variants of tests that each step stands in; steps outside of all are not there."""
        return inside(self.resolved)

    @cached_property
    def moves_people(self) -> bool:
        """Whether runs of older versions move to this one when it is live."""
        return bool(self.settings.get("when_edited", "follow") == "follow")

    @cached_property
    def stays_at_least(self) -> timedelta:
        """No clock and no calendar makes `leave_after` shorter than this: a quick answer for nearly every run."""
        length = self.leave_after
        days = 28 * length.get("months", 0) + length.get("days", 0)
        return timedelta(days=days, seconds=length.get("seconds", 0)) - timedelta(days=2 if days else 0)

    @cached_property
    def leave_after(self) -> Mapping[str, int]:
        return self.settings.get("leave_after") or {"months": 12}

    @cached_property
    def starts(self) -> list[Trigger]:
        return [t for raw in self.resolved["start_when"] if (t := as_trigger(raw))]

    @cached_property
    def can_start_by_hand(self) -> bool:
        return any(raw["on"] == "manual" for raw in self.resolved["start_when"])

    @cached_property
    def stops(self) -> list[Trigger]:
        return [t for raw in self.resolved.get("stop_when") or () if (t := as_trigger(raw))]

    @cached_property
    def stop_conditions(self) -> list[Mapping[str, Any]]:
        """Conditions that end the run: `if`, what becomes true while it is inside, and dates that come round."""
        found: list[Mapping[str, Any]] = []
        for raw in self.resolved.get("stop_when") or ():
            condition = raw["if"] if raw["on"] == "if" else as_condition(raw, "entry")
            if condition is not None:
                found.append({**raw, "if": condition})
        return found

    @cached_property
    def ending_goal(self) -> Mapping[str, Any] | None:
        """The goal, if reaching it ends the run."""
        goal: Mapping[str, Any] | None = self.resolved.get("goal")
        return goal if goal and not goal.get("stay") else None

    @cached_property
    def awaited(self) -> dict[str, list[Trigger]]:
        """Per wait_for and reach step, the events that end it."""
        keys = {"wait_for": "triggers", "reach": "or_until"}
        return {
            step_id: [t for raw in step[keys[step["verb"]]] or () if (t := as_trigger(raw))]
            for step_id, step in self.steps.items()
            if step["verb"] in keys
        }

    @cached_property
    def awaited_conditions(self) -> dict[str, list[Mapping[str, Any]]]:
        """Per wait_for and reach step, the conditions that end it by becoming true, and the dates that do."""
        keys = {"wait_for": "triggers", "reach": "or_until"}
        return {
            step_id: [c for raw in step[keys[step["verb"]]] or () if (c := as_condition(raw, "this_step"))]
            for step_id, step in self.steps.items()
            if step["verb"] in keys
        }

    @cached_property
    def checks(self) -> Mapping[str, Mapping[str, Any]]:
        """Per wait_for and reach step that says so, how often to look at what no event tells: its most frequent."""
        found: dict[str, Mapping[str, Any]] = {}
        for step_id, step in self.steps.items():
            said = [raw["check"] for raw in (step.get("triggers") or step.get("or_until") or ()) if raw.get("check")]
            if said:
                found[step_id] = min(said, key=lambda one: one["every"] != "hour")
        return found

    @cached_property
    def wakes_on(self) -> set[str]:
        """Kinds of events after which an enrolment must look again."""
        kinds = {t.kind for t in self.stops} | {t.kind for ts in self.awaited.values() for t in ts}
        if self.resolved.get("goal"):
            kinds.add(self.resolved["goal"]["event"])
        if any(step["verb"] == "reach" for step in self.steps.values()):
            kinds |= ABOUT_MESSAGES
        for condition in self.watched:
            kinds |= kinds_of(condition)
        return kinds

    @cached_property
    def watched(self) -> list[Mapping[str, Any]]:
        """The conditions that stop a run or that one of its steps waits for."""
        found = [raw["if"] for raw in self.stop_conditions]
        return found + [one for many in self.awaited_conditions.values() for one in many]

    @cached_property
    def history_needs(self) -> Needs:
        """What stop_when and goal look at, at every step."""
        found = Needs(kinds={t.kind for t in self.stops})
        if self.resolved.get("goal"):
            found.kinds.add(self.resolved["goal"]["event"])
        for raw in self.stop_conditions:
            found.add(needs(raw["if"]))
        return found

    def step_needs(self, step: Mapping[str, Any]) -> Needs:
        """What a step's own conditions look at."""
        found = needs(step.get("only_if"))
        if step["verb"] == "if":
            found.add(needs(step["cond"]))
        elif step["verb"] == "choose":
            for option in step["options"]:
                found.add(needs(option["when"]))
        elif step["verb"] in ("wait_for", "reach"):
            found.kinds |= {t.kind for t in self.awaited[step["id"]]}
            for condition in self.awaited_conditions[step["id"]]:
                found.add(needs(condition))
            for attempt in step.get("try") or ():
                found.add(needs(attempt.get("only_if")))
        elif step["verb"] == "wait" and (step.get("until") or {}).get("field"):
            name = step["until"]["field"]
            if not name.startswith(("event.", "run.", "entry.")):
                found.fields.add(name)
        return found


# Per engine, so that two databases in one process (tests, a restored copy) never share a version.
_known: WeakKeyDictionary[Engine, dict[int, Program]] = WeakKeyDictionary()


def programs(session: Session, version_ids: Iterable[int]) -> dict[int, Program]:
    """The programs of these versions, read from the database once per process."""
    known = _known.setdefault(connection_of(session).engine, {})
    wanted = set(version_ids)
    missing = wanted - known.keys()
    if missing:
        query = select(
            JourneyVersion.id, JourneyVersion.journey_id, JourneyVersion.number, JourneyVersion.resolved
        ).where(JourneyVersion.id.in_(missing))
        for version_id, journey_id, number, resolved in connection_of(session).execute(query):
            known[version_id] = Program(version_id, journey_id, number, resolved)
    return {one: known[one] for one in wanted if one in known}


def forget() -> None:
    """Drop what is remembered (another database follows: tests, a restored backup)."""
    _known.clear()


@dataclass(frozen=True)
class LiveJourney:
    id: str
    state: str
    program: Program


def live(session: Session) -> list[LiveJourney]:
    """Journeys that have a live version and are not ended, with their programs."""
    rows = (
        connection_of(session)
        .execute(
            select(Journey.id, Journey.state, Journey.live_version_id).where(
                Journey.live_version_id.is_not(None), Journey.state.in_(("live", "paused", "closing"))
            )
        )
        .all()
    )
    known = programs(session, [row.live_version_id for row in rows])
    return [LiveJourney(row.id, row.state, known[row.live_version_id]) for row in rows]
