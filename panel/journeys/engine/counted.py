"""What counts against limits: the messages to a contact and to a mailbox, sent, and queued with a higher priority.

A mailbox is what all spellings of an address have in common (`contacts.addresses.suppression_key`): a family that tells
itself apart by +names or dots is one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from panel.contacts.addresses import suppression_key
from panel.contacts.sets import among
from panel.db import connection_of
from panel.journeys.models import Journey
from panel.messages.models import Message

COUNTED = ("on_wire", "sent", "delivered", "bounced", "unknown")
QUEUED = ("queued", "claimed")  # with a moment on the wire: in doubt, and to be sent again (`on_unknown: send_again`)


class _Sent(NamedTuple):
    id: int
    contact_id: int
    mailbox: str
    journey_id: str | None
    channel: str
    at: datetime
    priority: int | None  # of what is still queued; None: it went


def lock_addresses(session: Session, addresses: Collection[str]) -> None:
    """Make workers take turns at a mailbox, until the transaction ends: two contacts who share it must not both find
    the last place free. In one order, after the contacts are locked, so that nobody waits in a circle.

    SQLite has one writer at a time anyway.
    """
    connection = connection_of(session)
    boxes = {suppression_key(one) for one in addresses}
    if not addresses or connection.dialect.name != "postgresql":
        return
    keys = sorted({int.from_bytes(blake2b(one.encode(), digest_size=8).digest(), signed=True) for one in boxes})
    connection.execute(
        text("SELECT pg_advisory_xact_lock(k) FROM unnest(:keys) WITH ORDINALITY AS u(k, n) ORDER BY n").bindparams(
            bindparam("keys", type_=ARRAY(BigInteger))
        ),
        {"keys": keys},
    )


class Counted:
    """The messages that count for some contacts and addresses from `since` on. Grows with what is let through."""

    def __init__(
        self,
        session: Session,
        contact_ids: Collection[int],
        addresses: AbstractSet[str],
        since: datetime,
        now: datetime,
    ) -> None:
        self._by_contact: dict[int, dict[int, _Sent]] = defaultdict(dict)
        self._by_mailbox: dict[str, dict[int, _Sent]] = defaultdict(dict)
        for one in _read(session, contact_ids, addresses, since, now):
            self._add(one)

    def _add(self, one: _Sent) -> None:
        self._by_contact[one.contact_id][one.id] = one
        if one.mailbox:
            self._by_mailbox[one.mailbox][one.id] = one

    def let_through(self, message: Mapping[str, Any], address: str | None, now: datetime) -> None:
        """This one goes now, and counts for the next."""
        box = suppression_key(address or "")
        self._add(
            _Sent(message["id"], message["contact_id"], box, message["journey_id"], message["channel"], now, None)
        )

    def not_now(self, message: Mapping[str, Any], until: datetime | None) -> None:
        """This one was put off (None: given up). The place that was kept for it lies there from now on."""
        box = suppression_key(message["address"] or "")
        for known in (self._by_contact[message["contact_id"]], self._by_mailbox[box]):
            kept = known.pop(message["id"], None)
            if kept is not None and kept.priority is None:
                known[kept.id] = kept  # it may have gone before
            elif kept is not None and until is not None:
                known[kept.id] = kept._replace(at=until)

    def for_message(self, message: Mapping[str, Any], address: str | None) -> list[tuple[str, datetime]]:
        """(channel, moment) of all that counts against a message that would go to `address`."""
        known = {
            **self._by_contact.get(message["contact_id"], {}),
            **self._by_mailbox.get(suppression_key(address or ""), {}),
        }
        return [
            (one.channel, one.at)
            for one in known.values()
            if one.id != message["id"] and (one.priority is None or one.priority < message["priority"])
        ]

    def of_the_family(self, message: Mapping[str, Any], address: str | None) -> list[datetime]:
        """When the same journey wrote to this mailbox for another contact."""
        return [
            one.at
            for one in self._by_mailbox.get(suppression_key(address or ""), {}).values()
            if one.priority is None
            and one.journey_id == message["journey_id"]
            and one.contact_id != message["contact_id"]
        ]


def _read(
    session: Session, contact_ids: Collection[int], addresses: AbstractSet[str], since: datetime, now: datetime
) -> Iterable[_Sent]:
    connection = connection_of(session)
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    columns = (Message.id, Message.contact_id, Message.address, Message.journey_id, Message.channel)
    whose = [among(session, Message.contact_id, list(contact_ids))]
    if addresses:
        boxes = {suppression_key(one) for one in addresses}
        whose.append(among(session, Message.address, [*boxes, *(addresses - boxes)]))
        if any("@" in one for one in boxes):
            whose.append(among(session, Message.mailbox, list(boxes)))
    # One statement per index: a condition on both columns at once would use neither.
    for mine in whose:
        sent = select(*columns, Message.wire_at).where(
            mine, Message.wire_at >= since, Message.status.in_(COUNTED + QUEUED), Message.kind == "message"
        )
        for id_, contact_id, address, journey_id, channel, wire_at in connection.execute(sent):
            if wire_at is not None:
                yield _Sent(id_, contact_id, suppression_key(address or ""), journey_id, channel, wire_at, None)
        queued = select(*columns, Message.not_before, Message.priority).where(
            mine,
            Message.status.in_(QUEUED),
            Message.wire_at.is_(None),
            Message.kind == "message",
            or_(Message.expires_at.is_(None), Message.expires_at > now),
            func.coalesce(Message.journey_id, "").not_in(paused),
        )
        for id_, contact_id, address, journey_id, channel, not_before, priority in connection.execute(queued):
            yield _Sent(
                id_, contact_id, suppression_key(address or ""), journey_id, channel, max(not_before, now), priority
            )
