"""The states of one message as chips: icon and word, never colour alone, a failure never looking like a choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from markupsafe import Markup

from panel.calendars import Reader, show_number
from panel.i18n import N_, ngettext, translate, use_language
from panel.messages import reasons
from panel.web.timeline import words
from panel.web.timeline.facts import Line, MessageFact, Touch
from panel.web.timeline.statuses import STATUSES, Status, Target, remedy_of, sentence_of, status_of

_SETTLED = {
    "arrived": N_("Settled: it went out"),
    "delivered": N_("Settled: it went out"),
    "sent": N_("Settled: it went out"),
    "settled_sent": N_("Settled: it went out"),
    "send_again": N_("Settled: it is sent again"),
}
_NO_COUNT = frozenset({"machine"})


@dataclass(frozen=True)
class Chip:
    """`tone` is one of `statuses.Tone`. `when` is the time as shown, or None."""

    code: str
    icon: str
    words: str
    tone: str
    when: Markup | None = None
    times: str = ""  # "×3"
    is_trouble: bool = False
    sentence: str = ""  # why it is so, for whoever points at it
    remedy: str = ""  # what to do about it, as a sentence
    target: Target = ""  # and where


class _Chips:
    """Collects chips in the order of a message's life; words are msgids."""

    def __init__(self, shown_at: datetime, reader: Reader) -> None:
        self.found: list[Chip] = []
        self._reader = reader
        self._day = shown_at.astimezone(reader.zone).date()

    def add(
        self,
        code: str,
        icon: str,
        label: str,
        tone: str,
        at: datetime | None = None,
        *,
        times: int = 1,
        is_trouble: bool = False,
    ) -> None:
        when = words.near_words(at, self._day, self._reader) if at is not None else None
        shown = "×" + show_number(times, self._reader) if times > 1 else ""
        label = translate(self._reader.language, label)
        self.found.append(Chip(code, icon, label, tone, when, shown, is_trouble))

    def say(self, status: Status, at: datetime | None = None, reason: str | None = None) -> None:
        """A status as the table of them says it looks; with what to do when it is not simply well."""
        language = self._reader.language
        self.add(status.code, status.icon, status.word, status.tone, at, is_trouble=status.is_trouble)
        told = {"sentence": sentence_of(status, reason, language)}
        if status.is_trouble or status.code in ("skipped", "paused"):
            remedy = remedy_of(status, reason)
            told |= {"remedy": translate(language, remedy.words), "target": remedy.target}
        self.found[-1] = replace(self.found[-1], **told)  # type: ignore[arg-type]


def message_chips(
    message: MessageFact,
    story: Sequence[Line],
    touches: Iterable[Touch],
    shown_at: datetime,
    reader: Reader,
    *,
    without_machines: bool = False,
) -> tuple[list[Chip], list[str]]:
    """The chips of a message in the order of its life, and remarks (reasons in words, opens that do not count)."""
    at = _moments(story)
    chips = _Chips(shown_at, reader)
    remarks = _reasons(message, story, reader.language)
    if "message_delivered" in at:
        chips.say(STATUSES["delivered"], at["message_delivered"])
    elif "message_sent" in at:
        # The time beside the title is the moment of sending; no need to say it twice.
        chips.say(STATUSES["sent"])
    remarks += _add_touches(list(touches), chips, reader, without_machines)
    if "message_replied" in at:
        chips.add("replied", "message-reply", N_("Replied"), "blue", at["message_replied"])
    if "message_bounced" in at:
        severity = next((str(one.data.get("severity")) for one in story if one.kind == "message_bounced"), "")
        code = "bounced_soft" if severity == "soft" or message.reason == "bounced_soft" else "bounced_hard"
        chips.say(STATUSES[code], at["message_bounced"], code)
    if "message_failed" in at and "message_sent" not in at:
        chips.say(STATUSES["failed"], reason=message.reason)
    if "message_complained" in at:
        chips.say(STATUSES["complained"], at["message_complained"])
    opted_out = at.get("opted_out") or at.get("unsubscribed")
    if opted_out:
        chips.say(STATUSES["opted_out"], opted_out)
    if message.status in ("skipped", "cancelled"):
        chips.say(status_of(message.status, message.reason), reason=message.reason)
    elif "message_skipped" in at and not chips.found:
        reason = _stored_reason(story)
        chips.say(status_of("skipped", reason), reason=reason)
    _add_doubt(message, story, at, chips)
    if message.is_test:
        chips.add("test", "flask", N_("Test"), "grey")
    if not chips.found:
        chips.say(STATUSES["sent"])
    return chips.found, remarks


def _add_doubt(message: MessageFact, story: Sequence[Line], at: dict[str, datetime], chips: _Chips) -> None:
    if "message_settled" in at:
        outcome = next((one.data.get("outcome") for one in story if one.kind == "message_settled"), "")
        label = _SETTLED.get(str(outcome), N_("Settled: it did not go out"))
        chips.add("settled", "circle-check", label, "grey", at["message_settled"])
    elif message.status == "unknown":
        chips.say(STATUSES["unknown"], reason="unknown")
    elif message.status == "held" or (message.status in ("queued", "claimed", "on_wire") and not chips.found):
        chips.say(status_of(message.status, message.reason), reason=message.reason)


def _moments(story: Sequence[Line]) -> dict[str, datetime]:
    """The first moment of each kind."""
    found: dict[str, datetime] = {}
    for line in story:
        found.setdefault(line.kind, line.occurred_at)
    return found


def _add_touches(touches: list[Touch], chips: _Chips, reader: Reader, without_machines: bool = False) -> list[str]:
    """Opens and clicks by people become chips; those by machines become remarks: they are not counted."""
    remarks = []
    for kind, code, icon, label in (
        ("open", "opened", "mail-opened", N_("Opened")),
        ("click", "clicked", "pointer", N_("Clicked")),
    ):
        mine = [touch for touch in touches if touch.kind == kind and touch.is_judged]
        if not mine:  # no raw hits are known: another service reported these, and its word is all there is
            mine = [touch for touch in touches if touch.kind == kind]
        counted = [touch for touch in mine if touch.verdict not in _NO_COUNT]
        if counted:
            times = sum(touch.count for touch in counted)
            chips.add(code, icon, label, "blue", max(touch.last_at for touch in counted), times=times)
        for verdict in ("machine", "proxy"):
            count = sum(touch.count for touch in mine if touch.verdict == verdict)
            if count and not (verdict == "machine" and without_machines):
                remarks.append(_aside(kind, verdict, count, reader))
    return remarks


def _aside(kind: str, verdict: str, count: int, reader: Reader) -> str:
    with use_language(reader.language):
        n = show_number(count, reader)
        if verdict == "proxy":
            return ngettext(
                "%(count)s open through a mail service that hides its readers: counted, the exact time is uncertain",
                "%(count)s opens through a mail service that hides its readers: counted, the exact time is uncertain",
                count,
                count=n,
            )
        if kind == "open":
            return ngettext(
                "%(count)s open by a security scanner, not counted",
                "%(count)s opens by a security scanner, not counted",
                count,
                count=n,
            )
        return ngettext(
            "%(count)s click by a security scanner, not counted",
            "%(count)s clicks by a security scanner, not counted",
            count,
            count=n,
        )


def _reasons(message: MessageFact, story: Sequence[Line], language: str) -> list[str]:
    """What went otherwise than planned, as a sentence."""
    code = message.reason or _stored_reason(story)
    if code and (reasons.kind_of(code) != "fine" or message.status == "unknown"):
        return [reasons.words(code, language)]
    if message.status == "unknown":
        return [reasons.words("unknown", language)]
    return []


def _stored_reason(story: Sequence[Line]) -> str:
    return next((str(one.data["reason"]) for one in story if one.data.get("reason")), "")
