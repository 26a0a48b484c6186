"""What comes back from telephones: delivery reports and replies, from a gateway or from the development phone."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

import phonenumbers

from panel.sdk.context import PluginContext, Record, Unit
from panel.sdk.web import Request, Response
from plugins.sms.optout import is_opt_out
from plugins.sms.places import content, look_up, words

PURPOSE = "hooks"
KEY = "key"  # the parameter of our own addresses that proves who knows them
LONGEST_REPLY = 2000
EARLY = "early"  # a report by the gateway's id that came before we had noted that id
EARLY_FOR = timedelta(days=3)

Outcome = Literal["delivered", "failed", "bounced_hard"]


def address(ctx: PluginContext, name: str) -> str:
    """The address to give to the gateway; whoever knows it may report, so it carries a key that only we can make."""
    return f"{ctx.public_url}/hooks/sms/{name}?{KEY}={ctx.sign(PURPOSE, name)}"


def is_proven(ctx: PluginContext, request: Request, name: str) -> bool:
    """A secret in the declared header when one is set, else the key in the address. Compared in constant time."""
    settings = ctx.settings()
    secret = str(settings["hook_secret"] or "")
    if secret:
        wanted = str(settings["hook_header"] or "").strip().lower()
        given = next((value for header, value in request.headers.items() if header.lower() == wanted), "")
        given = given.removeprefix("Bearer ").strip()
        return hmac.compare_digest(given.encode(), secret.encode())
    return is_key(ctx, request, name)


def is_key(ctx: PluginContext, request: Request, name: str) -> bool:
    return ctx.unsign(PURPOSE, request.query.get(KEY, "")) == name


def take_reports(ctx: PluginContext, request: Request) -> Response:
    if not is_proven(ctx, request, "report"):
        return Response("the key or secret is missing or wrong", 403)
    settings = ctx.settings()
    with ctx.unit() as unit:
        for entry in content(request):
            outcome = outcome_of(settings, look_up(entry, str(settings["report_status"] or "")))
            if outcome is None:
                continue
            reference = look_up(entry, str(settings["report_reference"] or ""))
            provider_id = look_up(entry, str(settings["report_id"] or ""))
            status = look_up(entry, str(settings["report_status"] or "")) or ""
            if _report(ctx, unit, reference, provider_id, outcome, status):
                continue
            if provider_id:
                data = {"state": outcome, "detail": status[:200], "at": ctx.now().isoformat()}
                unit.put(Record(EARLY, f"{provider_id[:150]}:{outcome}", data | {"id": provider_id[:200]}))
    return Response("ok")


def outcome_of(settings: Mapping[str, Any], status: str | None) -> Outcome | None:
    """What a gateway's status means, by the words in the settings; None for a stage on the way."""
    if not status:
        return None
    said = status.strip().casefold()
    for setting, outcome in (
        ("bad_number", "bounced_hard"),
        ("report_delivered", "delivered"),
        ("report_failed", "failed"),
    ):
        if said in {one.casefold() for one in words(str(settings[setting] or ""))}:
            return outcome  # type: ignore[return-value]
    return None


def _report(
    ctx: PluginContext, unit: Unit, reference: str | None, provider_id: str | None, outcome: Outcome, detail: str
) -> bool:
    """By our own reference if the gateway gave it back, else by its id."""
    for key, their_id in ((reference, None), (None, provider_id)):
        if (key or their_id) and unit.report_message(
            key=key, provider_id=their_id, state=outcome, at=ctx.now(), detail=detail[:300]
        ):
            return True
    return False


def take_replies(ctx: PluginContext, request: Request) -> Response:
    if not is_proven(ctx, request, "reply"):
        return Response("the key or secret is missing or wrong", 403)
    settings = ctx.settings()
    country = ctx.company()["country"] or "IL"
    with ctx.unit() as unit:
        for entry in content(request):
            sender = look_up(entry, str(settings["reply_from"] or ""))
            text = look_up(entry, str(settings["reply_text"] or ""))
            if sender and text is not None:
                their_id = look_up(entry, str(settings["reply_id"] or "")) if settings["reply_id"] else None
                take_reply(ctx, unit, normal(sender, country), text, their_id)
    return Response("ok")


def normal(number: str, country: str) -> str:
    """A number as gateways write it (972521234567, 0521234567, +972...), in the form we know contacts by."""
    text = number.strip()
    candidates = [(text, country)]
    if text[:1].isdigit() and not text.startswith("0"):
        candidates.insert(0, ("+" + text, country))
    for candidate, region in candidates:
        try:
            parsed = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return text[:40]


def take_reply(ctx: PluginContext, unit: Unit, number: str, text: str, their_id: str | None) -> None:
    """Put a reply on the timeline: on the message it answers, else on the contacts with this number.

    A refusal blocks the number even when no contact has it.
    """
    text = text.strip()[:LONGEST_REPLY]
    now = ctx.now()
    external_id = f"reply:{their_id}"[:200] if their_id else f"reply:{_digest(number, text, now)}"
    answered = unit.last_message("sms", number)
    owners = unit.find_contacts(phone=number)
    if answered is not None:
        unit.report_message(
            key=answered[0], state="replied", at=now, detail=text, external_id=external_id, data={"from": number}
        )
    else:
        for contact_id in owners:
            unit.record_event(
                contact_id,
                "sms.received",
                occurred_at=now,
                data={"text": text, "from": number},
                external_id=f"{external_id}:{contact_id}"[:200],
            )
    if is_opt_out(text, str(ctx.settings()["stop_words"] or "")):
        proof = {"text": text, "from": number, "at": now.isoformat()}
        refusing = owners or ([answered[1]] if answered else [])
        for contact_id in refusing:
            unit.opt_out(contact_id, "sms", how="reply", wording=text[:200], proof=proof, address=number)
        if not refusing:
            unit.suppress("sms", number, reason="unsubscribed")


def _digest(number: str, text: str, now: datetime) -> str:
    """A gateway without ids may tell a reply twice within a few minutes; the same words an hour later are new."""
    return sha256(f"{number}\0{text}\0{int(now.timestamp()) // 600}".encode()).hexdigest()[:32]


def settle_early(ctx: PluginContext) -> None:
    """Try again the reports that came before we had noted the gateway's id; forget them after three days."""
    with ctx.unit() as unit:
        for record in list(unit.records(EARLY)):
            outcome: Outcome = record.data["state"]
            known = _report(ctx, unit, None, str(record.data["id"]), outcome, str(record.data["detail"]))
            if known or ctx.now() - datetime.fromisoformat(record.data["at"]) > EARLY_FOR:
                unit.delete(EARLY, record.key)
