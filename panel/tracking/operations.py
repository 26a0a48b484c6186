"""Taking in what comes back from a message's own addresses: its pixel, its links, its unsubscribe button."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.operations import opt_in, opt_out
from panel.contacts.queries import aliases, canonical
from panel.messages.models import Message, Skeleton
from panel.timeline.operations import record
from panel.tracking.judging import SOURCE, event_key, judge_anew
from panel.tracking.models import TrackingHit
from panel.tracking.rules import (
    Click,
    Hit,
    Judgement,
    Kind,
    Verdict,
    burst_window,
    counts_as_open,
    event_kind,
    is_burst,
    judge,
)

# A message counts as out from the moment the server may have taken it.
_OUT = ("on_wire", "unknown", "sent", "delivered", "failed", "bounced")


def network_of(secret: str, address: str) -> str:
    """What is kept of the address a hit came from: a keyed hash, equal for equal addresses, good for nothing else."""
    return hmac.digest(secret.encode(), b"network " + address.encode(), hashlib.sha256).hex()[:24]


def record_open(session: Session, message_id: int, hit: Hit, *, now: datetime | None = None) -> Judgement | None:
    """The pixel of a message was loaded. None when there is no such message."""
    moment = now or clock.now()
    message = _message(session, message_id)
    if message is None:
        return None
    verdict = judge("open", hit, _since_sent(message, moment))
    stored = _store(session, message, "open", None, hit, verdict, moment)
    stored.event_id = _event(session, message, stored, verdict, {}, moment)
    if counts_as_open(verdict.verdict) and message.first_opened_at is None:
        message.first_opened_at = moment
    _settle(session, message, "open", moment)
    session.flush()
    return verdict


def record_click(session: Session, message_id: int, link: int, hit: Hit, *, now: datetime | None = None) -> str | None:
    """A link of a message was followed. Returns its stored target, or None when there is no such message or link.

    When this click completes a burst on all links, the clicks of it that came before, and what was said about them on
    the timeline, are judged anew.
    """
    moment = now or clock.now()
    message = _message(session, message_id)
    if message is None or message.skeleton is None:
        return None
    targets = session.scalar(select(Skeleton.links).where(Skeleton.sha256 == message.skeleton)) or []
    if link >= len(targets):
        return None
    verdict = judge("click", hit, _since_sent(message, moment))
    stored = _store(session, message, "click", link, hit, verdict, moment)
    is_last_of_burst = verdict.verdict == Verdict.HUMAN and is_burst(
        _clicks(session, message, stored.network, moment, len(targets)), len(targets)
    )
    if is_last_of_burst:
        verdict = Judgement(Verdict.MACHINE, "all_links_at_once")
    stored.event_id = _event(session, message, stored, verdict, {"url": targets[link], "link_number": link}, moment)
    if verdict.verdict == Verdict.HUMAN and message.first_clicked_at is None:
        message.first_clicked_at = moment
    if is_last_of_burst:
        judge_anew(session, message, targets=targets)
    _settle(session, message, "click", moment)
    session.flush()
    return str(targets[link])


def unsubscribe(
    session: Session,
    message_id: int,
    *,
    how: str,
    wording: str,
    proof: Mapping[str, Any] | None = None,
    channel: str | None = None,
    now: datetime | None = None,
) -> bool:
    """The contact refuses the message's channel (or `channel`): consent withdrawn, address blocked, queue emptied.

    All in the caller's transaction: once it is committed, nothing of marketing that was waiting will go out. Repeating
    it changes nothing. `how` is one_click or preference_page. Returns whether there is such a message.
    """
    moment = now or clock.now()
    message = _message(session, message_id, lock=False)
    if message is None:
        return False
    channel = channel or message.channel
    contact_id = canonical(session, message.contact_id)
    evidence = {"message_id": message.id, **(proof or {})}
    address = message.address if channel == message.channel else None
    changed = opt_out(
        session, contact_id, channel, how=how, wording=wording, source=f"message:{message.id}", proof=evidence,
        now=moment, address=address,
    )  # fmt: skip
    if changed:
        record(
            session,
            contact_id=contact_id,
            kind="unsubscribed",
            occurred_at=moment,
            data={"channel": channel, "how": how},
            source=SOURCE,
            message_id=message.id,
            enrolment_id=message.enrolment_id,
        )
    cancel_queued(session, contact_id, channel, now=moment)
    return True


def subscribe(
    session: Session,
    message_id: int,
    channel: str,
    *,
    wording: str,
    proof: Mapping[str, Any],
    now: datetime | None = None,
) -> bool:
    """The contact chose on the preference page to get messages on this channel. Returns whether it changed anything."""
    message = _message(session, message_id, lock=False)
    if message is None:
        return False
    contact_id = canonical(session, message.contact_id)
    evidence = {"message_id": message.id, **proof}
    return opt_in(
        session, contact_id, channel, how="preference_page", wording=wording, source=f"message:{message.id}",
        proof=evidence, now=now or clock.now(),
    )  # fmt: skip


def cancel_queued(session: Session, contact_id: int, channel: str, *, now: datetime) -> int:
    """Stop the marketing messages of one person that wait for this channel. Returns how many there were.

    What is already claimed by a worker is stopped by that worker's own last check, before anything leaves.
    """
    rows = session.execute(
        update(Message)
        .where(
            Message.contact_id.in_(aliases(session, contact_id)),
            Message.channel == channel,
            Message.purpose == "marketing",
            Message.status == "queued",
        )
        .values(status="cancelled", reason="opted_out")
        .returning(Message.id, Message.contact_id, Message.enrolment_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    for message_id, owner, enrolment_id in rows:
        record(
            session,
            contact_id=owner,
            kind="message_skipped",
            occurred_at=now,
            data={"channel": channel, "reason": "opted_out"},
            source=SOURCE,
            external_id=f"cancelled:{message_id}",
            message_id=message_id,
            enrolment_id=enrolment_id,
        )
    return len(rows)


def _message(session: Session, message_id: int, *, lock: bool = True) -> Message | None:
    query = select(Message).where(Message.id == message_id, Message.status.in_(_OUT))
    return session.scalars(query.with_for_update() if lock else query).first()


def _since_sent(message: Message, now: datetime) -> Any:
    sent_at = message.sent_at or message.wire_at
    return None if sent_at is None else now - sent_at


def _store(
    session: Session, message: Message, kind: Kind, link: int | None, hit: Hit, judged: Judgement, now: datetime
) -> TrackingHit:
    row = TrackingHit(
        message_id=message.id, contact_id=message.contact_id, kind=kind, link=link, at=now, method=hit.method[:10],
        user_agent=hit.user_agent[:500], network=hit.network, verdict=judged.verdict.value, reason=judged.reason,
        is_prefetch=hit.is_prefetch,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _event(
    session: Session,
    message: Message,
    stored: TrackingHit,
    judged: Judgement,
    data: Mapping[str, Any],
    now: datetime,
) -> int | None:
    """One event per message (or link) and verdict: a person's click counts once, also after a scanner's."""
    stored.verdict, stored.reason = judged.verdict.value, judged.reason
    return record(
        session,
        contact_id=message.contact_id,
        kind=event_kind("open" if stored.kind == "open" else "click", judged.verdict),
        occurred_at=now,
        data={"channel": message.channel, **data, "verdict": judged.verdict.value, "why": judged.reason},
        source=SOURCE,
        external_id=f"{event_key(stored.kind, message.id, stored.link)}:{judged.verdict.value}",
        message_id=message.id,
        enrolment_id=message.enrolment_id,
        # What a machine did is kept as history; it starts nothing and wakes nobody.
        starts_journeys=judged.verdict != Verdict.MACHINE,
    )


def _clicks(session: Session, message: Message, network: str, now: datetime, links: int) -> list[Click]:
    """The clicks from one network that may be one burst with the newest, which is stored already."""
    rows = session.execute(
        select(TrackingHit.link, TrackingHit.at)
        .where(
            TrackingHit.message_id == message.id,
            TrackingHit.kind == "click",
            TrackingHit.at >= now - burst_window(links),
            TrackingHit.network == network,
            TrackingHit.link.is_not(None),
        )
        .order_by(TrackingHit.at, TrackingHit.id)
    )
    return [Click(link or 0, at, network) for link, at in rows]


def _settle(session: Session, message: Message, by: Kind, now: datetime) -> None:
    """Whoever loads or follows something of a message in doubt proves that it went out, machine or not."""
    in_doubt = message.status == "unknown" or (
        # Its worker is gone and nobody noticed yet. While the worker lives, its own result decides.
        message.status == "on_wire" and message.lease_until is not None and message.lease_until < now
    )
    if not in_doubt:
        return
    message.status, message.settled_by, message.reason, message.lease_until = "sent", by, "settled_sent", None
    message.sent_at = message.sent_at or message.wire_at or now
    record(
        session,
        contact_id=message.contact_id,
        kind="message_settled",
        occurred_at=now,
        data={"channel": message.channel, "outcome": "sent", "by": by},
        source=SOURCE,
        external_id=f"settled:{message.id}",
        message_id=message.id,
        enrolment_id=message.enrolment_id,
    )
