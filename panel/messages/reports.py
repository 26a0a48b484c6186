"""What comes back about messages that left the house: delivered, failed, bounced, complained, replied.

A report may come twice, late, in any order, before our own commit, or for a message whose sending was in doubt. What a
message has reached only grows: a late "delivered" never takes back a reply, and a report that it arrived settles the
doubt whether it went out. Each new report is an event, which wakes the contact's runs; nobody here knows journeys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Contact
from panel.db import Base
from panel.messages.models import Message
from panel.timeline.operations import record

State = Literal["delivered", "failed", "bounced_hard", "bounced_soft", "complained", "replied"]

LEFT = frozenset({"on_wire", "unknown", "sent", "delivered", "failed", "bounced"})
SETTLED_BY = "report"


def report(
    session: Session,
    *,
    state: State,
    at: datetime,
    source: str,
    key: str | None = None,
    provider_id: str | None = None,
    detail: str = "",
    external_id: str | None = None,
    data: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> Message | None:
    """Take in one report about the message with our `key`, or with the provider's id when there is no key.

    Returns the message, or None when there is none like it or it never left the house. `at` is the provider's time: a
    time in the future, or before the message was planned, is replaced by now and kept in the event's data. A report
    with the same `external_id` (or, without one, the same state of the same message) is taken once.
    """
    now = now or clock.now()
    message = _find(session, key, provider_id)
    if message is None or message.status not in LEFT:
        return None
    values = dict(data or {})
    if not message.planned_at <= at <= now:
        values["provider_time"] = at.isoformat()
        at = now
    kind, more = _event(state, message, detail)
    event_id = record(
        session,
        contact_id=message.contact_id,
        kind=kind,
        occurred_at=at,
        data={**more, **values},
        source=source,
        external_id=external_id or _external_id(state, message, at, detail, values),
        message_id=message.id,
        enrolment_id=message.enrolment_id,
        # What a person does starts afresh; what a provider tells belongs to the journey that sent the message.
        depth=0 if state == "replied" else _depth(session, message.enrolment_id) + 1,
    )
    if event_id is not None:
        _apply(session, message, state, at, detail, source, now)
        session.flush()
    return message


def latest_to(session: Session, channel: str, address: str) -> Message | None:
    """The latest message that left for this address on this channel: what a bare reply most likely answers."""
    return session.scalars(
        select(Message)
        .where(Message.address == address, Message.channel == channel, Message.wire_at.is_not(None))
        .where(Message.status.in_(LEFT))
        .order_by(Message.wire_at.desc(), Message.id.desc())
        .limit(1)
    ).first()


def _find(session: Session, key: str | None, provider_id: str | None) -> Message | None:
    """The message, locked until the transaction ends. Its contact is locked before it, as everywhere: what follows a
    report (an opt-out) touches the contact, and the other way round we and the sender would wait for each other."""
    if key:
        wanted = Message.our_message_id == key
    elif provider_id:
        wanted = Message.provider_message_id == provider_id
    else:
        return None
    row = session.execute(
        select(Message.id, Message.contact_id).where(wanted).order_by(Message.id.desc()).limit(1)
    ).first()
    if row is None:
        return None
    session.execute(select(Contact.id).where(Contact.id == row.contact_id).with_for_update())
    return session.get(Message, row.id, with_for_update=True, populate_existing=True)


def _event(state: State, message: Message, detail: str) -> tuple[str, dict[str, Any]]:
    channel = {"channel": message.channel}
    match state:
        case "delivered":
            return "message_delivered", channel
        case "failed":
            return "message_failed", channel | {"address": message.address or "", "detail": detail}
        case "bounced_hard" | "bounced_soft":
            severity = "hard" if state == "bounced_hard" else "soft"
            return "message_bounced", channel | {"severity": severity, "detail": detail}
        case "complained":
            return "message_complained", channel
    return "message_replied", channel | {"text": detail}


def _external_id(state: State, message: Message, at: datetime, detail: str, data: Mapping[str, Any]) -> str:
    if state != "replied":
        return f"{state}:{message.id}"
    # Two replies to one message are two facts, unless they are the same words of the same moment.
    digest = sha256(f"{at.isoformat()}\0{detail}\0{data.get('text', '')}".encode()).hexdigest()[:24]
    return f"replied:{message.id}:{digest}"


def _apply(
    session: Session, message: Message, state: State, at: datetime, detail: str, source: str, now: datetime
) -> None:
    arrived = state in ("delivered", "replied", "complained", "bounced_hard", "bounced_soft")
    if message.status == "unknown" or (
        # Its worker is gone and the reaper has not come by yet. While the worker lives, its own result decides.
        message.status == "on_wire" and message.lease_until is not None and message.lease_until < now
    ):
        _settle(session, message, arrived, at, source)
    if message.status not in ("on_wire", "unknown"):
        message.status = _status_after(message, state)
    if state == "delivered":
        message.delivered_at = _earliest(message.delivered_at, at)
    elif state == "replied":
        message.replied_at = _earliest(message.replied_at, at)
    elif state in ("bounced_hard", "bounced_soft"):
        message.bounced_at = _earliest(message.bounced_at, at)
    if message.status in ("failed", "bounced") or state == "complained":
        message.reason = "failed_provider" if state == "failed" else state
        message.detail = {**(message.detail or {}), "report": detail[:500]}


def _status_after(message: Message, state: State) -> str:
    """The ledger's word after a report. Arrived beats failed, whichever is told first."""
    if state in ("bounced_hard", "bounced_soft"):
        return "bounced"
    reached = message.delivered_at or message.replied_at or message.first_opened_at or message.first_clicked_at
    if state == "failed":
        return message.status if reached or message.status == "bounced" else "failed"
    if message.status == "bounced":
        return "bounced"
    return "delivered"


def _settle(session: Session, message: Message, sent: bool, at: datetime, source: str) -> None:
    message.status = "sent" if sent else "failed"
    message.settled_by = SETTLED_BY
    message.lease_until = None
    if sent and message.sent_at is None:
        message.sent_at = message.wire_at or at
    record(
        session,
        contact_id=message.contact_id,
        kind="message_settled",
        occurred_at=at,
        data={"channel": message.channel, "outcome": "sent" if sent else "failed", "by": SETTLED_BY},
        source=source,
        external_id=f"settled:{message.id}",
        message_id=message.id,
        enrolment_id=message.enrolment_id,
        depth=_depth(session, message.enrolment_id) + 1,
    )


def _depth(session: Session, enrolment_id: int | None) -> int:
    """How many journeys caused each other up to this message, read by table name: journeys are above us."""
    if enrolment_id is None:
        return 0
    enrolments = Base.metadata.tables["enrolments"]
    return session.execute(select(enrolments.c.depth).where(enrolments.c.id == enrolment_id)).scalar() or 0


def _earliest(known: datetime | None, new: datetime) -> datetime:
    return new if known is None else min(known, new)
