"""Two cards side by side, and what the one that is kept will have: read only, for the page that asks before merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.calendars import Reader
from panel.consent.merging import stricter_first
from panel.consent.models import Consent
from panel.consent.rules import OPTED_OUT
from panel.contacts import queries
from panel.contacts.combining import DETAILS
from panel.contacts.fields import BUILT_IN
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.search import fold, search
from panel.i18n import N_, translate
from panel.journeys.merging import clashes, runs_of
from panel.journeys.models import Journey
from panel.messages.models import Message
from panel.plugin_manager.models import PluginRecord
from panel.staff.people import Directory
from panel.tasks.models import Task
from panel.timeline.models import Event
from panel.web.timeline import words
from panel.web.timeline.beside import shown as value_words

MOST = 8


@dataclass(frozen=True)
class Likely:
    """Somebody who may be the same person, and why we think so. `why`: email | phone | name."""

    contact: Contact
    address: str
    why: str


@dataclass(frozen=True)
class FieldChoice:
    """One field of both. `is_open`: both have a value and they differ, so a person chooses."""

    name: str
    label: str
    mine: Markup | None
    other: Markup | None
    is_open: bool


@dataclass(frozen=True)
class Together:
    """What both have of something, by name; `moved` of them only the other one has."""

    names: Sequence[str]
    moved: frozenset[str]


@dataclass(frozen=True)
class Preview:
    fields: Sequence[FieldChoice]
    addresses: Together
    lists: Together
    tags: Together
    consents: Sequence[tuple[str, bool, bool]]  # channel in words, agrees, the two answers differ
    journeys: Sequence[Markup]
    counts: Sequence[tuple[str, int]]  # what moves, in words, and how many


def likely_doubles(session: Session, contact: Contact) -> list[Likely]:
    """Contacts with the same e-mail or telephone, then those of the same name (folded). At most eight."""
    found: dict[int, tuple[str, str]] = {}
    for one in contact.addresses:
        if one.kind in ("email", "phone"):
            for id_ in queries.by_address(session, one.kind, one.value):
                found.setdefault(id_, (one.kind, one.value))
    wanted = fold(contact.name)
    if wanted:
        for other in search(session, contact.name, 20):
            if fold(other.name) == wanted:
                found.setdefault(other.id, ("name", ""))
    found.pop(contact.id, None)
    return _with_addresses(session, [(id_, why) for id_, (why, _) in list(found.items())[:MOST]])


def found_by(session: Session, contact: Contact, text: str) -> list[Likely]:
    """Contacts found by name, telephone in any form, e-mail, tag."""
    others = [one.id for one in search(session, text, MOST + 1) if one.id != contact.id]
    return _with_addresses(session, [(id_, "") for id_ in others[:MOST]])


def _with_addresses(session: Session, found: Sequence[tuple[int, str]]) -> list[Likely]:
    ids = [id_ for id_, _ in found]
    contacts = {one.id: one for one in session.scalars(select(Contact).where(Contact.id.in_(ids)))}
    first: dict[int, str] = {}
    for id_, shown in session.execute(
        select(ContactAddress.contact_id, ContactAddress.shown)
        .where(ContactAddress.contact_id.in_(ids), ContactAddress.kind.in_(("email", "phone")))
        .order_by(ContactAddress.kind, ContactAddress.position)
    ):
        first.setdefault(id_, shown)
    return [Likely(contacts[id_], first.get(id_, ""), why) for id_, why in found if id_ in contacts]


def preview(session: Session, kept: Contact, merged: Contact, reader: Reader) -> Preview:
    mine, other = queries.card(session, kept.id), queries.card(session, merged.id)
    assert mine is not None
    assert other is not None
    return Preview(
        _fields(session, mine, other, reader),
        _together([one.shown for one in mine.addresses], [one.shown for one in other.addresses]),
        _together([one.name for one in mine.lists], [one.name for one in other.lists]),
        _together([one.name for one in mine.tags], [one.name for one in other.tags]),
        _consents(session, kept.id, merged.id, reader.language),
        _journeys(session, kept.id, merged.id, reader.language),
        _counts(session, merged.id, reader.language),
    )


def _fields(session: Session, mine: queries.Card, other: queries.Card, reader: Reader) -> list[FieldChoice]:
    found = []
    names = {one.id: one.shown for one in Directory(session).everybody.values()}

    def line(name: str, info: Any, a: str, b: str) -> None:
        if a or b:
            here, there = (value_words(info, one, reader) if one else None for one in (a, b))
            # Nobody chooses between two values that are not for their eyes: the kept card's own stays.
            is_open = bool(a and b and a != b) and (info.type != "money" or reader.sees_amounts)
            found.append(FieldChoice(name, info.label(reader.language), here, there, is_open))

    for name, column in DETAILS.items():
        a, b = getattr(mine.contact, column), getattr(other.contact, column)
        if name == "owner":
            a, b = names.get(a, ""), names.get(b, "")
        line(name, BUILT_IN[name], a or "", b or "")
    theirs = {info.name: value.text for info, value in other.fields if value is not None}
    for info, value in mine.fields:
        line(info.name, info, value.text if value is not None else "", theirs.get(info.name, ""))
    return found


def _together(mine: Sequence[str], other: Sequence[str]) -> Together:
    return Together(list(dict.fromkeys([*mine, *other])), frozenset(other) - frozenset(mine))


def _consents(session: Session, kept_id: int, merged_id: int, language: str) -> list[tuple[str, bool, bool]]:
    by_channel: dict[str, list[Consent]] = {}
    for one in session.scalars(select(Consent).where(Consent.contact_id.in_((kept_id, merged_id)), Consent.is_current)):
        by_channel.setdefault(one.channel, []).append(one)
    found = []
    for channel, answers in sorted(by_channel.items()):
        counts = stricter_first(*answers)[0] if len(answers) == 2 else answers[0]
        differ = len({one.state for one in answers}) == 2
        found.append((words.channel_words(channel, language), counts.state != OPTED_OUT, differ))
    return found


def _journeys(session: Session, kept_id: int, merged_id: int, language: str) -> list[Markup]:
    """What happens to the runs, in sentences: first where both are in one journey."""
    rows = runs_of(session, (kept_id, merged_id))
    known: Any = session.execute(
        select(Journey.id, Journey.name).where(Journey.id.in_({row.journey_id for row in rows}))
    )
    names = {id_: name for id_, name in known}
    both = clashes(rows, kept_id)
    said, settled = [], {one.goes_on for one in both} | {one.ends for one in both}
    for one in both:
        sentence = N_(
            "%(journey)s: both are inside. Who is further along goes on, the other run ends; nothing is sent twice."
        )
        said.append(words.fill(language, sentence, {"journey": names.get(one.journey_id, one.journey_id)}))
    for row in rows:
        if row.contact_id == merged_id and row.status in ("active", "held") and row.id not in settled:
            name = names.get(row.journey_id, row.journey_id)
            said.append(words.fill(language, N_("%(journey)s: goes on for the card that is kept."), {"journey": name}))
    over = {row.journey_id for row in rows if row.contact_id == merged_id and row.status not in ("active", "held")}
    for id_ in sorted(over):
        sentence = N_("%(journey)s: the other was inside once; that counts for the card that is kept.")
        said.append(words.fill(language, sentence, {"journey": names.get(id_, id_)}))
    return said


def _counts(session: Session, merged_id: int, language: str) -> list[tuple[str, int]]:
    tables: tuple[tuple[str, Any], ...] = (
        (N_("Lines of the timeline"), Event),
        (N_("Messages"), Message),
        (N_("Tasks"), Task),
        (N_("Links to connected systems"), PluginRecord),
    )
    found = []
    for label, model in tables:
        count = session.scalar(select(func.count()).select_from(model).where(model.contact_id == merged_id)) or 0
        if count:
            found.append((translate(language, label), count))
    return found
