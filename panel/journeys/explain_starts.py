"""Nothing ever came of it: what would have to happen for the contact to enter, and what stands in the way now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from panel.db import connection_of, rows_of, table_of
from panel.i18n import N_
from panel.journeys import judged
from panel.journeys.answers import Answerer
from panel.journeys.engine.conditions import Needs, event_matches, judge, lookup, needs, walk
from panel.journeys.engine.facts import Asking, load
from panel.journeys.engine.occurrences import days_around, moment_of, occurrences, rule_of
from panel.journeys.engine.programs import TRIGGER_EVENTS, Program, Trigger, as_trigger
from panel.journeys.language import clauses, phrases
from panel.journeys.models import JourneyVersion
from panel.timeline.models import Event

LOOKED_BACK = 200  # events of one kind, the newest first
LOOKED_AHEAD = timedelta(days=800)  # a yearly day comes round within this, 29 February or not
_OF_THE_START = ("event.", "run.", "entry.")


class Starts:
    """What could start the journey for one contact. `trees`: its conditions as they were judged now."""

    def __init__(self, answerer: Answerer, contact_id: int, program: Program) -> None:
        self.answerer, self.program, self.resolved = answerer, program, program.resolved
        self.say, self.session = answerer.say, answerer.session
        self.language, self.names = answerer.reader.language, answerer.names
        self.trees: dict[str, Any] = {}
        self.is_open = False  # whether a condition hangs on what starts it, so that it cannot be judged yet
        wanted = Needs()
        for raw in self.resolved["start_when"]:
            wanted.add(needs(raw.get("cond") or raw.get("audience")))
            own = [raw["field"]] if raw["on"] == "date" else [one["field"] for one in raw.get("where") or ()]
            wanted.fields |= {name for name in own if not name.startswith(_OF_THE_START)}
        for key in ("only_if", "exclude_if"):
            wanted.add(needs(self.resolved.get(key)))
        asking = Asking(contact_id, program.settings, self.resolved["purpose"])
        [self.facts] = load(self.session, [asking], wanted, answerer.now)

    def said(self, considered: set[int]) -> list[str]:
        """Every trigger with what is known of it, then the journey's conditions. `considered`: events that were
        refused; why is told elsewhere."""
        since = self._live_since()
        said = [one for raw in self.resolved["start_when"] for one in self._trigger(raw, since, considered)]
        for key, sentence in (
            ("only_if", N_("It would not start: %(tests)s.")),
            ("exclude_if", N_("It would not start, because the journey leaves such contacts out: %(tests)s.")),
        ):
            condition = self.resolved.get(key)
            if not condition:
                continue
            if _hangs_on_the_start(condition):
                self.is_open = True
                pattern = N_("It would start only if %(condition)s.") if key == "only_if" else N_(
                    "It would not start if %(condition)s.")  # fmt: skip
                said.append(self.say(pattern, condition=clauses.condition(condition, self.language, self.names)))
                continue
            tree = self.trees[key] = judge(condition, self.facts)
            if tree["result"] is None:
                said.append(self.say(N_("It would wait: %(tests)s."), tests=self._tests(tree)))
            elif bool(tree["result"]) == (key == "exclude_if"):
                said.append(self.say(sentence, tests=self._tests(tree)))
            elif key == "only_if":
                said.append(self.say(N_("The condition for entering holds: %(tests)s."), tests=self._tests(tree)))
        return said

    @property
    def would_enter(self) -> bool | None:
        """Whether its conditions would let the contact in now; None when nobody can tell yet."""
        only_if = self.trees.get("only_if", {"result": True})["result"]
        exclude_if = self.trees.get("exclude_if", {"result": False})["result"]
        if only_if is False or exclude_if is True:
            return False
        return None if self.is_open or only_if is None or exclude_if is None else True

    def _tests(self, tree: Mapping[str, Any]) -> str:
        found = judged.told(tree, self.answerer.reader, self.answerer.now, self.names)
        return phrases.both([one.sentence(self.language) for one in found], self.language)

    def _trigger(self, raw: Mapping[str, Any], since: datetime | None, considered: set[int]) -> list[str]:
        words = clauses.trigger(dict(raw), self.language, self.names)
        said = [self.say(N_("It starts when %(trigger)s."), trigger=words)]
        trigger = as_trigger(raw)
        if trigger is not None:
            return [*said, *self._event(raw, trigger, since, considered)]
        if raw["on"] == "becomes_true":
            return [*said, *self._state(raw)]
        if raw["on"] == "date":
            return [*said, self._date(raw)]
        if raw["on"] == "schedule" and raw.get("audience"):
            tree = judge(raw["audience"], self.facts)
            words = N_("The contact belongs to them now: %(tests)s.") if tree["result"] else N_(
                "The contact does not belong to them now: %(tests)s.")  # fmt: skip
            said.append(self.say(words, tests=self._tests(tree)))
        return said

    def _state(self, raw: Mapping[str, Any]) -> list[str]:
        tree = judge(raw["cond"], self.facts)
        if tree["result"] is None:
            return [self.say(N_("It would wait: %(tests)s."), tests=self._tests(tree))]
        if not tree["result"]:
            return [self.say(N_("It would not start: %(tests)s."), tests=self._tests(tree))]
        sentence = N_("This holds now: %(tests)s. It starts on the day on which it becomes true.")
        return [self.say(sentence, tests=self._tests(tree))]

    def _date(self, raw: Mapping[str, Any]) -> str:
        field = self.names("field", raw["field"], self.language)
        day = lookup(raw["field"], self.facts)
        if day is None:
            return self.say(N_("This contact has no date in %(field)s."), field=field)
        rule, now, zone = rule_of(raw), self.answerer.now, self.facts.zone
        first, last = days_around(rule, now.date(), (now + LOOKED_AHEAD).date())
        # The day itself only counts where it does not come round, or while it is still ahead.
        days = (one for one in occurrences(rule, day, first, last) if not rule.every or one != day or day > now.date())
        following = next((at for one in days if (at := moment_of(rule, one, zone)) > now), None)
        if following is None:
            return self.say(N_("For this contact that day does not come any more."))
        return self.say(N_("For this contact that is next on %(date)s."), date=self.answerer.when(following))

    def _event(
        self, raw: Mapping[str, Any], trigger: Trigger, since: datetime | None, considered: set[int]
    ) -> list[str]:
        table = table_of(Event)
        rows = rows_of(
            self.session,
            select(table.c.id, table.c.occurred_at, table.c.data, table.c.routed_at, table.c.starts_journeys)
            .where(table.c.contact_id.in_(self.answerer.ids), table.c.kind == trigger.kind)
            .order_by(table.c.occurred_at.desc(), table.c.id.desc())
            .limit(LOOKED_BACK),
        )
        fitting = next((row for row in rows if event_matches(trigger.where, row["data"] or {}, self.facts)), None)
        if fitting is None and rows and raw["on"] not in TRIGGER_EVENTS:
            sentence = N_("Something of that kind last happened on %(date)s, but not as the journey asks for it.")
            return [
                self.say(sentence, date=self.answerer.when(rows[0]["occurred_at"])),
                *self._unlike(trigger, rows[0]),
            ]
        if fitting is None:
            return [self.say(N_("Nothing of that kind ever happened to this contact."))]
        at = self.answerer.when(fitting["occurred_at"])
        if fitting["id"] in considered:
            return []
        if since is not None and fitting["occurred_at"] < since:
            sentence = N_("Something of that kind last happened on %(date)s, before this journey ran (%(since)s).")
            return [self.say(sentence, date=at, since=self.answerer.when(since))]
        if not fitting["starts_journeys"]:
            return [self.say(N_("That last happened on %(date)s, but was only noted down, to start nothing."), date=at)]
        if fitting["routed_at"] is None:
            return [self.say(N_("That happened on %(date)s; the journey looks at it in a moment."), date=at)]
        return [self.say(N_("That last happened on %(date)s."), date=at)]

    def _unlike(self, trigger: Trigger, row: Mapping[str, Any]) -> list[str]:
        """Which of the journey's wishes the latest event of the kind did not meet, and what it brought instead."""
        said = []
        for one in trigger.where:
            data = row["data"] or {}
            if event_matches([one], data, self.facts):
                continue
            clause = clauses.match({**one, "value": one.get("value", "")}, self.language, self.names, holds=False)
            name = one["field"]
            value = data.get(name.removeprefix("event.")) if name.startswith("event.") else lookup(name, self.facts)
            seen = judged.seen_words(value, self.answerer.reader, self.answerer.now)
            said.append(judged.Tested(clause, False, seen).sentence(self.language))
        return said

    def _live_since(self) -> datetime | None:
        return connection_of(self.session).execute(
            select(JourneyVersion.published_at)
            .where(JourneyVersion.journey_id == self.program.journey_id)
            .order_by(JourneyVersion.number)
            .limit(1)
        ).scalar()  # fmt: skip


def _hangs_on_the_start(condition: Mapping[str, Any]) -> bool:
    """Whether a condition looks at the event that starts the run, which has not happened yet."""
    return any(one["test"] == "field" and one["field"].startswith(_OF_THE_START) for one in walk(condition))
