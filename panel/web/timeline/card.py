"""Reading what stands beside the timeline on a contact's page, in a fixed number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal, null, select, union_all
from sqlalchemy.orm import Session, aliased

from panel.consent.models import Consent, Suppression
from panel.consent.rules import Decision, current
from panel.contacts.addresses import suppression_key
from panel.contacts.models import (
    Contact,
    ContactAddress,
    ContactList,
    ContactTag,
    ListMember,
    Tag,
)
from panel.journeys.language.program import Program
from panel.journeys.models import Enrolment, Journey, JourneyVersion, StepRun
from panel.staff.models import User
from panel.timeline.models import Event
from panel.web.timeline import beside


@dataclass(frozen=True)
class Address:
    """One way to reach the contact. `blocks` are the reasons of active suppressions by channel ("*": every channel)."""

    kind: str
    value: str
    shown: str
    label: str
    unusable_reason: str | None
    blocks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    id: int
    name: str
    color: str = ""


@dataclass(frozen=True)
class Inside:
    """One open run: where it stands. `resolved` is the program of its version, for the words of the step."""

    enrolment_id: int
    journey_id: str
    name: str
    state: str
    status: str
    version: int
    step_id: str | None
    phase: str
    due_at: datetime | None
    entered_at: datetime
    wait: Mapping[str, Any]
    resolved: Program
    reason: str | None = None
    last_step: str | None = None  # the step before the present one, as it was really taken


@dataclass(frozen=True)
class Person:
    """The shown contact, its owner's name, every id whose history is theirs (itself first), and their addresses."""

    contact: Contact
    owner: str | None
    ids: Sequence[int]
    merged_names: Sequence[str] = ()
    addresses: Sequence[ContactAddress] = ()  # its own first


@dataclass(frozen=True)
class Card:
    """`came` is what was noted when the contact came to us; `journeys` id -> name of all it was ever in; `rows` what
    `beside.parts` found."""

    addresses: Sequence[Address]
    lists: Sequence[Named]
    tags: Sequence[Named]
    decisions: Mapping[str, Decision]
    inside: Sequence[Inside]
    journeys: Mapping[str, str]
    came: Mapping[str, Any]
    rows: Sequence[Any]


def person(session: Session, public_id: str) -> Person | None:
    """The contact with this public id and all that was merged into it, in one statement. An alias is returned as
    itself (`contact.merged_into_id` is set): the page sends the reader on to the contact that is shown."""
    tree = (
        select(Contact.id.label("id"), literal(0).label("depth"))
        .where(Contact.public_id == public_id)
        .cte("tree", recursive=True)
    )
    below = aliased(Contact)
    tree = tree.union_all(
        select(below.id, tree.c.depth + 1).where(below.merged_into_id == tree.c.id, tree.c.depth < 50)
    )
    rows = session.execute(
        select(Contact, User.name, User.email, ContactAddress)
        .join(tree, tree.c.id == Contact.id)
        .outerjoin(User, User.id == Contact.owner_id)
        .outerjoin(ContactAddress, ContactAddress.contact_id == Contact.id)
        .order_by(tree.c.depth, Contact.id, ContactAddress.kind, ContactAddress.position, ContactAddress.id)
    ).all()
    if not rows:
        return None
    contact, name, email, _ = rows[0]
    every = {row[0].id: row[0] for row in rows}
    merged = [one.name for one in every.values() if one.name and one is not contact]
    return Person(contact, name or email, list(every), merged, [row[3] for row in rows if row[3] is not None])


def card(session: Session, person: Person, now: datetime) -> Card:
    """Addresses, blocks, lists, tags, consent, open journeys and what stands beside the timeline of one person: two
    statements, whatever there is."""
    ids = person.ids
    keys = {key for one in person.addresses for key in (one.value, suppression_key(one.value))}
    found: dict[str, list[Any]] = defaultdict(list)
    for row in session.execute(union_all(*beside.parts(ids, now), *_parts(ids, sorted(keys)))):
        found[row.what].append(row)
    decisions: dict[str, list[Decision]] = defaultdict(list)
    for row in found["consent"]:
        decisions[row.name].append(Decision(row.kind, row.text, row.at))
    journeys = sorted(((row.text, row.name) for row in found["journey"]), key=lambda pair: pair[1].casefold())
    came = found["came"]
    return Card(
        addresses=_addresses(person.addresses, found["block"]),
        lists=_named(found["list"]),
        tags=_named(found["tag"]),
        decisions={channel: one for channel, many in decisions.items() if (one := current(many)) is not None},
        inside=_inside(session, ids),
        journeys=dict(journeys),
        came=(came[0].more or {}) if came else {},
        rows=[row for what in beside.WHAT for row in found[what]],
    )


def _parts(ids: Sequence[int], keys: Sequence[str]) -> list[Select[Any]]:
    """More parts of the union of `beside.parts`: (what, id, name, kind, text, more, at, by)."""
    lists = (
        select(literal("list"), ContactList.id, ContactList.name, literal(""), literal(""), null(),
               ListMember.joined_at, literal(""))
        .join(ListMember, ListMember.list_id == ContactList.id)
        .where(ListMember.contact_id == ids[0])
    )  # fmt: skip
    tags = (
        select(literal("tag"), Tag.id, Tag.name, Tag.color, literal(""), null(), ContactTag.added_at, literal(""))
        .join(ContactTag, ContactTag.tag_id == Tag.id)
        .where(ContactTag.contact_id == ids[0])
    )
    consents = select(
        literal("consent"), Consent.id, Consent.channel, Consent.state, Consent.how, null(), Consent.at, literal("")
    ).where(Consent.contact_id.in_(ids), Consent.is_current)
    runs = select(Enrolment.journey_id).where(Enrolment.contact_id.in_(ids))
    journeys = select(
        literal("journey"), literal(0), Journey.name, literal(""), Journey.id, null(), null(), literal("")
    ).where(Journey.id.in_(runs))
    first = (
        select(Event.id, Event.data, Event.occurred_at)
        .where(Event.contact_id == ids[0], Event.kind == "contact_created")
        .order_by(Event.occurred_at)
        .limit(1)
        .subquery()
    )
    came = select(literal("came"), first.c.id, literal(""), literal(""), literal(""), first.c.data,
                  first.c.occurred_at, literal(""))  # fmt: skip
    parts: list[Any] = [lists, tags, consents, journeys, came]
    if keys:
        parts.append(
            select(literal("block"), Suppression.id, Suppression.address, Suppression.channel, Suppression.reason,
                   null(), Suppression.at, literal(""))
            .where(Suppression.address.in_(keys), Suppression.lifted_at.is_(None))
        )  # fmt: skip
    return parts


def _named(rows: Sequence[Any]) -> list[Named]:
    return sorted((Named(row.id, row.name, row.kind) for row in rows), key=lambda one: one.name.casefold())


def _addresses(given: Sequence[ContactAddress], found: Sequence[Any]) -> list[Address]:
    blocks = sorted(found, key=lambda row: row.id)
    shown: dict[tuple[str, str], Address] = {}
    for one in given:
        reasons = {row.kind: row.text for row in blocks if row.name in (one.value, suppression_key(one.value))}
        address = Address(one.kind, one.value, one.shown, one.label, one.unusable_reason, reasons)
        shown.setdefault((one.kind, one.value), address)
    return list(shown.values())


def _inside(session: Session, ids: Sequence[int]) -> list[Inside]:
    last = (
        select(StepRun.step_id)
        .where(StepRun.enrolment_id == Enrolment.id)
        .order_by(StepRun.seq.desc())
        .limit(1)
        .correlate(Enrolment)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Enrolment, Journey.name, Journey.state, JourneyVersion.number, JourneyVersion.resolved, last)
        .outerjoin(Journey, Journey.id == Enrolment.journey_id)
        .outerjoin(JourneyVersion, JourneyVersion.id == Enrolment.version_id)
        .where(Enrolment.contact_id.in_(ids), Enrolment.status.in_(("active", "held")))
        .order_by(Enrolment.entered_at.desc(), Enrolment.id.desc())
        .limit(50)
    )
    return [
        Inside(
            run.id, run.journey_id, name or run.journey_id, state or "live", run.status, number or 0, run.step_id,
            run.phase, run.due_at, run.entered_at, run.wait or {}, resolved or {}, run.reason, last_step,
        )
        for run, name, state, number, resolved, last_step in rows
    ]  # fmt: skip
