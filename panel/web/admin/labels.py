"""Codes that are stored, as words and chips: message states, channels, reasons of a block, issue states."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from panel.i18n import N_, gettext
from panel.web.admin.base import chip
from panel.web.timeline.statuses import status_of

CHANNELS = {
    "email": (N_("Email"), "mail"),
    "sms": (N_("Text message"), "device-mobile"),
    "whatsapp": (N_("WhatsApp"), "message-circle"),
    "letter": (N_("Letter"), "file-text"),
    "*": (N_("Every channel"), "world"),
}
# words, tone, icon of the states in the ledger; `message_state` also looks at the reason.
MESSAGE_STATES = {
    code: (found.word, found.tone, found.icon)
    for code in (
        *("queued", "claimed", "on_wire", "held", "sent", "delivered", "failed", "bounced", "unknown", "skipped"),
        "cancelled",
    )
    if (found := status_of(code))
}
SUPPRESSION_REASONS = {
    "unsubscribed": (N_("Unsubscribed"), "", "bell-off"),
    "complained": (N_("Spam complaint"), "red", "flag"),
    "hard_bounce": (N_("Address does not exist"), "amber", "mail-x"),
    "manual": (N_("By hand"), "", "hand-stop"),
    "legal": (N_("Legal reasons"), "purple", "shield-off"),
}
ISSUE_STATES = {
    "open": (N_("Open"), "red", "alert-circle"),
    "resolved": (N_("Settled"), "green", "circle-check"),
    "ignored": (N_("Ignored"), "", "eye-off"),
}
SEVERITIES = {"error": (N_("Error"), "red", "alert-circle"), "warning": (N_("Warning"), "amber", "alert-triangle")}
LANGUAGE_NAMES = {"en": "English", "he": "עברית", "fa": "فارسی"}


def channel(code: str) -> Markup:
    """A channel with its icon; one that a plugin brought and that we have no word for keeps its own name."""
    words, icon_name = CHANNELS.get(code, (code, "send"))
    return chip(gettext(words), "", icon_name)


def message_state(status: str, reason: str | None) -> Markup:
    """What became of a message, as on the contact's page: the reason decides what it is called."""
    found = status_of(status, reason)
    return chip(gettext(found.word), found.tone, found.icon)


def state(code: str, table: Mapping[str, tuple[str, str, str]]) -> Markup:
    words, tone, icon_name = table.get(code, (code, "", ""))
    return chip(gettext(words), tone, icon_name)


def choices(table: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """(code, words) of a table, for a select, each word once."""
    found: dict[str, str] = {}
    for code, entry in table.items():
        words = gettext(entry[0])
        if words not in found.values():
            found[code] = words
    return list(found.items())
