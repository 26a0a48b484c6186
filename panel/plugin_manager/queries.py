"""Reads about plugins' states and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.installation.queries import get_setting
from panel.plugin_manager.models import PluginRecord, PluginState

VERSION_SETTING = "plugins_version"


def state_version(session: Session) -> str:
    """A word that differs after every change of a plugin's state or settings; cheap to compare between batches."""
    return str(get_setting(session, VERSION_SETTING).get("version", ""))


def states(session: Session) -> dict[str, PluginState]:
    return {state.plugin_id: state for state in session.scalars(select(PluginState))}


def record_of(session: Session, plugin_id: str, kind: str, key: str) -> PluginRecord | None:
    return session.scalars(
        select(PluginRecord).where(
            PluginRecord.plugin_id == plugin_id, PluginRecord.kind == kind, PluginRecord.key == key
        )
    ).first()


def records_of(
    session: Session,
    plugin_id: str,
    kind: str,
    contact_ids: Sequence[int] | None = None,
    latest: int | None = None,
) -> Sequence[PluginRecord]:
    """Rows of one kind (about these contacts), oldest first; with `latest` only so many of the newest."""
    query = select(PluginRecord).where(PluginRecord.plugin_id == plugin_id, PluginRecord.kind == kind)
    if contact_ids is not None:
        query = query.where(PluginRecord.contact_id.in_(contact_ids))
    if latest is None:
        return session.scalars(query.order_by(PluginRecord.id)).all()
    return session.scalars(query.order_by(PluginRecord.id.desc()).limit(latest)).all()[::-1]


def health_of(state: PluginState | None) -> dict[str, Any]:
    return dict(state.health or {}) if state is not None else {}
