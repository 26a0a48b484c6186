"""One process's share of the whole base, played in memory from one due moment to the next."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, Table, false, func, or_, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.db import Base, connection_of, table_of
from panel.journeys.engine.advance import advance_in
from panel.journeys.engine.conditions import Needs, needs
from panel.journeys.engine.facts import company
from panel.journeys.engine.programs import Program, live
from panel.journeys.engine.route import route_in
from panel.journeys.engine.turns import uncollected
from panel.journeys.models import Enrolment, JourneyVersion, StepRun
from panel.journeys.simulate.bulk import Counts, send_due
from panel.journeys.simulate.play import MOST_TURNS, Audiences, Dates, NeverRestsError, Source, next_due
from panel.journeys.simulate.stage import LEFT_OUT, OF_RUNS, copy_table, empty, tidy
from panel.messages.models import Message
from panel.timeline.models import Event

# All that is due within such a quarter of an hour is taken together, at its end and never beyond it: hours in which
# messages may go, days and limits begin and end on quarters of an hour. What is due just when one begins comes then.
TICK = timedelta(minutes=15)
INSTANT = timedelta(microseconds=1)
RUNS_AT_ONCE = 4_000
EVENTS_AT_ONCE = 4_000
REMEMBERED = timedelta(days=370)  # messages this far back may still fill a limit
# Indexes that only screens and reports need: not kept up in a copy that nobody looks at.
UNUSED_INDEXES = (
    "ix_messages_status_id",
    "ix_messages_provider_message_id",
    "ix_messages_lease",
    "ix_events_message_id",
)


@dataclass
class Share:
    """What one share of the contacts came to. Days are dates of the business's own clock."""

    contacts: int = 0
    steps: int = 0
    seconds: float = 0.0
    copied_in: float = 0.0
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)  # (channel, day)
    entries: Counter[tuple[str, str]] = field(default_factory=Counter)  # (journey, day)
    collisions: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (journey, reason, day)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)  # (journey, reason)
    reached: str = ""

    def add(self, other: Share) -> None:
        for name in ("sent", "entries", "collisions", "held"):
            getattr(self, name).update(getattr(other, name))
        self.contacts += other.contacts
        self.steps += other.steps
        self.seconds = max(self.seconds, other.seconds)
        self.copied_in = max(self.copied_in, other.copied_in)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def play_share(
    source: Session, start: datetime, until: datetime, number: int, shares: int, tell: Callable[[float], None]
) -> Share:
    """Play the contacts whose id falls to share `number` of `shares`. `tell` hears how much is done (0 to 1)."""
    began = time.monotonic()
    engine = empty()
    try:
        with engine.begin() as target:
            for name in UNUSED_INDEXES:
                target.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
            kinds = {kind for journey in live(source) for kind in looked_at(journey.program)}
            for table in Base.metadata.sorted_tables:
                if table.name not in LEFT_OUT:
                    copy_table(source, target, table, _wanted(table, start, kinds, number, shares))
            tidy(target, start)
        copied = time.monotonic()
        with Session(engine, expire_on_commit=False) as session:
            _share_limits(session, number, shares)
            found = _play(session, start, until, tell)
            found.contacts = session.scalar(select(func.count()).select_from(Contact)) or 0
            session.rollback()
    finally:
        engine.dispose()
    found.copied_in = copied - began
    found.seconds = time.monotonic() - began
    return found


def looked_at(program: Program) -> set[str]:
    """The kinds of events that anything in this journey looks at."""
    found = Needs()
    found.add(program.history_needs)
    for key in ("only_if", "exclude_if"):
        found.add(needs(program.resolved.get(key)))
    for raw in program.resolved["start_when"]:
        found.add(needs(raw.get("cond") or raw.get("audience")))
    for step in program.steps.values():
        found.add(program.step_needs(step))
    return found.kinds | program.wakes_on


def _wanted(table: Table, start: datetime, kinds: set[str], number: int, shares: int) -> Select[Any]:
    contacts = table_of(Contact)
    mine = func.coalesce(contacts.c.merged_into_id, contacts.c.id) % shares == number
    if table is contacts:
        return select(table).where(mine)
    if table.name in OF_RUNS:
        runs = table_of(Enrolment)
        own = select(runs.c.id).where(
            runs.c.status == "active", runs.c.contact_id.in_(select(contacts.c.id).where(mine))
        )
        return select(table).where(table.c[OF_RUNS[table.name]].in_(own))
    if "contact_id" not in table.c or table.name in ("suppressions", "entry_checks"):
        return select(table).where(false()) if table.name == "entry_checks" else select(table)
    query = select(table).where(table.c.contact_id.in_(select(contacts.c.id).where(mine)))
    if table is table_of(Event):
        return query.where(or_(Event.kind.in_(sorted(kinds)), Event.routed_at.is_(None)))
    if table is table_of(Message):
        return query.where(
            or_(Message.wire_at >= start - REMEMBERED, Message.status.in_(("queued", "claimed", "on_wire")))
        )
    return query


def _share_limits(session: Session, number: int, shares: int) -> None:
    """`entry_limit` counts over everybody: each share gets its part; one that gets nothing takes nobody in."""
    versions = session.execute(select(JourneyVersion.id, JourneyVersion.resolved)).all()
    for id_, resolved in versions:
        limit = resolved.get("entry_limit")
        if limit and shares > 1:
            count = limit["count"] // shares + (1 if number < limit["count"] % shares else 0)
            changed = {**resolved, "entry_limit": {**limit, "count": max(count, 1)}}
            if not count:
                changed["ends_on"] = date.min.isoformat()
            session.execute(update(JourneyVersion).where(JourneyVersion.id == id_).values(resolved=changed))


def _play(session: Session, start: datetime, until: datetime, tell: Callable[[float], None]) -> Share:
    counts = Counts(ZoneInfo(company(session).time_zone))
    listened = any("message_sent" in looked_at(journey.program) for journey in live(session))
    told = 0.0
    before = session.scalar(select(func.count()).select_from(StepRun)) or 0
    now, sources = start, (Dates(), Audiences())
    while True:
        with clock.hold(now):
            _settle(session, now, counts, listened, sources)
        coming = (next_due(session), *(source.come(session, now) for source in sources))
        following = min((one for one in coming if one is not None), default=None)
        if following is None or following > until or now >= until:
            break
        now = min(until, _rounded(max(following, now + INSTANT)))
        share = (now - start) / (until - start)
        if share >= told + 0.01:
            told = share
            tell(min(share, 1.0))
    tell(1.0)
    return _result(session, counts, start, before)


def _settle(session: Session, now: datetime, counts: Counts, listened: bool, sources: Sequence[Source]) -> None:
    for _ in range(MOST_TURNS * 5):
        with uncollected():
            done = sum(source.do(session, now) for source in sources) + route_in(session, EVENTS_AT_ONCE)
            done += advance_in(session, RUNS_AT_ONCE) + send_due(session, now, counts, listened)
        if not done:
            return
    raise NeverRestsError


def _rounded(moment: datetime) -> datetime:
    begin = datetime.fromtimestamp(moment.timestamp() // TICK.total_seconds() * TICK.total_seconds(), UTC)
    return moment if moment == begin else begin + TICK - INSTANT


def _result(session: Session, counts: Counts, start: datetime, steps_before: int) -> Share:
    connection = connection_of(session)
    found = Share(steps=(session.scalar(select(func.count()).select_from(StepRun)) or 0) - steps_before)
    found.sent.update({(channel, day.isoformat()): n for (channel, day), n in counts.sent.items()})
    found.collisions.update(
        {(journey, reason, day.isoformat()): n for (journey, reason, day), n in counts.collisions.items()}
    )
    # What is left out when it is planned never comes to the sender: nobody to write to, no consent, a blocked address.
    left_out = connection.execute(
        select(Message.journey_id, Message.reason, Message.planned_at, func.count())
        .where(Message.planned_at >= start, Message.status == "skipped", Message.attempt_token.is_(None))
        .group_by(Message.journey_id, Message.reason, Message.planned_at)
    )
    for journey, reason, at, n in left_out:
        found.collisions[(journey or "", reason or "", counts.day(at).isoformat())] += n
    entered = connection.execute(
        select(Enrolment.journey_id, Enrolment.entered_at, func.count())
        .where(Enrolment.entered_at >= start)
        .group_by(Enrolment.journey_id, Enrolment.entered_at)
    )
    for journey_id, at, n in entered:
        found.entries[(journey_id, counts.day(at).isoformat())] += n
    held = connection.execute(
        select(Enrolment.journey_id, Enrolment.reason, func.count())
        .where(Enrolment.status == "held")
        .group_by(Enrolment.journey_id, Enrolment.reason)
    )
    for journey_id, reason, n in held:
        found.held[(journey_id, reason or "")] += n
    return found


def days_between(start: datetime, until: datetime, zone: ZoneInfo) -> Iterator[date]:
    """Every local day from `start` to `until`."""
    day, last = start.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
