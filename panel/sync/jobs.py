"""Runs the plugins' regular work, each in a turn of its own, and tells people what goes wrong with it.

Nothing is scheduled anywhere: when a plugin last ran, and who is running it now, is in its row. A worker that is killed
while it runs a plugin leaves a lease that runs out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import reading, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.plugin_manager.loader import place
from panel.plugin_manager.manager import PluginManager, current
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.operations import set_health, state_for_update
from panel.sdk.errors import Misconfigured, TryLater

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=6)
TELL = "tell"  # the argument that means: write down the problems met, run nothing
TELL_EVERY = 60.0
_told = [0.0]


def due(connection: Connection, now: datetime) -> Iterator[str]:
    """Ids of the plugins whose work is due; from time to time also the wish to write problems down."""
    manager = current()
    with Session(connection) as session:
        manager.refresh_if_changed(session)
    health = {id_: found for id_, found in connection.execute(select(PluginState.plugin_id, PluginState.health))}
    for info in manager.loaded:
        if info.state == "on" and manager.implements(info.id, "sync") and _due_at(health.get(info.id) or {}) <= now:
            yield info.id
    if time.monotonic() - _told[0] > TELL_EVERY:
        _told[0] = time.monotonic()
        yield TELL


def run(limit_seconds: float, plugin_id: str = "") -> bool:
    """Run one plugin's work if it is due (every plugin's, without an id). Nothing is left for a second slice.

    `limit_seconds` cannot bind a plugin; its own time-outs and the worker's do.
    """
    manager = current()
    with reading() as session:
        manager.refresh_if_changed(session)
    if plugin_id != TELL:
        for info in manager.loaded:
            if plugin_id in ("", info.id) and info.state == "on" and manager.implements(info.id, "sync"):
                run_sync(manager, info.id)
    with writing() as session:
        manager.flush_issues(session)
    return False


def run_sync(manager: PluginManager, plugin_id: str, *, force: bool = False) -> bool:
    """Do a plugin's work unless it is not due or somebody else is at it (`force`: due or not). False when not run."""
    info = manager.get(plugin_id)
    if info is None or info.manifest is None or not _claim(plugin_id, clock.now(), force):
        return False
    every = timedelta(seconds=max(info.manifest.sync_every, 1))
    key = f"plugin:{plugin_id}:sync"
    try:
        manager.invoke(plugin_id, "sync", ctx=manager.context(plugin_id))
    except TryLater as error:
        _failed(plugin_id, "failing", error.reason or "the service asks to come back later", every, error.after)
        return True
    except Misconfigured as error:
        _failed(plugin_id, "paused", error.detail, every)
        with writing() as session:
            raise_issue(
                session,
                key,
                code="plugin_misconfigured",
                sentence=N_("The plugin %(plugin)s is paused, because its connection is not right: %(detail)s"),
                params={"plugin": plugin_id, "detail": error.detail, "field": error.field},
            )
        return True
    except (Exception, SystemExit) as error:
        log.exception("plugin %s failed in sync", plugin_id)
        detail = f"{type(error).__name__}: {error}" + place(error, info.folder)
        _failed(plugin_id, "failing", detail, every)
        with writing() as session:
            raise_issue(
                session,
                key,
                code="plugin_sync_failed",
                sentence=N_("The regular work of the plugin %(plugin)s failed: %(detail)s"),
                params={"plugin": plugin_id, "detail": detail[:500]},
            )
        return True
    now = clock.now()
    with writing() as session:
        set_health(session, plugin_id, "ok", sync={"last_at": now.isoformat(), "due_at": (now + every).isoformat()})
        resolve_issue(session, key)
    return True


def _claim(plugin_id: str, now: datetime, force: bool) -> bool:
    with writing() as session:
        state = state_for_update(session, plugin_id)
        health = dict(state.health or {})
        lease = _time(_sync(health).get("lease_until"))
        if lease is not None and lease > now:
            return False
        if not force and _due_at(health) > now:
            return False
        state.health = {**health, "sync": {**_sync(health), "lease_until": (now + LEASE).isoformat()}}
    return True


def _failed(plugin_id: str, state: str, detail: str, every: timedelta, after: timedelta | None = None) -> None:
    """Come back later and later: after the usual pause, twice that, and so on, but at least every six hours."""
    now = clock.now()
    with writing() as session:
        row = state_for_update(session, plugin_id)
        times = int(_sync(row.health or {}).get("failed", 0)) + 1
        given = after if isinstance(after, timedelta) and after >= timedelta(0) else LONGEST_PAUSE
        pause = min(given if after is not None else every * 2 ** min(times, 20), LONGEST_PAUSE)
        set_health(session, plugin_id, state, detail, sync={"failed": times, "due_at": (now + pause).isoformat()})


def _due_at(health: Mapping[str, Any]) -> datetime:
    """When a plugin's work is due next; the far future while it is paused or somebody is at it."""
    never = datetime.max.replace(tzinfo=clock.now().tzinfo)
    if health.get("state") == "paused":
        return never
    past = datetime.min.replace(tzinfo=never.tzinfo)
    return max(_time(_sync(health).get("due_at")) or past, _time(_sync(health).get("lease_until")) or past)


def _sync(health: Mapping[str, Any]) -> dict[str, Any]:
    found = health.get("sync")
    return dict(found) if isinstance(found, dict) else {}


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
