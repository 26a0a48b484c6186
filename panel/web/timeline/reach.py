"""May we send? One line per channel, in words, by the same rule that the engine asks before every message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from panel import calendars
from panel.calendars import Reader
from panel.consent.rules import OPTED_IN, Decision, Purpose, strongest, why_not_send
from panel.i18n import N_, translate
from panel.messages import reasons
from panel.web.timeline import words
from panel.web.timeline.card import Address

ADDRESS_KINDS = {"email": "email", "sms": "phone", "whatsapp": "phone", "letter": "postal", "call": "phone"}
ALWAYS = ("email", "sms")


@dataclass(frozen=True)
class Reachable:
    """`state`: yes | service (only what is not marketing) | no."""

    channel: str
    words: str
    icon: str
    state: str
    sentence: str
    proof: Markup | None = None


def reachable(addresses: Sequence[Address], decisions: Mapping[str, Decision], reader: Reader) -> list[Reachable]:
    """The usual channels, and every other one that the contact ever decided about."""
    channels = [*ALWAYS, *(name for name in sorted(decisions) if name not in ALWAYS)]
    return [_channel(channel, addresses, decisions.get(channel), reader) for channel in channels]


def _channel(channel: str, addresses: Sequence[Address], decision: Decision | None, reader: Reader) -> Reachable:
    language = reader.language
    kind = ADDRESS_KINDS.get(channel, "")
    usable = [one for one in addresses if one.kind == kind and one.unusable_reason is None]
    given = usable[0].blocks if usable else {}
    blocked = strongest(reason for where, reason in given.items() if where in (channel, "*"))

    def refusal(purpose: str) -> str | None:
        return why_not_send(
            purpose=purpose,
            has_address=bool(usable) or not kind,
            consent=decision.state if decision else None,
            suppressed=blocked,
        )

    marketing, service = refusal(Purpose.MARKETING), refusal(Purpose.SERVICE)
    if marketing is None:
        state, sentence = "yes", translate(language, N_("Yes."))
    elif service is None:
        state = "service"
        sentence = translate(language, _NO_MARKETING[marketing])
    else:
        state = "no"
        unusable = next((one.unusable_reason for one in addresses if one.kind == kind and one.unusable_reason), None)
        code = str(service)
        sentence = translate(language, _NO[code]) if code in _NO else reasons.words(code, language)
        if code == "no_address" and unusable:
            sentence = reasons.words(unusable, language)
    return Reachable(
        channel,
        words.channel_words(channel, language),
        words.channel_icon(channel),
        state,
        sentence,
        _proof(decision, reader),
    )


_NO_MARKETING = {
    "opted_out": N_("Only what is not marketing: the contact opted out."),
    "no_consent": N_("Only what is not marketing: the contact has not agreed."),
}
_NO = {
    "no_address": N_("No: we have no address."),
    "suppressed_bounce": N_("No: messages to this address came back. A technical block, not the contact's choice."),
    "suppressed_complaint": N_("No: the contact reported a message as spam."),
    "suppressed_manual": N_("No: the address is blocked by us."),
}


def _proof(decision: Decision | None, reader: Reader) -> Markup | None:
    if decision is None:
        return None
    agreed = decision.state == OPTED_IN
    sentence = N_("Agreed %(date)s, %(how)s") if agreed else N_("Opted out %(date)s, %(how)s")
    day = decision.at.astimezone(reader.zone).date()
    return words.fill(
        reader.language,
        sentence,
        {"date": calendars.show_day(day, reader), "how": words.how_words(decision.how, reader.language)},
    )
