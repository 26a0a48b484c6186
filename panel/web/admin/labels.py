"""Codes that are stored, as words and chips: message states, channels, reasons of a block, issue states."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from panel.i18n import N_, gettext
from panel.web.admin.base import chip

CHANNELS = {
    "email": (N_("Email"), "mail"),
    "sms": (N_("Text message"), "device-mobile"),
    "whatsapp": (N_("WhatsApp"), "message-circle"),
    "letter": (N_("Letter"), "file-text"),
    "*": (N_("Every channel"), "world"),
}
# words, tone, icon; a technical failure (red triangle) never looks like a person's choice (grey bell).
MESSAGE_STATES = {
    "queued": (N_("Waiting"), "", "hourglass"),
    "claimed": (N_("Being sent"), "", "progress"),
    "on_wire": (N_("Being sent"), "", "progress"),
    "held": (N_("Stands still"), "amber", "player-pause"),
    "sent": (N_("Sent"), "blue", "send"),
    "delivered": (N_("Delivered"), "green", "checks"),
    "failed": (N_("Technical failure"), "red", "alert-triangle"),
    "bounced": (N_("Came back"), "red", "mail-x"),
    "unknown": (N_("In doubt"), "amber", "help-circle"),
    "skipped": (N_("Not sent"), "", "player-skip-forward"),
    "cancelled": (N_("Cancelled"), "", "ban"),
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


def state(code: str, table: dict[str, tuple[str, str, str]]) -> Markup:
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
