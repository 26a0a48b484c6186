"""What a person decides about what is planned for one contact: leave a message out, send it now, put it off; let a wait
be over, or make it longer. Each says who did it, and can be taken back until something has come of it.

A person overrides the hours in which messages may go out, and nothing else: consent, blocks, limits and what stops the
journey are looked at by the worker as ever. The worker may be quicker; then nothing is changed and it is said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.engine.admission import too_late_from
from panel.journeys.engine.facts import company, people, zone_of
from panel.journeys.engine.holidays import NO_HOLIDAYS, UnknownCalendarError, holidays_of
from panel.journeys.engine.hours import IsHoliday, hours_for, is_open, next_open
from panel.journeys.engine.looking_again import places_are_free
from panel.journeys.engine.programs import live, programs
from panel.journeys.models import Enrolment, Journey
from panel.journeys.reasons import PAUSED
from panel.messages.models import Message, Template, TemplateVersion
from panel.messages.personal import TOO_LATE_AFTER, UNDO_FOR
from panel.timeline.models import Event
from panel.timeline.operations import record

MESSAGES, RUNS = table_of(Message), table_of(Enrolment)
# When one writes to somebody by hand and no journey says when its channel may be used: outside of these the writer is
# asked.
COURTEOUS: Mapping[str, Any] = {
    "days": [0, 1, 2, 3, 4, 5, 6], "from": "08:00", "to": "21:00", "holidays": "ignore", "calendar": None,
    "outside": "wait",
}  # fmt: skip
LATEST = timedelta(days=366)
MOVED = "person_chose_moment"


@dataclass(frozen=True)
class HourThere:
    """A moment on the contact's own clock. `opens_at`: when messages may go out again, None when they may now; `hours`:
    those that were looked at."""

    local: datetime
    zone: ZoneInfo
    opens_at: datetime | None = None
    hours: Mapping[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        return self.opens_at is None


def hours_by_hand(session: Session, channel: str) -> Mapping[str, Any]:
    """The hours for a message that a person writes: those that the live journeys keep to on this channel (most of them;
    of two that are as usual the shorter), else the customary ones."""
    found = [hours for one in live(session) if (hours := hours_for(one.program.settings, channel))]
    if not found:
        return COURTEOUS

    def usual(hours: Mapping[str, Any]) -> tuple[int, int, str, str]:
        return -found.count(hours), len(hours["days"]), hours["to"], hours["from"]

    return min(found, key=usual)


def hour_there(session: Session, contact_id: int, moment: datetime, channel: str = "") -> HourThere:
    """What the contact's clock shows at `moment`, for a message written by hand."""
    business = company(session)
    zone, _ = zone_of({"time_zone": "contact"}, people(session, [contact_id]).get(contact_id), business)
    return _there(hours_by_hand(session, channel), moment, zone, business)


def hour_of(session: Session, message_id: int, moment: datetime) -> HourThere:
    """The same for a message that is planned: by the hours of its journey and its step."""
    row = _row(session, message_id)
    hours, zone, business, _ = _clock_of(session, row)
    return _there(hours, moment, zone, business)


def _there(hours: Mapping[str, Any] | None, moment: datetime, zone: ZoneInfo, business: Any) -> HourThere:
    is_holiday = _is_holiday(hours, business)
    local = moment.astimezone(zone)
    if is_open(hours, moment, zone, is_holiday):
        return HourThere(local, zone, None, hours)
    return HourThere(local, zone, next_open(hours, moment, zone, is_holiday) or moment, hours)


def _is_holiday(hours: Mapping[str, Any] | None, business: Any) -> IsHoliday:
    try:
        return holidays_of(hours, business).is_holiday
    except UnknownCalendarError:
        return NO_HOLIDAYS.is_holiday


# Messages.


def leave_out(session: Session, message_id: int, *, by: int, now: datetime | None = None) -> None:
    """Do not send this message. The run goes on without it, after the seconds in which it can be taken back."""
    moment = now or clock.now()
    row = _locked(session, message_id)
    if row["status"] not in ("queued", "claimed", "held"):
        _too_late(row)
    by_hand = row["enrolment_id"] is None
    reason = "cancelled_by_person" if by_hand else "skipped_by_person"
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == message_id)
        .values(
            status="cancelled" if by_hand else "skipped",
            reason=reason,
            lease_until=None,
            detail=_steered(row, "left_out", by, moment),
        )
    )
    record(
        session,
        contact_id=row["contact_id"],
        kind="message_skipped",
        occurred_at=moment,
        data={"channel": row["channel"], "reason": reason},
        message_id=message_id,
        enrolment_id=row["enrolment_id"],
        user_id=by,
        starts_journeys=False,
    )
    places_are_free(session, {row["contact_id"]}, {row["address"]}, moment + UNDO_FOR)
    if by_hand:
        return
    run = _run_of(session, row)
    if run is not None and run["reason"] != PAUSED:
        # A run that stood still with its message is let go; nothing else held it.
        connection_of(session).execute(
            update(RUNS)
            .where(RUNS.c.id == run["id"])
            .values(status="active", reason=None, held_issue=None, due_at=moment + UNDO_FOR)
        )


def put_back(session: Session, message_id: int, *, by: int, now: datetime | None = None) -> None:
    """Undo `leave_out`, while the run still stands at the message."""
    moment = now or clock.now()
    row = _locked(session, message_id)
    run = _run_of(session, row)
    if row["reason"] != "skipped_by_person" or run is None or not _stands_at(run, row):
        raise UserError("gone_on", N_("Too late: the journey has gone on without it."))
    connection = connection_of(session)
    connection.execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == message_id)
        .values(
            # With its run paused it waits as before.
            status="held" if run["reason"] == PAUSED else "queued",
            reason=PAUSED if run["reason"] == PAUSED else None,
            detail=_steered(row, "put_back", by, moment),
        )
    )
    connection.execute(update(RUNS).where(RUNS.c.id == run["id"]).values(due_at=None))
    # It was not left out after all, and the message's own line comes when it goes; this one tells what happened.
    connection.execute(delete(Event).where(Event.message_id == message_id, Event.kind == "message_skipped"))
    _tell(session, "planned_again", row, by, moment)


def send_now(
    session: Session, message_id: int, *, by: int, any_hour: bool = False, now: datetime | None = None
) -> None:
    """Do not wait for the planned moment. `any_hour`: a person was told what the clock there shows, and said yes."""
    moment = now or clock.now()
    row = _movable(session, message_id)
    state = session.scalar(select(Journey.state).where(Journey.id == row["journey_id"])) if row["journey_id"] else None
    if state == "paused":
        raise UserError("journey_paused", N_("The journey is paused. Let it go on first."))
    _replan(session, row, moment + UNDO_FOR, "planned_sooner", by, any_hour, moment)


def put_off(
    session: Session,
    message_id: int,
    at: datetime,
    *,
    by: int,
    any_hour: bool = False,
    now: datetime | None = None,
) -> None:
    """Send it at another moment, sooner or later than planned."""
    moment = now or clock.now()
    _in_time(at, moment)
    _replan(session, _movable(session, message_id), at, "planned_later", by, any_hour, moment)


def undo_move(session: Session, message_id: int, *, by: int, now: datetime | None = None) -> None:
    """Back to the moment before `send_now` or `put_off`, while it waits."""
    moment = now or clock.now()
    row = _movable(session, message_id)
    was = next((one["was"] for one in reversed((row["detail"] or {}).get("steered", [])) if one.get("was")), None)
    if was is None or row["reason"] != MOVED:
        raise UserError("nothing_to_undo", N_("There is nothing to take back any more."))
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == message_id)
        .values(
            not_before=datetime.fromisoformat(was["not_before"]),
            planned_at=datetime.fromisoformat(was["planned_at"]),
            expires_at=datetime.fromisoformat(was["expires_at"]) if was["expires_at"] else None,
            reason=was["reason"],
            rules={**row["rules"], "send_hours": was["send_hours"]},
            detail=_steered(row, "put_back", by, moment),
        )
    )
    _tell(session, "planned_again", row, by, moment)


def _replan(
    session: Session, row: Mapping[str, Any], at: datetime, kind: str, by: int, any_hour: bool, now: datetime
) -> None:
    hours, zone, business, too_late = _clock_of(session, row)
    rules = dict(row["rules"] or {})
    was = {
        "not_before": row["not_before"].isoformat(),
        "planned_at": row["planned_at"].isoformat(),
        "expires_at": row["expires_at"].isoformat() if row["expires_at"] else None,
        "send_hours": rules.get("send_hours"),
        "reason": row["reason"],
    }
    if any_hour:
        rules["send_hours"] = "any"
        hours = None
    expires_at = too_late_from(hours, at, too_late, zone, _is_holiday(hours, business))
    steered = {"there": at.astimezone(zone).isoformat(), "zone": str(zone), "any_hour": any_hour, "was": was}
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == row["id"])
        .values(
            not_before=at,
            # What is too late is counted from here; a report is believed from here on.
            planned_at=min(row["planned_at"], at) if at <= row["not_before"] else max(row["planned_at"], at),
            expires_at=max(expires_at, row["expires_at"]) if row["expires_at"] else None,
            reason=MOVED,
            rules=rules,
            detail=_steered(row, kind, by, now, **steered),
        )
    )
    _tell(session, kind, row, by, now, until=at)
    if at > row["not_before"]:
        places_are_free(session, {row["contact_id"]}, {row["address"]}, now + UNDO_FOR)


# Runs that wait.


def go_on(session: Session, enrolment_id: int, shown: str, *, by: int, now: datetime | None = None) -> None:
    """Let the wait be over, after the seconds in which it can be taken back. `shown` is the end of the wait that the
    page showed: a run that has gone on meanwhile is not touched."""
    moment = now or clock.now()
    _move_wait(session, enrolment_id, shown, moment + UNDO_FOR, "wait_over", by, moment)


def wait_until(
    session: Session, enrolment_id: int, shown: str, at: datetime, *, by: int, now: datetime | None = None
) -> None:
    """Let the wait end at another moment."""
    moment = now or clock.now()
    _in_time(at, moment)
    _move_wait(session, enrolment_id, shown, at, "wait_moved", by, moment)


def undo_wait(session: Session, enrolment_id: int, *, by: int, now: datetime | None = None) -> None:
    """Back to the end of the wait as it was before a person moved it."""
    moment = now or clock.now()
    run = _waiting(session, enrolment_id)
    moved = run["wait"].get("by_person")
    if not moved:
        raise UserError("nothing_to_undo", N_("There is nothing to take back any more."))
    wait = {key: value for key, value in run["wait"].items() if key != "by_person"} | {"until": moved["was"]}
    due_at = datetime.fromisoformat(moved["was_due"]) if moved["was_due"] else None
    connection_of(session).execute(update(RUNS).where(RUNS.c.id == enrolment_id).values(wait=wait, due_at=due_at))
    _tell_run(session, "wait_moved_back", run, by, moment)


def _move_wait(
    session: Session, enrolment_id: int, shown: str, at: datetime, kind: str, by: int, now: datetime
) -> None:
    run = _waiting(session, enrolment_id)
    if run["wait"].get("until") != shown:
        raise UserError("gone_on", N_("Too late: the journey has gone on in the meantime."))
    first = run["wait"].get("by_person") or {}
    moved = {
        "by": by,
        "at": now.isoformat(),
        "was": first.get("was") or run["wait"]["until"],
        "was_due": first.get("was_due") or (run["due_at"].isoformat() if run["due_at"] else None),
    }
    wait = {**run["wait"], "until": at.isoformat(), "by_person": moved}
    connection_of(session).execute(update(RUNS).where(RUNS.c.id == enrolment_id).values(wait=wait, due_at=at))
    _tell_run(session, kind, run, by, now, until=at)


def _waiting(session: Session, enrolment_id: int) -> Mapping[str, Any]:
    """The run, locked. A worker that has it in hand at this moment has come first."""
    query = select(RUNS).where(RUNS.c.id == enrolment_id).with_for_update(skip_locked=True)
    run = next(iter(rows_of(session, query)), None)
    if (
        run is None
        or run["status"] != "active"
        or run["phase"] != "waiting"
        or (run["wait"] or {}).get("kind") not in ("wait", "wait_for")
    ):
        raise UserError("gone_on", N_("Too late: the journey has gone on in the meantime."))
    return run


# Both.


def _in_time(at: datetime, now: datetime) -> None:
    if at <= now:
        raise UserError("moment_past", N_("This moment has passed already."), where="at")
    if at > now + LATEST:
        raise UserError("moment_far", N_("This is more than a year away."), where="at")


def _row(session: Session, message_id: int) -> Mapping[str, Any]:
    found = next(iter(rows_of(session, select(MESSAGES).where(MESSAGES.c.id == message_id))), None)
    if found is None:
        raise UserError("message_gone", N_("This message is not there any more."))
    return found


def _locked(session: Session, message_id: int) -> Mapping[str, Any]:
    """The message, locked; its contact before it, as everywhere."""
    contact_id = _row(session, message_id)["contact_id"]
    connection = connection_of(session)
    connection.execute(select(Contact.id).where(Contact.id == contact_id).with_for_update(key_share=True))
    [row] = rows_of(session, select(MESSAGES).where(MESSAGES.c.id == message_id).with_for_update())
    return row


def _movable(session: Session, message_id: int) -> Mapping[str, Any]:
    row = _locked(session, message_id)
    if row["status"] == "held":
        raise UserError("stands_still", N_("This message stands still; the page of issues says what is missing."))
    if row["status"] != "queued":
        _too_late(row)
    return row


def _too_late(row: Mapping[str, Any]) -> NoReturn:
    if row["status"] in ("claimed", "on_wire", "sent", "delivered", "unknown"):
        raise UserError("too_late", N_("Too late: it is on its way."))
    raise UserError("not_planned", N_("This message is not planned any more."))


def _run_of(session: Session, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The open run of a message, locked; it must not wait for its lock while it holds the message's."""
    query = select(RUNS).where(RUNS.c.id == row["enrolment_id"], RUNS.c.status.in_(("active", "held")))
    if not row["enrolment_id"] or not rows_of(session, query):
        return None
    found = next(iter(rows_of(session, query.with_for_update(skip_locked=True))), None)
    if found is None:
        raise UserError("busy", N_("The journey is at work on it this very moment. Look again."))
    return found


def _stands_at(run: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the run waits for this very message: the one of its step, or of the latest attempt of a `reach`."""
    of_the_step = row["dedupe_key"] == f"enrolment:{run['id']}:{run['seq']}"
    return run["phase"] == "sending" and (of_the_step or (run["wait"] or {}).get("message") == row["id"])


def _clock_of(
    session: Session, row: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, ZoneInfo, Any, Mapping[str, int]]:
    """(hours, zone, the business, too late after) of a planned message."""
    business = company(session)
    settings: Mapping[str, Any] = {"time_zone": "contact"}
    if row["enrolment_id"]:
        version = session.scalar(select(Enrolment.version_id).where(Enrolment.id == row["enrolment_id"]))
        if version is not None:
            settings = programs(session, {version})[version].settings
    zone, _ = zone_of(settings, people(session, [row["contact_id"]]).get(row["contact_id"]), business)
    rules = row["rules"] or {}
    own = rules.get("send_hours")
    by_hand = rules.get("by") and not row["enrolment_id"]
    hours = hours_by_hand(session, row["channel"]) if by_hand else hours_for(settings, row["channel"], own)
    return hours, zone, business, rules.get("too_late_after") or TOO_LATE_AFTER


def _steered(row: Mapping[str, Any], what: str, by: int, at: datetime, **more: Any) -> dict[str, Any]:
    detail = dict(row["detail"] or {})
    done = {"what": what, "by": by, "at": at.isoformat(), **more}
    return {**detail, "steered": [*detail.get("steered", []), done][-20:]}


def _tell(
    session: Session, kind: str, row: Mapping[str, Any], by: int, now: datetime, until: datetime | None = None
) -> None:
    """On the timeline, as a line of its own: the message has none before it goes."""
    record(
        session,
        contact_id=row["contact_id"],
        kind=kind,
        occurred_at=now,
        data={"channel": row["channel"], "what": _called(session, row), **_moment(until)},
        enrolment_id=row["enrolment_id"],
        user_id=by,
        starts_journeys=False,
    )


def _tell_run(
    session: Session, kind: str, run: Mapping[str, Any], by: int, now: datetime, until: datetime | None = None
) -> None:
    name = session.scalar(select(Journey.name).where(Journey.id == run["journey_id"])) or run["journey_id"]
    record(
        session,
        contact_id=run["contact_id"],
        kind=kind,
        occurred_at=now,
        data={"journey": name, "journey_id": run["journey_id"], **_moment(until)},
        enrolment_id=run["id"],
        user_id=by,
        starts_journeys=False,
    )


def _moment(until: datetime | None) -> dict[str, str]:
    return {"until": until.isoformat()} if until is not None else {}


def _called(session: Session, row: Mapping[str, Any]) -> str:
    inline = row["inline"] or {}
    if row["template_version_id"]:
        name = session.scalar(
            select(Template.name)
            .join(TemplateVersion, TemplateVersion.template_id == Template.id)
            .where(TemplateVersion.id == row["template_version_id"])
        )
        return str(name or "")
    return str(row["subject"] or inline.get("subject") or inline.get("text") or "")[:120]
