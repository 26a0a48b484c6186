"""Letting a journey go on: after a pause, spread over some hours; after an edit, with waits computed anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.issues.operations import resolve_issue
from panel.journeys import operations
from panel.journeys.engine.following import begins_as
from panel.journeys.engine.programs import programs
from panel.journeys.engine.spreading import spread_messages, spread_runs
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message
from panel.staff.audit import record_audit
from panel.staff.models import User

RUNS, MESSAGES = table_of(Enrolment), table_of(Message)
MANY = 50  # from so many on, spreading is proposed
LONGEST = 72
_NOT_BY_HAND = RUNS.c.wait["by_person"].as_string().is_(None)  # see `panel.journeys.planned`


@dataclass(frozen=True)
class Overdue:
    """What a paused journey would do at once: `now` contacts go on, of their messages `late` are skipped as too late.

    `hours` is what we propose to spread the others over; 0 = at once.
    """

    now: int = 0
    late: int = 0
    hours: int = 0


def overdue(session: Session, journey_id: str, now: datetime) -> Overdue:
    """Count before resuming. Hours and limits still hold each message back when its turn has come."""
    connection = connection_of(session)
    waiting = (MESSAGES.c.journey_id == journey_id, MESSAGES.c.status == "queued", MESSAGES.c.not_before <= now)
    late = connection.execute(select(func.count()).where(*waiting, MESSAGES.c.expires_at < now)).scalar_one()
    fresh = connection.execute(
        select(func.count()).where(*waiting, or_(MESSAGES.c.expires_at.is_(None), MESSAGES.c.expires_at >= now))
    ).scalar_one()
    runs = connection.execute(
        select(func.count()).where(RUNS.c.journey_id == journey_id, RUNS.c.status == "active", RUNS.c.due_at <= now)
    ).scalar_one()
    going = fresh + runs
    return Overdue(going, late, 4 if going >= MANY else 0)


def resume(
    session: Session, journey_id: str, hours: int = 0, *, by: User | None = None, now: datetime | None = None
) -> Journey:
    """Let a paused journey run again, its overdue ones evenly over `hours`; nothing earlier than it may."""
    now = now or clock.now()
    if not 0 <= hours <= LONGEST:
        raise UserError("spread_hours", N_("Spread over 0 to 72 hours."))
    journey = operations.resume(session, journey_id, by=by, now=now)
    if hours:
        spread_messages(session, (MESSAGES.c.journey_id == journey_id,), now, timedelta(hours=hours))
        spread_runs(session, (RUNS.c.journey_id == journey_id,), now, timedelta(hours=hours))
    return journey


def waiting_on_old(session: Session, journey_id: str) -> dict[tuple[int, str], int]:
    """Those who wait at a step of an older version that the live one still has: {(version, step): contacts}.

    Empty when the live version lets everybody finish the old way. Whose wait a colleague has moved is not among them:
    what was chosen for one contact stands.
    """
    journey = session.get_one(Journey, journey_id)
    if journey.live_version_id is None:
        return {}
    rows = session.execute(
        select(Enrolment.version_id, Enrolment.step_id, func.count())
        .where(
            Enrolment.journey_id == journey_id,
            Enrolment.status == "active",
            Enrolment.phase == "waiting",
            Enrolment.version_id != journey.live_version_id,
            _NOT_BY_HAND,
        )
        .group_by(Enrolment.version_id, Enrolment.step_id)
    ).all()
    known = programs(session, {row[0] for row in rows} | {journey.live_version_id})
    live = known[journey.live_version_id]
    if live.settings.get("when_edited") == "finish_old":
        return {}
    found = {}
    for version, step_id, count in rows:
        step = known[version].steps.get(step_id or "")
        if step is None or step_id is None:
            continue
        if step["verb"] in ("wait", "wait_for") and begins_as(known[version], live, step) is not None:
            found[version, step_id] = count
    return found


def replan(session: Session, journey_id: str, *, by: User | None = None, now: datetime | None = None) -> int:
    """Compute running waits anew, from their beginning, as the live version has them; returns for how many.

    A wait that would be over by now ends at once, and what comes then is not late. They look again in the order in
    which they would have come.
    """
    now = now or clock.now()
    total = 0
    for version_id, step_id in waiting_on_old(session, journey_id):
        total += (
            connection_of(session)
            .execute(
                # Without a phase the step begins under the live version, counted from the same beginning.
                update(RUNS)
                .where(
                    RUNS.c.journey_id == journey_id,
                    RUNS.c.version_id == version_id,
                    RUNS.c.step_id == step_id,
                    RUNS.c.status == "active",
                    RUNS.c.phase == "waiting",
                    _NOT_BY_HAND,
                )
                .values(phase="", wait={"replanned": now.isoformat()}, due_at=now)
            )
            .rowcount
        )
    record_audit(session, action="journey_replanned", user=by, subject=journey_id, detail={"count": total}, at=now)
    return total


def confirm_review(
    session: Session, journey_id: str, *, by: User | None = None, now: datetime | None = None
) -> Journey:
    """The journey is still right: it asks again after the time that its text names (a fixed day: in a year)."""
    now = now or clock.now()
    journey = session.get_one(Journey, journey_id)
    if journey.live_version_id is None or journey.review_due is None:
        raise UserError("nothing_to_review", N_("This journey does not ask to be looked at."))
    review = programs(session, {journey.live_version_id})[journey.live_version_id].resolved["review_after"]
    journey.review_due = operations.review_due({**review, "on": None}, now.date()) if not review["on"] else (
        now + timedelta(days=365)).date()  # fmt: skip
    resolve_issue(session, f"review_due:{journey_id}")
    record_audit(session, action="journey_confirmed", user=by, subject=journey_id, detail={}, at=now)
    session.flush()
    return journey
