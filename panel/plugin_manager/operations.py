"""Switching plugins on and off and storing their settings. Nobody commits here.

Every change changes the state version, by which running workers notice it between two batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.installation.operations import set_setting
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.queries import VERSION_SETTING
from panel.plugin_manager.secrets import Secrets
from panel.plugin_manager.settings import to_store
from panel.sdk.settings import SettingField


def set_enabled(session: Session, plugin_id: str, enabled: bool) -> None:
    """Switch a plugin on or off for all processes. Its settings and rows stay."""
    state = state_for_update(session, plugin_id)
    state.enabled = enabled
    _touch(session, state)


def save_settings(
    session: Session, plugin_id: str, fields: Sequence[SettingField], values: Mapping[str, Any], secrets: Secrets
) -> None:
    """Store checked values (see `settings.read_form`), secrets encrypted. A pause for misconfiguration ends here."""
    state = state_for_update(session, plugin_id)
    state.settings = to_store(fields, values, secrets)
    if (state.health or {}).get("state") == "paused":
        state.health = {**state.health, "state": "ok", "detail": "", "since": clock.now().isoformat()}
    _touch(session, state)


def set_health(session: Session, plugin_id: str, state: str, detail: str = "", **more: Any) -> None:
    """Note how a plugin is doing: "ok", "failing" or "paused". `since` moves only when the state changes.

    Does not change the state version: nothing about the plugin's offers has changed.
    """
    row = state_for_update(session, plugin_id)
    health = dict(row.health or {})
    if health.get("state") != state:
        health["since"] = clock.now().isoformat()
    row.health = {**health, **more, "state": state, "detail": detail[:500]}


def sync_soon(session: Session, plugin_id: str, now: datetime) -> None:
    """The plugin's regular work is due at once, also after a pause for misconfiguration."""
    row = state_for_update(session, plugin_id)
    health = dict(row.health or {})
    sync = {**(health.get("sync") or {}), "due_at": now.isoformat()}
    if health.get("state") == "paused":
        health = {**health, "state": "failing", "since": now.isoformat()}
    row.health = {**health, "sync": sync}


def look_again(session: Session) -> None:
    """Let every process look for new plugins and read all states anew."""
    # A random word and not a number plus one: two changes at once would count to the same number, and whoever saw the
    # first would never look for the second.
    set_setting(session, VERSION_SETTING, {"version": token_hex(8)})


def state_for_update(session: Session, plugin_id: str) -> PluginState:
    """The plugin's row, locked until the transaction ends; made on first use."""
    query = select(PluginState).where(PluginState.plugin_id == plugin_id).with_for_update()
    state = session.scalars(query).first()
    if state is None:
        state = PluginState(plugin_id=plugin_id, enabled=None, settings={}, health={}, updated_at=clock.now())
        session.add(state)
        session.flush()
    return state


def _touch(session: Session, state: PluginState) -> None:
    state.updated_at = clock.now()
    look_again(session)
