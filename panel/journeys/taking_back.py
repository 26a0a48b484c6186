"""Taking back what a person did with a run: a skipped step, a move, a start; and a task that a run stood at.

After each of them the run rests for the seconds in which it can be taken back, so that there is something to take back.
Once a worker has taken the next step nothing is changed any more, and it is said so: what has gone out has gone out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, rows_of
from panel.errors import UserError
from panel.i18n import N_
from panel.issues.models import Issue
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.entry import Outcome
from panel.journeys.models import StepRun
from panel.journeys.pausing import MESSAGES, NOT_OUT_YET, OPEN, RUNS, Done, locked, messages_of, move, skip, tell
from panel.journeys.reasons import START_TAKEN_BACK
from panel.messages.personal import UNDO_FOR
from panel.staff.audit import record_audit
from panel.staff.models import User

GONE_ON = N_("Too late: the journey has gone on in the meantime.")
BEGUN = N_("Too late: the journey has begun its first step. Nothing was changed; the contact can be taken out of it.")
_PLACE = ("version_id", "step_id", "seq", "phase", "wait", "status", "reason", "held_issue")
_MOMENTS = ("due_at", "step_began_at")


def skip_for_now(
    session: Session, enrolment_id: int, *, seen: int | None = None, by: User | None = None, now: datetime | None = None
) -> tuple[Done, bool]:
    """`pausing.skip`, and whether it can be taken back: not when the journey is over with it."""
    moment = now or clock.now()
    return _step(
        session,
        enrolment_id,
        "skip",
        seen,
        by,
        moment,
        lambda: skip(session, enrolment_id, seen=seen, by=by, now=moment),
    )


def move_for_now(
    session: Session,
    enrolment_id: int,
    step_id: str,
    *,
    seen: int | None = None,
    by: User | None = None,
    now: datetime | None = None,
) -> tuple[Done, bool]:
    """`pausing.move`, and whether it can be taken back."""
    moment = now or clock.now()
    return _step(
        session, enrolment_id, f"move:{step_id}", seen, by, moment,
        lambda: move(session, enrolment_id, step_id, seen=seen, by=by, now=moment),
    )  # fmt: skip


def step_back(session: Session, enrolment_id: int, *, by: User | None = None, now: datetime | None = None) -> Done:
    """Undo a skipped step or a move: the run stands where it stood, with the same moment and the same messages.

    Raises UserError, and changes nothing, when anything has happened to the run since.
    """
    moment = now or clock.now()
    try:
        run, program = locked(session, enrolment_id)
    except UserError as error:
        raise UserError("gone_on", GONE_ON) from error
    kept = (run["data"] or {}).get("stepped") or {}
    if not kept or _stands(run) != kept["left"]:
        raise UserError("gone_on", GONE_ON)
    connection = connection_of(session)
    for row in messages_of(session, enrolment_id, MESSAGES.c.status == "cancelled"):
        status, reason = kept["messages"].get(str(row["id"]), (None, None))
        if status is not None and row["reason"] == "cancelled_by_person":
            again = "queued" if status == "claimed" else status
            connection.execute(update(MESSAGES).where(MESSAGES.c.id == row["id"]).values(status=again, reason=reason))
    was = kept["was"]
    # The visit that the person ended is not over after all; it is written when it is.
    connection.execute(delete(StepRun).where(StepRun.enrolment_id == enrolment_id, StepRun.seq == was["seq"]))
    values = {name: was[name] for name in _PLACE}
    values |= {name: datetime.fromisoformat(was[name]) if was[name] else None for name in _MOMENTS}
    if was["status"] == "active" and run["due_at"] is not None and run["due_at"] <= moment:
        # Something has told it to look again meanwhile (an event, the end of its message): at its old place it looks.
        values["due_at"] = moment
    data = {name: value for name, value in run["data"].items() if name not in ("stepped", "moved")}
    if kept["moved"]:
        data["moved"] = True
    connection.execute(update(RUNS).where(RUNS.c.id == enrolment_id).values(**values, data=data))
    issue = session.get(Issue, was["held_issue"]) if was["held_issue"] else None
    if issue is not None and issue.state == "resolved":
        issue.state = "open"
    tell(session, "journey_step_back", run, program, moment, by)
    record_audit(session, action="run_stepped_back", user=by, subject=str(enrolment_id), detail={}, at=moment)
    return Done(program.resolved["name"], "")


def start_for_now(
    session: Session, contact_id: int, journey_id: str, *, user_id: int | None = None, now: datetime | None = None
) -> Outcome:
    """`by_hand.start_by_hand`; the first step is taken when it can no longer be taken back."""
    moment = now or clock.now()
    outcome = start_by_hand(session, contact_id, journey_id, user_id=user_id, now=moment)
    if outcome.enrolment_id is None:
        return outcome
    mine = RUNS.c.id == outcome.enrolment_id
    connection_of(session).execute(update(RUNS).where(mine).values(due_at=moment + UNDO_FOR))
    restarted = select(RUNS.c.id).where(
        RUNS.c.journey_id == journey_id,
        RUNS.c.contact_id == contact_id,
        RUNS.c.ended_at == moment,
        RUNS.c.reason == "restarted",
    )
    ended = connection_of(session).execute(restarted).scalar()
    return outcome if ended is None else replace(outcome, detail={**outcome.detail, "restarted": ended})


def undo_start(session: Session, enrolment_id: int, *, by: User | None = None, now: datetime | None = None) -> str:
    """Take back a start by hand before its first step: it does not count as having been in the journey. The journey's
    name. Raises UserError, and changes nothing, when the first step was taken."""
    moment = now or clock.now()
    try:
        run, program = locked(session, enrolment_id)
    except UserError as error:
        raise UserError("gone_on", GONE_ON) from error
    if run["seq"] or run["phase"] or run["entered_event"] is not None or "by" not in (run["data"] or {}):
        raise UserError("begun", BEGUN)
    end_runs(session, [enrolment_id], "removed", START_TAKEN_BACK, moment, user_id=by.id if by else None)
    record_audit(session, action="start_taken_back", user=by, subject=str(enrolment_id), detail={}, at=moment)
    return str(program.resolved["name"])


def rest_after_task(session: Session, enrolment_ids: Collection[int], now: datetime) -> None:
    """A person closed the tasks at which these runs stand: they go on when it can no longer be taken back."""
    standing = RUNS.c.id.in_(enrolment_ids), RUNS.c.status == "active", RUNS.c.phase == "waiting"
    if enrolment_ids:
        connection_of(session).execute(update(RUNS).where(*standing).values(due_at=now + UNDO_FOR))


def hold_at_task(session: Session, enrolment_id: int, step_id: str | None) -> None:
    """The task at which a run stood is open again: the run goes on standing there.

    Raises UserError when it has gone on, or a worker has it in hand. The task must be locked already.
    """
    found = rows_of(session, select(RUNS).where(RUNS.c.id == enrolment_id).with_for_update(skip_locked=True))
    run = found[0] if found else None
    if run is None or run["status"] not in OPEN or run["phase"] != "waiting" or run["step_id"] != step_id:
        raise UserError("gone_on", GONE_ON)
    if (run["wait"] or {}).get("kind") != "task":
        raise UserError("gone_on", GONE_ON)


def _step(
    session: Session,
    enrolment_id: int,
    what: str,
    seen: int | None,
    by: User | None,
    now: datetime,
    act: Callable[[], Done],
) -> tuple[Done, bool]:
    run, program = locked(session, enrolment_id)
    before = (run["data"] or {}).get("stepped") or {}
    if before and before["what"] == what and before["was"]["seq"] == seen and _stands(run) == before["left"]:
        return Done(program.resolved["name"], before["step"]), True  # a second click
    planned = messages_of(session, enrolment_id, MESSAGES.c.status.in_((*NOT_OUT_YET, "held")))
    done = act()
    mine = RUNS.c.id == enrolment_id
    [after] = rows_of(session, select(RUNS).where(mine))
    if after["status"] not in OPEN:
        return done, False
    was: dict[str, Any] = {name: run[name] for name in _PLACE}
    was |= {name: run[name].isoformat() if run[name] else None for name in _MOMENTS}
    kept = {
        "what": what,
        "step": done.step,
        "was": was,
        "left": _stands(after),
        "moved": bool((run["data"] or {}).get("moved")),
        "messages": {str(row["id"]): [row["status"], row["reason"]] for row in planned},
    }
    values = {"data": {**after["data"], "stepped": kept}}
    connection_of(session).execute(update(RUNS).where(mine).values(**values))
    resting = mine, RUNS.c.status == "active"
    connection_of(session).execute(update(RUNS).where(*resting).values(due_at=now + UNDO_FOR))
    return done, True


def _stands(run: Mapping[str, Any]) -> list[Any]:
    """Where a run stands, so that any move of it shows."""
    return [run["seq"], run["version_id"], run["step_id"], run["phase"], run["status"], run["reason"]]
