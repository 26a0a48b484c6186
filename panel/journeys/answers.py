"""The four answers about one contact and one journey, as sentences: why she got it, why she did not, what comes next
and when, what would stop it.

They are read from what was recorded when it was decided; only what comes next is played ahead, by the engine itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader, show_moment
from panel.contacts.queries import aliases
from panel.db import connection_of
from panel.i18n import N_, translate
from panel.installation.models import Setting
from panel.journeys import judged
from panel.journeys.engine.facts import company, people, zone_of
from panel.journeys.engine.hours import hours_for
from panel.journeys.engine.lengths import add
from panel.journeys.engine.limits import limits_for
from panel.journeys.engine.programs import Program, as_trigger, live
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels
from panel.journeys.language.sentences import step_names
from panel.journeys.language.sentences import step_words as step_sentence
from panel.journeys.reasons import end_words, entry_words, step_words
from panel.journeys.simulate.one import Asked, simulate
from panel.journeys.simulate.story import Line, hours_words, reason_words
from panel.journeys.steered import Pin, asks_for_preference, pin_words
from panel.timeline.models import Event

AHEAD_DAYS = 100


@dataclass(frozen=True)
class Coming:
    """What comes next: when (UTC), what, and how the moment was found."""

    at: datetime
    words: str
    how: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answerer:
    """Answers for one contact (`ids`: with the cards merged into it) and one reader."""

    session: Session
    ids: Sequence[int]
    reader: Reader
    names: Labels
    now: datetime
    pins: Sequence[Pin] = ()  # channels that colleagues pinned for this contact

    def say(self, sentence: str, **params: Any) -> str:
        return translate(self.reader.language, sentence, **params)

    def when(self, moment: datetime) -> str:
        return show_moment(moment, self.reader)

    def step(self, program: Program | None, step_id: str | None) -> str:
        found = program.steps.get(step_id or "") if program else None
        if found is None or program is None:
            return step_id or ""
        return step_sentence(dict(found), self.reader.language, self.names, program.resolved).rstrip(":")  # type: ignore[arg-type]

    # 1. Why did she get this?

    def entered(self, run: Mapping[str, Any], program: Program | None) -> str:
        """When a run began and what started it, with who or what told us."""
        date, name = self.when(run["entered_at"]), (run["data"].get("run") or {}).get("entry.trigger") or ""
        raw = _trigger_called(program, str(name))
        because = clauses.trigger(raw, self.reader.language, self.names) if raw else str(name)
        source = self._source(run)
        if source:
            sentence = N_("Entered on %(date)s, because %(trigger)s (source: %(source)s).")
            return self.say(sentence, date=date, trigger=because, source=source)
        return self.say(N_("Entered on %(date)s, because %(trigger)s."), date=date, trigger=because)

    def _source(self, run: Mapping[str, Any]) -> str:
        if run["entered_event"] is None:
            return ""
        # By its contact too: the record is kept by contact, and by the number alone all of it would be read.
        theirs = Event.contact_id.in_(aliases(self.session, run["contact_id"])), Event.id == run["entered_event"]
        return connection_of(self.session).execute(select(Event.source).where(*theirs)).scalar() or ""

    def sent(self, message: Mapping[str, Any], program: Program | None) -> str:
        said = self.say(
            N_("%(date)s: %(step)s. It went to %(address)s: %(outcome)s"),
            date=self.when(message["wire_at"]),
            step=self.step(program, message["step_id"]),
            address=message["address"] or message["channel"],
            outcome=reason_words(message["reason"] or message["status"], self.reader.language),
        )
        steered = (message["detail"] or {}).get("steered", ())
        if steered and steered[-1]["what"] in ("planned_sooner", "planned_later"):
            said += " " + step_words("wait_by_person", self.reader.language)
        step = program.steps.get(message["step_id"] or "") if program else None
        if step is not None and (step.get("via") or ["preferred"]) == ["preferred"]:
            pinned = pin_words(self.pins, message["planned_at"], self.reader, message["channel"])
            said = f"{said} {pinned}".strip()
        return said

    # 2. Why did she not?

    def refused(self, row: Mapping[str, Any]) -> list[str]:
        words = entry_words(row["outcome"], self.reader.language)
        detail = row["detail"] or {}
        said = [self.say(N_("%(date)s: %(reason)s"), date=self.when(row["at"]), reason=words)]
        if detail.get("free_at"):
            free = self.when(datetime.fromisoformat(detail["free_at"]))
            said.append(self.say(N_("It may start again from %(date)s on."), date=free))
        return said + self.tests(detail, row["at"])

    def withheld(self, message: Mapping[str, Any], program: Program | None) -> list[str]:
        detail = message["detail"] or {}
        said = [
            self.say(
                N_("%(step)s: %(reason)s"),
                step=self.step(program, message["step_id"]),
                reason=reason_words(message["reason"] or message["status"], self.reader.language),
            )
        ]
        return said + self.tests(detail, message["not_before"], program)

    def tests(self, detail: Mapping[str, Any], at: datetime, program: Program | None = None) -> list[str]:
        """The tests that decided, as indented sentences with what they saw."""
        names = step_names(self.names, program.resolved) if program else self.names  # type: ignore[arg-type]
        trees = [detail["condition"]] if detail.get("condition") else list(detail.get("conditions") or ())
        said = [
            one.sentence(self.reader.language)
            for tree in trees
            for one in judged.told(tree, self.reader, at, names)
        ]  # fmt: skip
        pinned = pin_words(self.pins, at, self.reader) if any(map(asks_for_preference, trees)) else ""
        return [*said, pinned] if pinned else said

    def ended(self, run: Mapping[str, Any], program: Program | None) -> list[str]:
        """When and why a run ended; of a stop or a goal also what it was, of a refusal what was seen."""
        sentence = N_("Left on %(date)s: %(reason)s.")
        words = end_words(run["reason"] or "", self.reader.language)
        said = [self.say(sentence, date=self.when(run["ended_at"]), reason=words)]
        told = connection_of(self.session).execute(
            select(Event.data).where(Event.enrolment_id == run["id"], Event.kind == "journey_ended")
            .order_by(Event.id.desc()).limit(1)
        ).scalar() or {}  # fmt: skip
        if run["reason"] in ("stopped", "goal"):
            said += self._what_ended(told, program)
        return said + self.tests(told, run["ended_at"], program)

    def _what_ended(self, told: Mapping[str, Any], program: Program | None) -> list[str]:
        """The event, or the condition, with which it ended; the journey's own words for it, when it has some."""
        found = None
        if told.get("event"):
            query = select(Event.kind, Event.occurred_at).where(Event.id == told["event"])
            found = connection_of(self.session).execute(query).first()
        names = {raw.get("reason") for raw in program.resolved.get("stop_when") or ()} if program else set()
        own = told.get("because") if told.get("because") in names - {None} else ""
        said = []
        if found is not None:
            event = self.names("event", found.kind, self.reader.language)
            said.append(self.say(N_("It was %(event)s, on %(date)s."), event=event, date=self.when(found.occurred_at)))
        elif program is not None and told.get("because"):
            said += [
                self.say(N_("It was that %(condition)s."),
                         condition=clauses.trigger(dict(raw), self.reader.language, self.names))
                for raw in program.resolved.get("stop_when") or ()
                if as_trigger(raw) is None and told["because"] in (raw.get("reason"), "condition")
            ]  # fmt: skip
            said = said if len(said) == 1 else []  # of several that have no words of their own nobody knows which
        if own:
            said.append(self.say(N_("The journey calls it: %(reason)s."),
                                 reason=phrases.quoted(str(own), self.reader.language)))  # fmt: skip
        return said

    # 3. What comes next, and when?

    def coming(self, contact_id: int, journey_id: str, program: Program, *, is_inside: bool) -> list[Coming]:
        """The next steps up to the next message, played ahead, each with how its moment was found; for a contact that
        is not inside, what time alone will start."""
        told = simulate(Asked(contact_id, journey_id, AHEAD_DAYS, start=False), self.reader, now=self.now)
        passed_over = ("entered", "refused") if is_inside else ()
        mine = [line for line in told.lines if line.journey_id == journey_id and line.kind not in passed_over]
        if not is_inside and not any(line.kind in ("entered", "refused") for line in mine):
            return []
        found: list[Coming] = []
        if self._is_sending_paused():
            found.append(Coming(self.now, self.say(N_("Nothing is sent to anybody until a colleague decides so."))))
        for line in mine:
            found.append(Coming(line.at, line.words, line.more))
            if line.kind in ("sent", "not_sent"):
                more = () if line.kind == "sent" else line.more  # it is planned: "sent" would be said too early
                found[-1] = Coming(line.at, line.words, (*more, *self._how(contact_id, program, line)))
            if line.kind in ("sent", "not_sent", "held", "refused"):
                break
        return found

    def _is_sending_paused(self) -> bool:
        paused = connection_of(self.session).execute(select(Setting.value).where(Setting.name == "sending_paused"))
        return bool((paused.scalar() or {}).get("since"))

    def _how(self, contact_id: int, program: Program, line: Line) -> tuple[str, ...]:
        """Whose clock, which hours and which limits held for this message."""
        person = people(self.session, [contact_id]).get(contact_id)
        zone, zone_from = zone_of(program.settings, person, company(self.session))
        channel = line.text.channel if line.text else "email"
        step = program.steps.get(line.step_id or "") or {}
        hours = hours_for(program.settings, channel, step.get("send_hours"))
        said = []
        if hours:
            detail = {"hours": hours, "zone": str(zone), "zone_from": zone_from}
            said.append(hours_words(detail, self.reader.language))
        else:
            said.append(self.say(N_("This channel may be used at any hour.")))
        limits = [
            phrases.limit(dict(limit), self.reader.language) for limit, _ in limits_for(program.settings, channel)
        ]
        if limits:
            said.append(
                self.say(N_("Limits that hold: %(limits)s."), limits=phrases.listed(limits, self.reader.language))
            )
        return tuple(said)

    # 4. What would stop it?

    def stops(self, program: Program, run: Mapping[str, Any] | None) -> list[str]:
        resolved, language = program.resolved, self.reader.language
        said = []
        for raw in resolved.get("stop_when") or ():
            words = clauses.trigger(_with_values(raw, run), language, self.names)
            said.append(self.say(N_("It stops at once when %(trigger)s."), trigger=words))
        if resolved.get("exclude_if"):
            words = clauses.condition(dict(resolved["exclude_if"]), language, self.names)
            said.append(self.say(N_("It ends before the next message if %(condition)s."), condition=words))
        said += self._goal(program, run)
        said += self._others(program)
        if resolved["purpose"] == "marketing":
            said.append(self.say(N_("Without consent for a channel, or after an opt-out, nothing is sent there.")))
        said.append(self.say(N_("Nothing is sent to an address that is blocked.")))
        said.append(self.say(N_("A colleague may pause the journey or end it, for this contact or for everybody.")))
        longest = program.settings.get("leave_after") or {"months": 12}
        if run is not None:
            latest = add(run["entered_at"], longest, self._zone(run["contact_id"], program))
            said.append(self.say(N_("It ends on %(date)s at the latest."), date=self.when(latest)))
        else:
            length = phrases.length(longest, language)
            said.append(self.say(N_("It ends %(length)s after the contact entered, at the latest."), length=length))
        return said

    def _goal(self, program: Program, run: Mapping[str, Any] | None) -> list[str]:
        goal = program.resolved.get("goal")
        if not goal or goal.get("stay"):
            return []
        words = clauses.trigger(_with_values({"on": "event", **goal}, run), self.reader.language, self.names)
        if not goal.get("within"):
            return [self.say(N_("It ends with success when %(trigger)s."), trigger=words)]
        if run is None:
            length = phrases.length(goal["within"], self.reader.language)
            sentence = N_("It ends with success when %(trigger)s within %(length)s after the contact entered.")
            return [self.say(sentence, trigger=words, length=length)]
        until = add(run["entered_at"], goal["within"], self._zone(run["contact_id"], program))
        if until < self.now:
            return []
        return [self.say(N_("It ends with success when %(trigger)s until %(date)s."), trigger=words,
                         date=self.when(until))]  # fmt: skip

    def _others(self, program: Program) -> list[str]:
        """Journeys with a step that ends this one."""
        ending = [
            one
            for one in live(self.session)
            if one.id != program.journey_id
            and any(
                step["verb"] == "stop_journey" and step.get("journey") == program.journey_id
                for step in one.program.steps.values()
            )
        ]
        return [
            self.say(
                N_("It ends when the journey %(journey)s comes to the step that ends it."),
                journey=self.names("journey", one.id, self.reader.language),
            )
            for one in ending
        ]

    def _zone(self, contact_id: int, program: Program) -> ZoneInfo:
        person = people(self.session, [contact_id]).get(contact_id)
        return zone_of(program.settings, person, company(self.session))[0]


def _with_values(raw: Mapping[str, Any], run: Mapping[str, Any] | None) -> dict[str, Any]:
    """A trigger with the values with which this contact entered in place of `run.invoice_number`."""
    known = (run["data"].get("run") or {}) if run is not None else {}

    def filled(line: Mapping[str, Any]) -> dict[str, Any]:
        value = line.get("value")
        name = value.removeprefix("run.") if isinstance(value, str) and value.startswith("run.") else ""
        return {**line, "value": str(known[name])} if known.get(name) not in (None, "") else dict(line)

    return {**raw, "where": [filled(line) for line in raw["where"]]} if raw.get("where") else dict(raw)


def _trigger_called(program: Program | None, name: str) -> dict[str, Any] | None:
    """The trigger of this version that a run's entry names."""
    for raw in program.resolved["start_when"] if program else ():
        trigger = as_trigger(raw)
        if name in (raw["on"], raw.get("field"), trigger.name if trigger else None):
            return dict(raw)
    return None
