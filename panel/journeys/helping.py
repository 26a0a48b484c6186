"""Helping many contacts at once who stand still: try again, skip the step, move to another step, end.

Each writes the trace, the audit trail and all changes for everybody it is about in a few statements, thousands at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.copying import put_rows
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.issues.models import Issue
from panel.journeys.by_hand import retry
from panel.journeys.engine.advance import TRACE_COLUMNS
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.following import key_of, pointer
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.watchdog import queries
from panel.journeys.models import Enrolment, Journey, StepRun
from panel.journeys.reasons import PAUSED
from panel.messages.models import Message
from panel.staff.audit import record_audit
from panel.staff.models import User

RUNS, MESSAGES = table_of(Enrolment), table_of(Message)
PART = 5_000
# The watchdog's findings that are about runs, and the query that finds them.
FOUND = {
    "watchdog_stranded": "stranded",
    "watchdog_sending": "sending",
    "watchdog_late": "late",
    "watchdog_held": "held",
}


@dataclass(frozen=True)
class Place:
    """Where some of them stand."""

    journey_id: str
    step_id: str
    reason: str
    count: int


def behind(issue: Issue | None, now: datetime) -> Select[Any]:
    """The ids of the open runs that an issue is about; of all that stand still when it is None."""
    if issue is None:
        # Whom a person paused nobody has to help.
        return select(Enrolment.id).where(Enrolment.status == "held", func.coalesce(Enrolment.reason, "") != PAUSED)
    if issue.code in FOUND:
        return queries(now)[FOUND[issue.code]]
    return select(Enrolment.id).where(Enrolment.status == "held", Enrolment.held_issue == issue.id)


def places(session: Session, which: Select[Any]) -> list[Place]:
    """How many stand where, most first."""
    rows = session.execute(
        select(Enrolment.journey_id, Enrolment.step_id, Enrolment.reason, func.count())
        .where(Enrolment.id.in_(which))
        .group_by(Enrolment.journey_id, Enrolment.step_id, Enrolment.reason)
        .order_by(func.count().desc())
    )
    return [Place(journey, step or "", reason or "", count) for journey, step, reason, count in rows]


def ids_of(session: Session, which: Select[Any]) -> list[int]:
    return list(session.scalars(which))


def try_again(session: Session, ids: Sequence[int], *, by: User | None = None, now: datetime | None = None) -> int:
    """Held ones try again; active ones that stand still look again."""
    moment, done = now or clock.now(), 0
    for part in _parts(ids):
        done += retry(session, part, now=moment)
        done += (
            connection_of(session)
            .execute(
                update(RUNS)
                .where(RUNS.c.id.in_(part), RUNS.c.status == "active", RUNS.c.due_at.is_(None))
                .values(due_at=moment)
            )
            .rowcount
        )
    _audit(session, "runs_retried", by, done, moment)
    return done


def skip_step(session: Session, ids: Sequence[int], *, by: User | None = None, now: datetime | None = None) -> int:
    """Go on after the step they stand at, without doing it. What it had queued is cancelled."""
    moment, done = now or clock.now(), 0
    for part in _parts(ids):
        rows = _open(session, part)
        known = programs(session, {row["version_id"] for row in rows})
        targets = {}
        for row in rows:
            step = known[row["version_id"]].steps[row["step_id"]]
            targets[row["id"]] = (known[row["version_id"]], pointer(step, "next"))
        done += _go_on(session, rows, known, targets, "skipped_by_person", by, moment)
    _audit(session, "runs_skipped", by, done, moment)
    return done


def move_to(
    session: Session, ids: Sequence[int], step_id: str, *, by: User | None = None, now: datetime | None = None
) -> int:
    """Put them before a step of the live version, wherever they stood. All must be in the same journey."""
    moment, done = now or clock.now(), 0
    for part in _parts(ids):
        rows = _open(session, part)
        if not rows:
            continue
        if len({row["journey_id"] for row in rows}) > 1:
            raise UserError("several_journeys", N_("They are in several journeys; choose those of one journey first."))
        journey = session.get_one(Journey, rows[0]["journey_id"])
        known = programs(session, {row["version_id"] for row in rows} | {journey.live_version_id or 0})
        live = known[journey.live_version_id or 0]
        if step_id not in live.steps:
            raise UserError("no_such_step", N_("There is no step “%(step)s” in this journey."), step=step_id)
        targets: dict[int, tuple[Program, str | None]] = {row["id"]: (live, step_id) for row in rows}
        done += _go_on(session, rows, known, targets, "moved_by_person", by, moment)
    _audit(session, "runs_moved", by, done, moment, step=step_id)
    return done


def end(session: Session, ids: Sequence[int], *, by: User | None = None, now: datetime | None = None) -> int:
    """Take them out of their journeys."""
    moment, done = now or clock.now(), 0
    for part in _parts(ids):
        rows = _open(session, part)
        done += len(rows)
        _cancel(session, [row["id"] for row in rows])
        end_runs(
            session, [row["id"] for row in rows], "removed", "removed_by_person", moment, user_id=by.id if by else None
        )
    _audit(session, "runs_ended", by, done, moment)
    return done


def _parts(ids: Sequence[int]) -> list[list[int]]:
    unique = sorted(set(ids))
    return [unique[start : start + PART] for start in range(0, len(unique), PART)]


def _open(session: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    return rows_of(
        session,
        select(RUNS)
        .where(RUNS.c.id.in_(ids), RUNS.c.status.in_(("active", "held")), RUNS.c.step_id.is_not(None))
        .order_by(RUNS.c.id)
        .with_for_update(),
    )


def _go_on(
    session: Session,
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[int, Program],
    targets: Mapping[int, tuple[Program, str | None]],
    outcome: str,
    by: User | None,
    now: datetime,
) -> int:
    """Write the visit that a person ended, and stand before the target; without one the run is over."""
    connection = connection_of(session)
    _cancel(session, [row["id"] for row in rows])
    trace, moves = [], []
    over: list[int] = []
    for row in rows:
        own = known[row["version_id"]]
        step = own.steps.get(row["step_id"], {"id": row["step_id"], "verb": "", "path": ""})
        program, target = targets[row["id"]]
        detail: dict[str, Any] = {"by": by.id if by else None}
        if outcome == "moved_by_person" and target is not None:
            # A person who sends somebody back means it: what follows may come again.
            detail |= {"target": target, "target_key": key_of(program.steps[target])}
        trace.append(
            (row["id"], row["seq"], row["step_id"], step["path"], row["version_id"], step["verb"], outcome,
             row["reason"], detail, row["step_began_at"], now)
        )  # fmt: skip
        if target is None:
            over.append(row["id"])
        data = {**(row["data"] or {}), "moved": True}
        moves.append(
            {
                "r_id": row["id"],
                "r_version": program.version_id,
                "r_step": target,
                "r_seq": row["seq"] + 1,
                "r_data": data,
            }
        )
    if not rows:
        return 0
    put_rows(connection, StepRun, TRACE_COLUMNS, trace)
    connection.execute(
        update(RUNS)
        .where(RUNS.c.id == bindparam("r_id"))
        .values(
            version_id=bindparam("r_version"),
            step_id=bindparam("r_step"),
            seq=bindparam("r_seq"),
            data=bindparam("r_data"),
            step_began_at=now,
            phase="",
            wait={},
            status="active",
            reason=None,
            held_issue=None,
            due_at=now,
        ),
        moves,
    )
    if over:
        end_runs(session, over, "finished", "finished", now, user_id=by.id if by else None)
    return len(rows)


def _cancel(session: Session, enrolment_ids: Sequence[int]) -> None:
    """What has not left yet does not leave. In doubt stays in doubt: it may have gone."""
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.enrolment_id.in_(enrolment_ids), MESSAGES.c.status.in_(("queued", "held", "claimed")))
        .values(status="cancelled", reason="cancelled_by_person", lease_until=None)
    )


def _audit(session: Session, action: str, by: User | None, count: int, now: datetime, **detail: Any) -> None:
    if count:
        record_audit(session, action=action, user=by, subject=str(count), detail={"count": count, **detail}, at=now)


def issues_of(session: Session, ids: Sequence[int]) -> list[Issue]:
    """The open issues behind which these runs stand still."""
    found: dict[int, Issue] = {}
    for part in _parts(ids):
        which = select(Enrolment.held_issue).where(Enrolment.id.in_(part), Enrolment.status == "held")
        for one in session.scalars(select(Issue).where(Issue.id.in_(which), Issue.state == "open")):
            found[one.id] = one
    return list(found.values())


def settle_what_is_done(session: Session, issues: Iterable[Issue], now: datetime) -> None:
    """`settle_if_done` for several, in the order of their ids: two colleagues wait for each other instead of
    deadlocking."""
    for _, issue in sorted({issue.id: issue for issue in issues}.items()):
        settle_if_done(session, issue, now)


def settle_if_done(session: Session, issue: Issue, now: datetime) -> None:
    """The issue is settled when nobody is behind it any more."""
    if session.execute(behind(issue, now).limit(1)).first() is None:
        issue.state = "resolved"
