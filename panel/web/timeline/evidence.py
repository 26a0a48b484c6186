"""The answer to "I never got it": everything that is known about one message, in sentences and to the second.

It says who told us what, and what that proves: a server's answer is not a reader's eye. Nothing is guessed; where
nothing is known it says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader
from panel.consent.models import Suppression
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.queries import aliases
from panel.i18n import N_, translate
from panel.journeys.models import Journey
from panel.messages.models import Message, Template, TemplateVersion
from panel.messages.preview import AsSent
from panel.staff.models import User
from panel.timeline.models import Event
from panel.tracking.models import TrackingHit
from panel.web.timeline import touches, words
from panel.web.timeline.arrival import answer_of, arrival, at
from panel.web.timeline.facts import OneHit
from panel.web.timeline.items import STORY_LABELS, Detail

HIT_LIMIT = 500
_QUEUE = re.compile(r"queued as ([\w.-]+)|\bid=([\w.-]+)|\b(?:queue|message)[ -]?id[ :=]+<?([\w.@-]+)", re.IGNORECASE)
_CODE = re.compile(r"^\s*([245]\d\d)\b")


@dataclass(frozen=True)
class Known:
    """All that is stored about one message."""

    message: Message
    contact: Contact
    story: Sequence[Event]
    hits: Sequence[OneHit]
    address: ContactAddress | None
    blocks: Sequence[Suppression]
    journey: str
    template: str
    writer: str
    sent: AsSent | None
    other: Sequence[str] = ()  # the contact's addresses of this kind today


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, then lines of a table, then what can be done."""

    title: str
    sentences: tuple[Markup, ...] = ()
    lines: tuple[Detail, ...] = ()
    steps: tuple[Markup, ...] = field(default=())


def known(session: Session, message: Message, sent: AsSent | None) -> Known:
    contact = session.get_one(Contact, message.contact_id)
    story = list(
        session.scalars(select(Event).where(Event.message_id == message.id).order_by(Event.occurred_at, Event.id))
    )
    hits = session.scalars(
        select(TrackingHit).where(TrackingHit.message_id == message.id).order_by(TrackingHit.at, TrackingHit.id)
        .limit(HIT_LIMIT)
    )  # fmt: skip
    kind = "email" if "@" in (message.address or "") else "phone" if (message.address or "").startswith("+") else ""
    mine = session.scalars(
        select(ContactAddress)
        .where(ContactAddress.contact_id.in_(aliases(session, contact.id)), ContactAddress.kind == kind)
        .order_by(ContactAddress.position)
    ).all()
    now_used = next((one for one in mine if one.value == message.address), None)
    blocks = session.scalars(
        select(Suppression).where(Suppression.address == (message.address or ""), Suppression.lifted_at.is_(None))
    ).all()
    journey = session.get(Journey, message.journey_id) if message.journey_id else None
    template = session.scalar(
        select(Template.name)
        .join(TemplateVersion, TemplateVersion.template_id == Template.id)
        .where(TemplateVersion.id == message.template_version_id)
    )
    writer = session.get(User, by) if (by := (message.rules or {}).get("by")) else None
    return Known(
        message, contact, story, [OneHit(h.kind, h.at, h.verdict, h.reason, h.user_agent, h.link) for h in hits],
        now_used, blocks, journey.name if journey else message.journey_id or "", template or "",
        (writer.name or writer.email) if writer else "", sent, [one.shown for one in mine],
    )  # fmt: skip


def sections(found: Known, reader: Reader) -> list[Section]:
    return [
        section
        for section in (
            _in_short(found, reader), _times(found, reader), _handed_over(found, reader), _address(found, reader),
            _engagement(found, reader), _proof(found, reader),
        )
        if section.sentences or section.lines or section.steps
    ]  # fmt: skip


def title_of(message: Message) -> str:
    return message.subject or str((message.inline or {}).get("subject") or (message.inline or {}).get("text") or "")


def _in_short(found: Known, reader: Reader) -> Section:
    told = arrival(found.message, found.story, found.hits, reader)
    return Section(translate(reader.language, N_("In short")), tuple(told.sentences), steps=told.step_words())


def _times(found: Known, reader: Reader) -> Section:
    message, language = found.message, reader.language
    rows: list[tuple[datetime | None, str, Markup]] = [
        (message.planned_at, N_("Planned"), Markup("")),
        (message.wire_at, N_("Handing over began"), Markup("")),
        (message.sent_at, N_("The server's answer came"), Markup("")),
    ]
    for one in found.story:
        label = STORY_LABELS.get(one.kind)
        if label is None or one.kind in ("message_opened", "link_clicked", "message_sent"):
            continue
        said = words.isolated(str(one.data.get("detail") or one.data.get("text") or "")[:300])
        more = Markup(" · ") + said if one.data.get("detail") or one.data.get("text") else Markup("")
        told_by = one.data.get("provider_time")
        if told_by:
            more += Markup(" · ") + words.fill(language, N_("the provider's clock said %(at)s"),
                                               {"at": words.left_to_right(told_by)})  # fmt: skip
        rows.append((one.occurred_at, label, more))
    rows.sort(key=lambda row: (row[0] is None, row[0]))
    lines = tuple(
        Detail(translate(language, label), at(moment, reader) + more) for moment, label, more in rows if moment
    )
    return Section(translate(language, N_("Times")), lines=lines)


def _handed_over(found: Known, reader: Reader) -> Section:
    message, language = found.message, reader.language
    lines: list[Detail] = []

    def line(label: str, value: Any) -> None:
        if value not in (None, ""):
            said = value if isinstance(value, Markup) else words.left_to_right(value)
            lines.append(Detail(translate(language, label), said))

    line(N_("Channel"), words.isolated(words.channel_words(message.channel, language)))
    line(N_("Journey"), words.isolated(found.journey) if found.journey else None)
    line(N_("Step"), message.step_id)
    line(N_("Template"), words.isolated(found.template) if found.template else None)
    line(N_("Written by"), words.isolated(found.writer) if found.writer else None)
    answer = answer_of(message)
    line(N_("Answer"), answer)
    if answer and (code := _CODE.match(answer)):
        line(N_("Code of the answer"), code[1])
    if answer and (queue := _QUEUE.search(answer)):
        line(N_("Number in the server's queue"), next(filter(None, queue.groups())))
    line(N_("Number at the provider"), message.provider_message_id)
    line(N_("Message number"), message.our_message_id)
    line(N_("Attempts"), words.value_words(None, "attempt", message.attempt, {}, reader) if message.attempt else None)
    return Section(translate(language, N_("Handed over")), lines=tuple(lines))


def _address(found: Known, reader: Reader) -> Section:
    message, language = found.message, reader.language
    if not message.address:
        return Section("")
    told = []
    if found.address is None:
        told.append(words.fill(language, N_("This address does not stand in the contact's details any more."), {}))
        if found.other:
            others = Markup(", ").join(words.left_to_right(one) for one in found.other)
            told.append(words.fill(language, N_("Today there stands: %(addresses)s"), {"addresses": others}))
    else:
        told.append(words.fill(language, N_("It stands in the contact's details since %(at)s, unchanged."),
                               {"at": at(found.address.created_at, reader)}))  # fmt: skip
        if found.address.unusable_reason:
            told.append(words.fill(language, N_("It is marked as not working."), {}))
    for block in found.blocks:
        told.append(words.fill(
            language, N_("It is blocked for %(channel)s since %(at)s: %(reason)s"),
            {"channel": words.channel_words(block.channel, language), "at": at(block.at, reader),
             "reason": words.reason_words(block.reason, language)}))  # fmt: skip
    return Section(
        translate(language, N_("The address exactly as it was used")),
        tuple(told),
        (Detail(translate(language, N_("To")), words.left_to_right(message.address)),),
    )


def _engagement(found: Known, reader: Reader) -> Section:
    language = reader.language
    if found.message.status in ("skipped", "cancelled", "queued", "claimed", "held"):
        return Section("")
    title = translate(language, N_("Opens and clicks"))
    if not found.hits:
        return Section(
            title,
            (words.fill(language, N_("None were seen. Many mail programs load no images: that proves nothing."), {}),),
        )
    links = dict(enumerate(found.sent.links)) if found.sent else {}
    return Section(
        title,
        lines=tuple(
            Detail(translate(language, touches.KINDS.get(one.kind, one.kind)), touches.hit_words(one, links, reader))
            for one in found.hits
        ),
    )


def _proof(found: Known, reader: Reader) -> Section:
    message, language = found.message, reader.language
    if not message.content_sha256:
        return Section("")
    told = []
    if found.sent is not None and found.sent.proven:
        told.append(words.fill(language, N_(
            "The content can be shown exactly as it left: rebuilt from what is stored, it has the hash noted then."
        ), {}))  # fmt: skip
    elif found.sent is not None:
        told.append(
            words.fill(language, N_("What is stored does not have the hash noted then: it was changed since."), {})
        )
    lines = [Detail("SHA-256", words.left_to_right(message.content_sha256))]
    if found.sent is not None and found.sent.preview == "mail":
        signed = message_from_bytes(found.sent.payload).get("DKIM-Signature")
        domain = re.search(r"\bd=([^;\s]+)", signed) if signed else None
        if domain:
            lines.append(
                Detail(translate(language, N_("Signed for the domain (DKIM)")), words.left_to_right(domain[1]))
            )
    return Section(translate(language, N_("Proof of the content")), tuple(told), tuple(lines))
