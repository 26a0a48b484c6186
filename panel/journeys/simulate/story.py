"""What happened on the stage, as dated lines in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import amounts
from panel.calendars import Reader, show_moment
from panel.db import rows_of, table_of
from panel.i18n import N_, translate
from panel.journeys import judged
from panel.journeys.engine.programs import Program, programs
from panel.journeys.language import phrases
from panel.journeys.language.clauses import Labels
from panel.journeys.language.sentences import step_names, step_words
from panel.journeys.models import Enrolment, EntryCheck, StepRun
from panel.journeys.reasons import END, STEP, end_words, entry_words
from panel.journeys.reasons import step_words as outcome_words
from panel.journeys.simulate.wishes import Said
from panel.messages.models import Message
from panel.messages.reasons import SENTENCES
from panel.messages.reasons import words as message_words
from panel.sdk.channels import Shown

Kind = Literal["entered", "refused", "step", "sent", "not_sent", "postponed", "happened", "ended", "held", "waits"]
_ORDER: dict[str, int] = {"happened": 0, "entered": 1, "refused": 1, "step": 2, "postponed": 3, "sent": 4,
                          "not_sent": 4, "held": 5, "ended": 6, "waits": 9}  # fmt: skip
_WISHES = {
    "opens": N_("The contact opens the message."),
    "clicks": N_("The contact follows a link in the message."),
    "replies": N_("The contact answers the message."),
}


@dataclass(frozen=True)
class Text:
    """A message as the contact would see it."""

    channel: str
    address: str
    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass(frozen=True)
class Line:
    """One thing that would happen: when (UTC), in which journey, what (`words`), what became of it and why (`more`)."""

    at: datetime
    kind: Kind
    words: str
    journey_id: str = ""
    journey: str = ""
    step_id: str | None = None
    code: str = ""
    more: tuple[str, ...] = ()
    text: Text | None = None


@dataclass
class Teller:
    """Reads the copy after the play. `before`: what was there already is not told again."""

    session: Session
    contact_ids: Sequence[int]
    reader: Reader
    names: Labels
    start: datetime
    last_step_run: int = 0
    last_message: int = 0
    shown: dict[int, Shown] = field(default_factory=dict)

    def lines(self, said: Sequence[Said] = ()) -> list[Line]:
        runs = {row["id"]: row for row in self._rows(Enrolment)}
        known = programs(self.session, {row["version_id"] for row in runs.values()})
        steps = {row["id"]: row for row in self._rows_of_runs(list(runs))}
        versions = programs(self.session, {row["version_id"] for row in steps.values()})
        messages = [row for row in self._rows(Message) if row["contact_id"] in self.contact_ids]
        told = [
            *(self._said(one) for one in said),
            *self._refusals(),
            *(line for row in runs.values() for line in self._run(row, known[row["version_id"]], messages)),
            *(line for row in steps.values() if (line := self._step(row, runs, versions[row["version_id"]]))),
            *(line for row in messages for line in self._message(row, runs, known)),
        ]
        return [line for _, line in sorted(enumerate(told), key=lambda one: (one[1].at, _ORDER[one[1].kind], one[0]))]

    # What is there

    def _rows(self, model: Any) -> list[dict[str, Any]]:
        table = table_of(model)
        return rows_of(self.session, select(table).where(table.c.contact_id.in_(self.contact_ids)).order_by(table.c.id))

    def _rows_of_runs(self, run_ids: Sequence[int]) -> list[dict[str, Any]]:
        table = table_of(StepRun)
        query = select(table).where(table.c.enrolment_id.in_(run_ids), table.c.id > self.last_step_run)
        return rows_of(self.session, query.order_by(table.c.id))

    def _say(self, sentence: str, **params: Any) -> str:
        return translate(self.reader.language, sentence, **params)

    def _when(self, moment: datetime) -> str:
        return show_moment(moment, self.reader)

    # One kind of line each

    def _said(self, one: Said) -> Line:
        if one.wish in _WISHES:
            words = self._say(_WISHES[one.wish])
            if one.code == "no_link":
                words = self._say(N_("The contact would follow a link, but there is none in the message."))
            return Line(one.at, "happened", words, code=one.wish)
        name = self.names("event", one.wish, self.reader.language)
        unheard = self._say(N_("No journey starts on it, and nothing that this contact stands in waits for it."))
        more = () if one.listened else (unheard,)
        return Line(one.at, "happened", self._say(N_("It happens: %(event)s"), event=name), code=one.wish, more=more)

    def _refusals(self) -> list[Line]:
        rows = [row for row in self._rows(EntryCheck) if row["at"] >= self.start]
        known = programs(self.session, {row["version_id"] for row in rows if row["version_id"]})
        return [
            Line(
                row["at"], "refused", entry_words(row["outcome"], self.reader.language), row["journey_id"],
                _name(known.get(row["version_id"])), code=row["outcome"], more=self.why(row["detail"], row["at"]),
            )
            for row in rows
        ]  # fmt: skip

    def _run(self, row: Mapping[str, Any], program: Program, messages: Sequence[Mapping[str, Any]] = ()) -> list[Line]:
        said = []
        place = {"journey_id": row["journey_id"], "journey": _name(program)}
        if row["entered_at"] >= self.start:
            words = self._say(N_("Enters the journey %(journey)s"), journey=phrases.quoted(_name(program), self.lang))
            said.append(Line(row["entered_at"], "entered", words, code="entered", **place))
        if row["ended_at"] is not None and row["ended_at"] >= self.start:
            words = self._say(
                N_("Leaves the journey %(journey)s: %(reason)s"),
                journey=phrases.quoted(_name(program), self.lang),
                reason=end_words(row["reason"] or "", self.lang),
            )
            said.append(Line(row["ended_at"], "ended", words, code=row["reason"] or "", **place))
        if row["status"] == "held":
            words = outcome_words(row["reason"] or "held_error", self.lang)
            # With its message, when that came to be sent; else where its step began.
            held = [one for one in messages if one["enrolment_id"] == row["id"] and one["status"] == "held"]
            at = max([row["step_began_at"], self.start, *(_moment_of(one, self.start) for one in held)])
            more = (self.step_sentence(program, row["step_id"]),)
            said.append(Line(at, "held", words, step_id=row["step_id"], code=row["reason"] or "", more=more, **place))
        elif row["status"] == "active" and row["due_at"] is not None:
            words = self._say(N_("Still waits then: %(step)s"), step=self.step_sentence(program, row["step_id"]))
            until = (row["wait"] or {}).get("until")
            at = datetime.fromisoformat(until) if until else row["due_at"]
            said.append(Line(at, "waits", words, step_id=row["step_id"], code="waiting", **place))
        return said

    def _step(self, row: Mapping[str, Any], runs: Mapping[int, Any], program: Program) -> Line | None:
        if row["kind"] == "send" and (row["detail"] or {}).get("message"):
            return None  # the message itself is told
        detail = row["detail"] or {}
        more = [outcome_words(row["outcome"], self.lang)]
        if row["reason"]:
            more = [reason_words(row["reason"], self.lang)]
        more += self.why(detail, row["ended_at"], program)
        if detail.get("moved_to_version"):
            more.append(outcome_words("moved_to_version", self.lang))
        return Line(
            row["ended_at"], "step", self.step_sentence(program, row["step_id"]), program.journey_id, _name(program),
            row["step_id"], row["outcome"], tuple(more),
        )  # fmt: skip

    def _message(self, row: Mapping[str, Any], runs: Mapping[int, Any], known: Mapping[int, Program]) -> list[Line]:
        detail = row["detail"] or {}
        run = runs.get(row["enrolment_id"])
        program = known[run["version_id"]] if run else None
        sentence = (
            self.step_sentence(program, row["step_id"]) if program else self._say(N_("A message written by hand"))
        )
        place = {"journey_id": row["journey_id"] or "", "journey": _name(program), "step_id": row["step_id"]}
        told = [
            Line(at, "postponed", sentence, code=one["reason"], more=self.postponed(one), **place)
            for one in detail.get("postponed", ())
            if (at := datetime.fromisoformat(one["at"])) >= self.start
        ]
        if row["wire_at"] is not None and row["wire_at"] >= self.start:
            content = self.shown.get(row["id"])
            text = Text(row["channel"], row["address"] or "", row["subject"] or "")
            if content is not None:
                text = Text(row["channel"], row["address"] or "", content.subject, content.text, content.html)
            if not self.reader.sees_amounts:
                text = _without_amounts(text, self.reader)
            code = row["reason"] if row["status"] in ("failed", "unknown") else row["status"]
            kind: Kind = "sent" if row["status"] in ("sent", "delivered") else "not_sent"
            told.append(
                Line(row["wire_at"], kind, sentence, code=code or "", text=text,
                     more=(message_words(code or "sent", self.lang),), **place)
            )  # fmt: skip
        elif row["id"] > self.last_message and row["status"] in ("skipped", "cancelled", "held"):
            at = _moment_of(row, self.start)
            more = (reason_words(row["reason"] or "", self.lang), *self.why(detail, at, program))
            told.append(Line(at, "not_sent", sentence, code=row["reason"] or "", more=more, **place))
        elif row["status"] == "queued" and row["not_before"] >= self.start:
            words = self._say(N_("Still planned: %(step)s"), step=sentence)
            told.append(Line(row["not_before"], "waits", words, code=row["reason"] or "queued", **place))
        return told

    # In words

    @property
    def lang(self) -> str:
        return self.reader.language

    def step_sentence(self, program: Program | None, step_id: str | None) -> str:
        step = program.steps.get(step_id or "") if program else None
        if step is None or program is None:
            return step_id or ""
        return step_words(dict(step), self.lang, self.names, program.resolved).rstrip(":")  # type: ignore[arg-type]

    def why(self, detail: Mapping[str, Any], at: datetime, program: Program | None = None) -> tuple[str, ...]:
        """The tests that decided, with what they saw."""
        names = step_names(self.names, program.resolved) if program else self.names  # type: ignore[arg-type]
        trees = [detail["condition"]] if detail.get("condition") else list(detail.get("conditions") or ())
        return tuple(
            one.sentence(self.lang)
            for tree in trees
            for one in judged.told(tree, self.reader, at, names)
        )  # fmt: skip

    def postponed(self, one: Mapping[str, Any]) -> tuple[str, ...]:
        """Why a message waits and until when, with the rule that made it wait."""
        said = [message_words(one["reason"], self.lang)]
        if one.get("hours"):
            said.append(hours_words(one, self.lang))
        if one.get("limit"):
            said.append(self._say(N_("The limit: %(limit)s."), limit=phrases.limit(one["limit"], self.lang)))
        if one.get("free_at"):
            free = datetime.fromisoformat(one["free_at"])
            said.append(self._say(N_("There is room again on %(date)s."), date=self._when(free)))
        return tuple(said)


_ALLOWED = {
    "contact": N_("Allowed: %(hours)s, on the contact's own clock (%(zone)s)."),
    "journey": N_("Allowed: %(hours)s, on the clock that the journey names (%(zone)s)."),
    "fallback": N_("Allowed: %(hours)s, on the clock for contacts whose time zone we do not know (%(zone)s)."),
    "company": N_("Allowed: %(hours)s, on the clock of the business (%(zone)s)."),
}


def hours_words(detail: Mapping[str, Any], language: str) -> str:
    """The allowed hours and whose clock they are on."""
    shown = phrases.hours(dict(detail["hours"]), language)
    sentence = _ALLOWED.get(detail.get("zone_from", ""), _ALLOWED["company"])
    return translate(language, sentence, hours=shown, zone=detail.get("zone", ""))


def reason_words(code: str, language: str) -> str:
    """A reason of a step or of a message: one of the two tables knows the code."""
    if code in SENTENCES:
        return message_words(code, language)
    if code in END and code not in STEP:
        return end_words(code, language)
    return outcome_words(code, language)


def _name(program: Program | None) -> str:
    return str(program.resolved["name"]) if program else ""


def _moment_of(row: Mapping[str, Any], start: datetime) -> datetime:
    """When a message that did not go was refused: after its last postponement, or when it was due."""
    seen = [datetime.fromisoformat(one["at"]) for one in (row["detail"] or {}).get("postponed", ())]
    return max([row["planned_at"], row["not_before"], start, *seen])


def _without_amounts(text: Text, reader: Reader) -> Text:
    """A played message for who may not see amounts: its words alone, without any number."""
    words = amounts.without_numbers(text.text or Markup(text.html).striptags(), reader)
    return Text(text.channel, text.address, amounts.without_numbers(text.subject, reader), words)
