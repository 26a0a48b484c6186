"""The development phone: texts end up in the panel's own database, and a page plays the contact's telephone.

Begin here, and stay here until a gateway is set. Nothing leaves this machine. The phone never takes one key twice, so
it can always say whether a message in doubt arrived.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from panel.sdk.channels import Outgoing, Result, Sent, Wire
from panel.sdk.context import PluginContext, Record, Unit
from panel.sdk.web import Request, Response
from plugins.sms.places import look_up, parse_json

TEXT = "text"  # a text on the phone's screen, by our key
ANSWER = "answer"  # what the phone's owner wrote back
GATEWAY = "/hooks/sms/gateway"
SHOWN_NUMBERS, SHOWN_TEXTS, LOOKED_AT = 30, 40, 1000


@dataclass
class Bubble:
    """One line of a conversation. `key` is empty for what the phone's owner wrote."""

    key: str
    text: str
    at: str
    state: str = ""


@dataclass
class Conversation:
    number: str
    name: str = ""
    bubbles: list[Bubble] = field(default_factory=list)


def deliver(ctx: PluginContext, batch: Sequence[Outgoing], wire: Wire) -> list[Result]:
    """Put texts on the screen, all of the batch in one transaction."""
    for outgoing in batch:
        wire.begin(outgoing)
    with ctx.unit() as unit:
        for outgoing in batch:
            put_text(ctx, unit, outgoing.key, outgoing.address, outgoing.payload.decode("utf-8"))
    for outgoing in batch:
        wire.accepted(outgoing, provider_id(outgoing.key))
    return [Sent(provider_id(outgoing.key)) for outgoing in batch]


def provider_id(key: str) -> str:
    return "phone-" + sha256(key.encode()).hexdigest()[:16]


def put_text(ctx: PluginContext, unit: Unit, key: str, number: str, text: str) -> None:
    if unit.get(TEXT, key) is not None:
        return
    owners = unit.find_contacts(phone=number)
    data = {"to": number, "text": text, "at": ctx.now().isoformat(), "state": ""}
    unit.put(Record(TEXT, key, data, contact_id=owners[0] if owners else None))


def put_answer(ctx: PluginContext, unit: Unit, number: str, text: str) -> str:
    """Note what the phone's owner wrote; returns an id for it."""
    owners = unit.find_contacts(phone=number)
    at = ctx.now().isoformat()
    key = sha256(f"{number}\0{at}\0{text}".encode()).hexdigest()[:24]
    unit.put(Record(ANSWER, key, {"to": number, "text": text, "at": at}, contact_id=owners[0] if owners else None))
    return key


def set_state(unit: Unit, key: str, state: str) -> None:
    record = unit.get(TEXT, key)
    if record is not None:
        unit.put(Record(TEXT, key, record.data | {"state": state}, contact_id=record.contact_id))


def lookup(ctx: PluginContext, key: str) -> Literal["sent", "not_sent"]:
    with ctx.unit() as unit:
        return "sent" if unit.get(TEXT, key) is not None else "not_sent"


def conversations(unit: Unit) -> list[Conversation]:
    """The latest texts by number; the number that heard last comes first, within it oldest first."""
    found: dict[str, Conversation] = {}
    rows = [("out", one) for one in unit.records(TEXT, latest=LOOKED_AT)]
    rows += [("in", one) for one in unit.records(ANSWER, latest=LOOKED_AT)]
    rows.sort(key=lambda row: str(row[1].data.get("at")))
    for way, record in rows:
        number = str(record.data["to"])
        one = found.pop(number, None) or Conversation(number)
        found[number] = one  # last spoken, last in order
        key = record.key if way == "out" else ""
        one.bubbles.append(
            Bubble(key, str(record.data["text"]), str(record.data["at"]), str(record.data.get("state", "")))
        )
    latest = list(reversed(found.values()))[:SHOWN_NUMBERS]
    for one in latest:
        one.bubbles = one.bubbles[-SHOWN_TEXTS:]
    return latest


def is_own(ctx: PluginContext, url: str) -> bool:
    """Whether a gateway's address is the development gateway of this very panel, which may be on this machine."""
    return url.partition("?")[0] == ctx.public_url + GATEWAY


def take_request(ctx: PluginContext, request: Request) -> Response:
    """The development gateway: what a real one does, as simply as possible. `{"to", "text", "reference"}` in JSON.

    A person who wants to try the settings for a gateway points them here.
    """
    data = parse_json(request.body)
    to, text = look_up(data, "to"), look_up(data, "text")
    if not to or text is None:
        return _answer({"status": "error", "error": {"message": "to and text are needed"}}, 400)
    if not to.startswith("+") or not to[1:].isdigit() or not 7 <= len(to) - 1 <= 15:
        return _answer({"status": "error", "error": {"message": "invalid number"}}, 400)
    key = look_up(data, "reference") or sha256(request.body).hexdigest()
    with ctx.unit() as unit:
        put_text(ctx, unit, key, to, text)
    return _answer({"status": "ok", "id": provider_id(key)}, 200)


def _answer(data: object, status: int) -> Response:
    return Response(json.dumps(data), status, "application/json")


def forget(unit: Unit, contact_id: int) -> None:
    kinds: Iterable[str] = (TEXT, ANSWER)
    for kind in kinds:
        for record in list(unit.records(kind, contact_id=contact_id)):
            unit.delete(kind, record.key)
