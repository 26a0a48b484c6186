"""Reads about consent and blocks, for many contacts or addresses at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from panel.consent import rules
from panel.consent.models import Consent, Suppression
from panel.contacts.addresses import suppression_key
from panel.contacts.models import Contact
from panel.contacts.queries import aliases, primary_addresses
from panel.contacts.sets import among
from panel.db import connection_of

ALL_CHANNELS = "*"


def state_many(session: Session, contact_ids: Collection[int], channel: str) -> dict[int, str]:
    """The consent of contacts for a channel: {contact: "opted_in" | "opted_out"}; who was never asked is left out.

    Decisions taken by a merged card count for the contact it was merged into.
    """
    session.flush()
    decisions: dict[int, list[rules.Decision]] = defaultdict(list)
    columns = (Consent.state, Consent.how, Consent.at)
    wanted = (Consent.channel == channel, Consent.is_current)
    query = select(Consent.contact_id, *columns).where(among(session, Consent.contact_id, contact_ids), *wanted)
    for contact_id, state, how, at in connection_of(session).execute(query):
        decisions[contact_id].append(rules.Decision(state, how, at))
    merged = (
        select(func.coalesce(Contact.merged_into_id, 0), *columns)
        .join(Consent, Consent.contact_id == Contact.id)
        .where(among(session, Contact.merged_into_id, contact_ids), *wanted)
    )
    for kept_id, state, how, at in connection_of(session).execute(merged):
        decisions[kept_id].append(rules.Decision(state, how, at))
    return {
        contact_id: found.state for contact_id, many in decisions.items() if (found := rules.current(many)) is not None
    }


def suppressed_many(session: Session, channel: str, addresses: Collection[str]) -> dict[str, str]:
    """Which of these normalised addresses are blocked on a channel: {address: reason}, the strongest reason of each.

    A refusal covers every spelling of the same mailbox (+tags, Gmail's dots).
    """
    if not addresses:
        return {}
    session.flush()
    keys = {suppression_key(address) for address in addresses}
    rows = (
        connection_of(session)
        .execute(
            select(Suppression.address, Suppression.reason).where(
                among(session, Suppression.address, keys.union(addresses)),
                or_(Suppression.channel == channel, Suppression.channel == ALL_CHANNELS),
                Suppression.lifted_at.is_(None),
            )
        )
        .all()
    )
    if not rows:
        return {}
    spellings: dict[str, list[str]] = defaultdict(list)
    for address in addresses:
        for key in {address, suppression_key(address)}:
            spellings[key].append(address)
    reasons: dict[str, set[str]] = defaultdict(set)
    for key, reason in rows:
        for address in spellings[key]:
            reasons[address].add(reason)
    return {address: found for address, many in reasons.items() if (found := rules.strongest(many)) is not None}


def why_not_many(
    session: Session, contact_ids: Collection[int], channel: str, address_kind: str, purpose: str
) -> dict[int, rules.Refusal | None]:
    """For each contact the first reason not to reach it on a channel, or None: the set form of `rules.why_not_send`.

    `address_kind` "contact" needs no address (in-app messages).
    """
    if not contact_ids:
        return {}
    if address_kind == "contact":
        addresses = {contact_id: str(contact_id) for contact_id in contact_ids}
    else:
        addresses = primary_addresses(session, contact_ids, address_kind)
    states = state_many(session, contact_ids, channel) if purpose == rules.Purpose.MARKETING else {}
    blocked = suppressed_many(session, channel, set(addresses.values()))
    return {
        contact_id: rules.why_not_send(
            purpose=purpose,
            has_address=contact_id in addresses,
            consent=states.get(contact_id),
            suppressed=blocked.get(addresses.get(contact_id, "")),
        )
        for contact_id in contact_ids
    }


def can_reach_many(
    session: Session, contact_ids: Collection[int], channel: str, address_kind: str, purpose: str
) -> set[int]:
    """The contacts that have an address, the consent that the purpose needs, and no block."""
    why = why_not_many(session, contact_ids, channel, address_kind, purpose)
    return {contact_id for contact_id, refusal in why.items() if refusal is None}


def history(session: Session, contact_id: int) -> list[Consent]:
    """Every decision of a contact and the cards merged into it, newest first: the proof."""
    ids = aliases(session, contact_id)
    return list(
        session.scalars(
            select(Consent).where(Consent.contact_id.in_(ids)).order_by(Consent.at.desc(), Consent.id.desc())
        )
    )


def active_suppressions(session: Session, addresses: Iterable[str]) -> list[Suppression]:
    """Blocks that hold for any of these addresses, on any channel."""
    keys = {key for address in addresses for key in (address, suppression_key(address))}
    if not keys:
        return []
    return list(
        session.scalars(
            select(Suppression)
            .where(among(session, Suppression.address, sorted(keys)), Suppression.lifted_at.is_(None))
            .order_by(Suppression.at.desc())
        )
    )
