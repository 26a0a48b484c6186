"""What a journey asks of its tests: goal, window and rules, as `panel.experiments` wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.experiments import operations
from panel.experiments.models import Experiment
from panel.experiments.operations import Asked
from panel.experiments.results import Goal
from panel.experiments.rules import issue_key, key_of
from panel.issues.operations import resolve_issue
from panel.journeys.engine.conditions import Facts, event_matches, number
from panel.journeys.engine.facts import company
from panel.journeys.engine.lengths import add
from panel.journeys.engine.programs import programs
from panel.journeys.engine.splits import fingerprint, split_in
from panel.journeys.models import Journey

Step = Mapping[str, Any]
_NO_AMOUNT = Decimal(10) ** 18
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # lines about an event's data do not ask what time it is


def look(now: datetime | None = None) -> int:
    """Take the looks at tests that are due; see `panel.experiments.operations.look`."""
    return operations.look(asked, now)


def end_asking(session: Session) -> None:
    """Nobody comes to a journey that has ended, so there is nobody left to choose for: its tests ask no more."""
    over = select(Journey.id).where(Journey.state == "ended")
    ended = connection_of(session).execute(
        update(Experiment)
        .where(Experiment.state == "asked", Experiment.journey_id.in_(over))
        .values(state="ended")
        .returning(Experiment.journey_id, Experiment.split_id, Experiment.round)
    )
    for journey_id, split_id, round_ in ended.all():
        resolve_issue(session, issue_key(journey_id, split_id, round_))


def asked(session: Session, experiment: Experiment) -> Asked | None:
    """What the journey asks of this test. How it is judged is what the version said that began the round, whatever was
    edited since; who is asked, and what follows, is what the live version says while it has this very test. None when
    the version is gone."""
    journey = (
        connection_of(session)
        .execute(select(Journey.live_version_id, Journey.state).where(Journey.id == experiment.journey_id))
        .one_or_none()
    )
    live = journey.live_version_id if journey else None
    known = programs(session, {one for one in (live, experiment.version_id) if one})
    begun = known.get(experiment.version_id)
    step = split_in(begun.resolved, experiment.split_id) if begun else None
    if begun is None or step is None:
        return None
    now_live = known.get(live or 0, begun)
    live_step = split_in(now_live.resolved, experiment.split_id)
    if live_step is None or fingerprint(begun.resolved, step) != fingerprint(now_live.resolved, live_step):
        now_live, live_step = begun, step
    zone = ZoneInfo(company(session).time_zone)
    found = _asked(step, zone, journey=now_live.resolved, policy=live_step)
    return replace(found, is_over=journey is None or journey.state == "ended")


def _asked(step: Step, zone: ZoneInfo, *, journey: Mapping[str, Any], policy: Step) -> Asked:
    decide, within = step["decide"], step["goal"]["within"] or step["decide"]["at_latest"]
    return Asked(
        journey=journey["name"],
        split=policy.get("name") or policy["id"],
        owner=journey.get("owner"),
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
        winner=policy["decide"]["winner"],
        if_no_winner=policy["decide"]["if_no_winner"],
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
