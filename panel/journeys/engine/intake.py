"""`entry_limit`: so many may enter a journey in a while; the rest wait in a row, each with a time, and nobody is lost.

A place is taken by everybody who entered in the window and by everybody who waits before. The limit counts on the clock
of the business. Who waits is judged again when the turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.copying import put_rows
from panel.db import connection_of, next_ids
from panel.journeys.engine.facts import company, zone_of
from panel.journeys.engine.limits import leaves_window, window_start
from panel.journeys.engine.programs import LiveJourney, Program, live
from panel.journeys.models import Enrolment, Journey, WaitingEntry

BATCH = 500
_LOCK = 0x6C696D  # with the fingerprint of the journey: any number that nobody else uses


class Row:
    """The places of one journey: those taken lately, then those promised, in order."""

    def __init__(self, session: Session, journey_id: str, program: Program, now: datetime) -> None:
        self.limit: Mapping[str, Any] = program.resolved["entry_limit"]
        self.zone: ZoneInfo = zone_of(program.settings, None, company(session))[0]
        self.now, count = now, self.limit["count"]
        connection = connection_of(session)
        taken = (
            select(Enrolment.entered_at)
            .where(Enrolment.journey_id == journey_id, Enrolment.entered_at >= window_start(self.limit, now, self.zone))
            .order_by(Enrolment.entered_at.desc())
            .limit(count)
        )
        promised = (
            select(WaitingEntry.due_at)
            .where(WaitingEntry.journey_id == journey_id)
            .order_by(WaitingEntry.id.desc())
            .limit(count)
        )
        self.taken = list(connection.execute(taken).scalars())[::-1]
        self.places = [*self.taken, *list(connection.execute(promised).scalars())[::-1]]

    def free_now(self) -> int:
        """How many may enter now, whoever waits."""
        return max(0, int(self.limit["count"]) - len(self.taken))

    def next_place(self) -> datetime:
        """Take the next place; `now` when it is free at once."""
        count = self.limit["count"]
        moment = max(self.now, self.places[-1]) if self.places else self.now
        if len(self.places) >= count:
            moment = max(moment, leaves_window(self.limit, self.places[-count], self.zone))
        self.places.append(moment)
        return moment


def lock(session: Session, journey_id: str) -> None:
    """One worker at a time gives out the places of a journey (SQLite has one writer anyway)."""
    connection = connection_of(session)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n, hashtext(:j))"), {"n": _LOCK, "j": journey_id})


def let_in(session: Session, wanted: Sequence[LiveJourney], now: datetime) -> list[datetime | None]:
    """For each start that everything else allows (by its journey): None to enter now, or when its turn comes."""
    rows: dict[str, Row] = {}
    for journey in sorted({one.id: one for one in wanted}.values(), key=lambda one: one.id):
        if journey.program.resolved.get("entry_limit"):
            lock(session, journey.id)
            rows[journey.id] = Row(session, journey.id, journey.program, now)
    moments = [rows[one.id].next_place() if one.id in rows else now for one in wanted]
    return [moment if moment > now else None for moment in moments]


def wait_in_row(
    session: Session, waiting: Sequence[tuple[str, int, str, Mapping[str, Any], datetime]], now: datetime
) -> None:
    """Put starts (journey, contact, entry key, start, due) at the end of the row; who waits already keeps the place."""
    if not waiting:
        return
    dialect = postgresql if connection_of(session).dialect.name == "postgresql" else sqlite
    statement = dialect.insert(WaitingEntry).on_conflict_do_nothing(
        index_elements=["journey_id", "contact_id", "entry_key"]
    )
    rows = [
        {"journey_id": journey_id, "contact_id": contact_id, "entry_key": key, "start": dict(start), "waits_since": now,
         "due_at": due_at}
        for journey_id, contact_id, key, start, due_at in waiting
    ]  # fmt: skip
    for row in rows:
        connection_of(session).execute(statement, row)


def wait_all(
    session: Session,
    journey_id: str,
    program: Program,
    contact_ids: Sequence[int],
    start: Mapping[str, Any],
    now: datetime,
) -> None:
    """Put many at the end of a row at once: everybody for whom a condition holds when its journey goes live."""
    if not contact_ids:
        return
    lock(session, journey_id)
    connection = connection_of(session)
    there = set(
        connection.execute(select(WaitingEntry.contact_id).where(WaitingEntry.journey_id == journey_id)).scalars()
    )
    new = [contact_id for contact_id in contact_ids if contact_id not in there]
    row = Row(session, journey_id, program, now) if program.resolved.get("entry_limit") else None
    ids = next_ids(session, "waiting_entries", len(new))
    columns = ("id", "journey_id", "contact_id", "entry_key", "start", "waits_since", "due_at")
    put_rows(
        connection,
        WaitingEntry,
        columns,
        [
            (id_, journey_id, contact_id, "", dict(start), now, row.next_place() if row is not None else now)
            for id_, contact_id in zip(ids, new, strict=True)
        ],
    )


def due(connection: Connection, now: datetime) -> int:
    """How many waiting starts have their turn (journeys that are paused keep theirs waiting)."""
    some = select(WaitingEntry.id).where(WaitingEntry.due_at <= now, WaitingEntry.journey_id.not_in(_paused()))
    return connection.execute(select(func.count()).select_from(some.limit(10_000).subquery())).scalar_one()


def _paused() -> Any:
    return select(Journey.id).where(Journey.state == "paused")


def admit(session: Session, now: datetime, limit: int = BATCH) -> int:
    """Let in those whose turn has come, up to `limit` of one journey; returns how many rows were dealt with."""
    from panel.journeys.engine.entry import candidate_from, consider  # noqa: PLC0415  (it asks us for places)

    connection = connection_of(session)
    first = connection.execute(
        select(WaitingEntry.journey_id)
        .where(WaitingEntry.due_at <= now, WaitingEntry.journey_id.not_in(_paused()))
        .order_by(WaitingEntry.due_at, WaitingEntry.id)
        .limit(1)
    ).scalar()
    if first is None:
        return 0
    journey = next((one for one in live(session) if one.id == first), None)
    if journey is None:  # ended: there is nothing to enter any more
        connection.execute(delete(WaitingEntry).where(WaitingEntry.journey_id == first))
        return 1
    lock(session, first)
    limited = bool(journey.program.resolved.get("entry_limit"))
    room = min(limit, Row(session, first, journey.program, now).free_now()) if limited else limit
    rows = connection.execute(
        select(WaitingEntry.id, WaitingEntry.contact_id, WaitingEntry.start)
        .where(WaitingEntry.journey_id == first, WaitingEntry.due_at <= now)
        .order_by(WaitingEntry.id)
        .limit(room)
    ).all() if room else []  # fmt: skip
    if not rows:
        _plan_again(session, journey, now)
        return 1
    connection.execute(delete(WaitingEntry).where(WaitingEntry.id.in_([row.id for row in rows])))
    consider(session, [candidate_from(journey, row.contact_id, row.start) for row in rows], now, in_turn=True)
    return len(rows)


def next_turn(session: Session) -> datetime | None:
    """When somebody's turn comes next. Those before a paused journey have none: nothing would happen then."""
    return (
        connection_of(session)
        .execute(select(func.min(WaitingEntry.due_at)).where(WaitingEntry.journey_id.not_in(_paused())))
        .scalar()
    )


def _plan_again(session: Session, journey: LiveJourney, now: datetime) -> None:
    """More have their turn than may enter (nobody worked for a while): everybody moves back, in the same order."""
    connection = connection_of(session)
    waiting = list(
        connection.execute(
            select(WaitingEntry.id).where(WaitingEntry.journey_id == journey.id).order_by(WaitingEntry.id)
        ).scalars()
    )
    row = Row(session, journey.id, journey.program, now)
    row.places = list(row.taken)
    table = WaitingEntry.__table__
    for start in range(0, len(waiting), 1000):
        part = [(id_, max(row.next_place(), now + timedelta(seconds=1))) for id_ in waiting[start : start + 1000]]
        by_moment: dict[datetime, list[int]] = {}
        for id_, moment in part:
            by_moment.setdefault(moment, []).append(id_)
        for moment, ids in by_moment.items():
            connection.execute(table.update().where(table.c.id.in_(ids)).values(due_at=moment))  # type: ignore[attr-defined]
