"""Messages for looking at: as they were sent (proven by their hash), or as a template would read for one contact."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from panel.calendars import HIDDEN_AMOUNT
from panel.errors import Problem, UserError
from panel.i18n import N_, direction
from panel.messages import facts, skeletons
from panel.messages.contents import language_of
from panel.messages.merge import Fields, check_template
from panel.messages.models import Message
from panel.messages.rendering import NotRendered, Renderer
from panel.messages.safe_html import frame, image_addresses, safe_html, safe_styles
from panel.messages.showing.presentation import presentation
from panel.plugin_manager.shapes import unlike
from panel.sdk.channels import Channel, Preview, Shown, Slot, TemplateContent, digest
from panel.sdk.merge import TemplateError

logger = logging.getLogger(__name__)

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
TEMPLATE_ERRORS = {
    "field_in_code": N_("[[%(field)s]] stands inside %(where)s, where no value can be written safely"),
    "field_in_host": N_("[[%(field)s]] stands where the address of a link begins; write the beginning out"),
    "sms_without_text": N_("This template has no text for an SMS"),
    "channel_failed": N_("The channel %(channel)s cannot write this text: %(detail)s"),
    "html_unreadable": N_("The HTML cannot be read: %(detail)s"),
}


@dataclass(frozen=True)
class AsSent:
    """A stored message taken apart. `proven`: its bytes, rebuilt from what is stored, have the hash noted then.

    `preview` says how it is shown. `links` are the original targets of its tracked links, by number, and `targets`
    leads from an address as it stood in the message to its original. `common` is the message with its values taken
    out: what everybody got.
    """

    message: Message
    payload: bytes
    proven: bool
    shown: Shown
    language: str
    links: Sequence[str] = ()
    own_base: str = ""
    preview: Preview = "mail"
    targets: Mapping[str, str] = field(default_factory=dict)
    common: Shown = field(default_factory=Shown)

    @property
    def html(self) -> str:
        return safe_html(self.shown.html, self.own_base, targets=self.targets)

    @property
    def document(self) -> str:
        """The document for the sandboxed frame."""
        return self.document_with({})

    def document_with(self, pictures: Mapping[str, str]) -> str:
        """The same with images that were fetched: address to `data:` address."""
        body = safe_html(self.shown.html, self.own_base, targets=self.targets, pictures=pictures)
        return frame(body, self.language, direction(self.language), safe_styles(self.shown.html))

    @property
    def remote_images(self) -> list[str]:
        """Addresses of images that lie elsewhere."""
        return image_addresses(self.html)

    @property
    def common_images(self) -> list[str]:
        """Those of them that hold none of the contact's values: the same address in everybody's message."""
        return image_addresses(safe_html(self.common.html, self.own_base))


def as_sent(session: Session, message: Message, channel: Channel | None, own_base: str) -> AsSent:
    """Rebuild what was sent from its stored skeleton and values; nothing of today's template or contact is read.

    Raises UserError when nothing was stored (the message never went out) or its skeleton is gone.
    """
    if message.kind == "call":
        action = (message.inline or {}).get("action", "")
        raise UserError("is_a_call", N_("This is no message: a journey called %(action)s."), action=action)
    if not message.skeleton or message.values is None:
        raise UserError("not_sent_yet", N_("This message has not gone out, so there is nothing to show."))
    skeleton = skeletons.load(session, [message.skeleton]).get(message.skeleton)
    if skeleton is None:
        raise UserError("content_gone", N_("What was sent is not stored any more."))
    values = [str(value) for value in message.values]
    try:
        payload = skeleton.fill([value.encode("utf-8") for value in values])
    except ValueError:  # more or fewer values than places: somebody changed the row
        raise UserError(
            "content_broken", N_("What is stored of this message is damaged: its parts do not fit.")
        ) from None
    shown = taken_apart(channel, payload, message.subject or "")
    language = message.language or language_of(TemplateContent(shown.subject, shown.html, shown.text))
    proven = message.content_sha256 is not None and digest(payload) == message.content_sha256
    targets = {
        value: skeleton.links[number]
        for slot, value in zip(skeleton.slots, values, strict=True)
        if (number := _link_number(slot)) is not None and number < len(skeleton.links)
    }
    common = taken_apart(channel, skeleton.fill([_BLANK] * len(values)), "")
    kind = presentation(channel, shown)
    return AsSent(message, payload, proven, shown, language, skeleton.links, own_base, kind, targets, common)


_BLANK = b"0nobody0"  # stands for every value where only what all contacts got matters


def taken_apart(channel: Channel | None, payload: bytes, subject: str) -> Shown:
    """What the channel makes of its own bytes; its text alone when the channel is gone or stumbles over them."""
    if channel is not None:
        try:
            shown = channel.show(payload)
            if fault := unlike(shown, Shown):
                raise TypeError(fault)
            return shown
        except (Exception, SystemExit):  # a plugin's code: whatever it raises, the message is still shown
            logger.exception("the channel %s could not take a stored message apart", channel.name)
    return Shown(subject, "", payload.decode("utf-8", "replace"))


def _link_number(slot: Slot) -> int | None:
    kind, _, number = slot.name.partition(":")
    return int(number) if kind == "link" and number.isdigit() else None


@dataclass(frozen=True)
class TemplatePreview:
    """A template as one contact would get it. Without `shown` the problems say why."""

    shown: Shown | None = None
    language: str = "en"
    problems: list[Problem] = field(default_factory=list)

    @property
    def document(self) -> str:
        shown = self.shown or Shown()
        return frame(safe_html(shown.html), self.language, direction(self.language), safe_styles(shown.html))


class _PreviewRenderer(Renderer):
    """Without tracking: links show their real targets, and our own links lead nowhere."""

    targets: Sequence[str] = ()

    def link_target(self, kind: str, message_id: int, number: int) -> str:
        if kind == "link":
            return self.targets[number] if number < len(self.targets) else "#"
        if kind == "pixel":
            return PIXEL
        return self._addresses.base + "/u/preview"


def preview_template(
    session: Session,
    content: TemplateContent,
    channel: Channel,
    contact_id: int | None,
    *,
    public_url: str,
    purpose: str = "marketing",
    given: Mapping[str, Any] | None = None,
    sees_amounts: bool = False,
    now: datetime | None = None,
) -> TemplatePreview:
    """How `content` reads for this contact, with everything that is wrong with it. Nothing is stored or counted.

    Without a contact, and for fields that only a journey could give, the field's own name stands in its place. Who may
    not see amounts (`sees_amounts`) reads dots where the message will have one.
    """
    custom = facts.custom_fields(session)
    problems = check_template(content, custom)
    if not content.language:
        content = TemplateContent(content.subject, content.html, content.text, language_of(content))
    renderer = _PreviewRenderer(session, {channel.name: channel}, public_url, b"preview", now=now)
    prepared = renderer.prepare(content, channel, purpose == "marketing")
    try:
        compiled = skeletons.compile_cached(channel, prepared)
    except TemplateError as error:
        sentence = TEMPLATE_ERRORS.get(error.code, N_("This text cannot be sent: %(code)s"))
        wrong = Problem(error.code, sentence, {"code": error.code, **error.params})
        return TemplatePreview(None, content.language, [*problems, wrong])
    renderer.targets = compiled.skeleton.links
    person = facts.people(session, [contact_id], custom).get(contact_id) if contact_id else None
    person = person or facts.Person(0, "preview", content.language, None, {})
    blanks = {name: f"[{_readable(name, custom, content.language)}]" for name in compiled.fields}
    found = {name: value for name, value in person.values.items() if value}
    person.values = {**blanks, **found}
    if not sees_amounts:
        person.values.update({one.name: HIDDEN_AMOUNT for one in custom if one.type == "money" and one.name in found})
    for name in ("unsubscribe_link", "preferences_link", "personal_link", "company_name", "company_address", "today"):
        if person.values.get(name, "").startswith("["):
            del person.values[name]
    row = {
        "id": 0, "contact_id": person.id, "channel": channel.name, "purpose": purpose, "our_message_id": "preview@nava",
        "rules": {"if_missing": "blank", "values": dict(given or {})}, "language": None,
    }  # fmt: skip
    try:
        result = renderer.fill(row, compiled, channel, person, _sample_address(channel, person))
    except (Exception, SystemExit) as error:  # a plugin's code: whatever it raises, the page goes on and says so
        logger.exception("the channel %s could not write a preview", channel.name)
        said = {"channel": channel.name, "detail": f"{type(error).__name__}: {error}"[:300]}
        wrong = Problem("channel_failed", TEMPLATE_ERRORS["channel_failed"], said)
        return TemplatePreview(None, content.language, [*problems, wrong])
    if isinstance(result, NotRendered):
        return TemplatePreview(None, content.language, [*problems, Problem(result.code, result.detail)])
    return TemplatePreview(taken_apart(channel, result.payload, content.subject), content.language, problems)


def _sample_address(channel: Channel, person: facts.Person) -> str:
    known = person.addresses.get(channel.address_kind)
    if known:
        return known[0][0]
    return {"email": "contact@example.com", "phone": "+972500000000"}.get(channel.address_kind, "preview")


def _readable(name: str, custom: Sequence[Any], language: str) -> str:
    for _, one in Fields(custom).labels():
        if one.name == name:
            return one.label(language)
    return name.partition(".")[2] or name
