"""One person writes to one contact: which ways are open, how it will read, and the one message that comes of it.

A personal message lies in the ledger like every other and goes out by the same worker. What makes it one message,
however often its form is sent: its key is made of who writes, to whom, and what they wrote to this contact last. Two
tabs, a reload and the back button all carry the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.queries import state_many, suppressed_many
from panel.consent.rules import OPTED_OUT, Purpose, Refusal, Suppressed, why_not_send
from panel.contacts.addresses import plain_mailbox
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.queries import aliases
from panel.db import next_ids
from panel.errors import UserError
from panel.i18n import N_
from panel.messages import facts
from panel.messages.contents import choose, inline_content
from panel.messages.merge import IN_MESSAGES, LINKS, Fields
from panel.messages.models import Message
from panel.messages.preview import TemplatePreview, preview_template
from panel.sdk.channels import Channel, TemplateContent
from panel.sdk.merge import FIELD
from panel.staff.models import User

UNDO_FOR = timedelta(seconds=10)  # so long it does not go out, and can be taken back
TOO_LATE_AFTER = {"days": 3}
RECENTLY = timedelta(hours=24)
# Everything that may have reached somebody. What failed, came back or was left out did not.
_REACHED = ("on_wire", "unknown", "sent", "delivered")
_OWN_FIELDS = frozenset({one.name for one in IN_MESSAGES} | LINKS)


@dataclass(frozen=True)
class Way:
    """One address on one channel. `refusals` says for each purpose why it may not be used; `opted_out`: no
    advertising, though an answer may be written."""

    channel: str
    address: str
    shown: str
    refusals: Mapping[str, Refusal | None]
    opted_out: bool = False
    is_broken: bool = False

    def why_not(self, purpose: str) -> str | None:
        """The code of the first reason not to write (see `panel.messages.reasons`), or None."""
        if self.is_broken:
            return "failed_address"
        refusal = self.refusals[purpose]
        return refusal.value if refusal is not None else None


@dataclass(frozen=True)
class Draft:
    """What somebody wants to send. Own words (`subject`, `text`) or a template as it is; `at` None: now."""

    channel: str
    address: str
    purpose: str
    subject: str = ""
    text: str = ""
    template_version_id: int | None = None
    at: datetime | None = None
    hours: Mapping[str, Any] | None = None  # held to at the claim; None: at any hour
    answers: int | None = None
    language: str | None = None

    @property
    def fingerprint(self) -> str:
        """The same words to the same address give the same fingerprint."""
        said = (self.channel, self.address, self.purpose, self.subject, self.text, self.template_version_id)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Recent:
    """The latest message that went to a contact, or is about to: by whom and when."""

    id: int
    channel: str
    at: datetime
    is_planned: bool
    by: str | None
    journey_id: str | None


@dataclass(frozen=True)
class Look:
    """A message as it will read. `missing` are the merge fields that are empty for this contact, as written."""

    preview: TemplatePreview
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class Written:
    message_id: int
    is_new: bool


def ways(session: Session, contact_id: int, channels: Mapping[str, Channel]) -> list[Way]:
    """Every address of a contact on every channel here, the channels in their order, the best address first."""
    ids = aliases(session, contact_id)
    rows = session.execute(
        select(
            ContactAddress.kind, ContactAddress.value, ContactAddress.shown, ContactAddress.unusable_reason
        )
        .where(ContactAddress.contact_id.in_(ids))
        .order_by(
            (ContactAddress.contact_id != contact_id),
            ContactAddress.unusable_reason.is_not(None),
            ContactAddress.position,
            ContactAddress.id,
        )
    ).all()  # fmt: skip
    found = []
    for name, channel in channels.items():
        consent = state_many(session, [contact_id], name).get(contact_id)
        if channel.address_kind == "contact":
            blocked = suppressed_many(session, name, {str(contact_id)}).get(str(contact_id))
            found.append(_way(name, "", "", consent, blocked, False))
            continue
        mine = {row.value: row for row in reversed(rows) if row.kind == channel.address_kind}
        blocks = suppressed_many(session, name, set(mine))
        for row in rows:
            if row.kind == channel.address_kind and mine.pop(row.value, None) is not None:
                broken = row.unusable_reason is not None
                found.append(_way(name, row.value, row.shown or row.value, consent, blocks.get(row.value), broken))
    return found


def _way(channel: str, address: str, shown: str, consent: str | None, blocked: str | None, broken: bool) -> Way:
    refusals = {
        purpose.value: why_not_send(purpose=purpose, has_address=True, consent=consent, suppressed=blocked)
        for purpose in Purpose
    }
    return Way(
        channel, address, shown, refusals, consent == OPTED_OUT or blocked == Suppressed.UNSUBSCRIBED, broken
    )  # fmt: skip


def look(
    session: Session,
    content: TemplateContent,
    channel: Channel,
    contact_id: int,
    *,
    public_url: str,
    purpose: str,
    sees_amounts: bool = False,
    now: datetime | None = None,
) -> Look:
    """How `content` will read for this contact. Nothing is stored, sent or counted. Whoever looks and may not see
    amounts (`sees_amounts`) reads dots in their place."""
    preview = preview_template(
        session, content, channel, contact_id,
        public_url=public_url, purpose=purpose, sees_amounts=sees_amounts, now=now or clock.now(),
    )  # fmt: skip
    return Look(preview, missing(session, content, contact_id))


def missing(session: Session, content: TemplateContent, contact_id: int) -> list[str]:
    """The merge fields without a value for this contact and without words to stand there instead, as written."""
    custom = facts.custom_fields(session)
    person = facts.people(session, [contact_id], custom).get(contact_id)
    fields, found = Fields(custom), []
    for part in (content.subject, content.html, content.text):
        for match in FIELD.finditer(part):
            name = fields.canonical_name(match[1])
            if match[2] is None and name not in _OWN_FIELDS and not (person and person.values.get(name)):
                found.append(match[1].strip())
    return list(dict.fromkeys(found))


def content_of(session: Session, draft: Draft, contact_id: int) -> TemplateContent | None:
    """The text of a draft for this contact: one's own words, or the template's form in the contact's language. None
    when the template has nothing for this channel."""
    person = facts.people(session, [contact_id], ()).get(contact_id)
    language = draft.language or (person.language if person else None)
    company = facts.company(session).language
    if draft.template_version_id is None:
        return inline_content({"subject": draft.subject, "text": draft.text}, language or company)
    forms = facts.forms(session, [draft.template_version_id])
    return choose(forms.get((draft.template_version_id, draft.channel), {}), language, company)


def last_written(session: Session, contact_id: int, user_id: int) -> int:
    """The last personal message of this colleague to this contact, 0 when there is none: the form's nonce."""
    ids = aliases(session, contact_id)
    key = or_(*(Message.dedupe_key.startswith(f"personal:{one}:{user_id}:") for one in ids))
    return session.scalar(select(func.max(Message.id)).where(Message.contact_id.in_(ids), key)) or 0


def latest(session: Session, contact_id: int, now: datetime) -> Recent | None:
    """The latest message to this contact in the last 24 hours, from a journey or a person, or one that a person has
    planned and that is not out yet."""
    at = func.coalesce(Message.wire_at, Message.planned_at)
    by_hand = and_(Message.status.in_(("queued", "claimed")), Message.journey_id.is_(None))
    row = session.execute(
        select(Message.id, Message.channel, at.label("at"), Message.wire_at, Message.journey_id, User.name, User.email)
        .outerjoin(User, User.id == Message.rules["by"].as_integer())
        .where(
            Message.contact_id.in_(aliases(session, contact_id)),
            Message.kind == "message",
            Message.is_test.is_(False),
            or_(and_(Message.status.in_(_REACHED), Message.wire_at >= now - RECENTLY), by_hand),
        )
        .order_by(at.desc(), Message.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Recent(
        row.id, row.channel, row.wire_at or row.at, row.wire_at is None, row.name or row.email, row.journey_id
    )


def write(
    session: Session,
    contact_id: int,
    draft: Draft,
    *,
    by: int,
    after: int,
    seen: int,
    channels: Mapping[str, Channel],
    public_url: str,
    note: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> Written:
    """Put a personal message into the ledger; it goes out after `UNDO_FOR`, or at `draft.at`.

    `after` is the form's nonce (`last_written` when it was made), `seen` the message that its writer was told of
    (`latest`, 0: none). The same form again gives the same message. Raises UserError: `written_meanwhile` (another
    text was sent from this form), `message_meanwhile` (ask again: another message went), and every reason not to send.
    """
    now = now or clock.now()
    # The sender locks the contact too when it marks a message: what it sends while we look is seen.
    session.execute(select(Contact.id).where(Contact.id == contact_id).with_for_update(key_share=True))
    key = f"personal:{contact_id}:{by}:{after}"
    before = session.execute(select(Message.id, Message.rules).where(Message.dedupe_key == key)).first()
    if before is not None or last_written(session, contact_id, by) != after:
        if before is not None and before.rules.get("fingerprint") == draft.fingerprint:
            return Written(before.id, False)
        raise UserError(
            "written_meanwhile",
            N_("You have sent this contact a message in the meantime, perhaps from another tab. Look at it first."),
        )
    refuse(session, contact_id, draft, channels, public_url, now)
    recent = latest(session, contact_id, now)
    if (recent.id if recent else 0) != seen and recent is not None:
        raise UserError("message_meanwhile", N_("Another message has gone to this contact in the meantime."))
    channel = channels[draft.channel]
    [id_] = next_ids(session, "messages", 1)
    at = draft.at or now + UNDO_FOR
    secret = hashlib.blake2b(f"{key}|{id_}|{now.isoformat()}".encode(), digest_size=12).hexdigest()
    session.add(
        Message(
            id=id_,
            dedupe_key=key,
            our_message_id=f"personal.{id_}.{secret}",
            contact_id=contact_id,
            channel=draft.channel,
            purpose=draft.purpose,
            template_version_id=draft.template_version_id,
            inline=None if draft.template_version_id else {"subject": draft.subject.strip(), "text": draft.text},
            rules={
                "by": by,
                "fingerprint": draft.fingerprint,
                "send_hours": dict(draft.hours) if draft.hours else "any",
                "if_missing": "hold",
                "too_late_after": TOO_LATE_AFTER,
                **({"to": channel.address_kind} if draft.address else {}),
                **_answering(session, contact_id, draft),
            },
            language=draft.language,
            address=draft.address or None,
            mailbox=plain_mailbox(draft.address),
            status="queued",
            planned_at=now,
            not_before=at,
            expires_at=at + timedelta(**TOO_LATE_AFTER),
            priority=1,
            detail=dict(note or {}),
        )
    )
    session.flush()
    return Written(id_, True)


def _answering(session: Session, contact_id: int, draft: Draft) -> dict[str, Any]:
    """What an answer must know: the message it answers, and the key that this one carried on the wire."""
    mine = Message.contact_id.in_(aliases(session, contact_id))
    asked = select(Message.our_message_id).where(Message.id == draft.answers, mine)
    key = session.scalar(asked) if draft.answers else None
    return {"answers": draft.answers, "answers_key": key} if key else {}


def refuse(
    session: Session, contact_id: int, draft: Draft, channels: Mapping[str, Channel], public_url: str, now: datetime
) -> None:
    """Raise UserError when this cannot or must not be sent: the address, the consent, the text."""
    if draft.purpose not in set(Purpose) or draft.channel not in channels:
        raise UserError("no_such_channel", N_("No plugin that is switched on offers this channel."))
    way = next(
        (
            one
            for one in ways(session, contact_id, {draft.channel: channels[draft.channel]})
            if one.address == draft.address
        ),
        None,
    )
    code = "no_address" if way is None else way.why_not(draft.purpose)
    if code is not None:
        raise NotAllowedError(code)
    content = content_of(session, draft, contact_id)
    if content is None or not (content.text.strip() or content.html.strip()):
        raise UserError("empty_text", N_("Write a text first."), where="text")
    seen = look(
        session, content, channels[draft.channel], contact_id, public_url=public_url, purpose=draft.purpose, now=now
    )
    if seen.preview.problems:
        problem = seen.preview.problems[0]
        raise UserError(problem.code, problem.sentence, where="text", **problem.params)
    refuse_missing(seen.missing)
    longest = channels[draft.channel].facts.max_length
    if longest and seen.preview.shown is not None and len(seen.preview.shown.text) > longest:
        raise UserError(
            "text_too_long", N_("This is too long for the channel: %(n)s characters at most."), n=longest, where="text"
        )


def refuse_missing(names: Sequence[str]) -> None:
    if names:
        raise UserError(
            "field_empty",
            N_("“%(field)s” is empty for this contact. Write what stands there instead: %(example)s"),
            field=names[0],
            example=f"[[{names[0]}|…]]",
            where="text",
        )


class NotAllowedError(UserError):
    """This address must not be written to. `code` is one of `panel.messages.reasons`."""

    def __init__(self, code: str) -> None:
        super().__init__(code, N_("This message may not be sent."))
