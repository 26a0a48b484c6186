"""Advance: due runs take their steps until they must wait. One transaction per batch, no lease.

Runs at the same step of the same version go together: conditions are judged on facts loaded for all of them, writes are
made for all of them. An error halves the batch until the run that causes it is alone; that one is held with an issue.
"""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from panel import clock
from panel.copying import put_rows, update_rows
from panel.db import rows_of, table_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine import crash
from panel.journeys.engine.conditions import Facts, Needs, event_matches, holds
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.facts import Asking, Company, company, load, people, zone_of
from panel.journeys.engine.lengths import add
from panel.journeys.engine.programs import Program, live, programs
from panel.journeys.engine.runs import MAX_STEPS_AT_ONCE, Run
from panel.journeys.engine.turns import repeat
from panel.journeys.engine.verbs import VERBS
from panel.journeys.engine.verbs.sending import store_messages
from panel.journeys.models import Enrolment, Journey, StepRun

BATCH = 500
TRACE_COLUMNS = (
    *("enrolment_id", "seq", "step_id", "path", "version_id", "kind", "outcome", "reason", "detail", "began_at"),
    "ended_at",
)
ENROLMENT_COLUMNS = ("version_id", "step_id", "step_began_at", "seq", "phase", "due_at", "wait", "data")
log = logging.getLogger(__name__)

HOLD_SENTENCES = {
    "held_missing_template": N_(
        "%(journey)s, step %(step)s: there is no template called %(template)s. Create it, then retry."
    ),
    "held_missing_field": N_(
        "%(journey)s, step %(step)s: %(contact)s has no value for %(field)s. Fill it in, then retry."
    ),
    "held_plugin": N_(
        "%(journey)s, step %(step)s: the channel %(channel)s is not available. Switch its plugin on, then retry."
    ),
    "held_error": N_("%(journey)s, step %(step)s could not be carried out: %(error)s"),
    "held_unknown": N_(
        "%(journey)s, step %(step)s: we do not know whether the message went out. Decide, then it goes on."
    ),
}


def run(limit_seconds: float, argument: str = "") -> bool:
    """Advance what is due for about `limit_seconds`; True when more may be due."""
    return repeat(advance, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """How many runs are due (counted up to 20,000), for the ticker."""
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    some = (
        select(Enrolment.id)
        .where(Enrolment.status == "active", Enrolment.due_at <= now, Enrolment.journey_id.not_in(paused))
        .limit(20_000)
    )
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def advance(limit: int = BATCH) -> int:
    """Advance up to `limit` due runs; returns how many were looked at. Needs an application context."""
    with writing() as session:
        done = advance_in(session, limit)
        crash.point("before_advance_commit")
    crash.point("after_advance_commit")
    return done


def advance_in(session: Session, limit: int = BATCH) -> int:
    """The same within the caller's transaction (a simulation's, which is rolled back)."""
    now = clock.now()
    rows = _claim(session, limit, now)
    if rows:
        _advance(session, rows, now)
    return len(rows)


def _claim(session: Session, limit: int, now: datetime) -> list[Any]:
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    query = (
        select(table_of(Enrolment))
        .where(
            Enrolment.status == "active",
            Enrolment.due_at <= now,
            Enrolment.journey_id.not_in(paused),
        )
        .order_by(Enrolment.priority, Enrolment.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return rows_of(session, query)


def _advance(session: Session, rows: Sequence[Any], now: datetime) -> None:
    try:
        with session.begin_nested():
            Batch(session, rows, now).go()
    except DBAPIError:
        raise  # the database's own trouble: the whole transaction is tried again
    except Exception as error:
        if len(rows) == 1:
            _hold_broken(session, rows[0], error, now)
            return
        middle = len(rows) // 2
        _advance(session, rows[:middle], now)
        _advance(session, rows[middle:], now)


def _hold_broken(session: Session, row: Mapping[str, Any], error: Exception, now: datetime) -> None:
    log.error("run %s of %s held: %s", row["id"], row["journey_id"], traceback.format_exc())
    issue = _issue(
        session,
        row["journey_id"],
        row["step_id"],
        "held_error",
        {"error": f"{type(error).__name__}: {error}"[:300]},
        now,
    )
    session.execute(
        update(Enrolment)
        .where(Enrolment.id == row["id"])
        .values(status="held", reason="held_error", due_at=None, held_issue=issue)
    )


def _issue(
    session: Session, journey_id: str, step_id: str | None, code: str, params: Mapping[str, Any], now: datetime
) -> int:
    return raise_issue(
        session,
        f"{code}:{journey_id}:{step_id}",
        code=code,
        sentence=HOLD_SENTENCES[code],
        params={"journey": journey_id, "step": step_id, **params},
        journey_id=journey_id,
        step_id=step_id,
        now=now,
    ).id


class Batch:
    """Some due runs, taken through their steps together."""

    def __init__(self, session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
        self.session, self.now = session, now
        self.connection = session.connection()
        self.business: Company = company(session)
        self.persons = people(session, {row["contact_id"] for row in rows})
        self.programs = programs(session, {row["version_id"] for row in rows})
        self.live: dict[str, Program] = {one.id: one.program for one in live(session)}
        self.runs = [self._run(row) for row in rows]
        self.messages: list[dict[str, Any]] = []

    def _run(self, row: Mapping[str, Any]) -> Run:
        program = self.programs[row["version_id"]]
        person = self.persons.get(row["contact_id"])
        zone, zone_from = zone_of(program.settings, person, self.business)
        newest = self.live.get(row["journey_id"])
        follows = newest is not None and newest.settings.get("when_edited", "follow") == "follow"
        return Run(
            id=row["id"],
            journey_id=row["journey_id"],
            contact_id=row["contact_id"],
            program=program,
            step_id=row["step_id"],
            phase=row["phase"],
            seq=row["seq"],
            entered_at=row["entered_at"],
            step_began_at=row["step_began_at"],
            wait=dict(row["wait"] or {}),
            data=dict(row["data"] or {}),
            depth=row["depth"],
            priority=row["priority"],
            person=person,
            zone=zone,
            zone_from=zone_from,
            live=newest if follows and newest is not None and newest.version_id != program.version_id else None,
        )

    def go(self) -> None:
        self._leave_if_gone()
        self._stop_or_reach_goal()
        while active := [run for run in self.runs if not run.settled]:
            groups: dict[tuple[int, str], list[Run]] = defaultdict(list)
            for run in active:
                if run.steps_taken >= MAX_STEPS_AT_ONCE:
                    run.hold("held_error", error="too many steps without a wait")
                    continue
                assert run.step_id is not None
                groups[(run.program.version_id, run.step_id)].append(run)
            for (_, step_id), group in groups.items():
                self._take(group[0].program, step_id, group)
        self._write()

    def _leave_if_gone(self) -> None:
        for run in self.runs:
            if run.person is None or run.person.erased_at is not None:
                run.end("removed", "contact_erased", self.now)
            elif run.person.merged_into_id is not None:
                run.end("removed", "contact_merged", self.now)
            elif self.now >= self.leave_at(run):
                run.end("stopped", "stayed_too_long", self.now)

    def leave_at(self, run: Run) -> datetime:
        return add(run.entered_at, run.program.settings.get("leave_after") or {"months": 12}, run.zone)

    def _stop_or_reach_goal(self) -> None:
        """stop_when and goal act on what has happened since entry, whatever order it arrived in."""
        active = [run for run in self.runs if not run.settled]
        wanted = Needs()
        for program in {run.program.version_id: run.program for run in active}.values():
            wanted.add(program.history_needs)
        if not active or wanted == Needs():
            return
        for run, facts in zip(active, self.facts(active, wanted, since_entry=True), strict=True):
            found = stopped_by(run.program, facts)
            if found is not None:
                run.end("stopped", "stopped", self.now, **found)
                continue
            goal = run.program.resolved.get("goal") or {}
            reached = reached_goal(goal, facts, run) if goal else None
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
            )
            for run in runs
        ]
        start: datetime | None = None
        if since_step:
            start = min(run.step_began_at for run in runs)
        elif since_entry and not any(run.program.stop_conditions for run in runs):
            start = min(run.entered_at for run in runs)
        return load(
            self.session,
            asking,
            wanted,
            self.now,
            history_from=start,
            persons=self.persons,
            business=self.business,
        )

    def _take(self, program: Program, step_id: str, group: list[Run]) -> None:
        step = program.steps[step_id]
        fresh = [run for run in group if not run.phase]
        if not step.get("enabled", True):
            for run in fresh:
                run.finish("passed_disabled", self.now)
            group = [run for run in group if run not in fresh]
            fresh = []
        elif step.get("only_if") and fresh:
            for run, facts in zip(fresh, self.facts(fresh, program.step_needs(step)), strict=True):
                if not holds(step["only_if"], facts):
                    run.finish("passed_condition", self.now)
                    group = [one for one in group if one is not run]
        group = self._without_repeats(group)
        if group:
            VERBS[step["verb"]](self, step, group)

    def _without_repeats(self, group: list[Run]) -> list[Run]:
        """A step that already ran in this run is passed over, except through `go_to` (only moved runs can meet one)."""
        moved = [run for run in group if run.live is not None and not run.phase and not run.data.get("visits")]
        if not moved:
            return group
        rows = self.connection.execute(
            select(StepRun.enrolment_id, StepRun.step_id).where(StepRun.enrolment_id.in_([run.id for run in moved]))
        )
        done: dict[int, set[str]] = defaultdict(set)
        for enrolment_id, done_step in rows:
            done[enrolment_id].add(done_step)
        kept = []
        for run in group:
            ran = run.step_id in done[run.id] or any(t["step_id"] == run.step_id for t in run.trace)
            if run in moved and ran:
                run.finish("already_done", self.now)
            else:
                kept.append(run)
        return kept

    def _write(self) -> None:
        if self.messages:
            store_messages(self)
        trace = [row for run in self.runs for row in run.trace]
        if trace:
            put_rows(self.connection, StepRun, TRACE_COLUMNS, map(itemgetter(*TRACE_COLUMNS), trace))
        self._hold_with_issues()
        ended: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in self.runs:
            if run.status not in ("active", "held"):
                ended[(run.status, run.reason or "")].append(run)
        update_rows(
            self.connection,
            Enrolment,
            ENROLMENT_COLUMNS,
            [
                (run.id, run.program.version_id, run.step_id, run.step_began_at, run.seq, run.phase, self._due(run),
                 run.wait, run.data)
                for run in self.runs
            ],
        )  # fmt: skip
        for (status, reason), runs in ended.items():
            end_runs(
                self.session,
                [run.id for run in runs],
                status,
                reason,
                self.now,
                detail={run.id: run.end_detail for run in runs},
            )

    def _due(self, run: Run) -> datetime | None:
        if run.due_at is None:
            return None
        return min(run.due_at, max(self.leave_at(run), self.now + timedelta(seconds=1)))

    def _hold_with_issues(self) -> None:
        for run in self.runs:
            if run.status == "held" and run.hold_code:
                name = run.person.name if run.person else ""
                issue = _issue(
                    self.session,
                    run.journey_id,
                    run.step_id,
                    run.hold_code,
                    {"contact": name, "template": "", "field": "", "channel": "", "error": "", **run.hold_params},
                    self.now,
                )
                self.connection.execute(
                    update(Enrolment)
                    .where(Enrolment.id == run.id)
                    .values(status="held", reason=run.hold_code, held_issue=issue)
                )


def stopped_by(program: Program, facts: Facts) -> dict[str, Any] | None:
    """The stop that has happened since entry: its event, words and kind, or None."""
    for trigger in program.stops:
        for event in facts.history:
            if (
                event.kind == trigger.kind
                and (facts.entered_at is None or event.occurred_at >= facts.entered_at)
                and event_matches(trigger.where, event.data, facts)
            ):
                return {"because": trigger.reason or trigger.name, "event": event.id}
    for raw in program.stop_conditions:
        if holds(raw["if"], facts):
            return {"because": raw.get("reason") or "condition"}
    return None


def reached_goal(goal: Mapping[str, Any], facts: Facts, run: Run) -> dict[str, Any] | None:
    """The event that fulfils the goal, with the amount it adds, or None."""
    limit = add(run.entered_at, goal["within"], run.zone) if goal.get("within") else None
    for event in facts.history:
        if event.kind != goal["event"] or event.occurred_at < run.entered_at:
            continue
        if limit is not None and event.occurred_at > limit:
            continue
        if event_matches(goal.get("where") or (), event.data, facts):
            amount = event.data.get((goal.get("sum") or "").removeprefix("event.")) if goal.get("sum") else None
            return {"event": event.id, "kind": event.kind, "amount": amount, "at": event.occurred_at.isoformat()}
    return None
