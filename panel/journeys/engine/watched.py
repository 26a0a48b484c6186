"""Journeys whose coming and going somebody looks at: conditions with `in_journey`, of other journeys or of segments.

Entries and ends are many, and nearly always nobody asks for them: they are history that needs no routing. Only those
of the journeys that are named here wake and start others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.journeys.engine.conditions import Condition, walk
from panel.journeys.engine.programs import live
from panel.journeys.models import Audience


def watched_journeys(session: Session) -> set[str]:
    """Their identities."""
    found = _named(connection_of(session).execute(select(Audience.condition)).scalars())
    for one in live(session):
        if "journey_entered" in one.program.wakes_on:
            found |= _named(one.program.watched)
    return found


def _named(conditions: Iterable[Mapping[str, Any]]) -> set[str]:
    return {_journey(one) for condition in conditions for one in walk(condition) if one["test"] == "in_journey"}


def _journey(condition: Condition) -> str:
    return str(condition["journey"])
