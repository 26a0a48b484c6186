"""Advance: due runs take their steps until they must wait. One transaction per batch, no lease.

Runs at the same step of the same version go together: conditions are judged on facts loaded for all of them, writes are
made for all of them. An error halves the batch until the run that causes it is alone; that one is held with an issue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from panel import clock
from panel.copying import from_json, put_rows, to_json, update_alike, update_rows
from panel.db import from_micros, writing
from panel.journeys.engine import crash, marks
from panel.journeys.engine.claims import claim, count_due, moment_of
from panel.journeys.engine.conditions import (
    Facts,
    Needs,
    UndecidedError,
    event_matches,
    holds,
    judge,
    why_undecided,
)
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.facts import Asking, Company, Person, company, happened, load, name_in, people, zone_of
from panel.journeys.engine.flips import next_change
from panel.journeys.engine.following import already_done, begins_as, key_of, visit
from panel.journeys.engine.holding import (
    go_by_on_error,
    hold_alone,
    hold_broken,
    hold_with_issues,
    is_the_databases,
    whose_turn,
)
from panel.journeys.engine.lengths import add
from panel.journeys.engine.programs import Program, live, programs
from panel.journeys.engine.runs import MAX_STEPS_AT_ONCE, Run, Visit
from panel.journeys.engine.turns import repeat, uncollected
from panel.journeys.engine.undecided import LOOK_AGAIN, tell_undecided
from panel.journeys.engine.verbs import VERBS
from panel.journeys.engine.verbs.sending import Planned, store_messages
from panel.journeys.models import Enrolment, StepRun

BATCH = 4000
ALIKE = 20  # so many runs that come to stand alike are written by a statement of their own
REPORTED_LATE = timedelta(days=31)  # a stop may have happened this long before our entry and still be news
TRACE_COLUMNS = Visit._fields
ENROLMENT_COLUMNS = ("step_id", "step_began_at", "seq", "phase", "due_at", "wait")
# Steps that change nothing but their runs and the messages that are planned: one run can be set apart while they go on.
TOUCH_ONLY_THEIR_RUN = frozenset({"send", "reach", "wait", "wait_for", "if", "choose", "go_to", "stop"})


def run(limit_seconds: float, argument: str = "") -> bool:
    """Advance what is due for about `limit_seconds`; True when more may be due."""
    return repeat(advance, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """How many runs are due (counted up to 20,000), for the ticker."""
    return count_due(connection, now)


def advance(limit: int = BATCH) -> int:
    """Advance up to `limit` due runs; returns how many were looked at. Needs an application context."""
    with uncollected(), writing() as session:
        done = advance_in(session, limit) if marks.may_advance(session) else 0
        crash.point("before_advance_commit")
    crash.point("after_advance_commit")
    return done


def advance_in(session: Session, limit: int = BATCH) -> int:
    """The same within the caller's transaction (a simulation's, which is rolled back)."""
    now = clock.now()
    rows = claim(session.connection(), limit, now)
    if rows:
        _advance(session, rows, now)
    return len(rows)


def _advance(session: Session, rows: Sequence[Any], now: datetime) -> None:
    """Take the runs along together. An error that names no run halves them until the one that causes it is alone."""
    parts = [list(rows)]
    while parts:
        part = parts.pop()
        batch: Batch | None = None
        try:
            with session.begin_nested():
                batch = Batch(session, part, now)
                batch.go()
        except Exception as error:
            if is_the_databases(error):
                raise  # the whole transaction is tried again
            if len(part) == 1:
                _hold_where_it_broke(session, part[0], error, now, batch.taking if batch is not None else None)
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]


def _hold_where_it_broke(session: Session, row: Any, error: Exception, now: datetime, seq: int | None) -> None:
    """The steps before the one that raised `error` are taken, and the run is held at that one, which the issue names.
    Where that cannot be (it was no step that failed, or it fails in another way) it is held where it stood."""
    if seq is not None:
        try:
            with session.begin_nested():
                Batch(session, [row], now, broken=(seq, error)).go()
            return
        except Exception as again:
            if is_the_databases(again):
                raise
    hold_broken(session, row, error, now)


class Batch:
    """Some due runs, taken through their steps together."""

    def __init__(
        self, session: Session, rows: Sequence[Any], now: datetime, broken: tuple[int, Exception] | None = None
    ) -> None:
        """`rows` as `claims.claim` gives them. `broken`: the visit (`seq`) of the only run that is known to fail."""
        self.session, self.now, self.broken = session, now, broken
        self.taking: int | None = None  # the visit that is being made, while it is
        self.connection = session.connection()
        self.business: Company = company(session)
        self.persons = people(session, {row[2] for row in rows})
        self.programs = programs(session, {row[3] for row in rows})
        self.live: dict[str, Program] = {one.id: one.program for one in live(session)}
        self.messages: list[Planned] = []
        self._told: set[str] = set()
        self._flips: dict[int, datetime] = {}  # per run: when time alone may fulfil one of its stop conditions
        self.shared: dict[Any, Any] = {}  # what verbs work out once for many runs
        self._zones: dict[tuple[int, str | None], tuple[ZoneInfo, str]] = {}
        self._versions = [row[3] for row in rows]
        self._moment = moment_of(self.connection.dialect.name)
        self._carried = {text: from_json(text or "{}") for text in {row[10] for row in rows}}  # most carry the same
        self.runs = [self._run(row) for row in rows]

    def _run(self, row: Sequence[Any]) -> Run:
        program, person, newest = self.programs[row[3]], self.persons.get(row[2]), self.live.get(row[1])
        if newest is not None and (newest.version_id == program.version_id or not newest.moves_people):
            newest = None
        zone = self._zone(program, person)
        live_zone = self._zone(newest, person) if newest is not None else None
        return Run(row, self._moment, self._carried[row[10]], program, newest, person, zone, live_zone)

    def _zone(self, program: Program, person: Person | None) -> tuple[ZoneInfo, str]:
        place = (program.version_id, person.time_zone if person is not None else None)
        found = self._zones.get(place)
        if found is None:
            found = self._zones[place] = zone_of(program.settings, person, self.business)
        return found

    def go(self) -> None:
        self._begin_under_live()
        self._leave_if_gone()
        self._stop_or_reach_goal(self.runs)
        movable = [run for run in self.runs if run.live is not None]
        while active := [run for run in self.runs if not run.settled]:
            if moved := [run for run in movable if run.judged_by != run.program.version_id and not run.settled]:
                # What stops a run there, or is its goal, may have happened long ago.
                self._stop_or_reach_goal(moved)
                continue
            groups: dict[tuple[int, str], list[Run]] = defaultdict(list)
            for run in active:
                if run.steps_taken >= MAX_STEPS_AT_ONCE:
                    run.hold("held_error", error="too many steps without a wait")
                    continue
                assert run.step_id is not None
                groups[(run.program.version_id, run.step_id)].append(run)
            for (_, step_id), group in groups.items():
                self.taking = group[0].seq
                if self.broken is not None and self.taking == self.broken[0]:
                    hold_alone(group[0], self.broken[1])
                else:
                    self._take(group[0].program, step_id, group)
                self.taking = None
        self._write()

    def _begin_under_live(self) -> None:
        """A step that has not begun begins as it is written now: who was held by a mistake is freed by its mending."""
        for run in self.runs:
            if run.live is not None and not run.phase and run.step_id is not None:
                same = begins_as(run.program, run.live, run.step)
                if same is not None:
                    run.step_id = same
                    run.follow_live()

    def _leave_if_gone(self) -> None:
        for run in self.runs:
            if run.person is None or run.person.erased_at is not None:
                run.end("removed", "contact_erased", self.now)
            elif run.person.merged_into_id is not None:
                run.end("removed", "contact_merged", self.now)
            elif self.now - run.entered_at >= run.program.stays_at_least and self.now >= self.leave_at(run):
                run.end("stopped", "stayed_too_long", self.now)

    def leave_at(self, run: Run) -> datetime:
        return add(run.entered_at, run.program.leave_after, run.zone)

    def _stop_or_reach_goal(self, runs: Sequence[Run]) -> None:
        """stop_when and goal act on what has happened since entry, whatever order it arrived in."""
        active = [run for run in runs if not run.settled]
        for run in active:
            run.judged_by = run.program.version_id
        wanted = Needs()
        for program in {run.program.version_id: run.program for run in active}.values():
            wanted.add(program.history_needs)
        if not active or wanted == Needs():
            return
        if not any(run.program.stop_conditions for run in active):
            # Only what happened counts: nearly always nothing did, and then there is nothing to judge.
            since = min(run.entered_at for run in active) - REPORTED_LATE
            met = happened(self.session, {run.contact_id for run in active}, wanted.kinds, since)
            active = [run for run in active if run.contact_id in met]
            if not active:
                return
        for run, facts in zip(active, self.facts(active, wanted, since_entry=True), strict=True):
            try:
                found = stopped_by(run.program, facts, started_at(run.carried, run.entered_at))
            except UndecidedError as error:
                self.stand_undecided(run, error.tree)
                continue
            if found is not None:
                run.end("stopped", "stopped", self.now, **found)
                continue
            flips = [
                at
                for raw in run.program.stop_conditions
                if (at := next_change(raw["if"], facts, raw.get("check"), self.business)) is not None
            ]
            if flips:
                self._flips[run.id] = min(flips)
            goal = run.program.resolved.get("goal") or {}
            reached = reached_goal(goal, facts) if goal else None
            if not reached:
                continue
            if goal.get("stay"):
                run.data.setdefault("goal", reached)
            else:
                run.end("goal", "goal", self.now, **reached)

    def facts(
        self, runs: Sequence[Run], wanted: Needs, *, since_entry: bool = False, since_step: bool = False
    ) -> list[Facts]:
        """Facts for these runs. The bounds keep the reading of history short; without them all of it is read."""
        asking = [
            Asking(
                run.contact_id,
                run.program.settings,
                run.program.resolved["purpose"],
                run.id,
                run.event,
                run.values,
                run.entered_at,
                run.step_began_at,
                run.program,
                bool(run.carried.get("moved")),
            )
            for run in runs
        ]
        start: datetime | None = None
        if since_step:
            start = min(run.step_began_at for run in runs)
        elif since_entry and not any(run.program.stop_conditions for run in runs):
            start = min(run.entered_at for run in runs) - REPORTED_LATE
        found = load(
            self.session,
            asking,
            wanted,
            self.now,
            history_from=start,
            persons=self.persons,
            business=self.business,
        )
        if wanted.step_times:  # also the steps taken just now, which are not written yet
            for run, facts in zip(runs, found, strict=True):
                just_now = {
                    name_in(run.program, self._version(run, one), one.step_id): one.began_at for one in run.trace
                }
                facts.step_times = {**facts.step_times, **{name: at for name, at in just_now.items() if name}}
        return found

    def _version(self, run: Run, visit: Visit) -> Program:
        """The program under which a run of this batch made a visit."""
        return run.program if visit.version_id == run.program.version_id else self.programs[visit.version_id]

    def _take(self, program: Program, step_id: str, group: list[Run]) -> None:
        """One step for the runs that stand at it. Whose turn raises an error is held; the others go on."""
        step = program.steps[step_id]
        try:
            self._take_together(program, step, group)
        except Exception as error:
            broken = whose_turn(error, group)
            if broken is None or step["verb"] not in TOUCH_ONLY_THEIR_RUN:
                raise
            if broken.settled or broken.step_id != step_id:
                raise  # it was on its way already
            self.set_apart(broken, error)

    def set_apart(self, run: Run, error: Exception) -> None:
        """Hold this run at its step, whose work raised `error`; nothing of the step was written yet."""
        if is_the_databases(error):
            raise error
        visit = f"enrolment:{run.id}:{run.seq}"
        self.messages = [m for m in self.messages if f"{m.dedupe_key}:".partition(f"{visit}:")[1] == ""]
        hold_alone(run, error)

    def _take_together(self, program: Program, step: Mapping[str, Any], group: list[Run]) -> None:
        fresh = [run for run in group if not run.phase]
        if not step.get("enabled", True):
            group = [run for run in group if run.phase]
            for run in fresh:
                run.finish("passed_disabled", self.now)
        elif step.get("only_if") and fresh:
            for run, facts in zip(fresh, self.facts(fresh, program.step_needs(step)), strict=True):
                tree = judge(step["only_if"], facts)
                if tree["result"] is None:
                    self.stand_undecided(run, tree)
                elif not tree["result"]:
                    run.finish("passed_condition", self.now, condition=tree)
            group = [run for run in group if not run.settled and run.step_id == step["id"]]
        group = self._without_repeats(group)
        if group:
            VERBS[step["verb"]](self, step, group)

    def stand_undecided(self, run: Run, tree: Mapping[str, Any]) -> None:
        """A condition cannot be judged now: the run stands where it is and looks again, and an issue says why."""
        self.tell_undecided(tree)
        run.stand(self.undecided_until)

    def tell_undecided(self, tree: Mapping[str, Any]) -> None:
        """Raise the issue about a source that is silent or a plugin that is away, once a batch."""
        what = why_undecided(tree)
        if what not in self._told:
            self._told.add(what)
            tell_undecided(self.session, tree, self.now)

    @property
    def undecided_until(self) -> datetime:
        return self.now + LOOK_AGAIN

    def _without_repeats(self, group: list[Run]) -> list[Run]:
        """What a run has behind it is passed over when an edit put it in front again. `go_to` may repeat."""
        moved = [run for run in group if not run.phase and run.carried.get("moved")]
        if not moved:
            return group
        rows = self.connection.execute(
            select(StepRun.enrolment_id, StepRun.version_id, StepRun.step_id, StepRun.detail)
            .where(StepRun.enrolment_id.in_([run.id for run in moved]))
            .order_by(StepRun.enrolment_id, StepRun.seq)
        ).all()
        known = programs(self.session, {row.version_id for row in rows})
        visits: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
        for row in rows:
            visits[row.enrolment_id].append(visit(known[row.version_id], row.step_id, row.detail))
        kept = []
        for run in group:
            now = [visit(known.get(one.version_id, run.program), one.step_id or "", one.detail) for one in run.trace]
            if run in moved and key_of(run.step) in already_done([*visits[run.id], *now]):
                run.finish("already_done", self.now)
            else:
                kept.append(run)
        return kept

    def _write(self) -> None:
        go_by_on_error(self.session, self.runs, self.now)
        if self.messages:
            store_messages(self)
        trace = [row for run in self.runs for row in run.trace]
        if trace:
            put_rows(self.connection, StepRun, TRACE_COLUMNS, trace)
        hold_with_issues(self.session, self.runs, self.now)
        ended: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in self.runs:
            if run.status not in ("active", "held"):
                ended[(run.status, run.reason or "")].append(run)
        self._write_runs()
        for (status, reason), runs in ended.items():
            end_runs(
                self.session,
                [run.id for run in runs],
                status,
                reason,
                self.now,
                detail={run.id: dict(run.end_detail) for run in runs},
            )

    def _write_runs(self) -> None:
        """Where each run stands now. What it carries along, and its version, only where they may have changed.

        Most of those who take a step together come to stand alike, and one statement writes them.
        """
        alike: dict[Any, list[Run]] = defaultdict(list)
        apart: list[Sequence[Any]] = []
        carrying: list[Sequence[Any]] = []
        for run, version_id in zip(self.runs, self._versions, strict=True):
            step_id, began_at, seq, phase, due_at, wait = place = self._place(run)
            if run.has_data or run.program.version_id != version_id:
                carrying.append((run.program.version_id, run.data, *place, run.id))
            else:
                alike[(step_id, began_at, seq, phase, due_at, to_json(wait))].append(run)
        for runs in alike.values():
            if len(runs) < ALIKE:
                apart += [(*self._place(run), run.id) for run in runs]
            else:
                place = self._place(runs[0])
                update_alike(self.connection, Enrolment, ENROLMENT_COLUMNS, place, [run.id for run in runs])
        update_rows(self.connection, Enrolment, ENROLMENT_COLUMNS, apart)
        update_rows(self.connection, Enrolment, ("version_id", "data", *ENROLMENT_COLUMNS), carrying)

    def _place(self, run: Run) -> tuple[Any, ...]:
        """The values of ENROLMENT_COLUMNS."""
        return (run.step_id, run.step_began_at, run.seq, run.phase, self._due(run), run.wait)

    def _due(self, run: Run) -> datetime | None:
        due_at, flips_at = self._due_by_itself(run), self._flips.get(run.id)
        if flips_at is None or run.status != "active":
            return due_at
        return flips_at if due_at is None else min(due_at, flips_at)

    def _due_by_itself(self, run: Run) -> datetime | None:
        if run.due_at is None or run.due_at - run.entered_at <= run.program.stays_at_least:
            return run.due_at
        return min(run.due_at, max(self.leave_at(run), self.now + timedelta(seconds=1)))


def started_at(data: Mapping[str, Any], entered_at: datetime) -> datetime:
    """When the event happened that started a run with this `data`; it may have been routed long after that."""
    return from_micros(data["at"]) if data.get("at") is not None else entered_at


def stopped_by(program: Program, facts: Facts, since: datetime) -> dict[str, Any] | None:
    """The stop that has happened since (see `started_at`): its event, words and kind, or None.

    One that happened between the starting event and our entry, and is told only now, is a stop as well.
    """
    for trigger in program.stops:
        for event in facts.history:
            if (
                event.kind == trigger.kind
                and event.occurred_at >= since
                and event_matches(trigger.where, event.data, facts)
            ):
                return {"because": trigger.reason or trigger.name, "event": event.id}
    for raw in program.stop_conditions:
        if holds(raw["if"], facts):
            return {"because": raw.get("reason") or "condition"}
    return None


def reached_goal(goal: Mapping[str, Any], facts: Facts) -> dict[str, Any] | None:
    """The event that fulfils the goal, with the amount it adds, or None."""
    assert facts.entered_at is not None
    limit = add(facts.entered_at, goal["within"], facts.zone) if goal.get("within") else None
    for event in facts.history:
        if event.kind != goal["event"] or event.occurred_at < facts.entered_at:
            continue
        if limit is not None and event.occurred_at > limit:
            continue
        if event_matches(goal.get("where") or (), event.data, facts):
            amount = event.data.get((goal.get("sum") or "").removeprefix("event.")) if goal.get("sum") else None
            return {"event": event.id, "kind": event.kind, "amount": amount, "at": event.occurred_at.isoformat()}
    return None
