"""Dates and schedules: who enters a journey because a day comes round.

Planning (`plan_in`) writes a row per contact and occurrence for the next 48 hours; entering (`enter_in`) takes the rows
that are due. Both may be called at any time, by anyone, as often as one likes: the row's key is journey, rule, contact
and occurrence, and a row is done in the transaction that enters the journey.

* Nobody is looked at who cannot be meant: the dates that come round in these days are listed (some hundred), and an
  index finds the contacts that have them. Every hour all contacts are asked for so, every minute those that changed.
  (Weekly and daily dates, and those with an `on` of their own, concern everybody; they are walked through every hour.)
* What was due before we looked for the first time is not made up for: not what was due before the journey was
  published, nor a birthday whose date becomes known when its moment has passed. An outage loses nothing: looking goes
  on from where it stopped, and `too_late_after` decides, counted from the first allowed moment.
* The day itself ("customer since", year 0) counts only when it was still ahead on the day we came to know of it; nobody
  has an anniversary on the first day. Without `every` the day itself is what is meant.
* When due, everything is judged once more: a date that changed, a contact that is gone, a clock that moved. A contact
  whose clock moved back is entered when its own clock says so.
* A paused journey keeps what is due; after it is resumed `too_late_after` decides as after an outage.
* A schedule asks for its audience when it is due, on each clock among the contacts. Occurrences older than
  `too_late_after` take nobody in and an issue says so, once, instead of a refusal for every contact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact, Field, FieldValue
from panel.contacts.sets import among
from panel.db import connection_of, rows_of, table_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.entry import Candidate, Outcome, consider, record_refusals
from panel.journeys.engine.facts import Company, company
from panel.journeys.engine.occurrences import days_around, occurrences, sources
from panel.journeys.engine.programs import LiveJourney, live
from panel.journeys.engine.sets import contacts_where
from panel.journeys.engine.timed import Timed, timed, zone_by_name
from panel.journeys.models import EntryPlan, Journey, JourneyVersion, PlannedEntry

AHEAD = timedelta(hours=48)
FULL_EVERY = timedelta(hours=1)
LISTED = timedelta(days=70)
CHANGED_SLACK = timedelta(minutes=10)  # a change is stamped before its transaction is seen
BATCH = 500
PLANNED = table_of(PlannedEntry)


# --- planning --------------------------------------------------------------------------------------------------------


def plan_in(session: Session, now: datetime) -> int:
    """Plan what dates bring about in the next 48 hours, and take in the schedules that are due; returns how many rows
    were offered (most of them known already)."""
    journeys = [one for one in live(session) if one.state in ("live", "paused") and _is_timed(one)]
    if not journeys:
        return 0
    business = company(session)
    return sum(_plan(session, one, business, now) for journey in journeys for one in timed(session, journey, business))


def _is_timed(journey: LiveJourney) -> bool:
    return any(raw["on"] in ("date", "schedule") for raw in journey.program.resolved["start_when"])


def _plan(session: Session, one: Timed, business: Company, now: datetime) -> int:
    journey = one.journey
    version = journey.program.version_id
    state = session.get(EntryPlan, (journey.id, one.key))
    full = state is None or state.version_id != version or now - state.full_at >= FULL_EVERY
    if state is None:
        published = session.scalar(select(JourneyVersion.published_at).where(JourneyVersion.id == version)) or now
        state = EntryPlan(journey_id=journey.id, rule=one.key, looked_at=min(published, now), full_at=now)
        session.add(state)
    since = min(state.looked_at, now)  # a clock that was set back looks again; the keys make it harmless
    rows: Iterable[tuple[int, date, datetime]]
    if one.field is None:
        rows = _schedule_rows(session, one, business, since, now)
    else:
        rows = _date_rows(session, one, business, since, now, full=full)
    planned = _store(session, one, rows)
    state.version_id, state.looked_at = version, now
    if full:
        state.full_at = now
    session.flush()
    return planned


def _date_rows(
    session: Session, one: Timed, business: Company, since: datetime, now: datetime, *, full: bool
) -> Iterator[tuple[int, date, datetime]]:
    """(contact, occurrence, due at) of the contacts whose date comes round."""
    until = now + AHEAD
    first, last = days_around(one.rule, since.date(), one.looks_until(until).date())
    settings = one.journey.program.settings
    zones: dict[str | None, ZoneInfo] = {}
    missed: set[date] = set()
    for contact_id, day, zone_name in _holders(session, one, first, last, None if full else since - CHANGED_SLACK):
        zone = zones.get(zone_name) or zones.setdefault(zone_name, zone_by_name(settings, zone_name, business))
        for occurrence in occurrences(one.rule, day, first, last):
            if one.rule.every and occurrence == day and day <= since.astimezone(zone).date():
                continue
            due_at = one.due_at(occurrence, zone, since)
            if not since < due_at <= until:
                continue
            if one.rule.every in ("day", "week") and one.is_too_late(due_at, zone, now):
                missed.add(occurrence)
                continue
            yield contact_id, occurrence, due_at
    if missed:
        _tell_missed(session, one, sorted(missed), now)


def _holders(
    session: Session, one: Timed, first: date, last: date, changed_since: datetime | None
) -> Iterator[tuple[int, date, str | None]]:
    """The contacts with a date that may come round between these days, with the name of their zone."""
    query = (
        select(FieldValue.contact_id, FieldValue.day, Contact.time_zone)
        .join(Contact, Contact.id == FieldValue.contact_id)
        .where(
            FieldValue.field_id == select(Field.id).where(Field.name == one.field).scalar_subquery(),
            Contact.merged_into_id.is_(None),
            Contact.erased_at.is_(None),
        )
    )
    if changed_since is not None:
        query = query.where(Contact.updated_at >= changed_since)
    # After a long standstill the list would be longer than the base.
    days = sources(one.rule, first, last) if last - first <= LISTED else None
    query = query.where(FieldValue.day <= last if days is None else _one_of(session, days))
    for contact_id, day, zone_name in connection_of(session).execute(query):
        if day is not None:
            yield contact_id, day, zone_name


def _one_of(session: Session, days: Iterable[date]) -> ColumnElement[bool]:
    values: list[Any] = sorted(days)
    if connection_of(session).dialect.name == "sqlite":
        values = [day.isoformat() for day in values]
    return among(session, FieldValue.day, values)


def _schedule_rows(
    session: Session, one: Timed, business: Company, since: datetime, now: datetime
) -> Iterator[tuple[int, date, datetime]]:
    """(contact, occurrence, due at) of the audience, for what has become due since we looked last."""
    settings = one.journey.program.settings
    first, last = since.date() - timedelta(days=2), one.looks_until(now).date() + timedelta(days=2)
    missed: set[date] = set()
    for zone, names in _clocks(session, settings, business).items():
        for occurrence in occurrences(one.rule, None, first, last):
            due_at = one.due_at(occurrence, zone, since)
            if not since < due_at <= now:
                continue
            if one.is_too_late(due_at, zone, now):
                missed.add(occurrence)
                continue
            there = _on_this_clock(session, names)
            audience = contacts_where(
                session,
                one.trigger.get("audience"),
                now,
                settings,
                there,
                purpose=one.journey.program.resolved["purpose"],
            )
            for contact_id in sorted(audience):
                yield contact_id, occurrence, due_at
    if missed:
        _tell_missed(session, one, sorted(missed), now)


def _clocks(
    session: Session, settings: Mapping[str, Any], business: Company
) -> dict[ZoneInfo, list[str | None] | None]:
    """The clocks to go by, each with the names of the zones that mean it; None as names: everybody."""
    if (settings.get("time_zone") or "contact") != "contact":
        return {zone_by_name(settings, None, business): None}
    found: dict[ZoneInfo, list[str | None]] = defaultdict(list)
    names = connection_of(session).execute(select(Contact.time_zone).distinct()).scalars().all()
    for name in names:
        found[zone_by_name(settings, name, business)].append(name)
    return dict(found)


def _on_this_clock(session: Session, names: list[str | None] | None) -> list[int] | None:
    if names is None:
        return None
    known = [name for name in names if name is not None]
    here: ColumnElement[bool] = Contact.time_zone.in_(known)
    if None in names:
        here = or_(here, Contact.time_zone.is_(None))
    return list(connection_of(session).execute(select(Contact.id).where(here)).scalars())


def _tell_missed(session: Session, one: Timed, missed: Sequence[date], now: datetime) -> None:
    raise_issue(
        session,
        f"schedule_missed:{one.journey.id}:{one.key}"[:200],
        code="schedule_missed",
        sentence=N_(
            "%(journey)s: its schedule came round %(n)s times (last on %(day)s) while nothing was running, too long ago"
            " to make up for. Nobody was taken in for these days."
        ),
        params={"journey": one.journey.program.resolved["name"], "n": len(missed), "day": missed[-1].isoformat()},
        severity="warning",
        journey_id=one.journey.id,
        now=now,
    )


def _store(session: Session, one: Timed, rows: Iterable[tuple[int, date, datetime]]) -> int:
    values = [
        {"journey_id": one.journey.id, "rule": one.key, "contact_id": contact_id, "occurrence": day, "due_at": due_at}
        for contact_id, day, due_at in rows
    ]
    if not values:
        return 0
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(PLANNED)
    # What is planned already is only moved (another time in the journey, another clock), never begun again.
    statement = statement.on_conflict_do_update(
        index_elements=["journey_id", "rule", "contact_id", "occurrence"],
        set_={"due_at": statement.excluded.due_at},
        where=PLANNED.c.done_at.is_(None) & (PLANNED.c.due_at != statement.excluded.due_at),
    )
    connection.execute(statement, values)
    return len(values)


def next_moment(session: Session, now: datetime) -> datetime | None:
    """When to plan or enter again at the latest, for a clock that jumps (tests, simulations); None: no dates here."""
    journeys = [one for one in live(session) if one.state == "live" and _is_timed(one)]
    if not journeys:
        return None
    business = company(session)
    found = [now + timedelta(hours=24)]
    planned = connection_of(session).execute(
        select(func.min(PlannedEntry.due_at)).where(
            PlannedEntry.done_at.is_(None), PlannedEntry.journey_id.in_([one.id for one in journeys])
        )
    )
    found += [moment for moment in planned.scalars() if moment is not None]
    for journey in journeys:
        for one in timed(session, journey, business):
            if one.field is None:
                first, last = now.date() - timedelta(days=1), one.looks_until(now).date() + timedelta(days=3)
                for zone in _clocks(session, journey.program.settings, business):
                    moments = (one.due_at(day, zone, now) for day in occurrences(one.rule, None, first, last))
                    found += [moment for moment in moments if moment > now]
    return min(found)


# --- entering --------------------------------------------------------------------------------------------------------


def plan_ahead() -> None:
    """Plan, in a transaction of its own. Needs an application context."""
    with writing() as session:
        plan_in(session, clock.now())


def enter(limit: int = BATCH) -> int:
    """Let up to `limit` planned entries that are due in; returns how many were looked at."""
    with writing() as session:
        return enter_in(session, clock.now(), limit)


def enter_in(session: Session, now: datetime, limit: int = BATCH) -> int:
    """The same within the caller's transaction."""
    paused = select(Journey.id).where(Journey.state == "paused")
    query = (
        select(PLANNED)
        .where(PlannedEntry.done_at.is_(None), PlannedEntry.due_at <= now, PlannedEntry.journey_id.not_in(paused))
        .order_by(PlannedEntry.due_at, PlannedEntry.contact_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = rows_of(session, query)
    if not rows:
        return 0
    business = company(session)
    journeys = {one.id: one for one in live(session)}
    known = {
        (journey_id, one.key): one
        for journey_id in {row["journey_id"] for row in rows} & journeys.keys()
        for one in timed(session, journeys[journey_id], business)
    }
    days, merged, erased = _dates_of(session, rows, known)
    candidates: list[Candidate] = []
    refused: list[Outcome] = []
    moved: list[dict[str, Any]] = []
    zones: dict[tuple[str, str | None], ZoneInfo] = {}
    for row in rows:
        one = known.get((row["journey_id"], row["rule"]))
        if one is None or row["contact_id"] in merged:
            continue  # the rule was taken out of the journey; a merged contact has the date itself
        day, zone_name = days.get((row["contact_id"], one.field), (None, None))
        place = (row["journey_id"], zone_name)
        if (zone := zones.get(place)) is None:
            zone = zones[place] = zone_by_name(one.journey.program.settings, zone_name, business)
        candidate = _candidate(one, row)
        if row["contact_id"] in erased:
            candidates.append(candidate)  # refused there, with its reason
            continue
        if one.field is not None:
            if day is None or row["occurrence"] not in occurrences(one.rule, day, row["occurrence"], row["occurrence"]):
                refused.append(Outcome(candidate, "date_changed", {"day": row["occurrence"].isoformat()}))
                continue
            due_at = one.due_at(row["occurrence"], zone, row["due_at"] - timedelta(days=400))
            if due_at > now:
                moved.append({**{f"k_{key}": row[key] for key in _KEY}, "due": due_at})
                continue
        if one.is_too_late(row["due_at"], zone, now):
            refused.append(Outcome(candidate, "too_late", {"due_at": row["due_at"].isoformat()}))
            continue
        candidates.append(candidate)
    consider(session, candidates, now)
    record_refusals(session, refused, now)
    _done(session, rows, moved, now)
    return len(rows)


_KEY = ("journey_id", "rule", "contact_id", "occurrence")


def _candidate(one: Timed, row: Mapping[str, Any]) -> Candidate:
    """The start of a journey by a day that comes round; `event.day` is that day inside the run."""
    day = row["occurrence"].isoformat()
    data = {"day": day, "field": one.field} if one.field else {"day": day}
    kind = "date" if one.field else "schedule"
    return Candidate(one.journey, row["contact_id"], one.name, row["due_at"], kind=kind, data=data)


def _dates_of(
    session: Session, rows: Sequence[Mapping[str, Any]], known: Mapping[tuple[str, str], Timed]
) -> tuple[dict[tuple[int, str | None], tuple[date | None, str | None]], set[int], set[int]]:
    """Per contact and field the date as it is now, with the contact's zone; those merged into another; those erased."""
    ids = {row["contact_id"] for row in rows}
    connection = connection_of(session)
    zones: dict[int, str | None] = {}
    merged: set[int] = set()
    query = select(Contact.id, Contact.time_zone, Contact.merged_into_id).where(
        among(session, Contact.id, list(ids)), Contact.erased_at.is_(None)
    )
    for id_, zone_name, into in connection.execute(query):
        zones[id_] = zone_name
        if into is not None:
            merged.add(id_)
    found: dict[tuple[int, str | None], tuple[date | None, str | None]] = {
        (id_, None): (None, zone_name) for id_, zone_name in zones.items()
    }
    fields = {one.field for one in known.values() if one.field}
    if fields:
        values = (
            select(FieldValue.contact_id, Field.name, FieldValue.day)
            .join(Field, Field.id == FieldValue.field_id)
            .where(among(session, FieldValue.contact_id, list(ids)), Field.name.in_(fields))
        )
        for id_, name, day in connection.execute(values):
            found[(id_, name)] = (day, zones.get(id_))
    return found, merged, ids - zones.keys()


def _done(
    session: Session, rows: Sequence[Mapping[str, Any]], moved: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    connection = connection_of(session)
    later = {tuple(one[f"k_{key}"] for key in _KEY) for one in moved}
    # Those who are due together mostly share the rule and the day: one statement for all of them.
    together: dict[tuple[str, str, date], list[int]] = defaultdict(list)
    for row in rows:
        if tuple(row[key] for key in _KEY) not in later:
            together[(row["journey_id"], row["rule"], row["occurrence"])].append(row["contact_id"])
    for (journey_id, rule, day), contacts in together.items():
        connection.execute(
            update(PLANNED)
            .where(
                PlannedEntry.journey_id == journey_id,
                PlannedEntry.rule == rule,
                PlannedEntry.occurrence == day,
                among(session, PlannedEntry.contact_id, contacts),
            )
            .values(done_at=now)
        )
    if moved:
        here = [PLANNED.c[key] == bindparam(f"k_{key}") for key in _KEY]
        connection.execute(update(PLANNED).where(*here).values(due_at=bindparam("due")), [dict(one) for one in moved])
