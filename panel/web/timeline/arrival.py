"""Did a message arrive? The sentences for each way it may have gone, what each means, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.messages import reasons
from panel.messages.models import Message
from panel.timeline.models import Event
from panel.web.timeline import touches, words
from panel.web.timeline.facts import OneHit

SAYS = {
    "complained": N_("It arrived: the receiver reported it as spam at %(at)s. Somebody who reports a message had it."),
    "bounced": N_("It came back: at %(at)s the receiver's server refused it. This is a technical failure, no opt-out."),
    "its_words": N_("Its words were: %(words)s"),
    "bounced_means": N_("That means: the contact did not get it at %(address)s."),
    "failed": N_(
        "It was refused when we handed it over, at %(at)s, and did not go out. This is a technical failure, no opt-out."
    ),
    "reason": N_("The reason: %(reason)s"),
    "answer": N_("The answer was: %(words)s"),
    "skipped": N_("It never left: we did not send it."),
    "choice": N_("That means: the contact chose not to get it. It is no failure."),
    "technical": N_("That means: something is missing or broken here. It is no choice of the contact."),
    "rules": N_("That means: our own rules held it back. It is neither a failure nor a choice of the contact."),
    "waiting": N_("It has not left yet."),
    "earlier_answer": N_("At an earlier attempt the answer was: %(words)s"),
    "unknown": N_(
        "We do not know whether it went out: after we began, at %(at)s, the connection broke before an answer came."
    ),
    "unknown_means": N_(
        "That means: it may have arrived, or not. It is not sent again by itself, so that nobody gets it twice."
    ),
    "taken": N_("The server that carries our messages took it for %(address)s at %(at)s and answered: %(words)s"),
    "handed": N_("It was handed over for %(address)s at %(at)s."),
    "replied": N_("It was answered at %(at)s: the contact had it."),
    "clicked": N_("A link in it was followed at %(at)s, probably by a person: whoever reads at this address had it."),
    "opened": N_("It was opened at %(at)s, probably by a person: whoever reads at this address saw it."),
    "proxied": N_(
        "Its images were loaded at %(at)s by the receiver's mail service: it lies in the mailbox and was most likely"
        " opened; when exactly is uncertain."
    ),
    "delivered": N_("A report says that it was delivered at %(at)s: it lies in the mailbox or on the telephone."),
    "not_seen": N_("Whether it was read we cannot see."),
    "taken_means": N_(
        "That means: from then on that server had to deliver it. No report that it could not has come back so far."
    ),
    "where": N_("Whether it lies in the inbox, among spam, or was filtered out, only the receiver's side can see."),
    "settled": N_("It was in doubt for a while; settled by: %(who)s."),
}
DOES = {
    "check_spam": N_("Ask to look among spam and promotions, and to search for the sender's address or the subject."),
    "compare_address": N_("Read the address below out loud and compare it letter by letter."),
    "ask_their_side": N_(
        "If it is a company's address, its mail department can find it by the message number and the times below."
    ),
    "other_channel": N_("Send it on another channel, or tell it on the telephone."),
    "new_address": N_("Ask for another address and put it into the contact's details; then send it again."),
    "settle": N_(
        "Ask whether it arrived. Then say on the page of messages that it arrived, or that it is to be sent again."
    ),
    "consent": N_("Only the contact can change this: by agreeing anew, on the preferences page or in writing."),
    "fix": N_("The reason above names what is missing. When it is put right, send it again by hand."),
    "lift_block": N_("If the block is a mistake, it can be taken away on the page of blocked addresses."),
    "wait": N_("Nothing: it goes out by itself as soon as it may. The reason above says what it waits for."),
    "phone_on": N_("Ask whether the telephone is on and has reception; a text may wait in the network for days."),
}
_BY_KIND = {"choice": ("choice", "consent"), "technical": ("technical", "fix")}


@dataclass
class Told:
    """Sentences about one message, and what can be done: names of `DOES`."""

    reader: Reader
    sentences: list[Markup] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def say(self, name: str, **values: Any) -> None:
        self.sentences.append(words.fill(self.reader.language, SAYS[name], values))

    def do(self, *names: str) -> None:
        self.steps += [one for one in names if one not in self.steps]

    def step_words(self) -> tuple[Markup, ...]:
        return tuple(Markup(escape(translate(self.reader.language, DOES[one]))) for one in self.steps)


def arrival(message: Message, story: Sequence[Event], hits: Sequence[OneHit], reader: Reader) -> Told:
    """What became of the message. A fact that came later wins: a reply proves more than a server's answer."""
    told = Told(reader)
    kinds: dict[str, Event] = {one.kind: one for one in story}
    answer = answer_of(message)
    if "message_complained" in kinds:
        told.say("complained", at=at(kinds["message_complained"].occurred_at, reader))
        told.do("consent")
    elif message.status == "bounced" or "message_bounced" in kinds:
        _came_back(told, message, kinds.get("message_bounced"))
    elif message.status == "failed":
        failed = kinds.get("message_failed")
        told.say("failed", at=at(failed.occurred_at if failed else message.wire_at, reader))
        told.say("reason", reason=reasons.words(message.reason or "failed_provider", reader.language))
        if said := answer or str((failed.data if failed else {}).get("detail") or ""):
            told.say("answer", words=words.left_to_right(said))
        told.do("compare_address", "new_address", "other_channel")
    elif message.status in ("skipped", "cancelled"):
        _never_left(told, message)
    elif message.status in ("queued", "claimed", "held"):
        told.say("waiting")
        told.say("reason", reason=reasons.words(message.reason or "queued", reader.language))
        if answer:
            told.say("earlier_answer", words=words.left_to_right(answer))
        told.do("wait")
    elif message.status in ("unknown", "on_wire"):
        told.say("unknown", at=at(message.wire_at, reader))
        told.say("unknown_means")
        told.do("settle", "other_channel")
    else:
        replied = kinds.get("message_replied")
        _went_out(told, message, hits, answer, message.replied_at or (replied.occurred_at if replied else None))
    if message.settled_by:
        told.say("settled", who=words.how_words(message.settled_by, reader.language))
    return told


def _came_back(told: Told, message: Message, event: Event | None) -> None:
    told.say("bounced", at=at(event.occurred_at if event else message.bounced_at, told.reader))
    data: Mapping[str, Any] = event.data if event else {}
    if detail := str(data.get("detail") or (message.detail or {}).get("report") or ""):
        told.say("its_words", words=words.left_to_right(detail))
    told.say("bounced_means", address=words.left_to_right(message.address or "…"))
    told.do("compare_address", "new_address", "other_channel")


def _never_left(told: Told, message: Message) -> None:
    told.say("skipped")
    code = message.reason or "cancelled_by_person"
    told.say("reason", reason=reasons.words(code, told.reader.language))
    means, step = _BY_KIND.get(reasons.kind_of(code), ("rules", "other_channel"))
    told.say(means)
    told.do(step)
    if code.startswith("suppressed"):
        told.do("lift_block")


def _went_out(told: Told, message: Message, hits: Sequence[OneHit], answer: str, replied_at: datetime | None) -> None:
    reader, to = told.reader, words.left_to_right(message.address or "…")
    when = at(message.sent_at or message.wire_at, reader)
    if answer:
        told.say("taken", address=to, at=when, words=words.left_to_right(answer))
    else:
        told.say("handed", address=to, at=when)
    clicked = _first(hits, "click", "human")
    opened = _first(hits, "open", "human")
    proxied = _first(hits, "open", "proxy")
    if replied_at:
        told.say("replied", at=at(replied_at, reader))
    elif clicked:
        told.say("clicked", at=at(clicked.at, reader))
    elif opened:
        told.say("opened", at=at(opened.at, reader))
    elif proxied:
        told.say("proxied", at=at(proxied.at, reader))
    elif message.delivered_at:
        told.say("delivered", at=at(message.delivered_at, reader))
        told.say("not_seen")
    else:
        told.say("taken_means")
        told.say("where")
    if message.channel == "sms":
        told.do("phone_on", "compare_address", "other_channel")
    else:
        told.do("check_spam", "compare_address", "ask_their_side", "other_channel")


def _first(hits: Sequence[OneHit], kind: str, verdict: str) -> OneHit | None:
    return next((one for one in hits if one.kind == kind and one.verdict == verdict), None)


def answer_of(message: Message) -> str:
    """The provider's own words when the message was handed over."""
    return str((message.detail or {}).get("answer") or "")


def at(moment: datetime | None, reader: Reader) -> Markup:
    """A moment to the second with its distance from UTC: both sides of a dispute must mean the same one."""
    if moment is None:
        return words.isolated("")
    offset = f"{moment.astimezone(reader.zone):%z}"
    zone = f"UTC{offset[:3]}:{offset[3:5]}"
    return touches.exact_time(moment, reader) + Markup(' <bdi dir="ltr" class="text-secondary">({})</bdi>').format(zone)
