"""What people do with runs and messages: start, take out, retry, settle a doubt. Each says who did it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.issues.operations import resolve_issue
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.entry import Candidate, Outcome, consider
from panel.journeys.engine.looking_again import places_are_free
from panel.journeys.engine.programs import live
from panel.journeys.models import Enrolment
from panel.journeys.reasons import PAUSED
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many

Settlement = Literal["arrived", "send_again", "skip"]


def start_by_hand(
    session: Session, contact_id: int, journey_id: str, *, user_id: int | None = None, now: datetime | None = None
) -> Outcome:
    """A person starts a journey for a contact. The same checks hold as for any start; the outcome says which refused.

    Raises UserError when the journey is not live or does not allow starts by hand.
    """
    journey = next((one for one in live(session) if one.id == journey_id), None)
    if journey is None:
        raise UserError("journey_not_live", N_("The journey %(journey)s is not live"), journey=journey_id)
    if not journey.program.can_start_by_hand:
        raise UserError(
            "no_manual_start",
            N_("%(journey)s cannot be started by hand. Add “manual: yes” under start_when."),
            journey=journey.program.resolved["name"],
        )
    moment = now or clock.now()
    return consider(session, [Candidate(journey, contact_id, "manual", moment, user_id=user_id)], moment)[0]


def journeys_to_start(session: Session) -> list[tuple[str, str]]:
    """(identity, name) of the live journeys that a person may start."""
    return [
        (one.id, one.program.resolved["name"])
        for one in live(session)
        if one.state == "live" and one.program.can_start_by_hand
    ]


def take_out(session: Session, enrolment_id: int, *, user_id: int | None = None, now: datetime | None = None) -> None:
    """Take a contact out of a journey; what was queued for the run is cancelled."""
    end_runs(session, [enrolment_id], "removed", "removed_by_person", now or clock.now(), user_id=user_id)


def retry(session: Session, enrolment_ids: Sequence[int], *, now: datetime | None = None) -> int:
    """Let held runs (and their held messages) try again; returns how many.

    Not those that a person paused meanwhile: they go on when somebody says so. Locked before they are judged, so that
    a run that somebody takes out at this moment does not come back to life.
    """
    moment = now or clock.now()
    connection = connection_of(session)
    standing = Enrolment.status == "held", func.coalesce(Enrolment.reason, "") != PAUSED
    query = select(Enrolment.id).where(Enrolment.id.in_(enrolment_ids), *standing).order_by(Enrolment.id)
    held = list(connection.execute(query.with_for_update()).scalars())
    connection.execute(
        update(Message)
        .where(Message.enrolment_id.in_(held), Message.status == "held")
        .values(status="queued", reason=None, not_before=moment)
    )
    connection.execute(
        update(Enrolment)
        .where(Enrolment.id.in_(held))
        .values(status="active", reason=None, held_issue=None, due_at=moment)
    )
    return len(held)


def settle(
    session: Session,
    message_ids: Sequence[int],
    decision: Settlement,
    *,
    user_id: int | None = None,
    now: datetime | None = None,
) -> int:
    """A person decides about messages in doubt; returns how many were still in doubt.

    `arrived`: it went out. `send_again`: the identical message is queued, under the same key. `skip`: it is given up.
    Two people at once: the first one wins, the second finds nothing in doubt.
    """
    moment = now or clock.now()
    rows = rows_of(
        session,
        select(table_of(Message))
        .where(Message.id.in_(message_ids), Message.status == "unknown")
        .order_by(Message.id)
        .with_for_update(),
    )
    choices: dict[Settlement, dict[str, Any]] = {
        "arrived": {"status": "sent", "reason": "settled_sent"},
        "send_again": {"status": "queued", "reason": None, "not_before": moment, "wire_at": None, "expires_at": None},
        "skip": {"status": "skipped", "reason": "settled_not_sent"},
    }
    connection = connection_of(session)
    for row in rows:
        values = dict(choices[decision])
        if decision == "arrived":
            values["sent_at"] = row["wire_at"]
        connection.execute(
            update(Message).where(Message.id == row["id"]).values(settled_by=f"user:{user_id or ''}", **values)
        )
    record_many(
        session,
        [
            NewEvent(
                row["contact_id"],
                "message_settled",
                moment,
                {"channel": row["channel"], "outcome": decision, "by": "person"},
                message_id=row["id"],
                enrolment_id=row["enrolment_id"],
                user_id=user_id,
                starts_journeys=False,
            )
            for row in rows
        ],
    )
    if decision != "arrived":
        places_are_free(session, {row["contact_id"] for row in rows}, {row["address"] for row in rows}, moment)
    runs = [row["enrolment_id"] for row in rows if row["enrolment_id"] and decision != "send_again"]
    connection.execute(
        update(Enrolment).where(Enrolment.id.in_(runs), Enrolment.status == "active").values(due_at=moment)
    )
    for row in rows:
        left = connection.execute(
            select(Message.id).where(
                Message.journey_id == row["journey_id"],
                Message.step_id == row["step_id"],
                Message.status == "unknown",
            )
        ).first()
        if left is None:
            resolve_issue(session, f"unknown:{row['journey_id']}:{row['step_id']}")
    return len(rows)
