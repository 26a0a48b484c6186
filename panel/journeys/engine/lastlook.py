"""What was stored about contacts while their messages were being marked: the stops and opt-outs to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of
from panel.journeys.engine.programs import programs
from panel.journeys.models import Enrolment
from panel.timeline.models import Event

REFUSALS = {"opted_out", "contact_erased"}


def touched_since(session: Session, messages: Sequence[Mapping[str, Any]], since: datetime) -> set[int]:
    """The contacts of these messages to whom a stop or the goal of their journey, or a refusal, happened since then."""
    runs = [one["enrolment_id"] for one in messages if one["enrolment_id"]]
    versions = select(Enrolment.version_id).where(among(session, Enrolment.id, runs)).distinct()
    known = programs(session, set(connection_of(session).execute(versions).scalars()) if runs else set()).values()
    kinds = REFUSALS | {trigger.kind for program in known for trigger in program.stops}
    kinds |= {program.ending_goal["event"] for program in known if program.ending_goal}
    rows = connection_of(session).execute(
        select(Event.contact_id)
        .where(
            among(session, Event.contact_id, {one["contact_id"] for one in messages}),
            Event.kind.in_(sorted(kinds)),
            Event.received_at >= since,
        )
        .distinct()
    )
    return set(rows.scalars())
