"""Reap: what dead workers left. `claimed` never left the house; `on_wire` may have: it is settled or shown in doubt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, reading, rows_of, table_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.results import store_results
from panel.journeys.engine.turns import repeat
from panel.journeys.engine.wire import DeadJournal, dead_journals, living_journals, wire_folder
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.sdk.channels import Deferred, Result, Sent, Unknown

log = logging.getLogger(__name__)
BATCH = 500
NO_PAUSE = timedelta(0)
BY_LEASE = "lease"
MAX_CLAIMS = 3  # a row whose claim died this often is poison: it is held, the others go on


def run(limit_seconds: float, argument: str = "") -> bool:
    return repeat(reap, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """1 when something is left over: an expired lease, or a dead worker's journal on this host."""
    expired = connection.execute(
        select(Message.id).where(Message.status.in_(("claimed", "on_wire")), Message.lease_until < now).limit(1)
    ).first()
    return 1 if expired is not None or next(dead_journals(wire_folder()), None) is not None else 0


def reap() -> int:
    """Settle what dead workers left; returns how many rows changed. Needs an application context."""
    changed = 0
    for journal in list(dead_journals(wire_folder())):
        changed += _settle_journal(journal)
    return changed + _settle_expired()


def _settle_journal(journal: DeadJournal) -> int:
    """The journal of a dead worker speaks: accepted is sent, never begun is queued again, the rest is in doubt."""

    def judge(row: Mapping[str, Any]) -> Result:
        token = row["attempt_token"]
        if token in journal.accepted:
            return Sent(journal.accepted[token] or None, "noted by the worker before it died")
        if token not in journal.begun:
            return Deferred("the worker died before the hand-over began", NO_PAUSE)
        return _ask(row) or Unknown("the worker died during the hand-over")

    theirs = Message.attempt_token.startswith(journal.id)
    # Also what was called in doubt when a lease was over (the worker slept before it died) and never concluded; of what
    # the worker itself called in doubt its journal says nothing any more.
    unsaid = or_(Message.status != "unknown", Message.settled_by == BY_LEASE)
    settled = _settle(and_(theirs, unsaid), judge, "wire_journal", states=("claimed", "on_wire", "unknown"))
    with reading() as session:
        # The dead worker's last commit may have landed only now: its journal is still needed for that.
        left = session.scalar(select(Message.id).where(theirs, Message.status.in_(("claimed", "on_wire"))).limit(1))
    if left is None:
        journal.path.unlink(missing_ok=True)
    return settled


def _settle_expired() -> int:
    def judge(row: Mapping[str, Any]) -> Result:
        return _ask(row) or Unknown("the worker was lost during the hand-over")

    return _settle(Message.lease_until < clock.now(), judge, BY_LEASE, BATCH)


def _settle(
    left_over: ColumnElement[bool],
    judge: Callable[[Mapping[str, Any]], Result],
    settled_by: str,
    limit: int | None = None,
    states: Sequence[str] = ("claimed", "on_wire"),
) -> int:
    """Judge what is left over, then write. Providers are asked in between, with no transaction open; whatever changed
    meanwhile (another reaper, a late worker, a report) keeps its change."""
    query = select(table_of(Message)).where(Message.status.in_(states), left_over).order_by(Message.id).limit(limit)
    with reading() as session:
        found = rows_of(session, query)
    results = {row["id"]: (row["attempt_token"], judge(row)) for row in found if row["status"] != "claimed"}
    # A doubt that stays one is not written again.
    kept = {row["id"] for row in found if row["status"] == "unknown" and isinstance(results[row["id"]][1], Unknown)}
    found = [row for row in found if row["id"] not in kept]
    if not found:
        return 0
    with writing() as session:
        now = clock.now()
        rows = rows_of(session, query.where(Message.id.in_([row["id"] for row in found])).with_for_update())
        _release(session, [row for row in rows if row["status"] == "claimed"], now, living_journals(wire_folder()))
        for row in rows:
            token, result = results.get(row["id"], (None, None))
            if row["status"] != "claimed" and result is not None and row["attempt_token"] == token:
                store_results(session, row["channel"], [(row["id"], result)], now, settled_by=settled_by)
    return len(rows)


def _ask(row: Mapping[str, Any]) -> Result | None:
    """What the provider knows of it: looked up, or handed over again under the same key where that is safe."""
    if any(row[name] for name in ("delivered_at", "replied_at", "bounced_at", "first_opened_at", "first_clicked_at")):
        # A report came while the worker was still believed alive; nothing proves the sending better.
        return Sent(row["provider_message_id"], "a report came back")
    if row["kind"] == "call":
        action = manager.current().actions().get((row["inline"] or {}).get("action", ""))
        repeatable = action is not None and action.idempotent
        return Deferred("carried out again under the same key", NO_PAUSE) if repeatable else None
    channel = manager.current().channels().get(row["channel"])
    if channel is None:
        return None
    if channel.facts.idempotent:
        return Deferred("handed over again under the same key", NO_PAUSE)
    try:
        answer = channel.lookup(row["our_message_id"])
    except (Exception, SystemExit):
        log.exception("the channel %s could not look a message up", row["channel"])
        return None
    if answer == "sent":
        return Sent(row["provider_message_id"], "found at the provider")
    return Deferred("the provider does not know it", NO_PAUSE) if answer == "not_sent" else None


def _release(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime, living: Collection[str]) -> None:
    """Queue again what dead claims held. Who was in a claim that died is claimed alone from then on (see `deliver`),
    so a row that kills its worker is found out and takes no other with it. A slow worker is no dead one."""
    for row in rows:
        is_alive = (row["attempt_token"] or "").startswith(tuple(living))
        died = (row["detail"] or {}).get("died", 0) + (not is_alive)
        poison = died >= MAX_CLAIMS
        connection_of(session).execute(
            update(Message)
            .where(Message.id == row["id"], Message.status == "claimed")
            .values(
                status="held" if poison else "queued",
                reason="held_error" if poison else None,
                lease_until=None,
                attempt_token=None,
                # Whoever lets it try again gives it three lives anew.
                detail={**(row["detail"] or {}), "died": 0 if poison else died},
            )
        )
        if poison:
            _hold(session, row, died, now)


def _hold(session: Session, row: Mapping[str, Any], died: int, now: datetime) -> None:
    issue = raise_issue(
        session,
        f"poison:{row['id']}",
        code="message_poison",
        sentence=N_("A message of %(journey)s stopped its worker %(times)s times and is held."),
        params={"journey": row["journey_id"] or "", "times": died, "message": row["id"]},
        journey_id=row["journey_id"],
        step_id=row["step_id"],
        now=now,
    )
    connection_of(session).execute(
        update(Enrolment)
        .where(Enrolment.id == row["enrolment_id"], Enrolment.status == "active")
        .values(status="held", reason="held_error", held_issue=issue.id, due_at=None)
    )
