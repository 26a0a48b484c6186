"""One run in a person's hands: paused where it stands, let go on, moved along, taken out, put back.

A paused run is held without an issue: nobody has to mend anything, a person has only to say "go on". No worker takes it
in hand meanwhile, and what it had planned waits with it. Time goes on: it is resumed like after an outage. What is due
is looked at once, and a message that has become too late by the journey's own rule is not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.issues.models import Issue
from panel.journeys import helping
from panel.journeys.engine.following import key_of
from panel.journeys.engine.programs import Program, programs
from panel.journeys.models import Enrolment, Journey
from panel.journeys.reasons import PAUSED
from panel.messages.models import Message
from panel.staff.audit import record_audit
from panel.staff.models import User
from panel.timeline.operations import NewEvent, record_many

RUNS, MESSAGES = table_of(Enrolment), table_of(Message)
OPEN = ("active", "held")
NOT_OUT_YET = ("queued", "claimed")
PUT_BACK_WITHIN = timedelta(hours=1)
INSIDE_AGAIN = N_("This contact has entered the journey again meanwhile.")


@dataclass(frozen=True)
class Done:
    """What a person did with a run. `on_the_way`: messages that had left already, or are leaving just now."""

    journey: str
    step: str
    on_the_way: int = 0


def is_paused(run: Any) -> bool:
    """Whether a person paused this run (an Enrolment, or a row with its columns)."""
    return bool(run.status == "held" and run.reason == PAUSED)


def pause(
    session: Session, enrolment_id: int, *, by: User | None = None, why: str = "", now: datetime | None = None
) -> Done:
    """Let a run stand where it is until somebody says "go on". Pausing twice changes nothing.

    Raises UserError when the run is over, or stands still for another reason.
    """
    moment = now or clock.now()
    run, program = locked(session, enrolment_id)
    if run["status"] == "held":
        if run["reason"] == PAUSED:
            return _done(session, run, program)
        raise UserError("stands_still", N_("This run stands still already: it waits for somebody to help."))
    connection = connection_of(session)
    # Claimed is in a worker's hands but has not left: it finds it gone when it comes to mark it.
    for row in messages_of(session, enrolment_id, MESSAGES.c.status.in_(NOT_OUT_YET)):
        kept = {**(row["detail"] or {}), "before_pause": row["reason"]}
        connection.execute(
            update(MESSAGES)
            .where(MESSAGES.c.id == row["id"])
            .values(status="held", reason=PAUSED, detail=kept, lease_until=None, attempt_token=None)
        )
    data = {**(run["data"] or {}), "paused": {"by": by.id if by else None, "at": moment.isoformat(), "why": why[:500]}}
    connection.execute(
        update(RUNS).where(RUNS.c.id == enrolment_id).values(status="held", reason=PAUSED, held_issue=None, data=data)
    )
    tell(session, "journey_paused", run, program, moment, by, why=why[:500])
    return _done(session, run, program)


def go_on(session: Session, enrolment_id: int, *, by: User | None = None, now: datetime | None = None) -> Done:
    """Let a paused run go on from where it stands: whatever is due by now is looked at once."""
    moment = now or clock.now()
    run, program = locked(session, enrolment_id)
    if run["status"] == "active":
        return _done(session, run, program)
    if run["reason"] != PAUSED:
        raise UserError("not_paused", N_("Nobody paused this run; it stands still for another reason."))
    connection = connection_of(session)
    for row in messages_of(session, enrolment_id, MESSAGES.c.status == "held"):
        if row["reason"] != PAUSED:
            continue
        detail = dict(row["detail"] or {})
        before = detail.pop("before_pause", None)
        # Its own moment and its own end stay: what has become too late is skipped, and says so.
        connection.execute(
            update(MESSAGES).where(MESSAGES.c.id == row["id"]).values(status="queued", reason=before, detail=detail)
        )
    data = {key: value for key, value in (run["data"] or {}).items() if key != "paused"}
    connection.execute(
        update(RUNS).where(RUNS.c.id == enrolment_id).values(status="active", reason=None, data=data, due_at=moment)
    )
    tell(session, "journey_resumed", run, program, moment, by)
    return _done(session, run, program)


def skip(
    session: Session, enrolment_id: int, *, seen: int | None = None, by: User | None = None, now: datetime | None = None
) -> Done:
    """Go on after the step the run stands at, without doing it. A paused run is paused there again.

    `seen` is the `seq` that the person saw: when the run has gone on meanwhile, nothing is skipped.
    """
    moment = now or clock.now()
    run, program = locked(session, enrolment_id, seen)
    helping.skip_step(session, [enrolment_id], by=by, now=moment)
    return _moved(session, run, program, "journey_step_skipped", step_name(program, run["step_id"]), moment, by)


def move(
    session: Session,
    enrolment_id: int,
    step_id: str,
    *,
    seen: int | None = None,
    by: User | None = None,
    now: datetime | None = None,
) -> Done:
    """Put the run before a step of the live version; see `targets` for those that may be chosen."""
    moment = now or clock.now()
    run, program = locked(session, enrolment_id, seen)
    if step_id not in {one for _, one in targets(session, run)}:
        raise UserError("no_such_target", N_("This contact cannot be moved to that step."))
    helping.move_to(session, [enrolment_id], step_id, by=by, now=moment)
    live = live_program(session, run["journey_id"])
    return _moved(session, run, program, "journey_moved", step_name(live or program, step_id), moment, by)


def take_out(session: Session, enrolment_id: int, *, by: User | None = None, now: datetime | None = None) -> Done:
    """Take the contact out; what had not left is cancelled. `put_back` undoes it."""
    moment = now or clock.now()
    run, program = locked(session, enrolment_id)
    planned = messages_of(session, enrolment_id, MESSAGES.c.status.in_((*NOT_OUT_YET, "held")))
    kept = {
        "phase": run["phase"],
        "status": run["status"],
        "reason": run["reason"],
        "messages": {str(row["id"]): [row["status"], row["reason"]] for row in planned},
    }
    helping.end(session, [enrolment_id], by=by, now=moment)
    connection_of(session).execute(
        update(RUNS).where(RUNS.c.id == enrolment_id).values(data={**(run["data"] or {}), "taken_out": kept})
    )
    _settle(session, run, moment)
    return _done(session, run, program)


def put_back(session: Session, enrolment_id: int, *, by: User | None = None, now: datetime | None = None) -> Done:
    """Undo `take_out`: the run stands where it stood, what was cancelled with it is planned again.

    Raises UserError when it is too late for that, or the contact has entered anew meanwhile.
    """
    moment = now or clock.now()
    connection = connection_of(session)
    found = rows_of(session, select(RUNS).where(RUNS.c.id == enrolment_id).with_for_update())
    run = found[0] if found else None
    kept = dict((run["data"] or {}).get("taken_out") or {}) if run else {}
    if run is None or run["status"] != "removed" or not kept or moment - run["ended_at"] > PUT_BACK_WITHIN:
        raise UserError("cannot_put_back", N_("This can no longer be taken back. Start the journey anew instead."))
    again = select(RUNS.c.id).where(
        RUNS.c.journey_id == run["journey_id"],
        RUNS.c.contact_id == run["contact_id"],
        RUNS.c.entry_key == run["entry_key"],
        RUNS.c.status.in_(OPEN),
    )
    if connection.execute(again).first() is not None:
        raise UserError("inside_again", INSIDE_AGAIN)
    for row in messages_of(session, enrolment_id, MESSAGES.c.status == "cancelled"):
        status, reason = kept["messages"].get(str(row["id"]), (None, None))
        if status is not None:
            back = "queued" if status == "claimed" else status
            connection.execute(update(MESSAGES).where(MESSAGES.c.id == row["id"]).values(status=back, reason=reason))
    data = {key: value for key, value in run["data"].items() if key != "taken_out"}
    is_paused_again = kept["status"] == "held" and kept["reason"] == PAUSED
    back_again = (
        update(RUNS)
        .where(RUNS.c.id == enrolment_id)
        .values(
            status="held" if is_paused_again else "active",
            reason=PAUSED if is_paused_again else None,
            phase=kept["phase"],
            ended_at=None,
            held_issue=None,
            data=data,
            due_at=moment,
        )
    )
    try:
        with session.begin_nested():
            connection.execute(back_again)
    except IntegrityError as error:
        # It entered at this very moment: the index that lets nobody in twice had the last word.
        raise UserError("inside_again", INSIDE_AGAIN) from error
    program = programs(session, [run["version_id"]])[run["version_id"]]
    tell(session, "journey_put_back", run, program, moment, by)
    record_audit(session, action="run_put_back", user=by, subject=str(enrolment_id), detail={}, at=moment)
    return _done(session, run, program)


def targets(session: Session, run: Any) -> list[tuple[bool, str]]:
    """(is it behind, step) of every step of the live version to which this run may be moved, in the text's order.

    Nobody is moved into a variant of a test that was not given to them: it would falsify the test.
    """
    version_id, step_id, journey_id = run["version_id"], run["step_id"], run["journey_id"]
    own, live = programs(session, [version_id]).get(version_id), live_program(session, journey_id)
    if own is None or live is None:
        return []
    here = own.steps.get(step_id or "")
    given = own.places.get(step_id or "", frozenset())
    order = sorted(live.steps.values(), key=lambda one: (one["line"], len(one["path"]), one["path"]))
    same = key_of(here) if here is not None else None
    place = next((number for number, one in enumerate(order) if key_of(one) == same), -1)
    return [
        (number <= place, str(one["id"]))
        for number, one in enumerate(order)
        if live.places.get(one["id"], frozenset()) <= given and one["enabled"]
    ]


def step_name(program: Program | None, step_id: str | None) -> str:
    """How a step is called in stored events: by its title or what it sends, else by its identity."""
    step: Any = program.steps.get(step_id or "") if program else None
    return str((step and (step.get("name") or step.get("message"))) or step_id or "")


def live_program(session: Session, journey_id: str) -> Program | None:
    """The live version of a journey, None when it has none."""
    version = session.scalar(select(Journey.live_version_id).where(Journey.id == journey_id))
    return programs(session, [version]).get(version) if version else None


def locked(session: Session, enrolment_id: int, seen: int | None = None) -> tuple[dict[str, Any], Program]:
    """The run and its program, locked against every worker until the transaction ends.

    Messages first and then the run, as those who deliver lock them; what was planned while we waited for the run is
    locked by whoever changes it.
    """
    messages_of(session, enrolment_id, MESSAGES.c.status.in_((*NOT_OUT_YET, "on_wire", "held")))
    found = rows_of(session, select(RUNS).where(RUNS.c.id == enrolment_id).with_for_update())
    if not found or found[0]["status"] not in OPEN or found[0]["step_id"] is None:
        raise UserError("run_over", N_("This contact is no longer inside the journey."))
    run = found[0]
    if seen is not None and run["seq"] != seen:
        raise UserError("gone_on", N_("The contact has gone on to another step meanwhile. Look again and decide."))
    return run, programs(session, [run["version_id"]])[run["version_id"]]


def messages_of(session: Session, enrolment_id: int, which: ColumnElement[bool]) -> Sequence[dict[str, Any]]:
    query = select(MESSAGES).where(MESSAGES.c.enrolment_id == enrolment_id, which)
    return rows_of(session, query.order_by(MESSAGES.c.id).with_for_update())


def _moved(
    session: Session, run: dict[str, Any], program: Program, kind: str, step: str, now: datetime, by: User | None
) -> Done:
    if run["reason"] == PAUSED and run["status"] == "held":
        # The person asked for another place, not for going on.
        connection_of(session).execute(
            update(RUNS).where(RUNS.c.id == run["id"], RUNS.c.status == "active").values(status="held", reason=PAUSED)
        )
    tell(session, kind, run, program, now, by, step=step)
    _settle(session, run, now)
    return _done(session, run, program, step)


def _settle(session: Session, run: dict[str, Any], now: datetime) -> None:
    """The issue behind this run is settled when it was the last one."""
    issue = session.get(Issue, run["held_issue"]) if run["held_issue"] else None
    if issue is not None:
        helping.settle_if_done(session, issue, now)


def _done(session: Session, run: dict[str, Any], program: Program, step: str = "") -> Done:
    leaving = select(MESSAGES.c.id).where(MESSAGES.c.enrolment_id == run["id"], MESSAGES.c.status == "on_wire")
    count = len(connection_of(session).execute(leaving).all())
    return Done(program.resolved["name"], step or step_name(program, run["step_id"]), count)


def tell(
    session: Session, kind: str, run: dict[str, Any], program: Program, at: datetime, by: User | None, **more: Any
) -> None:
    data = {"journey": program.resolved["name"], "journey_id": run["journey_id"]}
    record_many(
        session,
        [
            NewEvent(
                run["contact_id"], kind, at, {**data, **{key: value for key, value in more.items() if value}},
                source="panel", enrolment_id=run["id"], user_id=by.id if by else None, starts_journeys=False,
            )
        ],
    )  # fmt: skip
