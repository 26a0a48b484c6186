"""Who makes a change, so that the timeline can say it and journeys can guard against loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panel.timeline.operations import NewEvent


@dataclass(frozen=True)
class By:
    """The author of a change.

    `source` is the timeline's word for who told us ("panel", "import:12", "accounting:main"). `user_id` names a
    colleague. A journey gives its `enrolment_id` and its `depth`. `starts_journeys` False: events are history only.
    """

    source: str = "panel"
    user_id: int | None = None
    enrolment_id: int | None = None
    depth: int = 0
    starts_journeys: bool = True


PANEL = By()

# Bulk operations take one author for all, or one per contact (a journey step: one enrolment per contact).
Authors = By | Mapping[int, By]


def event_by(
    by: Authors, contact_id: int, kind: str, at: datetime, data: Mapping[str, Any], external_id: str | None = None
) -> NewEvent:
    """An event of `contact_id` that carries its author."""
    author = by if isinstance(by, By) else by.get(contact_id, PANEL)
    return NewEvent(
        contact_id,
        kind,
        at,
        data,
        source=author.source,
        external_id=external_id,
        enrolment_id=author.enrolment_id,
        user_id=author.user_id,
        depth=author.depth,
        starts_journeys=author.starts_journeys,
    )
