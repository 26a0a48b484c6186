"""Why a message is where it is: every code the ledger may carry, as a sentence for the person who asks.

Codes are stored, sentences are not: the reader's language decides. A technical failure is never worded like a choice
of the contact; `kind_of` keeps the two apart for the screens as well.
"""

from __future__ import annotations

from typing import Literal

from panel.i18n import N_, translate

# waiting: not out yet; held_back: we decided not to send; choice: the contact decided; technical: it did not work;
# fine: it went as planned.
Kind = Literal["waiting", "held_back", "choice", "technical", "doubt", "fine"]

SENTENCES: dict[str, str] = {
    "queued": N_("Waiting for its turn."),
    "postponed_hours": N_("Waits for the hours in which messages may go out."),
    "postponed_limit": N_("Waits, because this contact has had as many messages as the limit allows."),
    "postponed_holiday": N_("Waits, because of a holiday."),
    "source_stale": N_("Waits: what we know from outside is too old to decide by."),
    "held_plugin": N_("Waits: the plugin that carries it out is switched off or missing."),
    "postponed_address": N_(
        "Waits until tomorrow: this journey has written to this address today, for another contact."
    ),
    "held_calendar": N_("Waits, because the holiday calendar that the journey asks for is not there."),
    "skipped_address": N_("Not sent: this journey had written to this address that day, for another contact."),
    "person_chose_moment": N_("Waits for the moment that a colleague chose."),
    "journey_paused": N_("Waits, because the journey is paused."),
    "paused_by_person": N_("Waits: a colleague paused this journey for the contact. It goes on when somebody says so."),
    "postponed_rest": N_("Waits: a colleague decided that nothing is sent to this contact for a while."),
    "skipped_rest": N_("Not sent: nothing was to be sent to this contact for a while, and afterwards it was too late."),
    "skipped_too_late": N_("Not sent: by the time it could go out it would have been too late."),
    "skipped_limit": N_("Not sent: this contact has had as many messages as the limit allows."),
    "skipped_hours": N_("Not sent: it was outside the hours in which messages may go out."),
    "no_address": N_("Not sent: we have no address for this channel."),
    "no_consent": N_("Not sent: the contact has not agreed to messages on this channel."),
    "opted_out": N_("Not sent: the contact opted out of messages on this channel."),
    "suppressed_bounce": N_("Not sent: earlier messages to this address came back, so it is blocked."),
    "suppressed_complaint": N_("Not sent: the contact once reported a message as spam, so the address is blocked."),
    "suppressed_manual": N_("Not sent: somebody here blocked this address."),
    "suppressed_legal": N_("Not sent: the address is blocked for legal reasons."),
    "excluded": N_("Not sent: the contact now belongs to those the journey leaves out."),
    "stopped": N_("Not sent: the journey had already stopped for this contact."),
    "skipped_by_person": N_("Not sent: a colleague left it out."),
    "cancelled_by_person": N_("Not sent: a colleague cancelled it."),
    "sent": N_("Sent."),
    "delivered": N_("Delivered."),
    "opened": N_("Opened."),
    "clicked": N_("A link in it was clicked."),
    "replied": N_("Answered."),
    "failed_address": N_("Technical failure: the address does not work. This is not an opt-out."),
    "failed_provider": N_("Technical failure: the sending service refused it. This is not an opt-out."),
    "failed_missing_field": N_("Not sent: a merge field in the text has no value for this contact."),
    "failed_missing_template": N_("Not sent: its template is missing or has no text for this channel."),
    "failed_plugin": N_("Not sent: the plugin for this channel is switched off or missing."),
    "bounced_soft": N_("Came back for now (mailbox full or busy). This is not an opt-out."),
    "bounced_hard": N_("Came back: the address does not exist. This is not an opt-out."),
    "complained": N_("The contact reported it as spam."),
    "unknown": N_("We do not know whether it went out: the connection broke at the wrong moment."),
    "settled_sent": N_("It was in doubt; now it is certain that it went out."),
    "settled_not_sent": N_("It was in doubt; now it is certain that it did not go out."),
}

_KINDS: dict[Kind, frozenset[str]] = {
    "waiting": frozenset(
        {
            "queued",
            "postponed_hours",
            "postponed_limit",
            "postponed_holiday",
            "person_chose_moment",
            "journey_paused",
            "postponed_rest",
            "paused_by_person",
            "postponed_address",
            "held_calendar",
            "source_stale",
            "held_plugin",
        }
    ),
    "choice": frozenset({"opted_out", "complained", "suppressed_complaint", "no_consent"}),
    "technical": frozenset(
        {
            "failed_address",
            "failed_provider",
            "failed_missing_field",
            "failed_missing_template",
            "failed_plugin",
            "bounced_soft",
            "bounced_hard",
            "suppressed_bounce",
            "no_address",
        }
    ),
    "doubt": frozenset({"unknown"}),
    "fine": frozenset({"sent", "delivered", "opened", "clicked", "replied", "settled_sent"}),
}


def words(code: str, language: str) -> str:
    """The sentence for a stored code in this language; a code from a newer version is shown as it stands."""
    sentence = SENTENCES.get(code)
    return translate(language, sentence) if sentence else translate(language, N_("Reason: %(code)s."), code=code)


def kind_of(code: str) -> Kind:
    """Which sort of reason this is. Whatever is not listed is our own decision not to send."""
    return next((kind for kind, codes in _KINDS.items() if code in codes), "held_back")
