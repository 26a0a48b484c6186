"""How the journey begins for the contact in a simulation: the thing that starts it is made to happen, in the copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.memberships import add_tag, join_list
from panel.db import connection_of
from panel.journeys.engine.conditions import number
from panel.journeys.engine.entry import Candidate, consider
from panel.journeys.engine.programs import LiveJourney, as_trigger, live
from panel.journeys.models import Journey
from panel.timeline.models import Event
from panel.timeline.operations import record


def begin(
    session: Session, contact_id: int, journey_id: str, trigger_no: int, data: Mapping[str, Any], now: datetime
) -> None:
    """Make trigger `trigger_no` of the live version come true for the contact. The engine decides what follows.

    An event brings the fields that the trigger asks for, those of the contact's last such event, and `data`.
    """
    journey = next(one for one in live(session) if one.id == journey_id)
    raw = journey.program.resolved["start_when"][trigger_no]
    trigger = as_trigger(raw)
    if trigger is None:
        # Dates, schedules, conditions and people start a journey without an event.
        name = raw.get("field") or raw["on"]
        consider(session, [Candidate(journey, contact_id, str(name), now, data=dict(data))], now)
        return
    if raw["on"] == "joins_list" and join_list(session, contact_id, raw["list"], now=now):
        return
    if raw["on"] == "tag_added" and add_tag(session, contact_id, raw["tag"], now=now):
        return
    brought = {**_last(session, contact_id, trigger.kind), **wanted(trigger.where), **data}
    record(session, contact_id=contact_id, kind=trigger.kind, occurred_at=now, data=brought, source="simulation")


def wanted(where: Iterable[Mapping[str, Any]], run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Fields with which an event passes these lines. `run`: what the run they belong to calls `run.x`."""
    known = run or {}

    def with_value(test: Mapping[str, Any]) -> Mapping[str, Any]:
        value = test.get("value")
        name = value.removeprefix("run.") if isinstance(value, str) and value.startswith("run.") else ""
        return {**test, "value": known[name]} if name in known else test

    return dict(filter(None, (_fitting(with_value(test)) for test in where if test["field"].startswith("event."))))


def _fitting(test: Mapping[str, Any]) -> tuple[str, Any] | None:
    """A field and a value that passes this line of a `where`; None when nothing obvious does."""
    name, value = test["field"].removeprefix("event."), test["value"]
    match test["op"]:
        case "is" | "at_least" | "at_most" | "contains" | "starts_with":
            return name, value
        case "in":
            return name, value[0]
        case "more_than" | "less_than":
            found = number(value)
            return (name, str(found + (1 if test["op"] == "more_than" else -1))) if found is not None else None
    return None


def make_live(session: Session, journey_id: str) -> LiveJourney | None:
    """Let the journey run in the copy, whatever its real state; None when it was never published."""
    journey = session.get(Journey, journey_id)
    if journey is None or journey.live_version_id is None:
        return None
    journey.state = "live"
    session.flush()
    return next(one for one in live(session) if one.id == journey_id)


def _last(session: Session, contact_id: int, kind: str) -> dict[str, Any]:
    found = connection_of(session).execute(
        select(Event.data)
        .where(Event.contact_id == contact_id, Event.kind == kind)
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(1)
    ).scalar()  # fmt: skip
    return dict(found or {})
