"""What rendering a batch of messages needs to know, read in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import zone_of
from panel.contacts.fields import FieldInfo
from panel.contacts.models import Contact, ContactAddress, Field, FieldValue
from panel.contacts.sets import among
from panel.installation.queries import get_setting
from panel.messages.merge import show_value
from panel.messages.models import TemplateForm
from panel.sdk.channels import TemplateContent
from panel.staff.models import User


@dataclass(frozen=True)
class Company:
    """The business itself, as it stands in messages."""

    name: str = ""
    address: str = ""
    country: str = ""
    time_zone: str = "UTC"
    language: str = "en"


@dataclass
class Person:
    """One contact as messages see it. `addresses` are (normalised, as written) by kind, the best one first."""

    id: int
    public_id: str
    language: str | None
    time_zone: str | None
    values: dict[str, str]
    addresses: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def company(session: Session) -> Company:
    value = get_setting(session, "company")
    zone = str(value.get("time_zone") or "UTC")
    return Company(
        str(value.get("name") or ""),
        str(value.get("address") or ""),
        str(value.get("country") or "").upper(),
        zone if zone_of(zone).key == zone else "UTC",
        str(value.get("language") or "en"),
    )


def custom_fields(session: Session) -> list[FieldInfo]:
    rows = session.execute(select(Field.id, Field.name, Field.type, Field.labels, Field.aliases, Field.choices))
    return [
        FieldInfo(name, type_, labels or {}, tuple(aliases or ()), tuple(choices or ()), id_)
        for id_, name, type_, labels, aliases, choices in rows.all()
    ]


def forms(session: Session, version_ids: Collection[int]) -> dict[tuple[int, str], dict[str, TemplateContent]]:
    """Template contents: {(version, channel): {language: content}}; language "" is for everybody else."""
    if not version_ids:
        return {}
    found: dict[tuple[int, str], dict[str, TemplateContent]] = {}
    for row in session.execute(
        select(
            TemplateForm.version_id,
            TemplateForm.channel,
            TemplateForm.language,
            TemplateForm.subject,
            TemplateForm.html,
            TemplateForm.text,
        ).where(among(session, TemplateForm.version_id, list(version_ids)))
    ):
        content = TemplateContent(row.subject, row.html, row.text, row.language)
        found.setdefault((row.version_id, row.channel), {})[row.language] = content
    return found


def people(session: Session, contact_ids: Collection[int], fields: Sequence[FieldInfo]) -> dict[int, Person]:
    """The contacts of a batch with their addresses and the values of `fields`; unknown and erased ones are left out.

    A merged contact answers with the values of the one it was merged into, under its own id.
    """
    found, shown_as = _contacts(session, contact_ids)
    ids = list({person.id for person in found.values()})
    if not ids:
        return {}
    by_id = {person.id: person for person in found.values()}
    rows = session.execute(
        select(ContactAddress.contact_id, ContactAddress.kind, ContactAddress.value, ContactAddress.shown)
        .where(among(session, ContactAddress.contact_id, ids), ContactAddress.unusable_reason.is_(None))
        .order_by(ContactAddress.contact_id, ContactAddress.position, ContactAddress.id)
    ).all()  # all at once: a fetch for each row costs as much as the row
    for contact_id, kind, value, shown in rows:
        by_id[contact_id].addresses.setdefault(kind, []).append((value, shown))
    for person in by_id.values():
        for kind in ("email", "phone"):
            if kind in person.addresses:
                person.values[kind] = person.addresses[kind][0][1] or person.addresses[kind][0][0]
    _custom_values(session, by_id, fields)
    return {asked: by_id[shown_as[asked]] for asked in found}


def _contacts(session: Session, contact_ids: Collection[int]) -> tuple[dict[int, Person], dict[int, int]]:
    query = select(
        Contact.id, Contact.public_id, Contact.name, Contact.first_name, Contact.last_name, Contact.company,
        Contact.language, Contact.time_zone, Contact.reference, Contact.merged_into_id, User.name.label("owner"),
    ).outerjoin(User, User.id == Contact.owner_id).where(Contact.erased_at.is_(None))  # fmt: skip
    rows: dict[int, Any] = {}
    missing = set(contact_ids)
    while missing:
        for row in session.execute(query.where(among(session, Contact.id, list(missing)))).all():
            rows[row.id] = row
        missing = {
            row.merged_into_id for row in rows.values() if row.merged_into_id and row.merged_into_id not in rows
        } - missing
    made: dict[int, Person] = {}
    found: dict[int, Person] = {}
    shown_as: dict[int, int] = {}
    for asked in contact_ids:
        at, seen = asked, {asked}
        while at in rows and rows[at].merged_into_id in rows and rows[at].merged_into_id not in seen:
            at = rows[at].merged_into_id
            seen.add(at)
        if at not in rows:
            continue
        if at not in made:
            made[at] = _person(rows[at])
        found[asked], shown_as[asked] = made[at], at
    return found, shown_as


def _person(row: Any) -> Person:
    values = {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "full_name": row.name or f"{row.first_name} {row.last_name}".strip(),
        "company": row.company,
        "language": row.language or "",
        "time_zone": row.time_zone or "",
        "reference": row.reference or "",
        "owner": row.owner or "",
    }
    return Person(row.id, row.public_id, row.language, row.time_zone, values)


def _custom_values(session: Session, people_by_id: Mapping[int, Person], fields: Sequence[FieldInfo]) -> None:
    wanted = {one.id: one for one in fields if one.id is not None}
    if not wanted:
        return
    for row in session.execute(
        select(FieldValue.contact_id, FieldValue.field_id, FieldValue.text, FieldValue.day).where(
            among(session, FieldValue.contact_id, list(people_by_id)),
            among(session, FieldValue.field_id, list(wanted)),
        )
    ):
        person = people_by_id[row.contact_id]
        # A date is kept as such and shown as this contact reads dates; everything else reads as it was entered.
        person.values[wanted[row.field_id].name] = (
            show_value(row.day, person.language or "en") if row.day is not None else row.text
        )
