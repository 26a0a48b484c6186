"""`becomes_true`: the first answers when a journey goes live, and entering when a condition turns true."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of
from panel.journeys.engine import audiences, intake
from panel.journeys.engine.audiences import Edge
from panel.journeys.engine.entry import Candidate, consider
from panel.journeys.engine.programs import LiveJourney, Program, live
from panel.journeys.models import Audience, AudienceState, Enrolment, EntryCheck, Journey, WaitingEntry

TRIGGER = "becomes_true"


def of_journey(journey_id: str, program: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(audience, trigger) for each becomes_true of a journey. What says the same keeps its name in every version."""
    settings = program["settings"]
    for raw in program["start_when"]:
        if raw["on"] == TRIGGER:
            said = [raw["cond"], settings.get("time_zone"), settings.get("fallback_time_zone"), program["purpose"]]
            digest = hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
            yield f"journey:{journey_id}:{digest[:16]}", raw


def _prefix(journey_id: str) -> Any:
    return Audience.id.startswith(f"journey:{journey_id}:", autoescape=True)


def published(session: Session, journey_id: str, version_id: int, program: Mapping[str, Any], now: datetime) -> None:
    """A version goes live, in the publishing transaction: take the first answers of conditions that are new.

    When the journey goes live for the first time, those for whom a condition holds already do not enter (that is
    recorded), or with `existing: include` they are put in a row behind `entry_limit`. A condition that is edited later
    takes new answers without letting anybody in; one that says the same keeps what is known.
    """
    connection = connection_of(session)
    known = set(connection.execute(select(Audience.id).where(_prefix(journey_id))).scalars())
    wanted = dict(of_journey(journey_id, program))
    resolved = Program(version_id, journey_id, 0, program)
    for id_, raw in wanted.items():
        holding = audiences.watch(
            session, id_, raw["cond"], program["settings"], now, purpose=program["purpose"], check=raw.get("check")
        )
        if id_ in known or not holding:
            continue
        if program.get("existing") == "include" and not known:
            start = {"trigger": TRIGGER, "at": now.isoformat(), "kind": TRIGGER}
            intake.wait_all(session, journey_id, resolved, sorted(holding), start, now)
        else:
            _skip_existing(session, journey_id, version_id, id_, now)
    audiences.forget(session, known - wanted.keys())


def _skip_existing(session: Session, journey_id: str, version_id: int, audience: str, now: datetime) -> None:
    """One statement records that these held already, so that nobody need wonder why they did not enter."""
    dialect = postgresql if connection_of(session).dialect.name == "postgresql" else sqlite
    checks, state = EntryCheck, AudienceState
    inside = exists().where(Enrolment.journey_id == journey_id, Enrolment.contact_id == state.contact_id)
    rows = select(
        literal(journey_id), literal(version_id), state.contact_id, literal(now, checks.at.type),
        literal(now.date(), checks.day.type), literal("existing_skipped"), literal({}, checks.detail.type), literal(1),
    ).where(state.audience == audience, state.is_true, ~inside)  # fmt: skip
    columns = ["journey_id", "version_id", "contact_id", "at", "day", "outcome", "detail", "count"]
    statement = dialect.insert(checks).from_select(columns, rows, include_defaults=False)
    connection_of(session).execute(statement.on_conflict_do_nothing())


def candidates(
    session: Session, edges: Sequence[Edge], now: datetime, journeys: Sequence[LiveJourney] | None = None
) -> list[Candidate]:
    """The starts that these edges ask for."""
    if not edges:
        return []
    journeys = live(session) if journeys is None else journeys
    triggers = {id_: journey for journey in journeys for id_, _ in of_journey(journey.id, journey.program.resolved)}
    found = []
    for edge in edges:
        journey = triggers.get(edge.audience)
        if journey is not None:
            event = edge.event
            found.append(
                Candidate(
                    journey,
                    edge.contact_id,
                    TRIGGER,
                    event.occurred_at if event is not None else now,
                    event.id if event is not None and event.contact_id == edge.contact_id else None,
                    TRIGGER,
                    (event.data or {}) if event is not None else {},
                    edge.depth,
                )
            )
    return found


def enter(session: Session, edges: Sequence[Edge], now: datetime) -> None:
    """Let those in for whom time has made a condition true."""
    found = candidates(session, edges, now)
    if found:
        consider(session, found, now)


def forget_ended(session: Session) -> None:
    """A journey that is over is not watched any more, and nobody waits for it."""
    connection = connection_of(session)
    ended = list(connection.execute(select(Journey.id).where(Journey.state == "ended")).scalars())
    if not ended:
        return
    connection.execute(delete(WaitingEntry).where(among(session, WaitingEntry.journey_id, ended)))
    watched = connection.execute(select(Audience.id).where(Audience.id.startswith("journey:"))).scalars()
    over = set(ended)
    audiences.forget(session, [id_ for id_ in watched if id_.split(":")[1] in over])
