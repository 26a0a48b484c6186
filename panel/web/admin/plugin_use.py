"""Which running journeys need a plugin, so that nobody switches it off unknowingly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.journeys.models import Journey, JourneyVersion
from panel.messages.models import Template, TemplateForm


def live_journeys(session: Session, plugin_id: str, channels: Collection[str]) -> list[tuple[str, str]]:
    """(id, name) of the journeys with people or plans that name one of the channels, a template written for one, or
    anything that begins with the plugin's id. Rather one too many than one too few."""
    templates = set(
        session.scalars(
            select(Template.name)
            .join(TemplateForm, TemplateForm.version_id == Template.current_version_id)
            .where(TemplateForm.channel.in_(channels))
        )
    )
    rows = session.execute(
        select(Journey.id, Journey.name, JourneyVersion.resolved)
        .join(JourneyVersion, JourneyVersion.id == Journey.live_version_id)
        .where(Journey.state.in_(("live", "paused", "closing")))
        .order_by(Journey.name)
    )
    return [
        (id_, name or id_)
        for id_, name, resolved in rows
        if any(word in channels or word in templates or word.startswith(f"{plugin_id}.") for word in _words(resolved))
    ]


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for name, value in part.items():
            yield str(name)
            yield from _words(value)
    elif isinstance(part, list):
        for one in part:
            yield from _words(one)
