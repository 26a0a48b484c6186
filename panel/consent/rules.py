"""May this contact be written to on this channel? Plain decisions on plain facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Purpose(StrEnum):
    """Why a message is sent. Marketing needs consent; service (an invoice, a delivery) needs only not being blocked."""

    MARKETING = "marketing"
    SERVICE = "service"


class Refusal(StrEnum):
    """Reasons not to send, as they are stored with the message."""

    NO_ADDRESS = "no_address"
    SUPPRESSED_BOUNCE = "suppressed_bounce"
    SUPPRESSED_COMPLAINT = "suppressed_complaint"
    SUPPRESSED_LEGAL = "suppressed_legal"
    SUPPRESSED_MANUAL = "suppressed_manual"
    OPTED_OUT = "opted_out"
    NO_CONSENT = "no_consent"


class Suppressed(StrEnum):
    """Why an address must not be used."""

    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    HARD_BOUNCE = "hard_bounce"
    MANUAL = "manual"
    LEGAL = "legal"


OPTED_IN = "opted_in"
OPTED_OUT = "opted_out"

# What the person did, as against what somebody says the person did.
OWN_ACTS = frozenset({"form", "one_click", "preference_page", "reply", "double_opt_in", "landing_page", "page"})
# An import and an API call report an older decision; they cannot take back a refusal that we have ourselves.
REPORTED = frozenset({"import", "api", "demo"})

# The strongest first: what blocks everything before what blocks marketing only.
_BY_STRENGTH = (
    Suppressed.COMPLAINED,
    Suppressed.LEGAL,
    Suppressed.HARD_BOUNCE,
    Suppressed.MANUAL,
    Suppressed.UNSUBSCRIBED,
)
_REFUSAL_OF = {
    Suppressed.COMPLAINED: Refusal.SUPPRESSED_COMPLAINT,
    Suppressed.LEGAL: Refusal.SUPPRESSED_LEGAL,
    Suppressed.HARD_BOUNCE: Refusal.SUPPRESSED_BOUNCE,
    Suppressed.MANUAL: Refusal.SUPPRESSED_MANUAL,
}


@dataclass(frozen=True)
class Decision:
    """What a contact decided about a channel. `state` is opted_in or opted_out."""

    state: str
    how: str
    at: datetime


def why_not_send(*, purpose: str, has_address: bool, consent: str | None, suppressed: str | None) -> Refusal | None:
    """Return the first reason not to send, or None. The order is the order we explain it to the contact.

    `consent` is opted_in, opted_out or None (never asked); `suppressed` a reason of `Suppressed` or None.
    A refusal ("unsubscribed", opted out) stops marketing only: an invoice may still be sent. Everything else that
    blocks an address blocks it for everything.
    """
    if not has_address:
        return Refusal.NO_ADDRESS
    if suppressed is not None and suppressed != Suppressed.UNSUBSCRIBED:
        return _REFUSAL_OF.get(Suppressed(suppressed), Refusal.SUPPRESSED_MANUAL)
    if purpose == Purpose.SERVICE:
        return None
    if suppressed is not None or consent == OPTED_OUT:
        return Refusal.OPTED_OUT
    if consent != OPTED_IN:
        return Refusal.NO_CONSENT
    return None


def strongest(reasons: Iterable[str]) -> str | None:
    """The reason that blocks most, of several blocks on one address."""
    given = set(reasons)
    for reason in _BY_STRENGTH:
        if reason in given:
            return reason
    return min(given) if given else None


def current(decisions: Iterable[Decision]) -> Decision | None:
    """What counts when one person has several decisions (merged cards): a refusal, unless taken back by the person."""
    ordered = sorted(decisions, key=lambda one: one.at)
    result: Decision | None = None
    for one in ordered:
        if result is None or may_replace(result, one.state, one.how):
            result = one
    return result


def may_replace(known: Decision | None, state: str, how: str) -> bool:
    """Whether a new decision counts over the known one: a refusal is never undone by an import or an API call."""
    if known is None or state == OPTED_OUT:
        return True
    return known.state == OPTED_IN or how not in REPORTED
