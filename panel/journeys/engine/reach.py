"""Who can be reached how: the address, or the first reason not to use it; and which channels a template has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.consent.queries import state_many, suppressed_many, why_not_many
from panel.consent.rules import Purpose, why_not_send
from panel.contacts.addresses import parse
from panel.contacts.queries import primary_addresses, region
from panel.db import connection_of
from panel.engagement.preference import preferred_channels
from panel.errors import UserError
from panel.messages.models import Template, TemplateForm
from panel.plugin_manager import manager

# For channels whose plugin is not here: the kind of address they would use.
KINDS = {
    "email": "email",
    "sms": "phone",
    "whatsapp": "phone",
    "call": "phone",
    "letter": "postal",
    "in_app": "contact",
}


class Reach(NamedTuple):
    address: str | None
    reason: str | None


def address_kind(channel: str) -> str:
    offered = manager.current().channels().get(channel)
    return offered.address_kind if offered is not None else KINDS.get(channel, "email")


def assess(
    session: Session,
    contact_ids: Collection[int],
    channel: str,
    purpose: str,
    *,
    at: Mapping[int, str | None] | None = None,
) -> dict[int, Reach]:
    """For each contact its address on the channel and why it may not be used, if so.

    `at` gives another address per contact, as somebody wrote it (`to:` in a send step); the contact's own consent and
    the blocks of that very address hold.
    """
    kind = address_kind(channel)
    if at is not None:
        return _assess_at(session, contact_ids, channel, kind, purpose, at)
    if kind == "contact":  # within the panel: no address is needed
        why = why_not_many(session, contact_ids, channel, kind, purpose)
        return {one: Reach(None, reason.value if (reason := why.get(one)) is not None else None) for one in contact_ids}
    return _judged(session, contact_ids, channel, purpose, primary_addresses(session, contact_ids, kind))


def _assess_at(
    session: Session, contact_ids: Collection[int], channel: str, kind: str, purpose: str, at: Mapping[int, str | None]
) -> dict[int, Reach]:
    country = region(session)
    addresses: dict[int, str] = {}
    for contact_id in contact_ids:
        # What is no address is no address: the message is skipped with that reason.
        with suppress(UserError):
            addresses[contact_id] = parse(kind, at.get(contact_id) or "", region=country).value
    return _judged(session, contact_ids, channel, purpose, addresses)


def _judged(
    session: Session, contact_ids: Collection[int], channel: str, purpose: str, addresses: Mapping[int, str]
) -> dict[int, Reach]:
    states = state_many(session, contact_ids, channel) if purpose == Purpose.MARKETING else {}
    blocked = suppressed_many(session, channel, set(addresses.values()))
    reasons: dict[tuple[bool, str | None, str | None], str | None] = {}  # there are few, and many contacts
    found = {}
    for contact_id in contact_ids:
        address = addresses.get(contact_id)
        known = (address is not None, states.get(contact_id), blocked.get(address or ""))
        if known not in reasons:
            has_address, consent, suppressed = known
            why = why_not_send(purpose=purpose, has_address=has_address, consent=consent, suppressed=suppressed)
            reasons[known] = why.value if why is not None else None
        found[contact_id] = Reach(address, reasons[known])
    return found


def in_order_of_preference(
    session: Session, contact_ids: Collection[int], channels: Sequence[str], now: datetime
) -> dict[int, tuple[str, ...]]:
    """The channels of a template, for each contact the one first that they answer best (see `panel.engagement`)."""
    best = preferred_channels(session, contact_ids, now, guess=True)
    found = {}
    for contact_id in contact_ids:
        first = best[contact_id][0] if contact_id in best else None
        found[contact_id] = tuple(sorted(channels, key=lambda name: name != first))
    return found


@dataclass(frozen=True)
class TemplateChannels:
    version_id: int
    channels: tuple[str, ...]


def template_channels(session: Session, name: str) -> TemplateChannels | None:
    """The newest version of a template and the channels it has a form for; None when there is no such template."""
    connection = connection_of(session)
    version = connection.execute(
        select(Template.current_version_id).where(Template.name == name, Template.archived_at.is_(None))
    ).scalar()
    if version is None:
        return None
    forms = connection.execute(
        select(TemplateForm.channel).where(TemplateForm.version_id == version).order_by(TemplateForm.id)
    ).scalars()
    return TemplateChannels(version, tuple(dict.fromkeys(forms)))
