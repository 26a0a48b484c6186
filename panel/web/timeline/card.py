"""Reading what stands beside the timeline on a contact's page, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import literal, null, select, union_all
from sqlalchemy.orm import Session, aliased

from panel.consent.models import Consent, Suppression
from panel.consent.queries import active_suppressions
from panel.consent.rules import Decision, current
from panel.contacts.addresses import suppression_key
from panel.contacts.fields import FieldInfo
from panel.contacts.models import (
    Contact,
    ContactAddress,
    ContactList,
    ContactTag,
    Field,
    FieldValue,
    ListMember,
    Tag,
)
from panel.journeys.language.program import Program
from panel.journeys.models import Enrolment, Journey, JourneyVersion, StepRun
from panel.staff.models import User
from panel.timeline.models import Event


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
    """The shown contact, its owner's name, every id whose history is theirs (itself first), and how it came to us."""

    contact: Contact
    owner: str | None
    ids: Sequence[int]
    came: Mapping[str, Any] = field(default_factory=dict)
    merged_names: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    addresses: Sequence[Address]
    lists: Sequence[Named]
    tags: Sequence[Named]
    decisions: Mapping[str, Decision]
    fields: Sequence[tuple[FieldInfo, str]]
    inside: Sequence[Inside]
    journeys: Mapping[str, str] = field(default_factory=dict)  # id -> name of every journey the contact was ever in


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
    came = (
        select(Event.data)
        .where(Event.contact_id == Contact.id, Event.kind == "contact_created")
        .order_by(Event.occurred_at)
        .limit(1)
        .correlate(Contact)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Contact, User.name, User.email, tree.c.depth, came)
        .join(tree, tree.c.id == Contact.id)
        .outerjoin(User, User.id == Contact.owner_id)
        .order_by(tree.c.depth, Contact.id)
    ).all()
    if not rows:
        return None
    root = rows[0]
    others = [row[0].name for row in rows[1:] if row[0].name]
    return Person(root[0], root[1] or root[2], [row[0].id for row in rows], root[4] or {}, others)


def card(session: Session, ids: Sequence[int]) -> Card:
    """Addresses, blocks, lists, tags, consent, fields and open journeys of one person (the shown contact's id first,
    then those merged into it): four statements."""
    found = _belongings(session, ids)
    return Card(
        _addresses(session, ids), found.lists, found.tags, found.decisions, found.fields, _inside(session, ids),
        found.journeys,
    )  # fmt: skip


def _addresses(session: Session, ids: Sequence[int]) -> list[Address]:
    rows = session.execute(
        select(ContactAddress.kind, ContactAddress.value, ContactAddress.shown, ContactAddress.label,
               ContactAddress.unusable_reason)
        .where(ContactAddress.contact_id.in_(ids))
        .order_by((ContactAddress.contact_id != ids[0]), ContactAddress.kind, ContactAddress.position)
    ).all()  # fmt: skip
    blocks: dict[str, list[Suppression]] = {}
    for block in active_suppressions(session, [row.value for row in rows]):
        blocks.setdefault(block.address, []).append(block)
    found: dict[tuple[str, str], Address] = {}
    for kind, value, shown, label, unusable in rows:
        mine = {*blocks.get(value, ()), *blocks.get(suppression_key(value), ())}
        reasons = {one.channel: one.reason for one in sorted(mine, key=lambda one: one.id)}
        found.setdefault((kind, value), Address(kind, value, shown, label, unusable, reasons))
    return list(found.values())


@dataclass(frozen=True)
class _Belongings:
    lists: list[Named]
    tags: list[Named]
    decisions: dict[str, Decision]
    fields: list[tuple[FieldInfo, str]]
    journeys: dict[str, str]


def _belongings(session: Session, ids: Sequence[int]) -> _Belongings:
    """Fields, lists, tags, consent decisions and journeys in one statement: (what, id, name, more, at, labels)."""
    fields = (
        select(
            literal("field").label("what"), Field.id.label("id"), Field.name.label("name"),
            FieldValue.text.label("more"), Field.created_at.label("at"), Field.labels.label("labels"),
        )
        .join(FieldValue, FieldValue.field_id == Field.id)
        .where(FieldValue.contact_id == ids[0])
    )  # fmt: skip
    lists = (
        select(literal("list"), ContactList.id, ContactList.name, literal(""), ListMember.joined_at, null())
        .join(ListMember, ListMember.list_id == ContactList.id)
        .where(ListMember.contact_id == ids[0])
    )
    tags = (
        select(literal("tag"), Tag.id, Tag.name, Tag.color, ContactTag.added_at, null())
        .join(ContactTag, ContactTag.tag_id == Tag.id)
        .where(ContactTag.contact_id == ids[0])
    )
    consents = select(
        literal("consent"), Consent.id, Consent.channel, Consent.state + literal("|") + Consent.how, Consent.at, null()
    ).where(Consent.contact_id.in_(ids), Consent.is_current)
    runs = select(Enrolment.journey_id).where(Enrolment.contact_id.in_(ids))
    journeys = select(literal("journey"), literal(0), Journey.name, Journey.id, null(), null()).where(
        Journey.id.in_(runs)
    )
    found: dict[str, list[Named]] = {"list": [], "tag": []}
    ever: dict[str, str] = {}
    decisions: dict[str, list[Decision]] = {}
    values: list[tuple[FieldInfo, str]] = []
    for what, id_, name, more, at, labels in session.execute(union_all(fields, lists, tags, consents, journeys)):
        if what == "consent":
            state, _, how = more.partition("|")
            decisions.setdefault(name, []).append(Decision(state, how, at))
        elif what == "journey":
            ever[more] = name
        elif what == "field":
            values.append((FieldInfo(name, labels=labels or {}, id=id_), more))
        else:
            found[what].append(Named(id_, name, more))
    settled = {channel: one for channel, many in decisions.items() if (one := current(many)) is not None}
    return _Belongings(
        sorted(found["list"], key=lambda one: one.name.casefold()),
        sorted(found["tag"], key=lambda one: one.name.casefold()),
        settled,
        sorted(values, key=lambda pair: pair[0].name),
        dict(sorted(ever.items(), key=lambda pair: pair[1].casefold())),
    )


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
