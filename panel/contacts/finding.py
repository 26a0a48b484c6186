"""The search box: the few contacts that are most likely meant, best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactAddress, ContactTag, Tag
from panel.contacts.search import fold, latin_digits, strip_marks, tags_like, ways_of, with_words
from panel.contacts.sets import among

# So many are looked at before the best are chosen; whoever gets more must say more.
CANDIDATES = 60
WHOLE, _BEGINS, _WORDS, _SOMEWHERE, _TAGGED = 100, 80, 60, 40, 20


@dataclass
class Found:
    """A contact as the search shows it. `matched` is the address by which it was found, when it was not its name."""

    id: int
    public_id: str
    name: str
    company: str
    reference: str | None
    updated_at: datetime
    addresses: list[tuple[str, str]] = field(default_factory=list)  # kind, value
    tags: list[str] = field(default_factory=list)
    matched: str = ""
    weight: int = 0

    def first(self, kind: str) -> str:
        return next((value for known, value in self.addresses if known == kind), "")


def find(session: Session, text: str, limit: int = 8) -> list[Found]:
    """The contacts that `text` most likely means: a name or a part of it, a telephone number in any form or its end, a
    mail address or a part of it, a tag, the business's own number. At most five statements, whatever is typed."""
    ways = ways_of(text)
    if not ways:
        return []
    whole = [[(word, False) for word, _ in way] for way in ways]
    tags = tags_like(session, fold(strip_marks(text)))
    people = _people(session, with_words(session, whole))
    if len(people) < CANDIDATES:
        people |= _people(session, with_words(session, ways))
    if tags and len(people) < CANDIDATES:
        tagged = select(ContactTag.contact_id).where(among(session, ContactTag.tag_id, tags))
        for id_, one in _people(session, Contact.id.in_(tagged)).items():
            people.setdefault(id_, one)
    _complete(session, people)
    for one in people.values():
        one.weight, one.matched = _weigh(one, text)
    best = sorted(people.values(), key=lambda one: (-one.weight, -one.updated_at.timestamp(), -one.id))
    return best[:limit]


def _people(session: Session, condition: object) -> dict[int, Found]:
    query = (
        select(Contact.id, Contact.public_id, Contact.name, Contact.company, Contact.reference, Contact.updated_at)
        .where(condition, Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))  # type: ignore[arg-type]
        .order_by(Contact.id.desc())
        .limit(CANDIDATES)
    )
    return {row.id: Found(*row) for row in session.execute(query)}


def _complete(session: Session, people: Mapping[int, Found]) -> None:
    ids = list(people)
    if not ids:
        return
    query = (
        select(ContactAddress.contact_id, ContactAddress.kind, ContactAddress.value)
        .where(among(session, ContactAddress.contact_id, ids))
        .order_by(ContactAddress.position, ContactAddress.id)
    )
    for contact_id, kind, value in session.execute(query):
        people[contact_id].addresses.append((kind, value))
    tagged: Mapping[int, list[str]] = defaultdict(list)
    rows = select(ContactTag.contact_id, Tag.name).join(Tag, Tag.id == ContactTag.tag_id)
    for contact_id, name in session.execute(rows.where(among(session, ContactTag.contact_id, ids)).order_by(Tag.name)):
        tagged[contact_id].append(name)
    for id_, names in tagged.items():
        people[id_].tags = names


def _weigh(one: Found, text: str) -> tuple[int, str]:
    """How well this contact fits, and the address that tells why when the name does not."""
    said = fold(strip_marks(text))
    name, reference = fold(one.name), fold(one.reference or "")
    digits = "".join(c for c in latin_digits(said) if c.isdigit()).lstrip("0")
    if said in (name, reference):
        return WHOLE, ""
    by_mail = [value for kind, value in one.addresses if kind == "email" and said in value]
    is_number = digits and len(digits) * 2 >= len(said)
    by_number = [value for kind, value in one.addresses if kind == "phone" and is_number and digits in value]
    for value in (*by_mail, *by_number):
        if value == said or (by_number and len(digits) >= 8 and value.endswith(digits)):
            return WHOLE, value
    words = said.split()
    if name.startswith(said):
        return _BEGINS + (10 if all(word in name.split() for word in words) else 0), ""
    mine = _words(name, fold(one.company))
    if all(any(own.startswith(word) for own in mine) for word in words):
        return _WORDS + (10 if all(word in mine for word in words) else 0), ""
    if by_mail or by_number:
        return _SOMEWHERE + (10 if any(value.startswith(said) for value in by_mail) else 0), (by_mail + by_number)[0]
    if any(said in fold(tag) for tag in one.tags):
        return _TAGGED, ""
    return _SOMEWHERE, ""


def _words(*texts: str) -> Sequence[str]:
    return [word for text in texts for word in text.split()]
