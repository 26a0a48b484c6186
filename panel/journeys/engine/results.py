"""What a provider answered, put into the ledger and on the timeline. Used by `deliver`, by `reap`, and by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.consent.operations import suppress
from panel.contacts.sets import among
from panel.copying import update_rows
from panel.db import connection_of, rows_of, table_of
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.looking_again import places_are_free
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.sdk.channels import Deferred, Failed, Result, Sent, Unknown
from panel.timeline.operations import NewEvent, record_many

_LOOKED_AT = [
    table_of(Message).c[name]
    for name in (
        *("id", "status", "attempt", "attempt_token", "wire_at", "contact_id", "enrolment_id", "journey_id", "step_id"),
        *("channel", "kind", "inline", "address", "subject", "detail", "rules", "provider_message_id"),
    )
]
_COMPARED = ("status", "attempt_token", "contact_id", "address")
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)
# Put back, given up or called off while its worker slept; a late yes still proves that it went out.
UNDONE = ("queued", "claimed", "held", "skipped", "cancelled")


def store_results(
    session: Session,
    channel: str,
    results: Sequence[tuple[int, Result]],
    now: datetime,
    *,
    settled_by: str | None = None,
    tokens: Mapping[int, str] | None = None,
    marked: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Write each result once: only a message still `on_wire` or `unknown` takes one.

    A report that came before us (delivered, bounced) has settled the state; then only the provider's id is added.
    `tokens` are the attempts that these results speak of. Where another attempt has begun since (this worker slept,
    its lease was over) only a `Sent` counts: whatever was decided meanwhile, the message went out.
    `marked` are rows as this worker left them in the ledger: where nobody has touched them since, which is nearly
    always so, they need not be read again.
    """
    connection = connection_of(session)
    if marked:
        sent = [(marked[id_], result) for id_, result in results if isinstance(result, Sent) and id_ in marked]
        if _as_left(session, channel, sent, now):
            results = [(id_, result) for id_, result in results if not (isinstance(result, Sent) and id_ in marked)]
            if not results:
                return
    rows = {
        row["id"]: row
        for row in rows_of(
            session,
            select(*_LOOKED_AT)
            .where(among(session, Message.id, [id_ for id_, _ in results]))
            .order_by(Message.id)
            .with_for_update(),
        )
    }
    events: list[NewEvent] = []
    wake: list[int] = []
    changes: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for id_, result in results:
        row = rows.get(id_)
        if row is None:
            continue
        late = tokens is not None and row["attempt_token"] != tokens[id_]
        if late and not isinstance(result, Sent):
            continue
        if row["status"] not in ("on_wire", "unknown") and not (isinstance(result, Sent) and row["status"] in UNDONE):
            if isinstance(result, Sent) and row["status"] in ("delivered", "bounced", "sent"):
                connection.execute(
                    update(Message)
                    .where(Message.id == id_)
                    .values(provider_message_id=result.provider_id or row["provider_message_id"], lease_until=None)
                )
            continue
        values, event = _effect(session, channel, row, result, now)
        if settled_by:
            values["settled_by"] = settled_by
        elif tokens is not None:
            values.setdefault("settled_by", None)  # the worker itself says how it ended, whatever its lease said before
        changes.setdefault(tuple(values), []).append((None, *values.values(), id_))
        if event is not None:
            events.append(event)
        if row["enrolment_id"] and values["status"] != "queued":
            wake.append(row["enrolment_id"])
    # One statement for all that change the same columns: nearly always every message of the batch.
    for names, rows_changed in changes.items():
        update_rows(connection, Message, ("lease_until", *names), rows_changed)
    record_many(session, events)
    _wake(session, wake, now)
    not_gone = [rows[id_] for id_, result in results if id_ in rows and isinstance(result, Failed | Deferred)]
    not_gone = [row for row in not_gone if row["kind"] == "message"]
    places_are_free(session, {row["contact_id"] for row in not_gone}, {row["address"] for row in not_gone}, now)


class _TouchedError(Exception):
    """Somebody has touched these rows since they were marked."""


def _as_left(session: Session, channel: str, sent: Sequence[tuple[Mapping[str, Any], Sent]], now: datetime) -> bool:
    """Write down what was sent, if every row is as its worker left it; False, and nothing written, if one is not.

    What others may change while a message is on the wire is compared: its state and attempt (a reaper), its contact (a
    merge), its address (an erasure).
    """
    rows: list[tuple[Any, ...]] = []
    events: list[NewEvent | None] = []
    names: tuple[str, ...] = ()
    for row, result in sorted(sent, key=lambda pair: pair[0]["id"]):
        values, event = _effect(session, channel, row, result, now)
        names = tuple(values)
        rows.append((None, None, *values.values(), *(row[name] for name in _COMPARED), row["id"]))
        events.append(event)
    try:
        with session.begin_nested():
            columns = ("lease_until", "settled_by", *names)
            if update_rows(connection_of(session), Message, columns, rows, same=_COMPARED) < len(rows):
                raise _TouchedError
    except _TouchedError:
        return False
    record_many(session, [event for event in events if event is not None])
    _wake(session, [row["enrolment_id"] for row, _ in sent if row["enrolment_id"]], now)
    return True


def _wake(session: Session, enrolment_ids: Sequence[int], now: datetime) -> None:
    """The runs go on, now that their messages have an end."""
    if enrolment_ids:
        connection_of(session).execute(
            update(Enrolment)
            .where(among(session, Enrolment.id, enrolment_ids), Enrolment.status == "active")
            .values(due_at=now)
        )


def _effect(
    session: Session, channel: str, row: Mapping[str, Any], result: Result, now: datetime
) -> tuple[dict[str, Any], NewEvent | None]:
    if isinstance(result, Sent):
        values = {
            "status": "sent",
            "reason": None,
            "sent_at": now,
            "provider": channel,
            "provider_message_id": result.provider_id,
            "detail": {**(row["detail"] or {}), "answer": result.detail[:300]},
        }
        return values, _event(row, "message_sent", row["wire_at"] or now, subject=row["subject"] or "")
    if isinstance(result, Failed):
        if result.suppress and row["address"]:
            suppress(
                session,
                channel,
                row["address"],
                "hard_bounce",
                contact_id=row["contact_id"],
                source=f"message:{row['id']}",
                now=now,
            )
        values = {
            "status": "failed",
            "reason": result.code,
            "detail": {**(row["detail"] or {}), "answer": result.detail[:300]},
        }
        return values, _event(row, "message_failed", now, detail=result.detail[:300], reason=result.code)
    if isinstance(result, Deferred):
        pause = result.after or min(FIRST_RETRY * 2 ** max(row["attempt"] - 1, 0), LONGEST_RETRY)
        detail = {**(row["detail"] or {}), "answer": result.detail[:300]}
        # wire_at goes: it counts against limits, and this message certainly did not leave.
        return {"status": "queued", "not_before": now + pause, "wire_at": None, "detail": detail}, None
    return _doubt(session, row, result, now)


def _doubt(
    session: Session, row: Mapping[str, Any], result: Unknown, now: datetime
) -> tuple[dict[str, Any], NewEvent | None]:
    policy = (row["rules"] or {}).get("on_unknown") or "ask"
    detail = {**(row["detail"] or {}), "answer": result.detail[:300]}
    if policy == "send_again":
        return {"status": "queued", "not_before": now, "detail": detail, "settled_by": "send_again"}, None
    if policy == "ask":
        raise_issue(
            session,
            f"unknown:{row['journey_id']}:{row['step_id']}",
            code="message_unknown",
            sentence=N_("We do not know whether some messages of %(journey)s went out. Open them and decide."),
            params={"journey": row["journey_id"] or "", "step": row["step_id"] or ""},
            journey_id=row["journey_id"],
            step_id=row["step_id"],
            now=now,
        )
    if row["status"] == "unknown":
        return {"status": "unknown", "reason": "unknown", "detail": detail}, None
    return {"status": "unknown", "reason": "unknown", "detail": detail}, _event(row, "message_unknown", now)


# What became of a call, on the timeline: it is no message.
_OF_CALLS = {
    "message_sent": "action_done",
    "message_failed": "action_failed",
    "message_unknown": "action_unknown",
}


def _event(row: Mapping[str, Any], kind: str, at: datetime, **data: Any) -> NewEvent:
    if row["kind"] == "call":
        kind = _OF_CALLS[kind]
        data = {"action": row["inline"]["action"], "with": row["inline"]["with"], **data}
    return NewEvent(
        row["contact_id"],
        kind,
        at,
        {"channel": row["channel"], "address": row["address"], "step": row["step_id"], **data},
        source="journeys",
        external_id=f"{kind}:{row['id']}" + (f":{row['attempt']}" if kind == "message_unknown" else ""),
        message_id=row["id"],
        enrolment_id=row["enrolment_id"],
        user_id=(row["rules"] or {}).get("by"),  # written by a person
        depth=1,
    )
