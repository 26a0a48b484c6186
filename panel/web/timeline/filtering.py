"""What a question to a timeline means as conditions on events. Each is tested on the events of this contact alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Text, and_, cast, exists, or_, select, type_coerce
from sqlalchemy.orm import aliased

from panel.calendars import Reader
from panel.contacts.search import fold
from panel.i18n import translate
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message, Template, TemplateVersion
from panel.timeline.models import Event
from panel.timeline.registry import types
from panel.tracking.models import TrackingHit
from panel.web.timeline.asking import KINDS, Asked
from panel.web.timeline.facts import ANCHORS, FOLDED

_TOUCHED = ("message_opened", "link_clicked", "message_replied")
_MACHINES = ("machine_opened", "machine_clicked")
# Letters and digits that look the same and are stored as they were typed.
_ARABIC = str.maketrans({"ی": "ي", "ک": "ك"})
_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def conditions(asked: Asked, contact_ids: Sequence[int], reader: Reader) -> list[ColumnElement[bool]]:
    """What the lines of the answer have in common. Lines that fold beneath a message are never among them."""
    found: list[ColumnElement[bool]] = [or_(Event.kind.not_in(FOLDED), Event.message_id.is_(None))]
    if asked.kinds:
        found.append(or_(*(_of_kind(name) for name in asked.kinds)))
    else:
        hidden = [one.name for one in types.all() if not one.listed]
        if hidden:
            found.append(Event.kind.not_in(hidden))
    if (start := asked.start(reader)) is not None:
        found.append(Event.occurred_at >= start)
    if (end := asked.end(reader)) is not None:
        found.append(Event.occurred_at < end)
    if asked.channels:
        found.append(Event.data["channel"].as_string().in_(asked.channels))
    if asked.journey:
        found.append(_of_journey(asked.journey, contact_ids))
    if asked.person is not None:
        found.append(Event.user_id == asked.person)
    if asked.no_machines:
        found.append(Event.kind.not_in(_MACHINES))
    found += [_contains(word, contact_ids, reader) for word in asked.words]
    return found


def _of_kind(name: str) -> ColumnElement[bool]:
    mine = {one.name for one in types.all() if one.group == name}
    if name == "messages":
        return Event.kind.in_(ANCHORS | mine | FOLDED.difference(_MACHINES))
    if name == "engagement":
        return or_(and_(Event.kind.in_(ANCHORS), _answered()), Event.kind.in_(mine | set(_TOUCHED)))
    if name == "other":
        known = [one.name for one in types.all() if one.group in KINDS]
        return Event.kind.not_in(known)
    return Event.kind.in_(mine)


def _answered() -> ColumnElement[bool]:
    """A person opened or clicked the message of this line, or replied to it. Machines do not count."""
    hits = exists().where(TrackingHit.message_id == Event.message_id)
    by_people = hits.where(TrackingHit.verdict != "machine")
    told = or_(Message.first_opened_at.is_not(None), Message.first_clicked_at.is_not(None))
    in_ledger = exists().where(
        Message.id == Event.message_id, or_(Message.replied_at.is_not(None), and_(told, ~hits.correlate(Event)))
    )
    return or_(by_people, in_ledger)


def _of_journey(journey_id: str, contact_ids: Sequence[int]) -> ColumnElement[bool]:
    """Lines of this journey's runs and messages. Both are read once for the contact, not once for each line."""
    runs = select(Enrolment.id).where(Enrolment.contact_id.in_(contact_ids), Enrolment.journey_id == journey_id)
    sent = select(Message.id).where(Message.contact_id.in_(contact_ids), Message.journey_id == journey_id)
    named = Event.data["journey_id"].as_string() == journey_id
    return or_(Event.enrolment_id.in_(runs), Event.message_id.in_(sent), named)


def _contains(word: str, contact_ids: Sequence[int], reader: Reader) -> ColumnElement[bool]:
    """This word stands in the line, in what folds beneath it, in its message, or in what its kind is called.

    The inner selects do not look at the outer line: the database reads the contact's events and messages once each.
    """
    beneath = aliased(Event)
    folded = select(beneath.message_id).where(
        beneath.contact_id.in_(contact_ids), beneath.message_id.is_not(None), _like(_text_of(beneath.data), word)
    )
    message = (
        select(Message.id)
        .outerjoin(Journey, Journey.id == Message.journey_id)
        .outerjoin(TemplateVersion, TemplateVersion.id == Message.template_version_id)
        .outerjoin(Template, Template.id == TemplateVersion.template_id)
        .where(
            Message.contact_id.in_(contact_ids),
            or_(
                _like(Message.subject, word), _like(Message.address, word), _like(Journey.name, word),
                _like(Template.name, word), _like(_text_of(Message.inline), word),
            ),
        )
    )  # fmt: skip
    called = [one.name for one in types.all() if word in fold(translate(reader.language, one.label))]
    return or_(
        _like(_text_of(Event.data), word),
        Event.message_id.in_(folded),
        Event.message_id.in_(message),
        Event.kind.in_(called),
    )


def _text_of(column: object) -> ColumnElement[str]:
    return cast(type_coerce(column, Text), Text)


def _like(column: object, word: str) -> ColumnElement[bool]:
    """The column contains the word as it may have been typed, and as JSON may have stored it (\\u05d0)."""
    typed = dict.fromkeys((word, word.translate(_ARABIC), word.translate(_PERSIAN_DIGITS)))
    stored = dict.fromkeys((*typed, *(json.dumps(one)[1:-1] for one in typed)))
    return or_(*(column.icontains(one, autoescape=True) for one in stored))  # type: ignore[attr-defined]
