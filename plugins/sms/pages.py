"""Two pages inside the panel: the development phone, and the addresses to give to a gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from panel.sdk.context import PluginContext
from panel.sdk.i18n import N_, translate
from panel.sdk.web import Request
from plugins.sms import incoming, phone
from plugins.sms.segments import count

Say = Callable[..., str]
STATES: Mapping[str, tuple[str, str]] = {
    "delivered": (N_("Delivered"), "green"),
    "failed": (N_("Not delivered"), "red"),
}


def render_phone(ctx: PluginContext, request: Request) -> str:
    """The conversations on the development phone, newest first, each with a field to answer."""

    def say(message: str, **params: object) -> str:
        return escape(translate(request.language, message, **params))

    with ctx.unit() as unit:
        found = phone.conversations(unit)
    zone = _zone(ctx.company()["time_zone"])
    intro = (
        N_("Every text that would go out stops here. Play the contact: say that a text arrived, or answer it.")
        if ctx.settings()["provider"] == "phone"
        else N_("A gateway is set, so texts go out for real. Here is what reached the development phone.")
    )
    parts = [f'<p class="text-secondary">{say(intro)}</p>']
    if not found:
        parts.append(
            f'<div class="empty"><p class="empty-title">{say(N_("No texts yet"))}</p>'
            f'<p class="empty-subtitle text-secondary">'
            f"{say(N_('Send an SMS to a contact, or let a journey do it; it appears here.'))}</p></div>"
        )
    for one in found:
        number = escape(one.number)
        bubbles = "".join(_bubble(bubble, say, zone) for bubble in one.bubbles)
        label = say(N_("Answer from %(number)s"), number=f"\u2066{one.number}\u2069")
        parts.append(
            f'<section class="card mb-3" aria-label="{number}"><div class="card-header">'
            f'<h3 class="card-title"><bdi dir="ltr">{number}</bdi></h3></div>'
            f'<div class="card-body"><div class="chat"><div class="chat-bubbles">{bubbles}</div></div></div>'
            f'<div class="card-footer"><form method="post" class="d-flex gap-2">'
            f'<input type="hidden" name="do" value="answer"><input type="hidden" name="number" value="{number}">'
            f'<input class="form-control" name="text" dir="auto" required maxlength="1000" autocomplete="off"'
            f' aria-label="{label}" placeholder="{say(N_("Answer, or write STOP"))}">'
            f'<button class="btn btn-primary">{say(N_("Send"))}</button></form></div></section>'
        )
    return "".join(parts)


def _bubble(bubble: phone.Bubble, say: Say, zone: ZoneInfo) -> str:
    text = escape(bubble.text).replace("\n", "<br>")
    at = datetime.fromisoformat(bubble.at).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    when = f'<bdi dir="ltr" class="text-secondary small">{at}</bdi>'
    if not bubble.key:
        return (
            '<div class="chat-item"><div class="row justify-content-end"><div class="col-lg-6 col-10">'
            f'<div class="chat-bubble chat-bubble-me"><div dir="auto">{text}</div>{when}</div></div></div></div>'
        )
    size = count(bubble.text)
    facts = say(N_("%(units)s characters, %(parts)s SMS"), units=size.units, parts=size.parts)
    if bubble.state in STATES:
        words, color = STATES[bubble.state]
        after = f'<span class="chip chip-{color}">{say(words)}</span>'
    else:
        key = escape(bubble.key)
        after = (
            '<form method="post" class="d-inline-flex gap-1">'
            f'<input type="hidden" name="key" value="{key}">'
            f'<button class="btn btn-sm" name="do" value="delivered">{say(N_("It arrived"))}</button>'
            f'<button class="btn btn-sm" name="do" value="failed">{say(N_("It did not arrive"))}</button></form>'
        )
    return (
        '<div class="chat-item"><div class="row"><div class="col-lg-6 col-10"><div class="chat-bubble">'
        f'<div dir="auto" class="text-break">{text}</div>'
        f'<div class="d-flex flex-wrap gap-2 align-items-center mt-2">{when}'
        f'<span class="text-secondary small">{facts}</span>{after}</div></div></div></div></div>'
    )


def post_phone(ctx: PluginContext, request: Request) -> str:
    """A button or an answer on the phone: the same path that a gateway's reports take."""
    do, key = request.form.get("do", ""), request.form.get("key", "")
    with ctx.unit() as unit:
        if do == "answer":
            number, text = request.form.get("number", ""), request.form.get("text", "").strip()
            if not text:
                return translate(request.language, N_("Write something first."))
            incoming.take_reply(ctx, unit, number, text, phone.put_answer(ctx, unit, number, text))
            return translate(request.language, N_("The answer is on the contact's timeline."))
        if do in ("delivered", "failed") and unit.get(phone.TEXT, key) is not None:
            phone.set_state(unit, key, do)
            detail = "" if do == "delivered" else translate("en", N_("Not delivered"))
            unit.report_message(
                key=key, state="delivered" if do == "delivered" else "failed", at=ctx.now(), detail=detail
            )
            return translate(request.language, N_("The report is on the contact's timeline."))
    return translate(request.language, N_("That text is not here any more."))


def render_addresses(ctx: PluginContext, request: Request) -> str:
    """What to enter at the gateway, each address with its key."""

    def say(message: str) -> str:
        return escape(translate(request.language, message))

    rows = (
        (N_("For delivery reports"), incoming.address(ctx, "report")),
        (N_("For replies"), incoming.address(ctx, "reply")),
        (N_("A gateway to try the settings with: it puts texts on the development phone"),
         incoming.address(ctx, "gateway")),
    )  # fmt: skip
    fields = "".join(
        f'<div class="mb-3"><label class="form-label" for="address-{n}">{say(label)}</label>'
        f'<input class="form-control" id="address-{n}" dir="ltr" readonly value="{escape(value)}"></div>'
        for n, (label, value) in enumerate(rows)
    )
    intro = N_(
        "Enter these addresses in the gateway's own settings. The key in them is the proof that a report is real:"
        " whoever has the address can report, so treat it like a password."
    )
    return f'<p class="text-secondary">{say(intro)}</p>{fields}'


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
