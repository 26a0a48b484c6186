"""What became of a message, the only place that says how it looks: icon, word, colour, sentence, and what to do.

A technical failure, an opt-out, a complaint, a message that was left out, one that stands still and one in doubt share
neither icon nor word nor colour. Which of them a message is follows from its state and its reason together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from panel.i18n import N_, translate
from panel.messages import reasons

Tone = Literal["grey", "green", "blue", "amber", "red", "complaint", "choice", "doubt", "outline"]
# Where something can be done: the contact's details, the blocks, those that stand still, messages in doubt, the
# plugins, the templates, the journey of this contact, the text of the journey. "" is nowhere.
Target = Literal["", "contact", "blocks", "held", "doubt", "plugins", "templates", "run", "journey"]
UNLIKE = ("failed", "opted_out", "complained", "skipped", "held", "unknown")


@dataclass(frozen=True)
class Remedy:
    """What to do, as a sentence (msgid), and where."""

    words: str
    target: Target = ""


@dataclass(frozen=True)
class Status:
    """`word` and `sentence` are msgids. `is_trouble`: somebody who looks for what went wrong wants to see it."""

    code: str
    icon: str
    word: str
    tone: Tone
    sentence: str
    remedy: Remedy
    is_trouble: bool = False


_NOTHING = N_("Nothing to do.")
_CORRECT = Remedy(N_("Correct the address, or choose another way to write."), "contact")
_LIFT = Remedy(N_("If the address works again, lift the block."), "blocks")
_PLUGIN = Remedy(N_("Switch the plugin of this channel on, or mend its settings."), "plugins")
_TEMPLATE = Remedy(N_("Write the text that is missing."), "templates")
_FILL = Remedy(N_("Fill in the field that the text needs."), "contact")
_ADD = Remedy(N_("Add an address for this channel."), "contact")
_BY_ITSELF = Remedy(N_("Nothing to do: it goes by itself as soon as it may."))
_RULES = Remedy(N_("The rule stands in the journey. If this contact should hear it all the same, write personally."),
                "journey")  # fmt: skip

STATUSES: dict[str, Status] = {
    one.code: one
    for one in (
        Status("queued", "clock", N_("Waiting"), "grey", N_("It waits for its turn."), _BY_ITSELF),
        Status("postponed", "calendar-clock", N_("Postponed"), "grey",
               N_("It waits on purpose: for the sending hours, a limit, a holiday or a rest."), _BY_ITSELF),
        Status("paused", "player-pause", N_("Paused"), "grey",
               N_("A colleague paused the journey for this contact."),
               Remedy(N_("Let the journey go on when the contact may hear of it again."), "run")),
        Status("sending", "progress", N_("Being sent"), "grey", N_("It is leaving just now."),
               Remedy(N_("Nothing to do: in a moment it is known how it went."))),
        Status("sent", "send", N_("Sent"), "grey", N_("The sending service took it."), Remedy(_NOTHING)),
        Status("delivered", "checks", N_("Delivered"), "green", N_("The contact's mailbox or phone took it."),
               Remedy(_NOTHING)),
        Status("failed", "alert-triangle", N_("Technical failure"), "red",
               N_("It could not be sent for a technical reason. This is not an opt-out."),
               Remedy(N_("Mend the cause, then write again or on another channel."), "contact"), True),
        Status("bounced_soft", "rotate-clockwise", N_("Came back for now"), "red",
               N_("The mailbox is full or busy. This is not an opt-out."),
               Remedy(N_("Try again in a few days, or write on another channel."), "contact"), True),
        Status("bounced_hard", "mail-x", N_("Came back for good"), "red",
               N_("The address does not exist. This is not an opt-out."), _CORRECT, True),
        Status("no_address", "mail-off", N_("No address"), "red",
               N_("There is no address for this channel. This is not an opt-out."), _ADD, True),
        Status("opted_out", "bell-off", N_("Opted out"), "choice",
               N_("The contact asked for no messages on this channel."),
               Remedy(N_("Respect it: write there no more. Only the contact can take it back.")), True),
        Status("no_consent", "shield-off", N_("No consent"), "choice",
               N_("The contact never agreed to messages on this channel."),
               Remedy(N_("Ask for consent first, for example with a form.")), True),
        Status("complained", "flag", N_("Spam complaint"), "complaint",
               N_("The contact reported a message as spam."),
               Remedy(N_("Write there no more, and find out what annoyed the contact.")), True),
        Status("skipped", "player-skip-forward", N_("Left out"), "outline",
               N_("By a rule of ours it was not sent."), _RULES),
        Status("held", "hand-stop", N_("Stands still"), "amber", N_("It cannot go on until somebody helps."),
               Remedy(N_("Mend the cause, then let it try again."), "held"), True),
        Status("unknown", "help-circle", N_("In doubt"), "doubt",
               N_("Nobody knows whether it went out: the connection broke at the wrong moment."),
               Remedy(N_("Decide: it arrived, send it again, or leave it."), "doubt"), True),
        Status("cancelled", "circle-x", N_("Cancelled"), "grey", N_("It was called off before it left."),
               Remedy(_NOTHING)),
    )
}  # fmt: skip

# What to do depends on the reason where it is known.
REMEDIES: dict[str, Remedy] = {
    "failed_address": _CORRECT,
    "failed_provider": Remedy(N_("Look at what the service answered; mend the channel's settings if they are wrong."),
                              "plugins"),
    "failed_plugin": _PLUGIN,
    "held_plugin": _PLUGIN,
    "failed_missing_field": _FILL,
    "held_missing_field": _FILL,
    "failed_missing_template": _TEMPLATE,
    "held_missing_template": _TEMPLATE,
    "suppressed_bounce": _LIFT,
    "suppressed_manual": Remedy(N_("Ask who blocked the address; lift the block if it was a mistake."), "blocks"),
    "suppressed_legal": Remedy(N_("Do not write to this address.")),
    "skipped_too_late": Remedy(N_("If it still matters, write personally.")),
    "skipped_rest": Remedy(N_("If it still matters, write personally.")),
    "skipped_by_person": Remedy(_NOTHING),
    "settled_not_sent": Remedy(_NOTHING),
    "excluded": Remedy(N_("Look at why the journey leaves this contact out."), "run"),
    "stopped": Remedy(_NOTHING),
    "held_calendar": Remedy(N_("Switch the plugin with the holiday calendar on, or name another one in the journey."),
                            "journey"),
}  # fmt: skip

_BY_REASON = {
    "bounced_soft": "bounced_soft",
    "bounced_hard": "bounced_hard",
    "suppressed_bounce": "bounced_hard",
    "no_address": "no_address",
    "no_consent": "no_consent",
    "opted_out": "opted_out",
    "complained": "complained",
    "suppressed_complaint": "complained",
}
_PLAIN = {"claimed": "sending", "on_wire": "sending", "bounced": "bounced_hard"}


def status_of(status: str, reason: str | None = None) -> Status:
    """How a message with this state and reason in the ledger is shown."""
    reason = reason or ""
    if status == "held":
        return STATUSES["paused" if reason == "paused_by_person" else "held"]
    if status == "queued":
        waits = reason not in ("", "queued") and reasons.kind_of(reason) == "waiting"
        return STATUSES["postponed" if waits else "queued"]
    if status in ("skipped", "failed", "bounced", "cancelled"):
        if reason in _BY_REASON:
            return STATUSES[_BY_REASON[reason]]
        if reasons.kind_of(reason) == "technical":
            return STATUSES["failed"]
    return STATUSES.get(_PLAIN.get(status, status), STATUSES["queued"])


def remedy_of(status: Status, reason: str | None = None) -> Remedy:
    """What to do about a message: by its reason, else by its status."""
    return REMEDIES.get(reason or "", status.remedy)


def sentence_of(status: Status, reason: str | None, language: str) -> str:
    """Why it is so: the sentence of the reason when there is one, else that of the status."""
    if reason and reason in reasons.SENTENCES and status.code != "queued":
        return reasons.words(reason, language)
    return translate(language, status.sentence)


def legend() -> Mapping[str, Status]:
    """All of them, for the page of help: those that must never be mistaken for each other first."""
    return {code: STATUSES[code] for code in (*UNLIKE, *(one for one in STATUSES if one not in UNLIKE))}
