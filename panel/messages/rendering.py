"""Turning messages of the ledger into the very bytes that go out: a compiled skeleton and one contact's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Literal

from sqlalchemy import Row, RowMapping
from sqlalchemy.orm import Session

from panel import clock
from panel.messages import facts, skeletons
from panel.messages.contents import choose, inline_content, with_footer, with_marker, with_subject
from panel.messages.merge import ANY, Fields, given_values, show_value, today
from panel.messages.models import Message
from panel.messages.skeletons import Compiled
from panel.messages.tokens import Addresses
from panel.sdk.channels import Channel, Skeleton, TemplateContent, digest
from panel.sdk.merge import FIELD, TemplateError

Why = Literal["held_missing_field", "skipped_missing_field", "held_missing_template", "no_address"]


@dataclass(frozen=True)
class Rendered:
    """A message ready to go. `values` put into the stored skeleton give `payload` again; the hash proves it."""

    message_id: int
    skeleton_sha256: str
    values: list[str]
    payload: bytes
    content_sha256: str
    subject: str
    language: str
    address: str


@dataclass(frozen=True)
class NotRendered:
    """Why a message cannot be written. `detail` names the field, the form or the address kind that is missing."""

    message_id: int
    code: Why
    detail: str = ""


class MissingValueError(Exception):
    """A merge field without value and without default, under `if_missing: hold` or `skip`."""


class Renderer:
    """Renders batches. One per batch and session; compiled skeletons are kept by the process.

    What a journey hands along stands in `message.rules["values"]` (see `merge.given_values`). Skeletons that are new
    are written through `session`, in the caller's transaction. The text never comes from anywhere but the database:
    same rows, same bytes; a message that was rendered before is rebuilt from what was stored then.
    """

    def __init__(
        self,
        session: Session,
        channels: Mapping[str, Channel],
        public_url: str,
        secret: str | bytes,
        *,
        now: datetime | None = None,
    ) -> None:
        self._session = session
        self._channels = channels
        self._addresses = Addresses(public_url, secret)
        self._now = now or clock.now()
        self.date = format_datetime(self._now)
        self._company = facts.company(session)
        self._custom = facts.custom_fields(session)
        self._fields = Fields(self._custom)
        self._contents: dict[Any, Compiled | NotRendered] = {}
        self._used: dict[str, Compiled] = {}
        self._written: dict[str, dict[tuple[str, str], bytes]] = {}  # by channel: values as they stand in a message

    def render(
        self, messages: Sequence[Message | Mapping[str, Any] | Row[Any] | RowMapping], *, keep: bool = True
    ) -> list[Rendered | NotRendered]:
        """One result per message, in order. Nothing is sent and no message row is changed.

        With `keep` False nothing is written at all: the caller stores `new_skeletons` before any of it is handed over.
        """
        rows = [_as_mapping(message) for message in messages]
        fresh = [row for row in rows if not _is_stored(row)]
        stored = {row["skeleton"] for row in rows if _is_stored(row)}
        old = skeletons.load(self._session, stored)
        forms = facts.forms(self._session, {row["template_version_id"] for row in fresh if row["template_version_id"]})
        people = facts.people(self._session, {row["contact_id"] for row in fresh}, self._custom) if fresh else {}
        results = [
            _rebuild(row, old[row["skeleton"]])
            if _is_stored(row) and row["skeleton"] in old
            else self._render(row, forms, people.get(row["contact_id"]))
            for row in rows
        ]
        if keep:
            skeletons.store(self._session, self.new_skeletons(), self._now)
        return results

    def new_skeletons(self) -> dict[str, Compiled]:
        """What was rendered with and is not stored yet, by address."""
        used, self._used = self._used, {}
        return skeletons.not_stored(self._session, used)

    def _render(
        self,
        row: Mapping[str, Any],
        forms: Mapping[tuple[int, str], Mapping[str, TemplateContent]],
        person: facts.Person | None,
    ) -> Rendered | NotRendered:
        channel = self._channels.get(row["channel"])
        if channel is None:
            return NotRendered(row["id"], "held_missing_template", row["channel"])
        # Where the contact is reached today (it may have been corrected while the message waited), unless the address
        # was chosen for this very message.
        address = row["address"] if (row["rules"] or {}).get("to") else _address(person, channel)
        if person is None or not address:
            return NotRendered(row["id"], "no_address", channel.address_kind)
        compiled = self._compiled(row, forms, person, channel)
        if isinstance(compiled, NotRendered):
            return NotRendered(row["id"], compiled.code, compiled.detail)
        return self.fill(row, compiled, channel, person, address)

    def fill(
        self, row: Mapping[str, Any], compiled: Compiled, channel: Channel, person: facts.Person, address: str
    ) -> Rendered | NotRendered:
        """One message from a compiled form and one contact's values."""
        try:
            return self._fill(row, compiled, channel, person, address)
        except MissingValueError as missing:
            skip = (row["rules"] or {}).get("if_missing") == "skip"
            return NotRendered(row["id"], "skipped_missing_field" if skip else "held_missing_field", str(missing))
        except ValueError as error:  # an address this channel cannot write down
            return NotRendered(row["id"], "no_address", str(error))

    def _compiled(
        self, row: Mapping[str, Any], forms: Any, person: facts.Person, channel: Channel
    ) -> Compiled | NotRendered:
        language = row["language"] or person.language
        version = row["template_version_id"]
        marketing = row["purpose"] == "marketing"
        inline = row["inline"]
        place = (
            (channel.name, version, language, marketing)
            if version
            else (
                channel.name,
                str((inline or {}).items()),
                language,
                marketing,
                (row["rules"] or {}).get("answers_key"),
            )
        )
        found = self._contents.get(place)
        if found is None:
            content: TemplateContent | None
            if version:
                content = choose(forms.get((version, channel.name), {}), language, self._company.language)
            else:
                content = inline_content(inline, language or self._company.language) if inline else None
                if content is not None and (answers := (row["rules"] or {}).get("answers_key")):
                    content = replace(content, answers=answers)
            found = self._contents[place] = self._compile(content, channel, marketing)
        return found

    def _compile(self, content: TemplateContent | None, channel: Channel, marketing: bool) -> Compiled | NotRendered:
        if content is None or not (content.html.strip() or content.text.strip()):
            return NotRendered(0, "held_missing_template", channel.name)
        content = self.prepare(content, channel, marketing)
        try:
            return skeletons.compile_cached(channel, content)
        except TemplateError as error:
            return NotRendered(0, "held_missing_template", f"{error.code} {error.params}")

    def prepare(self, content: TemplateContent, channel: Channel, marketing: bool) -> TemplateContent:
        """The content as it is compiled: fields by identity, a subject, and the footer that marketing needs."""
        content = self._fields.canonical(content)
        if channel.address_kind == "email":
            content = with_subject(content, self._company)
            if marketing:
                content = with_footer(with_marker(content, self._company), self._company)
        return content

    def _fill(
        self, row: Mapping[str, Any], compiled: Compiled, channel: Channel, person: facts.Person, address: str
    ) -> Rendered:
        blank = (row["rules"] or {}).get("if_missing") == "blank"
        values = Values(self, row, compiled, person, address, blank)
        encode = channel.encode
        known = self._written.setdefault(channel.name, {})
        written: list[bytes] = []
        for step in compiled.different:
            kind, coding = step.kind, step.coding
            if kind == "seal":
                written.append(b"")
                continue
            value = values.of(step)
            if kind == "field" or kind == "date":  # names and dates come again, links never
                place = (coding, value)
                if place not in known:
                    known[place] = encode(coding, value)
                written.append(known[place])
            else:
                written.append(encode(coding, value))
        places = compiled.places
        payload = compiled.skeleton.fill([written[at] for at in places])
        if compiled.seal is not None:
            written[compiled.seal] = channel.seal(payload)  # type: ignore[attr-defined]
            payload = compiled.skeleton.fill([written[at] for at in places])
        self._used[compiled.sha256] = compiled
        texts = [one.decode("utf-8") for one in written]
        return Rendered(
            row["id"],
            compiled.sha256,
            [texts[at] for at in places],
            payload,
            digest(payload),
            values.subject,
            compiled.content.language,
            address,
        )

    def link_target(self, kind: str, message_id: int, number: int) -> str:
        """The public address behind a slot of this message; a preview overrides it."""
        match kind:
            case "link":
                return self._addresses.link(message_id, number)
            case "pixel":
                return self._addresses.pixel(message_id)
            case "unsubscribe" | "unsubscribe_link":
                return self._addresses.unsubscribe(message_id)
            case _:
                return self._addresses.personal(message_id)


class Values:
    """The values of one message, looked up as its slots ask for them."""

    def __init__(
        self,
        renderer: Renderer,
        row: Mapping[str, Any],
        compiled: Compiled,
        person: facts.Person,
        address: str,
        blank: bool,
    ) -> None:
        self._renderer = renderer
        self._row = row
        self._person = person
        self._address = address
        self._blank = blank
        self._language = compiled.content.language
        self._given: dict[str, str] | None = None
        self._links: dict[tuple[str, str], str] = {}
        self.subject = self._subject(compiled.content.subject)

    def of(self, step: skeletons.Step) -> str:
        match step.kind:
            case "field":
                return self.field(step.name, step.default)
            case "link" | "pixel" | "unsubscribe" | "preferences":
                return self._link(step.kind, step.name)
            case "subject":
                return self.subject
            case "to":
                return self._address
            case "message_id" | "key":
                return str(self._row["our_message_id"])
            case "date":
                return self._renderer.date
            case kind:
                raise ValueError(f"a slot nobody knows: {kind}")

    def field(self, name: str, default: str | None) -> str:
        value = self._person.values.get(name) or self._more(name)
        if value:
            return value
        if default is not None:
            return default
        if self._blank:
            return ""
        raise MissingValueError(name.removeprefix(ANY))

    def _more(self, name: str) -> str:
        company = self._renderer._company
        match name:
            case "unsubscribe_link" | "preferences_link" | "personal_link":
                return self._link(name, "")
            case "company_name":
                return company.name
            case "company_address":
                return company.address
            case "today":
                zone = self._person.time_zone or company.time_zone
                return today(self._renderer._now, self._language, zone)
        if self._given is None:
            given = (self._row["rules"] or {}).get("values")
            self._given = given_values(given, self._language, self._person.time_zone or company.time_zone)
        return self._given.get(name, "")

    def _link(self, kind: str, number: str) -> str:
        place = (kind, number)
        if place not in self._links:
            self._links[place] = self._renderer.link_target(kind, self._row["id"], int(number or 0))
        return self._links[place]

    def _subject(self, subject: str) -> str:
        """The subject with its fields filled in, on one line."""
        if "[[" in subject:
            subject = FIELD.sub(lambda match: show_value(self.field(match[1].strip(), match[2]), "en"), subject)
        return " ".join(subject.split())


def _address(person: facts.Person | None, channel: Channel) -> str:
    if person is None:
        return ""
    if channel.address_kind == "contact":
        return person.public_id
    known = person.addresses.get(channel.address_kind)
    return known[0][0] if known else ""


_COLUMNS = (
    "id", "contact_id", "channel", "purpose", "template_version_id", "inline", "rules", "language", "address",
    "our_message_id", "subject", "skeleton", "values", "content_sha256",
)  # fmt: skip


def _as_mapping(message: Any) -> Mapping[str, Any]:
    if isinstance(message, Message):
        return {name: getattr(message, name) for name in _COLUMNS}
    given = message._mapping if isinstance(message, Row) else message
    return {name: given.get(name) for name in _COLUMNS} if not isinstance(given, dict) else _Defaults(given)


class _Defaults(dict[str, Any]):
    def __missing__(self, key: str) -> None:
        return None


def _is_stored(row: Mapping[str, Any]) -> bool:
    return bool(row["skeleton"]) and row["values"] is not None


def _rebuild(row: Mapping[str, Any], skeleton: Skeleton) -> Rendered:
    """The bytes of an earlier attempt: a retry is the same message, not a similar one."""
    values = list(row["values"])
    payload = skeleton.fill([value.encode("utf-8") for value in values])
    return Rendered(
        row["id"],
        row["skeleton"],
        values,
        payload,
        digest(payload),
        row["subject"] or "",
        row["language"] or "en",
        row["address"] or "",
    )
