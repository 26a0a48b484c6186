"""What a journey asks of its tests: goal, window and rules, as `panel.experiments` wants them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.experiments import operations
from panel.experiments.models import Experiment
from panel.experiments.operations import Asked
from panel.experiments.results import Goal
from panel.experiments.rules import key_of
from panel.journeys.engine.conditions import Facts, event_matches, number
from panel.journeys.engine.facts import company
from panel.journeys.engine.lengths import add
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.splits import divided
from panel.journeys.models import Journey

Step = Mapping[str, Any]
_NO_AMOUNT = Decimal(10) ** 18
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # lines about an event's data do not ask what time it is


def look(now: datetime | None = None) -> int:
    """Take the looks at tests that are due; see `panel.experiments.operations.look`."""
    return operations.look(asked, now)


def asked(session: Session, experiment: Experiment) -> Asked | None:
    """What the journey asks of this test: the live version's word while its variants are those that are tested (it may
    have put off the decision), else that of the version which began the round. None when the journey is gone."""
    live = connection_of(session).scalar(select(Journey.live_version_id).where(Journey.id == experiment.journey_id))
    known = programs(session, {one for one in (live, experiment.version_id) if one})
    for version_id in (live, experiment.version_id):
        program = known.get(version_id or 0)
        step = split_of(program, experiment.split_id) if program else None
        if program is None or step is None:
            continue
        if divided(program.resolved, step, program.version_id).fingerprint == experiment.fingerprint:
            return _asked(program, step, ZoneInfo(company(session).time_zone))
    return None


def split_of(program: Program, split_id: str) -> Step | None:
    return next(
        (
            step
            for step in program.steps.values()
            if step["verb"] == "split" and str(step.get("key") or step["id"]) == split_id
        ),
        None,
    )


def _asked(program: Program, step: Step, zone: ZoneInfo) -> Asked:
    decide, within = step["decide"], step["goal"]["within"] or step["decide"]["at_latest"]
    return Asked(
        journey=program.resolved["name"],
        split=step.get("name") or step["id"],
        owner=program.resolved.get("owner"),
        variants=tuple(key_of(one["name"]) for one in step["variants"]),
        has_hold_out=bool(step["hold_out"]),
        goal=_goal(step["goal"], within, zone),
        measure=step["measure"],
        window_days=within["months"] * 365.2425 / 12 + within["days"] + within["seconds"] / 86_400,
        level=1 - decide["confidence"] / 10_000,
        at_least=decide["at_least"],
        planned_at=lambda start: add(start, decide["after"], zone),
        last_at=lambda start: add(start, decide["at_latest"], zone),
        came_before=lambda now: add(now, within, zone, -1),
        winner=decide["winner"],
        if_no_winner=decide["if_no_winner"],
    )


def _goal(goal: Mapping[str, Any], within: Mapping[str, int], zone: ZoneInfo) -> Goal:
    where, amount = goal.get("where") or (), (goal.get("sum") or "").removeprefix("event.")

    def matches(data: Mapping[str, Any]) -> bool:
        return not where or event_matches(where, data, Facts(0, _ANY_TIME, zone, event=data))

    def adds(data: Mapping[str, Any]) -> Decimal | None:
        found = number(data.get(amount))
        # What no business ever paid is no amount, and its square would be no number.
        return found if found is not None and abs(found) < _NO_AMOUNT else None

    return Goal(goal["event"], matches, lambda at: add(at, within, zone), adds if amount else None)
