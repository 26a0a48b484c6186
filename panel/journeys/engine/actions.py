"""Carrying out `call:` steps: the same ledger, marks and journal as messages, with a plugin's action as the channel.

One action after the other, each marked on the wire before it begins: what a killed worker leaves in doubt is one call,
and none when the plugin declares its action idempotent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine import crash
from panel.journeys.engine.checks import Decision, decide_calls, lock_contacts
from panel.journeys.engine.claiming import Claimed, claim
from panel.journeys.engine.handing_over import deferred
from panel.journeys.engine.marking import WIRE_LEASE, not_now
from panel.journeys.engine.persisting import persist
from panel.journeys.engine.results import store_results
from panel.journeys.engine.verbs.calling import ACTION
from panel.journeys.engine.wire import wire_journal
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.sdk.channels import Deferred, Failed, Outgoing, Result, Sent, Unknown
from panel.sdk.declarations import ActionType
from panel.sdk.errors import Misconfigured, NeverDeliverable, TryLater

log = logging.getLogger(__name__)

BATCH = 20
MISCONFIGURED_PAUSE = timedelta(minutes=10)
MISSING_PAUSE = timedelta(minutes=5)


def perform_calls(limit: int = BATCH) -> int:
    """Carry out up to `limit` planned calls; returns how many were taken in hand. Needs an application context."""
    claimed = claim(ACTION, limit)
    for one in claimed:
        _perform(one)
    return len(claimed)


def _perform(one: Claimed) -> None:
    name = one.row["inline"]["action"]
    action = manager.current().actions().get(name)
    outgoing = _mark(one, action)
    if outgoing is None or action is None:
        return
    journal = wire_journal()
    crash.point("after_on_wire_commit")
    journal.begin(outgoing)
    result = _call(action, outgoing.key, one.row["contact_id"], one.row["inline"]["with"])
    if isinstance(result, Sent):
        journal.accepted(outgoing, None)
    crash.point("before_result_commit")
    persist(lambda session: _conclude(session, name, one, result))
    journal.clear()


def _mark(one: Claimed, action: ActionType | None) -> Outgoing | None:
    """`on_wire`, unless the run has ended or is paused meanwhile, or the plugin is away."""
    row = one.row
    with writing() as session:
        now = clock.now()
        lock_contacts(session, [row["contact_id"]])
        ours = connection_of(session).execute(
            select(Message.id).where(
                Message.id == row["id"], Message.status == "claimed", Message.attempt_token == one.token
            )
        )
        if ours.first() is None:
            return None
        decision = decide_calls(session, [row], now)[row["id"]]
        if action is None and decision.verdict == "go":
            name = row["inline"]["action"]
            raise_issue(
                session,
                f"action_missing:{name}",
                code="held_plugin",
                sentence=N_("Calls of %(action)s are waiting: no plugin offers it. Switch its plugin on."),
                params={"action": name},
                now=now,
            )
            decision = Decision("wait", "held_plugin", now + MISSING_PAUSE)
        if decision.verdict != "go":
            not_now(session, one, decision, now)
            return None
        connection_of(session).execute(
            update(Message)
            .where(Message.id == row["id"])
            .values(status="on_wire", reason=None, wire_at=now, lease_until=now + WIRE_LEASE)
        )
        wire_journal().expect({row["id"]: one.token})
    payload = json.dumps(row["inline"], ensure_ascii=False).encode()
    return Outgoing(row["id"], row["our_message_id"], "", payload, attempt=row["attempt"] + 1)


def _call(action: ActionType, key: str, contact_id: int, settings: Mapping[str, Any]) -> Result:
    try:
        action.perform(key, contact_id, settings)
    except TryLater as error:
        return deferred(error.reason, error.after)
    except Misconfigured as error:
        return Deferred(str(error), MISCONFIGURED_PAUSE)
    except NeverDeliverable as error:
        return Failed("failed_provider", str(error.detail))
    except (Exception, SystemExit) as error:
        log.exception("the action %s failed", action.name)
        said = f"{type(error).__name__}: {error}"[:300]
        return Deferred(said) if action.idempotent else Unknown(said)
    return Sent()


def _conclude(session: Session, name: str, one: Claimed, result: Result) -> None:
    now = clock.now()
    id_ = one.row["id"]
    store_results(session, name, [(id_, result)], now, tokens={id_: one.token})
    key = f"action:{name}"
    resolve_issue(session, f"action_missing:{name}")
    if isinstance(result, Deferred):
        raise_issue(
            session,
            key,
            code="action_in_trouble",
            sentence=N_("%(action)s could not be carried out: %(detail)s. We try again by ourselves."),
            params={"action": name, "detail": result.detail[:300]},
            severity="warning",
            now=now,
        )
    else:
        resolve_issue(session, key)
