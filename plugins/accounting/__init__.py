"""Accounting through a folder of files: customers, invoices and payments on the contacts' timelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from panel.hookspecs import hookimpl
from panel.sdk.context import PluginContext, Unit
from panel.sdk.declarations import ActionType, Blueprint, ConditionType
from panel.sdk.events import EventType
from panel.sdk.settings import CheckStep, SettingField
from panel.sdk.web import PluginPage
from plugins.accounting import check, erasing, journeys, page, rounds
from plugins.accounting.events import EVENT_TYPES
from plugins.accounting.settings import FIELDS


@hookimpl
def register_settings() -> Iterable[SettingField]:
    return FIELDS


@hookimpl
def register_event_types() -> Iterable[EventType]:
    return EVENT_TYPES


@hookimpl
def register_conditions(ctx: PluginContext) -> Iterable[ConditionType]:
    return journeys.conditions(ctx)


@hookimpl
def register_actions(ctx: PluginContext) -> Iterable[ActionType]:
    return journeys.actions(ctx)


@hookimpl
def register_blueprints() -> Iterable[Blueprint]:
    return journeys.blueprints()


@hookimpl
def register_pages(ctx: PluginContext) -> Iterable[PluginPage]:
    return [page.books_page(ctx)]


@hookimpl
def test_connection(ctx: PluginContext, settings: Mapping[str, Any]) -> Iterable[CheckStep]:
    return check.steps(ctx, settings)


@hookimpl
def sync(ctx: PluginContext) -> None:
    rounds.run(ctx)


@hookimpl
def erase_contact(ctx: PluginContext, unit: Unit, contact_id: int) -> None:
    erasing.erase(unit, contact_id)
