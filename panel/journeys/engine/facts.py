"""Loading what is known of a set of contacts: one query per kind of fact, whatever the number of contacts."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactAddress, ContactList, ContactTag, Field, FieldValue, ListMember, Tag
from panel.contacts.sets import among
from panel.db import connection_of
from panel.engagement.history import rhythms
from panel.engagement.preference import preferred_channels
from panel.engagement.rhythm import Rhythm
from panel.installation.models import Setting
from panel.journeys.engine.conditions import Facts, Needs, PastEvent
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.reach import assess
from panel.journeys.models import Audience, AudienceState, Enrolment, StepRun
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.sync.context import PanelUnit
from panel.sync.freshness import stale_kinds
from panel.timeline.models import Event

log = logging.getLogger(__name__)
DEFAULT_ZONE = "Asia/Jerusalem"
_COLUMNS = ("name", "first_name", "last_name", "company", "language", "reference", "time_zone")
_OWN = frozenset({*_COLUMNS, "full_name"})


class Person(NamedTuple):
    """What every decision about a contact needs; conditions on its other columns read those themselves."""

    id: int
    time_zone: str | None
    merged_into_id: int | None
    erased_at: datetime | None


@dataclass(frozen=True)
class Company:
    """The business's own clock and country."""

    time_zone: str = DEFAULT_ZONE
    country: str = ""


def company(session: Session) -> Company:
    value = connection_of(session).execute(select(Setting.value).where(Setting.name == "company")).scalar() or {}
    return Company(value.get("time_zone") or DEFAULT_ZONE, value.get("country") or "")


def people(session: Session, contact_ids: Collection[int]) -> dict[int, Person]:
    query = select(Contact.id, Contact.time_zone, Contact.merged_into_id, Contact.erased_at)
    query = query.where(among(session, Contact.id, contact_ids))
    # All at once: a fetch for each row costs as much as the row.
    return {row[0]: Person._make(row) for row in connection_of(session).execute(query).all()}


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(settings: Mapping[str, Any], person: Person | None, business: Company) -> tuple[ZoneInfo, str]:
    """Whose clock, and where it came from: contact, journey, fallback or company. Never "no check"."""
    wanted = settings.get("time_zone") or "contact"
    if wanted not in ("contact", "company") and (found := _zone(wanted)):
        return found, "journey"
    if wanted == "contact" and person is not None and person.time_zone and (found := _zone(person.time_zone)):
        return found, "contact"
    if wanted == "contact" and (fallback := settings.get("fallback_time_zone")) and (found := _zone(fallback)):
        return found, "fallback"
    return _zone(business.time_zone) or ZoneInfo(DEFAULT_ZONE), "company"


class Asking(NamedTuple):
    """One contact (and its run, if it has one) for whom facts are wanted."""

    contact_id: int
    settings: Mapping[str, Any]
    purpose: str = "marketing"
    enrolment_id: int | None = None
    event: Mapping[str, Any] | None = None
    run: Mapping[str, Any] | None = None
    entered_at: datetime | None = None
    step_began_at: datetime | None = None
    program: Program | None = None  # that of its run: what the conditions call the steps
    moved: bool = False  # whether the run went through other versions before


def load(
    session: Session,
    asking: Sequence[Asking],
    wanted: Needs,
    now: datetime,
    *,
    history_from: datetime | None = None,
    persons: Mapping[int, Person] | None = None,
    business: Company | None = None,
) -> list[Facts]:
    """Facts for each of `asking`, in order. `history_from` bounds how far back events are read (None: all)."""
    ids = list({one.contact_id for one in asking})
    business = business or company(session)
    if persons is None:
        persons = people(session, ids)
    tags = _names(session, ContactTag, Tag, ContactTag.tag_id, ids) if wanted.tags else {}
    lists = _names(session, ListMember, ContactList, ListMember.list_id, ids) if wanted.lists else {}
    fields = _fields(session, ids, wanted.fields) if wanted.fields else {}
    history = _history(session, ids, wanted.kinds, history_from) if wanted.kinds else {}
    reachable = _reachable(session, asking, wanted.channels) if wanted.channels else {}
    inside = _open_journeys(session, ids) if wanted.journeys else {}
    segments = _segments(session, ids) if wanted.segments else {}
    runs = [one.enrolment_id for one in asking if one.enrolment_id is not None]
    messages = _messages(session, runs) if wanted.messages and runs else {}
    times = _step_times(session, runs) if wanted.step_times and runs else {}
    _under_new_names(session, asking, (messages, times))
    prefers = preferred_channels(session, ids, now) if wanted.prefers else {}
    habits = rhythms(session, ids) if wanted.rhythm else {}
    checks = _checks(session, ids, wanted.checks) if wanted.checks else {}
    stale = stale_kinds(session, wanted.kinds, now)
    return [
        Facts(
            contact_id=one.contact_id,
            now=now,
            zone=zone_of(one.settings, persons.get(one.contact_id), business)[0],
            tags=tags.get(one.contact_id, set()),
            lists=lists.get(one.contact_id, set()),
            segments=segments.get(one.contact_id, ()),
            fields=fields.get(one.contact_id, {}),
            history=history.get(one.contact_id, ()),
            reachable=reachable.get((one.contact_id, one.purpose), set()),
            open_journeys=inside.get(one.contact_id, set()),
            messages=messages.get(one.enrolment_id or 0, {}),
            event=one.event or {},
            run=one.run or {},
            entered_at=one.entered_at,
            step_began_at=one.step_began_at,
            step_times=times.get(one.enrolment_id or 0, {}),
            prefers=prefers[one.contact_id][0] if one.contact_id in prefers else None,
            rhythm=habits.get(one.contact_id, Rhythm()),
            checks={key: None if found is None else one.contact_id in found for key, found in checks.items()},
            stale=stale,
        )
        for one in asking
    ]


def _checks(
    session: Session, ids: Sequence[int], wanted: Mapping[str, Mapping[str, Any]]
) -> dict[str, set[int] | None]:
    """For each `check:` the contacts it holds for; None when no plugin offers it now, or the plugin failed."""
    offered = manager.current().conditions()
    found: dict[str, set[int] | None] = {}
    for key, condition in wanted.items():
        name = condition["name"]
        found[key] = None
        if name in offered:
            try:
                with session.begin_nested():
                    unit = PanelUnit(session, name.partition(".")[0])
                    holds = offered[name].test(unit, ids, condition.get("with") or {})
                if not isinstance(holds, set | frozenset) or not all(isinstance(one, int) for one in holds):
                    raise TypeError(f"{type(holds).__name__} instead of a set of contacts")
                found[key] = set(holds)
            except DBAPIError:
                raise
            except (Exception, SystemExit):
                log.exception("the condition %s failed", name)
    return found


def _names(session: Session, link: Any, named: Any, key: Any, ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    query = select(link.contact_id, named.name).join(named, named.id == key).where(among(session, link.contact_id, ids))
    for contact_id, name in connection_of(session).execute(query):
        found[contact_id].add(name)
    return found


def _fields(session: Session, ids: Sequence[int], wanted: set[str]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {contact_id: {} for contact_id in ids}
    if wanted & _OWN:
        columns = select(Contact.id, *(getattr(Contact, name) for name in _COLUMNS))
        rows = connection_of(session).execute(columns.where(among(session, Contact.id, ids))).all()
        for contact_id, *values in rows:
            found[contact_id] = dict(zip(_COLUMNS, values, strict=True))
            found[contact_id]["full_name"] = found[contact_id]["name"]
    for kind in ("email", "phone"):
        if kind in wanted:
            query = (
                select(ContactAddress.contact_id, ContactAddress.value)
                .where(among(session, ContactAddress.contact_id, ids), ContactAddress.kind == kind)
                .order_by(ContactAddress.position.desc())
            )
            for contact_id, value in connection_of(session).execute(query):
                found[contact_id][kind] = value
    if "score" in wanted:
        # Read anew: a step of this very batch may have changed it.
        for contact_id, score in connection_of(session).execute(
            select(Contact.id, Contact.score).where(Contact.id.in_(ids))
        ):
            found[contact_id]["score"] = score
    custom = wanted - _OWN - {"email", "phone", "score"}
    if custom:
        values_query = (
            select(FieldValue.contact_id, Field.name, Field.type, FieldValue.text, FieldValue.number, FieldValue.day)
            .join(Field, Field.id == FieldValue.field_id)
            .where(among(session, FieldValue.contact_id, ids), Field.name.in_(custom))
        )
        for contact_id, name, type_, text, number, day in connection_of(session).execute(values_query):
            found[contact_id][name] = stored_value(type_, text, number, day)
    return found


def stored_value(type_: str, text: str, number: Decimal | None, day: date | None) -> Any:
    """What a condition compares of a stored value: a day, else a number, else the text. Yes and no are words."""
    if day is not None:
        return day
    return text if number is None or type_ == "yes_no" else number


def happened(session: Session, contact_ids: Collection[int], kinds: Collection[str], since: datetime) -> set[int]:
    """The contacts that have an event of one of these kinds since then."""
    query = select(Event.contact_id).where(
        among(session, Event.contact_id, contact_ids), Event.kind.in_(kinds), Event.occurred_at >= since
    )
    return set(connection_of(session).execute(query).scalars().all())


def _history(
    session: Session, ids: Sequence[int], kinds: set[str], since: datetime | None
) -> dict[int, list[PastEvent]]:
    query = (
        select(Event.contact_id, Event.id, Event.kind, Event.occurred_at, Event.data)
        .where(among(session, Event.contact_id, ids), Event.kind.in_(kinds))
        .order_by(Event.occurred_at, Event.id)
    )
    if since is not None:
        query = query.where(Event.occurred_at >= since)
    found: dict[int, list[PastEvent]] = defaultdict(list)
    for contact_id, id_, kind, at, data in connection_of(session).execute(query):
        found[contact_id].append(PastEvent(id_, kind, at, data or {}))
    return found


def _reachable(session: Session, asking: Sequence[Asking], channels: set[str]) -> dict[tuple[int, str], set[str]]:
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    for purpose in {one.purpose for one in asking}:
        ids = [one.contact_id for one in asking if one.purpose == purpose]
        for channel in channels:
            for contact_id, reach in assess(session, ids, channel, purpose).items():
                if reach.reason is None:
                    found[(contact_id, purpose)].add(channel)
    return found


def _segments(session: Session, ids: Sequence[int]) -> dict[int, set[str]]:
    """The segments that each contact is in, by name (kept by `audiences`)."""
    found: dict[int, set[str]] = defaultdict(set)
    query = (
        select(AudienceState.contact_id, Audience.name)
        .join(Audience, Audience.id == AudienceState.audience)
        .where(AudienceState.contact_id.in_(ids), AudienceState.is_true, Audience.id.startswith("segment:"))
    )
    for contact_id, name in connection_of(session).execute(query):
        found[contact_id].add(name)
    return found


def _open_journeys(session: Session, ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    query = select(Enrolment.contact_id, Enrolment.journey_id).where(
        among(session, Enrolment.contact_id, ids), Enrolment.status.in_(("active", "held"))
    )
    for contact_id, journey_id in connection_of(session).execute(query):
        found[contact_id].add(journey_id)
    return found


def _messages(session: Session, runs: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The newest message of each step, per run."""
    query = (
        select(
            Message.enrolment_id,
            Message.step_id,
            Message.status,
            Message.delivered_at,
            Message.first_opened_at,
            Message.first_clicked_at,
            Message.replied_at,
            Message.bounced_at,
        )
        .where(among(session, Message.enrolment_id, runs))
        .order_by(Message.id)
    )
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for run, step, status, delivered, opened, clicked, replied, bounced in connection_of(session).execute(query):
        found[run or 0][step or ""] = {
            "status": status,
            "delivered_at": delivered,
            "opened": opened,
            "clicked": clicked,
            "replied": replied,
            "bounced_at": bounced,
        }
    return found


def _step_times(session: Session, runs: Sequence[int]) -> dict[int, dict[str, Any]]:
    query = (
        select(StepRun.enrolment_id, StepRun.step_id, StepRun.began_at)
        .where(among(session, StepRun.enrolment_id, runs))
        .order_by(StepRun.seq)
    )
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for run, step, began in connection_of(session).execute(query):
        found[run][step] = began
    return found


def _under_new_names(session: Session, asking: Sequence[Asking], known: Sequence[Mapping[int, dict[str, Any]]]) -> None:
    """What is known of a run's steps, under the names that they have in its version. An edit may have given them others
    since, and a name may be that of another step now."""
    theirs = {one.enrolment_id: one.program for one in asking if one.program and (one.moved or one.program.renamed)}
    runs = [id_ for id_ in theirs if id_ is not None and any(id_ in facts for facts in known)]
    if not runs:
        return
    query = (
        select(StepRun.enrolment_id, StepRun.step_id, StepRun.version_id)
        .where(among(session, StepRun.enrolment_id, runs))
        .order_by(StepRun.seq)
    )
    rows = connection_of(session).execute(query).all()
    versions = programs(session, {row.version_id for row in rows})
    called: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
    for row in rows:
        now = name_in(theirs[row.enrolment_id], versions.get(row.version_id), row.step_id)
        called[row.enrolment_id].append((row.step_id, now))
    for id_, names in called.items():
        for facts in known:
            if id_ in facts:
                mine = facts[id_]
                before = {name: mine.pop(name) for name in dict(names) if name in mine}
                mine |= {now: before[name] for name, now in names if now is not None and name in before}


def name_in(program: Program, other: Program | None, step_id: str | None) -> str | None:
    """How a step of another version is called in `program`; None when it is not there."""
    step = other.steps.get(step_id or "") if other is not None else None
    same = program.by_key.get(str(step.get("key") or step["id"]) if step is not None else step_id or "")
    return str(same["id"]) if same is not None else None
