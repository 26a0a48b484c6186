"""What a colleague can change beside the timeline: fields, pinned notes, a rest, merges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import Select, cast, literal, null, select
from sqlalchemy.types import String

from panel import amounts, calendars
from panel.calendars import Reader
from panel.consent.models import Rest
from panel.contacts.fields import BUILT_IN, FieldInfo
from panel.contacts.merging import UNDO_WITHIN
from panel.contacts.models import Contact, ContactMerge, Field, FieldValue
from panel.i18n import LANGUAGES, N_, translate
from panel.staff.models import User
from panel.timeline.models import Event
from panel.web.filters import hidden_amount
from panel.web.timeline import words

WHAT = ("field", "note", "rest", "merge")  # what `parts` finds
# Built-in fields that stand among the fields; names, addresses and the owner stand at the top of the page.
AMONG_FIELDS = ("language", "time_zone", "reference", "score")


@dataclass(frozen=True)
class FieldLine:
    name: str
    label: str
    value: Markup
    can_change: bool


@dataclass(frozen=True)
class PinnedNote:
    event_id: int
    text: str
    by: str
    at: datetime


@dataclass(frozen=True)
class RestLine:
    until: datetime
    scope: str
    reason: str
    by: str
    until_words: str


@dataclass(frozen=True)
class MergeLine:
    """A merge that can still be undone until `until`."""

    merge_id: int
    name: str
    until: datetime


@dataclass(frozen=True)
class Beside:
    fields: Sequence[FieldLine]
    pinned: Sequence[PinnedNote]
    rest: RestLine | None
    merges: Sequence[MergeLine]


def parts(ids: Sequence[int], now: datetime) -> list[Select[Any]]:
    """What is read for `beside`, as parts of one union: (what, id, name, kind, text, more, at, by). `ids`: the contact
    that is shown and the cards merged into it."""
    fields = (
        select(
            literal("field").label("what"), Field.id.label("id"), Field.name.label("name"), Field.type.label("kind"),
            FieldValue.text.label("text"), Field.labels.label("more"), Field.created_at.label("at"),
            literal("").label("by"),
        )
        .join(FieldValue, FieldValue.field_id == Field.id)
        .where(FieldValue.contact_id == ids[0])
    )  # fmt: skip
    who = cast(User.name, String)
    notes = (
        select(literal("note"), Event.id, literal(""), literal(""), literal(""), Event.data, Event.occurred_at, who)
        .outerjoin(User, User.id == Event.user_id)
        .where(Event.contact_id.in_(ids), Event.kind == "note_added", Event.data["pinned"].as_boolean().is_(True))
    )
    rests = (
        select(literal("rest"), Rest.id, literal(""), Rest.scope, Rest.reason, null(), Rest.until, who)
        .outerjoin(User, User.id == Rest.user_id)
        .where(Rest.contact_id == ids[0], Rest.ended_at.is_(None), Rest.until > now)
    )
    merges = (
        select(
            literal("merge"), ContactMerge.id, literal(""), literal(""), ContactMerge.before["name"].as_string(),
            null(), ContactMerge.at, literal(""),
        )
        .where(
            ContactMerge.kept_id == ids[0],
            ContactMerge.undone_at.is_(None),
            ContactMerge.at > now - UNDO_WITHIN,
        )
    )  # fmt: skip
    return [fields, notes, rests, merges]


def beside(rows: Iterable[Any], contact: Contact, reader: Reader) -> Beside:
    """Everything of one contact that stands beside its timeline to be changed, from what `parts` found."""
    found: dict[str, list[FieldLine]] = {"field": []}
    pinned, merged, rest = [], [], None
    for what, id_, name, kind, text, more, at, by in rows:
        if what == "field":
            info = FieldInfo(name, kind, more or {}, id=id_)
            can_change = kind != "money" or reader.sees_amounts
            found["field"].append(FieldLine(name, info.label(reader.language), shown(info, text, reader), can_change))
        elif what == "note":
            pinned.append(PinnedNote(id_, str((more or {}).get("text") or "…"), by or "", at))
        elif what == "rest":
            # A rest ends with a day; the last day on which nothing goes is what a person has in mind.
            day = calendars.show_day(at.astimezone(reader.zone).date(), reader, "full")
            rest = RestLine(at, kind, text, by or "", day)
        elif what == "merge":
            merged.append(MergeLine(id_, text or "", at + UNDO_WITHIN))
    own = [_built_in(contact, name, reader) for name in AMONG_FIELDS]
    return Beside(
        [*(one for one in own if one is not None), *sorted(found["field"], key=lambda one: one.label.casefold())],
        sorted(pinned, key=lambda one: (one.at, one.event_id), reverse=True),
        rest,
        sorted(merged, key=lambda one: one.until, reverse=True),
    )


def shown(info: FieldInfo, text: str, reader: Reader) -> Markup:
    """The value of a field as this reader reads it; what cannot be read as its type is shown as it stands."""
    if info.type == "date":
        try:
            return Markup("<bdi>{}</bdi>").format(calendars.show_day(date.fromisoformat(text), reader))
        except ValueError:
            return words.isolated(text)
    if info.type == "yes_no" and text in ("yes", "no"):
        return Markup("{}").format(translate(reader.language, N_("Yes") if text == "yes" else N_("No")))
    if amounts.is_amount(text, reader, kind=info.type):
        return hidden_amount(reader.language)
    if info.type in ("number", "money"):
        return Markup('<bdi dir="ltr" class="num">{}</bdi>').format(calendars.in_digits(text, reader))
    if info.name == "language":
        return words.isolated(LANGUAGES.get(text, text))
    if info.name in ("time_zone", "reference"):
        return words.left_to_right(text)
    return words.isolated(text)


def _built_in(contact: Contact, name: str, reader: Reader) -> FieldLine | None:
    value = getattr(contact, name)
    if not value:
        return None
    info = BUILT_IN[name]
    return FieldLine(name, info.label(reader.language), shown(info, str(value), reader), info.writable)
