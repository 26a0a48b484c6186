"""The four answers about one contact and one journey, as sentences: why she got it, why she did not, what comes next
and when, what would stop it.

They are read from what was recorded when it was decided; only what comes next is played ahead, by the engine itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader, show_moment
from panel.db import connection_of
from panel.i18n import N_, translate
from panel.journeys import judged
from panel.journeys.engine.conditions import Needs, judge, needs
from panel.journeys.engine.facts import Asking, company, load, people, zone_of
from panel.journeys.engine.hours import hours_for
from panel.journeys.engine.lengths import add
from panel.journeys.engine.limits import limits_for
from panel.journeys.engine.programs import Program, as_trigger
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels
from panel.journeys.language.sentences import step_words as step_sentence
from panel.journeys.models import JourneyVersion
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
        source = self._source(run["entered_event"])
        if source:
            sentence = N_("Entered on %(date)s, because %(trigger)s (source: %(source)s).")
            return self.say(sentence, date=date, trigger=because, source=source)
        return self.say(N_("Entered on %(date)s, because %(trigger)s."), date=date, trigger=because)

    def _source(self, event_id: int | None) -> str:
        if event_id is None:
            return ""
        found = connection_of(self.session).execute(select(Event.source).where(Event.id == event_id)).scalar()
        return found or ""

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
        return said + self.tests(detail, message["not_before"])

    def tests(self, detail: Mapping[str, Any], at: datetime) -> list[str]:
        """The tests that decided, as indented sentences with what they saw."""
        trees = [detail["condition"]] if detail.get("condition") else list(detail.get("conditions") or ())
        said = [
            one.sentence(self.reader.language)
            for tree in trees
            for one in judged.told(tree, self.reader, at, self.names)
        ]  # fmt: skip
        pinned = pin_words(self.pins, at, self.reader) if any(map(asks_for_preference, trees)) else ""
        return [*said, pinned] if pinned else said

    def ended(self, run: Mapping[str, Any]) -> str:
        return self.say(
            N_("Left on %(date)s: %(reason)s."),
            date=self.when(run["ended_at"]),
            reason=end_words(run["reason"] or "", self.reader.language),
        )

    def never(self, contact_id: int, program: Program, live_since: datetime | None) -> tuple[list[str], dict[str, Any]]:
        """Nothing was ever decided: what would have to happen, and what the conditions say about her now."""
        said: list[str] = []
        trees: dict[str, Any] = {}
        resolved = program.resolved
        wanted = Needs()
        states = [raw["cond"] for raw in resolved["start_when"] if raw["on"] == "becomes_true"]
        for one in (resolved.get("only_if"), resolved.get("exclude_if"), *states):
            wanted.add(needs(one))
        [facts] = load(self.session, [Asking(contact_id, program.settings, resolved["purpose"])], wanted, self.now)
        for raw in resolved["start_when"]:
            said += self._trigger_now(raw, facts, live_since)
        for key, sentence in (
            ("only_if", N_("It would not start: %(tests)s.")),
            ("exclude_if", N_("It would not start, because the journey leaves such contacts out: %(tests)s.")),
        ):
            if not resolved.get(key):
                continue
            tree = trees[key] = judge(resolved[key], facts)
            if bool(tree["result"]) == (key == "exclude_if"):
                said.append(self.say(sentence, tests=self._tests(tree)))
            elif key == "only_if":
                said.append(self.say(N_("The condition for entering holds: %(tests)s."), tests=self._tests(tree)))
        return said, trees

    def _tests(self, tree: Mapping[str, Any]) -> str:
        found = judged.told(tree, self.reader, self.now, self.names)
        return phrases.both([one.sentence(self.reader.language) for one in found], self.reader.language)

    def _trigger_now(self, raw: Mapping[str, Any], facts: Any, live_since: datetime | None) -> list[str]:
        words = clauses.trigger(dict(raw), self.reader.language, self.names)
        said = [self.say(N_("It starts when %(trigger)s."), trigger=words)]
        if raw["on"] == "becomes_true":
            tree = judge(raw["cond"], facts)
            if tree["result"]:
                said.append(self.say(N_("This holds now: %(tests)s. It starts on the day on which it becomes true."),
                                     tests=self._tests(tree)))  # fmt: skip
            else:
                said.append(self.say(N_("It would not start: %(tests)s."), tests=self._tests(tree)))
            return said
        trigger = as_trigger(raw)
        if trigger is None:
            return said
        last = connection_of(self.session).execute(
            select(Event.occurred_at)
            .where(Event.contact_id.in_(self.ids), Event.kind == trigger.kind)
            .order_by(Event.occurred_at.desc())
            .limit(1)
        ).scalar()  # fmt: skip
        if last is None:
            said.append(self.say(N_("Nothing of that kind ever happened to this contact.")))
        elif live_since is not None and last < live_since:
            said.append(
                self.say(
                    N_("Something of that kind last happened on %(date)s, before this journey ran (%(since)s)."),
                    date=self.when(last),
                    since=self.when(live_since),
                )
            )
        else:
            said.append(
                self.say(
                    N_("Something of that kind last happened on %(date)s, but not as the journey asks for it."),
                    date=self.when(last),
                )
            )
        return said

    # 3. What comes next, and when?

    def coming(self, contact_id: int, journey_id: str, program: Program) -> list[Coming]:
        """The next steps up to the next message, played ahead, each with how its moment was found."""
        told = simulate(Asked(contact_id, journey_id, AHEAD_DAYS, start=False), self.reader, now=self.now)
        mine = [line for line in told.lines if line.journey_id == journey_id and line.kind not in ("entered", "held")]
        found: list[Coming] = []
        for line in mine:
            found.append(Coming(line.at, line.words, line.more))
            if line.kind in ("sent", "not_sent"):
                more = () if line.kind == "sent" else line.more  # it is planned: "sent" would be said too early
                found[-1] = Coming(line.at, line.words, (*more, *self._how(contact_id, program, line)))
                break
        return found

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
            words = clauses.trigger(dict(raw), language, self.names)
            said.append(self.say(N_("It stops at once when %(trigger)s."), trigger=words))
        if resolved.get("exclude_if"):
            words = clauses.condition(dict(resolved["exclude_if"]), language, self.names)
            said.append(self.say(N_("It ends before the next message if %(condition)s."), condition=words))
        goal = resolved.get("goal")
        if goal and not goal.get("stay"):
            words = clauses.trigger({"on": "event", **goal}, language, self.names)
            said.append(self.say(N_("It ends with success when %(trigger)s."), trigger=words))
        if resolved["purpose"] == "marketing":
            said.append(self.say(N_("Without consent for a channel, or after an opt-out, nothing is sent there.")))
        if run is not None:
            zone, _ = zone_of(program.settings, None, company(self.session))
            latest = add(run["entered_at"], program.settings.get("leave_after") or {"months": 12}, zone)
            said.append(self.say(N_("It ends on %(date)s at the latest."), date=self.when(latest)))
        return said


def live_since(session: Session, program: Program) -> datetime | None:
    return connection_of(session).execute(
        select(JourneyVersion.published_at)
        .where(JourneyVersion.journey_id == program.journey_id)
        .order_by(JourneyVersion.number)
        .limit(1)
    ).scalar()  # fmt: skip


def _trigger_called(program: Program | None, name: str) -> dict[str, Any] | None:
    """The trigger of this version that a run's entry names."""
    for raw in program.resolved["start_when"] if program else ():
        trigger = as_trigger(raw)
        if name in (raw["on"], raw.get("field"), trigger.name if trigger else None):
            return dict(raw)
    return None
