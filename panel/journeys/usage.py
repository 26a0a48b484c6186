"""Which journeys use a field, a list, a tag or a template, so that nobody deletes what somebody inside still needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.models import Enrolment, Journey, JourneyVersion

# Under which keys of a resolved program (`language.program`) each kind of thing is named.
KEYS: dict[str, tuple[str, ...]] = {
    "field": ("field", "values"),
    "list": ("list", "lists"),
    "tag": ("tag", "tags"),
    "template": ("message",),
}


def journeys_using(session: Session, kind: str, name: str) -> list[str]:
    """The names of the journeys in force, or with somebody inside, that use it; by name."""
    inside = select(Enrolment.version_id).where(Enrolment.status.in_(("active", "held"))).distinct()
    rows = session.execute(
        select(Journey.name, Journey.id, JourneyVersion.resolved)
        .join(JourneyVersion, JourneyVersion.journey_id == Journey.id)
        .where(
            Journey.state.in_(("live", "paused", "closing")),
            or_(JourneyVersion.id == Journey.live_version_id, JourneyVersion.id.in_(inside)),
        )
    )
    return sorted({title or id_ for title, id_, resolved in rows if name in set(_named(resolved, KEYS[kind]))})


def refuse_if_used(session: Session, kind: str, name: str) -> None:
    """Raise UserError that says which journeys use it."""
    if kind in KEYS and (journeys := journeys_using(session, kind, name)):
        raise UserError(
            "used_by_journeys",
            N_("“%(name)s” is used by journeys: %(journeys)s. Change or close them first."),
            name=name,
            journeys=", ".join(journeys),
        )


def _named(node: Any, keys: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                if isinstance(value, str):
                    yield value
                elif isinstance(value, dict | list):
                    yield from (one for one in value if isinstance(one, str))
            yield from _named(value, keys)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value, keys)
