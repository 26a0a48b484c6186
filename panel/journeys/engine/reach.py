"""Who can be reached how: the address, or the first reason not to use it; and which channels a template has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.consent.queries import why_not_many
from panel.contacts.queries import primary_addresses
from panel.db import connection_of
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


@dataclass(frozen=True)
class Reach:
    address: str | None
    reason: str | None


def address_kind(channel: str) -> str:
    offered = manager.current().channels().get(channel)
    return offered.address_kind if offered is not None else KINDS.get(channel, "email")


def assess(session: Session, contact_ids: Collection[int], channel: str, purpose: str) -> dict[int, Reach]:
    """For each contact its address on the channel and why it may not be used, if so."""
    kind = address_kind(channel)
    addresses = primary_addresses(session, contact_ids, kind)
    why = why_not_many(session, contact_ids, channel, kind, purpose)
    found = {}
    for contact_id in contact_ids:
        reason = why.get(contact_id)
        found[contact_id] = Reach(addresses.get(contact_id), reason.value if reason is not None else None)
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
