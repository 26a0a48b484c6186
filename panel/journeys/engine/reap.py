"""Reap: what dead workers left. `claimed` never left the house; `on_wire` may have: it is settled or shown in doubt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, reading, rows_of, table_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.results import store_results
from panel.journeys.engine.turns import repeat
from panel.journeys.engine.wire import DeadJournal, dead_journals
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.sdk.channels import Deferred, Result, Sent, Unknown

log = logging.getLogger(__name__)
BATCH = 500
NO_PAUSE = timedelta(0)
MAX_CLAIMS = 3  # a row whose claim died this often is poison: it is held, the others go on


def run(limit_seconds: float, argument: str = "") -> bool:
    return repeat(reap, limit_seconds)


def due(connection: Connection, now: datetime) -> int:
    """1 when something is left over: an expired lease, or a dead worker's journal on this host."""
    expired = connection.execute(
        select(Message.id).where(Message.status.in_(("claimed", "on_wire")), Message.lease_until < now).limit(1)
    ).first()
    return 1 if expired is not None or next(dead_journals(_folder()), None) is not None else 0


def reap() -> int:
    """Settle what dead workers left; returns how many rows changed. Needs an application context."""
    changed = 0
    for journal in list(dead_journals(_folder())):
        changed += _settle_journal(journal)
    return changed + _settle_expired()


def _folder() -> Path:
    return Path(current_app.instance_path) / "wire"


def _settle_journal(journal: DeadJournal) -> int:
    """The journal of a dead worker speaks: accepted is sent, never begun is queued again, the rest is in doubt."""

    def judge(row: Mapping[str, Any]) -> Result:
        token = row["attempt_token"]
        if token in journal.accepted:
            return Sent(journal.accepted[token] or None, "noted by the worker before it died")
        if token not in journal.begun:
            return Deferred("the worker died before the hand-over began", NO_PAUSE)
        return _ask(row) or Unknown("the worker died during the hand-over")

    settled = _settle(Message.attempt_token.startswith(journal.id), judge, "wire_journal")
    journal.path.unlink(missing_ok=True)
    return settled


def _settle_expired() -> int:
    def judge(row: Mapping[str, Any]) -> Result:
        return _ask(row) or Unknown("the worker was lost during the hand-over")

    return _settle(Message.lease_until < clock.now(), judge, "lease", BATCH)


def _settle(
    left_over: ColumnElement[bool],
    judge: Callable[[Mapping[str, Any]], Result],
    settled_by: str,
    limit: int | None = None,
) -> int:
    """Judge what is left over, then write. Providers are asked in between, with no transaction open; whatever changed
    meanwhile (another reaper, a late worker, a report) keeps its change."""
    query = (
        select(table_of(Message))
        .where(Message.status.in_(("claimed", "on_wire")), left_over)
        .order_by(Message.id)
        .limit(limit)
    )
    with reading() as session:
        found = rows_of(session, query)
    results = {row["id"]: (row["attempt_token"], judge(row)) for row in found if row["status"] == "on_wire"}
    if not found:
        return 0
    with writing() as session:
        now = clock.now()
        rows = rows_of(session, query.where(Message.id.in_([row["id"] for row in found])).with_for_update())
        _release(session, [row for row in rows if row["status"] == "claimed"], now)
        for row in rows:
            token, result = results.get(row["id"], (None, None))
            if row["status"] == "on_wire" and result is not None and row["attempt_token"] == token:
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
    except Exception:
        log.exception("the channel %s could not look a message up", row["channel"])
        return None
    if answer == "sent":
        return Sent(row["provider_message_id"], "found at the provider")
    return Deferred("the provider does not know it", NO_PAUSE) if answer == "not_sent" else None


def _release(session: Session, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    connection = connection_of(session)
    for row in rows:
        poison = row["attempt"] >= MAX_CLAIMS
        connection.execute(
            update(Message)
            .where(Message.id == row["id"], Message.status == "claimed")
            .values(
                status="held" if poison else "queued",
                reason="held_error" if poison else None,
                lease_until=None,
                attempt_token=None,
            )
        )
        if poison:
            raise_issue(
                session,
                f"poison:{row['id']}",
                code="message_poison",
                sentence=N_("A message of %(journey)s stopped its worker %(times)s times and is held."),
                params={"journey": row["journey_id"] or "", "times": row["attempt"], "message": row["id"]},
                journey_id=row["journey_id"],
                step_id=row["step_id"],
                now=now,
            )
