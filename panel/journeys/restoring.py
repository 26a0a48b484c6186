"""After a restore: what would go out, and what a person decides about it.

While the database is a restored one nothing is sent and nobody moves (`engine.marks`). All that is due at the moment of
resuming may have happened already in the time that was lost; it is shown in groups and decided group by group:

send     it did not go: it goes now, spread over some hours
already  it went out: marked as sent; those inside go on, and what they would send at once counts as sent as well
skip     it shall not go any more

What is reported later about the lost time (a synchronisation repeats it, a webhook comes late) starts and moves nobody
by itself either: those runs are held for a person, see `hold_late`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.installation.operations import set_setting
from panel.installation.queries import get_setting
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine.following import pointer
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.spreading import spread_messages, spread_runs
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.staff.audit import record_audit
from panel.staff.models import User
from panel.timeline.operations import NewEvent, record_many

What = Literal["send", "already", "skip"]
DECISIONS: tuple[What, ...] = ("send", "already", "skip")
LONGEST = 72  # hours that something may be spread over
WAITING = ("queued", "claimed")
MESSAGES, RUNS, CONTACTS = table_of(Message), table_of(Enrolment), table_of(Contact)
OUTCOMES = {"already": ("sent", "settled_sent", "arrived"), "skip": ("skipped", "settled_not_sent", "skip")}


@dataclass(frozen=True)
class Group:
    """What would happen together: messages of one step and channel, or those inside who are due at one step.

    `leads_to` is the next step that sends something, for people; `count` is how many.
    """

    key: str
    kind: Literal["messages", "people"]
    journey_id: str
    step_id: str
    channel: str
    count: int
    oldest: datetime
    newest: datetime
    leads_to: str | None = None


@dataclass(frozen=True)
class Decision:
    what: What
    hours: int
    by: int | None


def state(session: Session) -> dict[str, Any] | None:
    """{"since", "point", "how"} while the database is a restored one that nobody has decided about, else None."""
    paused = get_setting(session, "sending_paused")
    return paused if paused.get("why") == "restored" else None


def groups(session: Session, now: datetime) -> list[Group]:
    """All that would go out or move now, in the order of journeys."""
    connection = connection_of(session)
    found = [
        Group(
            f"m:{journey or ''}:{step or ''}:{channel}", "messages", journey or "", step or "", channel, count, old, new
        )
        for journey, step, channel, count, old, new in connection.execute(
            select(
                MESSAGES.c.journey_id,
                MESSAGES.c.step_id,
                MESSAGES.c.channel,
                func.count(),
                func.min(MESSAGES.c.not_before),
                func.max(MESSAGES.c.not_before),
            )
            .where(MESSAGES.c.status.in_(WAITING), MESSAGES.c.not_before <= now)
            .group_by(MESSAGES.c.journey_id, MESSAGES.c.step_id, MESSAGES.c.channel)
        )
    ]
    due = connection.execute(
        select(
            RUNS.c.journey_id,
            RUNS.c.step_id,
            func.max(RUNS.c.version_id),
            func.count(),
            func.min(RUNS.c.due_at),
            func.max(RUNS.c.due_at),
        )
        .where(RUNS.c.status == "active", RUNS.c.due_at <= now)
        .group_by(RUNS.c.journey_id, RUNS.c.step_id)
    ).all()
    known = programs(session, {row[2] for row in due})
    for journey, step, version, count, old, new in due:
        leads = leads_to(known[version], step)
        found.append(Group(f"r:{journey}:{step}", "people", journey, step, "", count, old, new, leads))
    return sorted(found, key=lambda one: (one.journey_id, one.kind, one.step_id, one.channel))


def whom(session: Session, group: Group, now: datetime, limit: int, skipped: int = 0) -> list[tuple[int, str | None]]:
    """The contacts of a group as (id, name) in the order in which they were due, `limit` of them after `skipped`."""
    if group.kind == "messages":
        which, id_, due = _messages_of(group), MESSAGES.c.id, MESSAGES.c.not_before
        whose: ColumnElement[Any] = MESSAGES.c.contact_id
        waits: tuple[ColumnElement[bool], ...] = (MESSAGES.c.status.in_(WAITING),)
    else:
        which, id_, due, whose = _runs_of(group), RUNS.c.id, RUNS.c.due_at, RUNS.c.contact_id
        waits = (RUNS.c.status == "active",)
    rows = connection_of(session).execute(
        select(whose, CONTACTS.c.name)
        .outerjoin(CONTACTS, CONTACTS.c.id == whose)
        .where(*waits, due <= now, *which)
        .order_by(due, id_)
        .offset(skipped)
        .limit(limit)
    )
    return [(contact_id, name) for contact_id, name in rows]


def _messages_of(group: Group) -> tuple[ColumnElement[bool], ...]:
    return (
        func.coalesce(MESSAGES.c.journey_id, "") == group.journey_id,
        func.coalesce(MESSAGES.c.step_id, "") == group.step_id,
        MESSAGES.c.channel == group.channel,
    )


def _runs_of(group: Group) -> tuple[ColumnElement[bool], ...]:
    return (RUNS.c.journey_id == group.journey_id, RUNS.c.step_id == group.step_id)


def leads_to(program: Program, step_id: str) -> str | None:
    """The next step on the main way that tells somebody something; None when there is none before the end."""
    seen: set[str] = set()
    at: str | None = step_id
    while at is not None and at not in seen:
        seen.add(at)
        step = program.steps.get(at)
        if step is None:
            return None
        if step["verb"] in ("send", "reach", "call", "notify"):
            return at
        at = pointer(step, "next")
    return None


def decisions(session: Session) -> dict[str, Decision]:
    """What was decided so far, by the key of the group. Nothing of it is carried out before `resume_sending`."""
    found = get_setting(session, "restore_decisions")
    return {key: Decision(one["what"], one["hours"], one["by"]) for key, one in found.items()}


def decide(
    session: Session, keys: Iterable[str], what: What, hours: int = 4, *, by: User | None = None, now: datetime
) -> None:
    """Note what a person says about some groups; it may be changed until sending is resumed."""
    if what not in DECISIONS or not 0 <= hours <= LONGEST:
        raise UserError("restore_decision", N_("Choose what shall happen, and between 0 and 72 hours."))
    known = {one.key for one in groups(session, now)}
    found = get_setting(session, "restore_decisions")
    chosen = [key for key in keys if key in known]
    found |= {key: {"what": what, "hours": hours, "by": by.id if by else None} for key in chosen}
    set_setting(session, "restore_decisions", found)
    detail = {"what": what, "hours": hours, "groups": chosen}
    record_audit(session, action="restore_decided", user=by, subject="restore", detail=detail, at=now)


def ask_providers(session: Session, now: datetime, limit: int = 1000) -> list[tuple[int, str, str]]:
    """The waiting messages as (id, channel, our_message_id) whose provider may be asked about them.

    Only for what a channel can look up. Ask with no transaction open, then tell `providers_said`.
    """
    rows = rows_of(
        session,
        select(MESSAGES.c.id, MESSAGES.c.channel, MESSAGES.c.our_message_id)
        .where(MESSAGES.c.status == "queued", MESSAGES.c.not_before <= now)
        .order_by(MESSAGES.c.id)
        .limit(limit),
    )
    offered = manager.current().channels()
    return [(row["id"], row["channel"], row["our_message_id"]) for row in rows if row["channel"] in offered]


def providers_said(
    session: Session, sent: Sequence[int], *, by: User | None = None, now: datetime | None = None
) -> int:
    """These went out, says their provider; returns how many were still waiting."""
    return _settle(session, (MESSAGES.c.id.in_(sent),), "already", by, now or clock.now(), "lookup")


def resume_sending(session: Session, *, by: User | None = None, now: datetime | None = None) -> None:
    """Carry out all decisions and let sending begin again. Raises UserError while a group is undecided."""
    now = now or clock.now()
    paused = state(session)
    if paused is None:
        raise UserError("nothing_restored", N_("Nothing is waiting for a decision."))
    made, found = decisions(session), groups(session, now)
    if open_ones := [one for one in found if one.key not in made]:
        raise UserError(
            "restore_undecided", N_("%(n)s groups are not decided yet. Decide each of them first."), n=len(open_ones)
        )
    for one in found:
        _carry_out(session, one, made[one.key], by, now)
    set_setting(session, "sending_paused", {})
    set_setting(session, "restore_decisions", {})
    lost = get_setting(session, "lost_times").get("times", [])
    set_setting(session, "lost_times", {"times": [*lost, [paused["point"], now.isoformat()]][-20:]})
    resolve_issue(session, "restored")
    detail = {"point": paused["point"], "groups": {one.key: [made[one.key].what, one.count] for one in found}}
    record_audit(session, action="sending_resumed", user=by, subject="restore", detail=detail, at=now)
    session.flush()


def _carry_out(session: Session, group: Group, decision: Decision, by: User | None, now: datetime) -> None:
    over = timedelta(hours=decision.hours)
    connection = connection_of(session)
    if group.kind == "messages":
        which = _messages_of(group)
        connection.execute(
            update(MESSAGES)
            .where(MESSAGES.c.status == "claimed", *which)
            .values(status="queued", lease_until=None, attempt_token=None)
        )
        if decision.what == "send":
            spread_messages(session, which, now, over, decided=True)
        else:
            _settle(session, (MESSAGES.c.not_before <= now, *which), decision.what, by, now, "restore")
        return
    mine = _runs_of(group)
    if decision.what != "send":
        _say_to_runs(session, (RUNS.c.due_at <= now, *mine), decision.what, by)
    spread_runs(session, mine, now, over if decision.what == "send" else timedelta(minutes=1))


def _settle(
    session: Session, which: Sequence[ColumnElement[bool]], what: str, by: User | None, now: datetime, how: str
) -> int:
    """Waiting messages did go out, or shall not: the ledger and the timeline say who said so, the runs go on."""
    status, reason, outcome = OUTCOMES[what]
    rows = rows_of(session, select(MESSAGES).where(MESSAGES.c.status == "queued", *which).with_for_update())
    if not rows:
        return 0
    user_id = by.id if by else None
    settled_by = how if how == "lookup" else f"user:{user_id or ''}"
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == bindparam("m_id"))
        .values(status=status, reason=reason, settled_by=settled_by, wire_at=bindparam("m_wire")),
        # Counted by limits at the moment at which it was due.
        [{"m_id": row["id"], "m_wire": row["not_before"] if what == "already" else None} for row in rows],
    )
    record_many(
        session,
        [
            NewEvent(
                row["contact_id"],
                "message_settled",
                now,
                {"channel": row["channel"], "outcome": outcome, "by": "lookup" if how == "lookup" else "person"},
                source="journeys",
                message_id=row["id"],
                enrolment_id=row["enrolment_id"],
                user_id=user_id,
                starts_journeys=False,
            )
            for row in rows
        ],
    )
    runs = [row["enrolment_id"] for row in rows if row["enrolment_id"]]
    _say_to_runs(session, (RUNS.c.id.in_(runs),), what, by)
    connection_of(session).execute(
        update(RUNS).where(RUNS.c.id.in_(runs), RUNS.c.status == "active").values(due_at=now)
    )
    return len(rows)


def _say_to_runs(session: Session, which: Sequence[ColumnElement[bool]], what: str, by: User | None) -> None:
    """Note on runs that what they would send before their next wait counts as decided, see `engine.verbs.sending`."""
    rows = connection_of(session).execute(select(RUNS.c.id, RUNS.c.data).where(RUNS.c.status == "active", *which)).all()
    said = {"what": what, "by": by.id if by else None}
    if rows:
        connection_of(session).execute(
            update(RUNS).where(RUNS.c.id == bindparam("r_id")).values(data=bindparam("r_data")),
            [{"r_id": row.id, "r_data": {**(row.data or {}), "restored": said}} for row in rows],
        )


def hold_late(session: Session, events: Sequence[Any], now: datetime) -> int:
    """Hold the runs that events from a lost time have just started or woken: that may all have happened before.

    `events` were routed at `now`, in this transaction. Returns how many runs are held.
    """
    lost = get_setting(session, "lost_times").get("times")
    if not lost:
        return 0
    times = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in lost]
    contacts = {one.contact_id for one in events if any(start < one.occurred_at < end for start, end in times)}
    which = (RUNS.c.contact_id.in_(contacts), RUNS.c.status == "active", RUNS.c.due_at == now)
    rows = connection_of(session).execute(select(RUNS.c.id, RUNS.c.journey_id, RUNS.c.step_id).where(*which)).all()
    places: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        places.setdefault((row.journey_id, row.step_id), []).append(row.id)
    for (journey, step), ids in places.items():
        issue = raise_issue(
            session,
            f"held_restored:{journey}:{step}",
            code="held_restored",
            sentence=N_(
                "%(journey)s, step %(step)s: something was reported that happened in the time lost by a restore. It may"
                " have had its effect already; let them go on, or move or end them."
            ),
            params={"journey": journey, "step": step},
            journey_id=journey,
            step_id=step,
            now=now,
        )
        connection_of(session).execute(
            update(RUNS)
            .where(RUNS.c.id.in_(ids))
            .values(status="held", reason="held_restored", held_issue=issue.id, due_at=None)
        )
    return len(rows)
