"""Route: new events start journeys and wake runs. One transaction; the event and all it causes commit together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.db import connection_of, writing
from panel.journeys.engine import becoming, crash
from panel.journeys.engine.audiences import after_events
from panel.journeys.engine.conditions import Facts, event_matches
from panel.journeys.engine.entry import Candidate, consider, wake
from panel.journeys.engine.facts import company, zone_of
from panel.journeys.engine.looking_again import on_another_clock
from panel.journeys.engine.programs import live, programs
from panel.journeys.engine.turns import repeat, uncollected
from panel.journeys.models import Enrolment
from panel.journeys.restoring import hold_late
from panel.timeline.models import Event

BATCH = 1000


def run(limit_seconds: float, argument: str = "") -> bool:
    """Route what is new for about `limit_seconds`; True when more may be waiting."""
    return repeat(route, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """How many events wait (counted up to 20,000), for the ticker."""
    some = select(Event.id).where(Event.routed_at.is_(None)).limit(20_000)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


@uncollected()
def route(limit: int = BATCH) -> int:
    """Route up to `limit` events; returns how many. Needs an application context."""
    with writing() as session:
        done = route_in(session, limit)
        crash.point("before_route_commit")
    crash.point("after_route_commit")
    return done


def route_in(session: Session, limit: int = BATCH) -> int:
    """The same within the caller's transaction (a simulation's, which is rolled back)."""
    now = clock.now()
    events = (
        connection_of(session)
        .execute(
            select(Event.id, Event.contact_id, Event.kind, Event.occurred_at, Event.data, Event.depth)
            .where(Event.routed_at.is_(None))
            .order_by(Event.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .all()
    )
    if not events:
        return 0
    _route(session, events, now)
    hold_late(session, events, now)
    connection_of(session).execute(update(Event).where(Event.id.in_([one.id for one in events])).values(routed_at=now))
    return len(events)


def _route(session: Session, events: Sequence[Any], now: datetime) -> None:
    shown = _shown(session, {one.contact_id for one in events})
    journeys = live(session)
    wanted = {trigger.kind for journey in journeys for trigger in journey.program.starts}
    business = company(session)
    candidates = []
    for one in events:
        if one.kind not in wanted:
            continue
        contact_id = shown.get(one.contact_id, one.contact_id)
        for journey in journeys:
            zone, _ = zone_of(journey.program.settings, None, business)
            facts = Facts(contact_id, now, zone, event=one.data or {})
            for trigger in journey.program.starts:
                if trigger.kind == one.kind and event_matches(trigger.where, one.data or {}, facts):
                    candidates.append(
                        Candidate(
                            journey,
                            contact_id,
                            trigger.name,
                            one.occurred_at,
                            one.id,
                            one.kind,
                            one.data or {},
                            one.depth,
                        )
                    )
                    break
    candidates += becoming.candidates(session, after_events(session, events, shown, now), now, journeys)
    if candidates:
        consider(session, candidates, now)
    _wake(session, events, shown, now)


def _shown(session: Session, contact_ids: set[int]) -> dict[int, int]:
    """Merged contacts, and the contact that is shown in their place."""
    query = select(Contact.id, Contact.merged_into_id).where(
        Contact.id.in_(contact_ids), Contact.merged_into_id.is_not(None)
    )
    return {row.id: row.merged_into_id for row in connection_of(session).execute(query)}


def _wake(session: Session, events: Sequence[Any], shown: dict[int, int], now: datetime) -> None:
    kinds: dict[int, set[str]] = {}
    for one in events:
        kinds.setdefault(shown.get(one.contact_id, one.contact_id), set()).add(one.kind)
    rows = (
        connection_of(session)
        .execute(
            select(Enrolment.id, Enrolment.contact_id, Enrolment.version_id, Enrolment.phase)
            .where(Enrolment.contact_id.in_(kinds), Enrolment.status == "active")
            .order_by(Enrolment.id)
        )
        .all()
    )
    known = programs(session, {row.version_id for row in rows})
    woken = []
    for row in rows:
        happened = kinds[row.contact_id]
        # A run that waits for its message looks again at every word about a message (a report may settle a doubt).
        about_message = row.phase == "sending" and any(kind.startswith("message_") for kind in happened)
        if about_message or (row.version_id in known and known[row.version_id].wakes_on & happened):
            woken.append(row.id)
    wake(session, woken, now)
    moved = {one.contact_id for one in events if _is_another_clock(one)}
    on_another_clock(session, {shown.get(contact_id, contact_id) for contact_id in moved}, now)


def _is_another_clock(event: Any) -> bool:
    return event.kind == "contact_updated" and "time_zone" in ((event.data or {}).get("changes") or ())
