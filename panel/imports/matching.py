"""Which contacts the rows of a file are already: three reads for a whole batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactAddress
from panel.contacts.queries import canonical
from panel.contacts.sets import among
from panel.errors import Problem
from panel.i18n import N_
from panel.imports.rows import Person

Key = tuple[str, str]


@dataclass
class Known:
    """Contacts by what they can be known by: ("reference" | "email" | "phone", value) -> ids, aliases resolved."""

    ids: dict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))
    references: dict[int, str] = field(default_factory=dict)
    emails: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


def keys_of(person: Person, match: Sequence[str]) -> list[Key]:
    """What this row can be matched by, in the order of the rules."""
    keys: list[Key] = []
    for name in match:
        if name == "reference":
            if person.draft.reference:
                keys.append(("reference", person.draft.reference))
        else:
            keys += [(one.kind, one.value) for one in person.draft.addresses if one.kind == name]
    return keys


def load(session: Session, people: Sequence[Person], match: Sequence[str]) -> Known:
    """Everybody whom a row of this batch could be."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for person in people:
        for kind, value in keys_of(person, match):
            wanted[kind].add(value)
        if person.draft.reference:  # unique in the table, whether or not it is matched by
            wanted["reference"].add(person.draft.reference)
    known = Known()
    found: list[tuple[Key, int, int | None, str | None]] = []
    if wanted["reference"]:
        rows = session.execute(
            select(Contact.reference, Contact.id, Contact.merged_into_id).where(
                among(session, Contact.reference, wanted["reference"])
            )
        )
        found += [(("reference", reference or ""), id_, into, reference) for reference, id_, into in rows]
    for kind in ("email", "phone"):
        if wanted[kind]:
            found += [
                ((kind, value), id_, into, reference)
                for value, id_, into, reference in session.execute(
                    select(ContactAddress.value, Contact.id, Contact.merged_into_id, Contact.reference)
                    .join(Contact, Contact.id == ContactAddress.contact_id)
                    .where(ContactAddress.kind == kind, among(session, ContactAddress.value, wanted[kind]))
                    .order_by(Contact.id)
                )
            ]
    for key, id_, into, reference in found:
        shown = id_ if into is None else canonical(session, into)
        if shown not in known.ids[key]:
            known.ids[key].append(shown)
        if reference:
            known.references[shown] = reference
    by_phone = {id_ for (kind, _), ids in known.ids.items() if kind == "phone" for id_ in ids}
    if by_phone:
        mailboxes = session.execute(
            select(ContactAddress.contact_id, ContactAddress.value).where(
                ContactAddress.kind == "email", among(session, ContactAddress.contact_id, by_phone)
            )
        )
        for id_, value in mailboxes:
            known.emails[id_].add(value)
    return known


def find(person: Person, known: Known, match: Sequence[str]) -> int | Problem | None:
    """The contact this row is, None for somebody new, or the problem that it could be several.

    Two different customer numbers are two people, though they share an address. So are two different e-mail addresses
    behind one telephone: families and switchboards.
    """
    reference = person.draft.reference
    emails = {one.value for one in person.draft.addresses if one.kind == "email"}
    for key in keys_of(person, match):
        ids = known.ids.get(key, [])
        if key[0] != "reference" and reference:
            ids = [id_ for id_ in ids if known.references.get(id_) in (None, reference)]
        if key[0] == "phone" and emails:
            ids = [id_ for id_ in ids if not known.emails.get(id_) or known.emails[id_] & emails]
        if len(ids) == 1:
            return ids[0]
        if len(ids) > 1:
            return Problem(
                "match_several",
                N_("%(value)s belongs to %(count)s contacts; it is not clear which one this is"),
                {"value": key[1], "count": len(ids)},
            )
    if reference and "reference" not in match and known.ids.get(("reference", reference)):
        sentence = N_("Another contact has the number %(reference)s")
        return Problem("reference_taken", sentence, {"reference": reference[:60]})
    return None
