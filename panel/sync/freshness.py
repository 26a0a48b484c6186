"""Whether what the outside systems tell us is fresh enough to believe that something has NOT happened.

Otherwise a broken synchronisation turns every customer into a lost one, and mails them all (language rule 2d.10).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.plugin_manager.models import PluginState
from panel.timeline.registry import types


def stale_kinds(session: Session, kinds: Collection[str], now: datetime) -> frozenset[str]:
    """Those of the kinds of events whose plugin last synchronised longer ago than they declare (`fresh_within`).

    A plugin that never did, or is switched off, is stale as well: its silence proves nothing.
    """
    watched = {}
    for kind in kinds:
        declared = types.get(kind)
        if declared is not None and declared.fresh_within is not None:
            watched[kind] = declared.fresh_within
    if not watched:
        return frozenset()
    last = _last_synchronised(session)
    return frozenset(
        kind
        for kind, within in watched.items()
        if (at := last.get(kind.partition(".")[0])) is None or at < now - within
    )


def _last_synchronised(session: Session) -> dict[str, datetime]:
    found = {}
    query = select(PluginState.plugin_id, PluginState.health).where(PluginState.enabled.is_not(False))
    for plugin_id, health in connection_of(session).execute(query):
        at = ((health or {}).get("sync") or {}).get("last_at")
        if isinstance(at, str):
            found[plugin_id] = datetime.fromisoformat(at)
    return found
