"""Every hook a plugin may implement. Hooks declare something at start-up, or run in a background job of their own.

No plugin code runs inside a page's transaction or inside the engine's `advance`, except declared conditions that read
local rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

from panel.sdk.channels import Channel
from panel.sdk.context import PluginContext, Unit
from panel.sdk.declarations import ActionType, Blueprint, ConditionType
from panel.sdk.events import EventType
from panel.sdk.holidays import HolidayCalendar
from panel.sdk.settings import CheckStep, SettingField
from panel.sdk.web import PluginPage, Service, Webhook

PROJECT = "panel"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_settings() -> Iterable[SettingField]:  # type: ignore[empty-body]
    """Declare the plugin's settings."""


@hookspec
def register_event_types() -> Iterable[EventType]:  # type: ignore[empty-body]
    """Declare the kinds of events the plugin records; names begin with `<plugin id>.`."""


@hookspec
def register_channels(ctx: PluginContext) -> Iterable[Channel]:  # type: ignore[empty-body]
    """Offer ways to send messages."""


@hookspec
def register_conditions(ctx: PluginContext) -> Iterable[ConditionType]:  # type: ignore[empty-body]
    """Offer conditions for journeys (`check:`)."""


@hookspec
def register_actions(ctx: PluginContext) -> Iterable[ActionType]:  # type: ignore[empty-body]
    """Offer actions for journeys (`call:`)."""


@hookspec
def register_blueprints() -> Iterable[Blueprint]:  # type: ignore[empty-body]
    """Offer ready-made journeys."""


@hookspec
def register_holidays(ctx: PluginContext) -> Iterable[HolidayCalendar]:  # type: ignore[empty-body]
    """Offer holiday calendars for the allowed hours of journeys (`holidays: skip`, `calendar: <name>`)."""


@hookspec
def register_services(ctx: PluginContext) -> Iterable[Service]:  # type: ignore[empty-body]
    """Name processes that must run while the plugin is enabled."""


@hookspec
def register_webhooks(ctx: PluginContext) -> Iterable[Webhook]:  # type: ignore[empty-body]
    """Offer public addresses for outside services to call."""


@hookspec
def register_pages(ctx: PluginContext) -> Iterable[PluginPage]:  # type: ignore[empty-body]
    """Offer pages inside the panel."""


@hookspec
def test_connection(ctx: PluginContext, settings: Mapping[str, Any]) -> Iterable[CheckStep]:  # type: ignore[empty-body]
    """Try `settings` (not yet saved) for real, step by step, and say what to fix."""


@hookspec
def sync(ctx: PluginContext) -> None:
    """Do the plugin's regular work, in a job of its own, every `sync_every` seconds of its manifest."""


@hookspec
def erase_contact(ctx: PluginContext, unit: Unit, contact_id: int) -> None:
    """Remove what the plugin keeps about a contact. A plugin that keeps nothing says so in its README instead."""
