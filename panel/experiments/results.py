"""What became of the contacts of a test: one pass over its assignments and one over the goal's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.db import connection_of
from panel.experiments.models import Experiment, ExperimentAssignment
from panel.timeline.models import Event

DAY = 86_400.0


@dataclass(frozen=True)
class Goal:
    """What counts. `matches` looks at an event's data, `ends` is the end of the time that somebody has who came at
    that moment, `amount` is what an event adds up (None: nothing is added up)."""

    event: str
    matches: Callable[[Mapping[str, Any]], bool]
    ends: Callable[[datetime], datetime]
    amount: Callable[[Mapping[str, Any]], Decimal | None] | None = None


@dataclass
class Observed:
    """One variant. `matured` are those whose time for the goal is over; `goals`, `amounts` and `totals` are theirs.
    `reached` and `watched` are days to the goal and days under watch without it, of everybody who entered. `totals`
    are by currency, "" where none was said."""

    entered: int = 0
    matured: int = 0
    goals: int = 0
    amounts: list[float] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    reached: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)

    @property
    def currencies(self) -> set[str]:
        return set(self.totals) - {""}


def observe(session: Session, experiment: Experiment, goal: Goal, now: datetime) -> dict[str, Observed]:
    """The outcomes of a round until `now`, by variant.

    Cards that were merged are one person, who counts in the variant that they were given first. Erased contacts do not
    count. An event counts for whom it happened after they were given their variant and within their time.
    """
    mine = (
        select(ExperimentAssignment.contact_id)
        .where(
            ExperimentAssignment.journey_id == experiment.journey_id,
            ExperimentAssignment.split_id == experiment.split_id,
            ExperimentAssignment.round == experiment.round,
        )
        .scalar_subquery()
    )
    connection = connection_of(session)
    cards = connection.execute(
        select(Contact.id, Contact.merged_into_id).where(
            Contact.merged_into_id.is_not(None), or_(Contact.id.in_(mine), Contact.merged_into_id.in_(mine))
        )
    )
    merged: dict[int, int] = {id_: into for id_, into in cards if into is not None}
    rows = connection.execute(
        select(ExperimentAssignment.contact_id, ExperimentAssignment.variant, ExperimentAssignment.at)
        .join(Contact, Contact.id == ExperimentAssignment.contact_id)
        .where(
            ExperimentAssignment.journey_id == experiment.journey_id,
            ExperimentAssignment.split_id == experiment.split_id,
            ExperimentAssignment.round == experiment.round,
            ExperimentAssignment.at <= now,
            Contact.erased_at.is_(None),
        )
        .order_by(ExperimentAssignment.at)
    )
    given: dict[int, tuple[str, datetime]] = {}
    for contact_id, variant, at in rows:
        given.setdefault(_person(contact_id, merged), (variant, at))
    everybody = mine
    if merged:  # the history of a merged card stays with it
        also = list({*merged, *merged.values()})
        everybody = select(Contact.id).where(or_(Contact.id.in_(mine), Contact.id.in_(also))).scalar_subquery()
    happened = connection.execute(
        select(Event.contact_id, Event.occurred_at, Event.data)
        .where(
            Event.contact_id.in_(everybody),
            Event.kind == goal.event,
            Event.occurred_at >= (experiment.started_at or now),
            Event.occurred_at <= now,
        )
        .order_by(Event.occurred_at)
    )
    outcomes: dict[int, list[tuple[datetime, Mapping[str, Any]]]] = {}
    for contact_id, at, data in happened:
        outcomes.setdefault(_person(contact_id, merged), []).append((at, data or {}))
    found: dict[str, Observed] = {}
    for person, (variant, at) in given.items():
        _count(found.setdefault(variant, Observed()), at, outcomes.get(person, ()), goal, now)
    return found


def _person(contact_id: int, merged: Mapping[int, int]) -> int:
    for _ in range(len(merged)):
        if contact_id not in merged:
            break
        contact_id = merged[contact_id]
    return contact_id


def _count(arm: Observed, at: datetime, events: Any, goal: Goal, now: datetime) -> None:
    ends = goal.ends(at)
    fitting = [(when, data) for when, data in events if at <= when <= ends and goal.matches(data)]
    arm.entered += 1
    if fitting:
        arm.reached.append((fitting[0][0] - at).total_seconds() / DAY)
    else:
        arm.watched.append((min(now, ends) - at).total_seconds() / DAY)
    if ends > now:
        return
    arm.matured += 1
    arm.goals += bool(fitting)
    if goal.amount is not None and fitting:
        amounts = [(str(data.get("currency") or ""), goal.amount(data) or Decimal(0)) for _, data in fitting]
        for currency, amount in amounts:
            arm.totals[currency] = arm.totals.get(currency, Decimal(0)) + amount
        if any(amount for _, amount in amounts):
            arm.amounts.append(float(sum(amount for _, amount in amounts)))


def entered_until(session: Session, experiment: Experiment, until: datetime) -> dict[str, int]:
    """How many of each variant came until then; a cheap look whether enough have had their time."""
    rows = connection_of(session).execute(
        select(ExperimentAssignment.variant, func.count())
        .where(
            ExperimentAssignment.journey_id == experiment.journey_id,
            ExperimentAssignment.split_id == experiment.split_id,
            ExperimentAssignment.round == experiment.round,
            ExperimentAssignment.at <= until,
        )
        .group_by(ExperimentAssignment.variant)
    )
    return {variant: count for variant, count in rows}
