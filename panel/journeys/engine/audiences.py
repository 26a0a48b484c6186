"""Watching a condition over everybody: `becomes_true` triggers and segments. Nobody is asked twice without a reason.

The answers are rows (`audience_states`). An EVENT of a kind that can change a condition asks again about that contact,
in the transaction that routes the event. TIME asks again about a contact at the moment at which an event leaves its
window (`recheck_at`). Only conditions that change without either (what plugins say, who can be reached) are asked about
everybody, once a day. All of it is set-based: some statements per condition, whatever the number of contacts.

Taking the first answers, and taking them anew because the condition was edited, never looks like anybody's coming or
going: only what happens to people does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, not_, or_, select, text, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.sets import among
from panel.copying import put_rows
from panel.db import connection_of, writing
from panel.journeys.engine import intake
from panel.journeys.engine.changes import kinds_of as kinds_that_change
from panel.journeys.engine.conditions import Condition, walk
from panel.journeys.engine.facts import Company, company
from panel.journeys.engine.flips import next_changes, next_check
from panel.journeys.engine.sets import Answers, Asked, answers
from panel.journeys.engine.turns import repeat
from panel.journeys.models import Audience, AudienceState, WaitingEntry
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many

BATCH = 5000
SETTLING = timedelta(seconds=60)  # as long as a router may have worked that did not know a new audience yet
LATE_COMMITS = timedelta(minutes=2)  # ids of events are given out before they are committed
STATE_COLUMNS = ("audience", "contact_id", "is_true", "since", "recheck_at")
_ONE_WORKER = 0x61756469

# Whose rows come, go or change hands.
_ALWAYS = frozenset({"contact_created", "contact_merged", "contact_unmerged", "contact_erased"})
_BY_THEMSELVES = frozenset({"can_reach", "prefers", "check"})


@dataclass(frozen=True)
class Changes:
    """Who came in and who went out; and for whom the answer changed without anybody's coming or going."""

    entered: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset()
    silent: frozenset[int] = frozenset()


def kinds_of(condition: Condition) -> frozenset[str]:
    """The kinds of events after which a contact must be asked about again."""
    return _ALWAYS | kinds_that_change(condition)


# --- defining --------------------------------------------------------------------------------------------------------


def watch(
    session: Session,
    id_: str,
    condition: Condition,
    settings: Mapping[str, Any],
    now: datetime,
    *,
    name: str = "",
    purpose: str = "marketing",
    check: Mapping[str, Any] | None = None,
    anew: bool = False,
) -> frozenset[int]:
    """Begin to watch a condition (or another condition under the same name); returns for whom it holds now.

    Nothing happens when it is watched already and says the same, unless `anew` asks for it: then the set is empty.
    `settings` are a program's (whose clock). `check` is how time is looked at ("daily at 07:00"), None: to the moment.
    """
    clocks = {key: settings.get(key) for key in ("time_zone", "fallback_time_zone")}
    kept = {**clocks, "purpose": purpose, "check": dict(check) if check else None}
    audience = session.get(Audience, id_)
    if audience is not None and not anew and audience.condition == condition and audience.settings == kept:
        audience.name = name
        return frozenset()
    seen = connection_of(session).execute(select(func.max(Event.id))).scalar() or 0
    if audience is None:
        audience = Audience(id=id_, condition={}, settings={}, taken_at=now, changed_at=now)
        session.add(audience)
    audience.name, audience.condition, audience.settings = name, dict(condition), kept
    audience.taken_at, audience.seen_event = now, seen
    audience.fresh = connection_of(session).dialect.name == "postgresql"
    audience.check_at = _next_check(audience, now, company(session)) if _changes_by_itself(condition) else None
    session.flush()
    return _take(session, audience, now)


def _take(session: Session, audience: Audience, now: datetime) -> frozenset[int]:
    """The first answers, about everybody, in the place of whatever was known before."""
    connection = connection_of(session)
    asked = Asked(session, now, audience.settings, None, audience.settings["purpose"])
    found = answers(session, audience.condition, now, audience.settings, purpose=audience.settings["purpose"])
    moments = _moments(asked, audience, found)
    connection.execute(delete(AudienceState).where(AudienceState.audience == audience.id))
    holding = found.holds
    put_rows(
        connection,
        AudienceState,
        STATE_COLUMNS,
        [
            (audience.id, contact_id, contact_id in holding, now, moments.get(contact_id))
            for contact_id in sorted(holding | moments.keys())
        ],
    )
    return holding


def forget(session: Session, ids: Iterable[str]) -> None:
    """Stop watching these."""
    wanted = list(ids)
    if not wanted:
        return
    for audience in session.scalars(select(Audience).where(Audience.id.in_(wanted))).all():
        session.delete(audience)
    session.flush()
    connection_of(session).execute(delete(AudienceState).where(AudienceState.audience.in_(wanted)))


def refresh_users(session: Session, segment: str, now: datetime) -> None:
    """A segment was defined anew: whatever is watched with its help takes new first answers, and so on."""
    waiting, done = [segment], {segment}
    while waiting:
        name = waiting.pop()
        for audience in session.scalars(select(Audience)).all():
            if any(one.get("segment") == name for one in walk(audience.condition)):
                _take(session, audience, now)
                if audience.id.startswith("segment:") and audience.name not in done:
                    done.add(audience.name)
                    waiting.append(audience.name)


# --- asking again ----------------------------------------------------------------------------------------------------


def ask_again(
    session: Session, audience: Audience, contact_ids: Collection[int] | None, now: datetime, *, quiet: bool = False
) -> Changes:
    """Bring the rows of some contacts (None: of everybody) up to date. `quiet`: only history changed, nobody moved.

    The contacts are locked first, so that of two workers the later one judges what the earlier one left.
    """
    connection = connection_of(session)
    if contact_ids is not None:
        contact_ids = list(contact_ids)
        if not contact_ids:
            return Changes()
        lock = select(Contact.id).where(among(session, Contact.id, contact_ids)).order_by(Contact.id)
        connection.execute(lock.with_for_update(key_share=True)).all()
    purpose = audience.settings["purpose"]
    asked = Asked(session, now, audience.settings, contact_ids, purpose)
    found = answers(session, audience.condition, now, audience.settings, contact_ids, purpose=purpose)
    moments = _moments(asked, audience, found)
    here = AudienceState.audience == audience.id
    if contact_ids is not None:
        here = and_(here, among(session, AudienceState.contact_id, contact_ids))
    rows = connection.execute(
        select(AudienceState.contact_id, AudienceState.is_true, AudienceState.since, AudienceState.recheck_at).where(
            here
        )
    ).all()
    before: dict[int, Any] = {row.contact_id: row for row in rows}
    was_true = {row.contact_id for row in rows if row.is_true}
    is_true = found.holds | (was_true & found.undecided)  # what cannot be said now stays as it was
    _write(session, audience, before, is_true, moments, now)
    entered, left = frozenset(is_true - was_true), frozenset(was_true - is_true)
    if not (entered or left):
        return Changes()
    connection.execute(update(Audience).where(Audience.id == audience.id).values(changed_at=now))
    if quiet:
        return Changes(silent=entered | left)
    # What is history only may be seen first through another event, and starts nothing all the same. Entries and ends
    # of the journeys that a condition names are always more than that (see `watched`).
    history_only = and_(not_(Event.starts_journeys), Event.kind.not_in(("journey_entered", "journey_ended")))
    history = frozenset(_met(session, audience, history_only, entered | left))
    return Changes(entered - history, left - history, (entered | left) & history)


class _Silent:
    """Whose answers changed in a segment without a word on the timeline: whatever is watched with the help of that
    segment is asked again about them, as silently. At the end, after all that is more than history."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, frozenset[int]]] = []

    def note(self, audience: Audience, changes: Changes) -> None:
        if changes.silent and audience.id.startswith("segment:"):
            self._waiting.append((audience.name, changes.silent))

    def follow(self, session: Session, now: datetime) -> None:
        while self._waiting:
            segment, contact_ids = self._waiting.pop()
            for audience in session.scalars(select(Audience).order_by(Audience.id)).all():
                if any(one.get("segment") == segment for one in walk(audience.condition)):
                    self.note(audience, ask_again(session, audience, contact_ids, now, quiet=True))


def _write(
    session: Session,
    audience: Audience,
    before: Mapping[int, Any],
    is_true: Collection[int],
    moments: Mapping[int, datetime],
    now: datetime,
) -> None:
    """Only rows that differ are written; a row that says nothing goes."""
    rows, old = [], []
    for contact_id in {*is_true, *moments.keys(), *before.keys()}:
        row = before.get(contact_id)
        holds, moment = contact_id in is_true, moments.get(contact_id)
        if row is not None and row.is_true == holds and row.recheck_at == moment and (holds or moment):
            continue
        if row is not None:
            old.append(contact_id)
        if holds or moment is not None:
            since = row.since if row is not None and row.is_true == holds else now
            rows.append((audience.id, contact_id, holds, since, moment))
    connection = connection_of(session)
    if old:
        connection.execute(
            delete(AudienceState).where(
                AudienceState.audience == audience.id, among(session, AudienceState.contact_id, old)
            )
        )
    put_rows(connection, AudienceState, STATE_COLUMNS, rows)


def _moments(asked: Asked, audience: Audience, found: Answers) -> dict[int, datetime]:
    """When time may change the answer for each contact, rounded up to the next check."""
    check = audience.settings.get("check")
    moments = next_changes(asked, audience.condition)
    rounded: dict[datetime, datetime] = {}
    result = {}
    for contact_id, moment in moments.items():
        if check and moment not in rounded:
            rounded[moment] = next_check(check, moment, asked.business)
        result[contact_id] = rounded[moment] if check else moment
    if found.undecided:
        again = _next_check(audience, asked.now, asked.business)
        for contact_id in found.undecided:
            result[contact_id] = min(again, result.get(contact_id, again))
    return result


def _next_check(audience: Audience, now: datetime, business: Company) -> datetime:
    return next_check(audience.settings.get("check"), now + timedelta(microseconds=1), business)


def _changes_by_itself(condition: Condition) -> bool:
    return any(one["test"] in _BY_THEMSELVES for one in walk(condition))


def ask_again_quietly(session: Session, contact_ids: Collection[int], now: datetime) -> None:
    """Bring everything that is watched up to date about these contacts; nobody comes or goes by it."""
    silent = _Silent()
    for audience in session.scalars(select(Audience).order_by(Audience.id)).all():
        silent.note(audience, ask_again(session, audience, contact_ids, now, quiet=True))
    silent.follow(session, now)


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edge:
    """A condition has become true for a contact. `event`: the one that did it, None when it was time."""

    audience: str
    contact_id: int
    event: Any | None
    depth: int


def after_events(session: Session, events: Sequence[Any], shown: Mapping[int, int], now: datetime) -> list[Edge]:
    """Ask again what these events may have changed; returns the edges of journeys. Segments write their own events.

    `shown` maps merged contacts to those shown in their place.
    """
    edges: list[Edge] = []
    silent = _Silent()
    erased = [event.contact_id for event in events if event.kind == "contact_erased"]
    if erased:
        connection_of(session).execute(delete(WaitingEntry).where(WaitingEntry.contact_id.in_(erased)))
    watched = session.scalars(select(Audience).order_by(Audience.id)).all()
    for audience in watched:
        kinds = kinds_of(audience.condition)
        touching: dict[int, Any] = {}
        for event in events:
            if event.kind in kinds:
                for contact_id in _contacts_of(event, shown):
                    touching[contact_id] = event
        if touching:
            changes = ask_again(session, audience, touching, now)
            silent.note(audience, changes)
            edges += _tell(session, audience, changes, touching, now)
    silent.follow(session, now)
    return edges


def _contacts_of(event: Any, shown: Mapping[int, int]) -> set[int]:
    found = {event.contact_id, shown.get(event.contact_id, event.contact_id)}
    if event.kind in ("contact_merged", "contact_unmerged") and isinstance((event.data or {}).get("contact_id"), int):
        found.add(event.data["contact_id"])
    return found


def _tell(
    session: Session, audience: Audience, changes: Changes, touching: Mapping[int, Any], now: datetime
) -> list[Edge]:
    """Who came in and went out: edges for a journey, events on the timeline for a segment."""
    if not audience.id.startswith("segment:"):
        return [
            Edge(audience.id, contact_id, touching.get(contact_id), getattr(touching.get(contact_id), "depth", 0))
            for contact_id in sorted(changes.entered)
        ]
    events = []
    for kind, contact_ids in (("segment_entered", changes.entered), ("segment_left", changes.left)):
        for contact_id in sorted(contact_ids):
            # What a journey caused stays counted, so that a journey and a segment cannot chase each other for ever.
            depth = getattr(touching.get(contact_id), "depth", -1) + 1
            data = {"segment": audience.name}
            events.append(NewEvent(contact_id, kind, now, data, source="segments", depth=depth))
    record_many(session, events)
    return []


# --- time ------------------------------------------------------------------------------------------------------------


def run(limit_seconds: float, argument: str = "") -> bool:
    """Work off what time has made due; True when more may be."""
    return repeat(recheck, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """How much waits, for the ticker."""
    some = select(AudienceState.contact_id).where(AudienceState.recheck_at <= now).limit(20_000)
    rows = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    unasked = connection.execute(select(func.count()).select_from(Audience).where(_to_ask(now))).scalar_one()
    return rows + unasked + intake.due(connection, now)


def next_moment(session: Session) -> datetime | None:
    """When something is due next, for those who let time pass (tests, simulations)."""
    moments = [
        connection_of(session).execute(select(func.min(column))).scalar()
        for column in (AudienceState.recheck_at, Audience.check_at)
    ]
    return min((moment for moment in (*moments, intake.next_turn(session)) if moment is not None), default=None)


def _to_ask(now: datetime) -> Any:
    """Audiences about which more is to be asked than rows that are due."""
    return or_(Audience.check_at <= now, and_(Audience.fresh, Audience.taken_at <= now - SETTLING))


def recheck(limit: int = BATCH) -> int:
    """Look again where time may have changed something; then let in who waited. Returns how much was done."""
    with writing() as session:
        done = look_again_in(session, limit)
    # Apart: whoever holds contacts must not wait for the places of a journey.
    with writing() as session:
        return done + intake.admit(session, clock.now())


def recheck_in(session: Session, limit: int = BATCH) -> int:
    """The same within the caller's transaction (a simulation's, which is rolled back)."""
    return look_again_in(session, limit) + intake.admit(session, clock.now())


def look_again_in(session: Session, limit: int = BATCH) -> int:
    """Ask again about those for whom time may have changed something, and let in those who came in by it."""
    from panel.journeys.engine.becoming import enter  # noqa: PLC0415  (entering asks this module)

    now = clock.now()
    if not _alone(session):
        return 0
    done = 0
    edges: list[Edge] = []
    silent = _Silent()
    for audience in session.scalars(select(Audience).where(_to_ask(now)).order_by(Audience.id)).all():
        edges += _whole(session, audience, silent, now)
        done += 1
    rows = connection_of(session).execute(
        select(AudienceState.audience, AudienceState.contact_id)
        .where(AudienceState.recheck_at <= now)
        .order_by(AudienceState.recheck_at)
        .limit(limit)
    )
    by_audience: dict[str, list[int]] = {}
    for id_, contact_id in rows:
        by_audience.setdefault(id_, []).append(contact_id)
        done += 1
    for id_, contact_ids in sorted(by_audience.items()):
        found = session.get(Audience, id_)
        if found is None:
            forget(session, [id_])
            continue
        changes = ask_again(session, found, contact_ids, now)
        silent.note(found, changes)
        edges += _tell(session, found, changes, {}, now)
    silent.follow(session, now)
    enter(session, edges, now)
    return done


def _whole(session: Session, audience: Audience, silent: _Silent, now: datetime) -> list[Edge]:
    """What is due for an audience as a whole: its daily look at everybody, and events routed without knowing it."""
    edges: list[Edge] = []
    if audience.fresh and audience.taken_at <= now - SETTLING:
        changes = ask_again(session, audience, _met(session, audience, Event.starts_journeys), now)
        silent.note(audience, changes)
        edges += _tell(session, audience, changes, {}, now)
        audience.fresh = False
    if audience.check_at is not None and audience.check_at <= now:
        changes = ask_again(session, audience, None, now)
        silent.note(audience, changes)
        edges += _tell(session, audience, changes, {}, now)
        audience.check_at = _next_check(audience, now, company(session))
    session.flush()
    return edges


def catch_up(session: Session, now: datetime) -> None:
    """Take in what was recorded as history only (a first import, an undo): it changes answers, and starts
    nothing. Called every minute; looks at the newest events only."""
    if not _alone(session):
        return
    known = select(func.max(Event.id))
    if connection_of(session).dialect.name == "postgresql":
        known = known.where(Event.received_at < now - LATE_COMMITS)
    newest = connection_of(session).execute(known).scalar() or 0
    silent = _Silent()
    for audience in session.scalars(select(Audience).where(not_(Audience.fresh)).order_by(Audience.id)).all():
        met = _met(session, audience, not_(Event.starts_journeys))
        silent.note(audience, ask_again(session, audience, met, now, quiet=True))
        audience.seen_event = max(audience.seen_event, newest)
    silent.follow(session, now)
    session.flush()


def _met(session: Session, audience: Audience, which: Any, contact_ids: Collection[int] | None = None) -> list[int]:
    """The contacts (of these) to whom something happened since the audience was last brought up to date."""
    query = select(Event.contact_id).where(
        Event.id > audience.seen_event, Event.kind.in_(kinds_of(audience.condition)), which
    )
    if contact_ids is not None:
        query = query.where(among(session, Event.contact_id, contact_ids))
    return list(connection_of(session).execute(query.distinct()).scalars())


def _alone(session: Session) -> bool:
    """One worker looks at a time: two would only wait for each other."""
    if connection_of(session).dialect.name != "postgresql":
        return True
    return bool(
        connection_of(session).execute(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": _ONE_WORKER}).scalar()
    )
