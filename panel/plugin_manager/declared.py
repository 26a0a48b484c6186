"""Checks of what a plugin declares: right kinds of things, names that carry its id, nothing twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from panel.errors import UserError
from panel.i18n import N_
from panel.plugin_manager.shapes import first_fault, fits, too_long
from panel.sdk.channels import AddressKind, Channel, ChannelFacts, Preview
from panel.sdk.declarations import ActionType, Blueprint, ConditionType
from panel.sdk.events import EventType
from panel.sdk.holidays import HolidayCalendar
from panel.sdk.settings import SettingField
from panel.sdk.web import PluginPage, Service, Webhook

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
SLUG = re.compile(r"[a-z][a-z0-9_-]{0,59}")
CHANNEL_PARTS = ("name", "label", "icon", "address_kind", "facts", "compile", "encode", "send", "lookup", "show")
CHANNEL_CALLS = ("compile", "encode", "send", "lookup", "show")
CHANNEL_NAME_LENGTH = 20  # as wide as its column in the ledger

T = TypeVar("T")


def check_settings(plugin_id: str, declared: Iterable[object]) -> tuple[SettingField, ...]:
    fields = _all(plugin_id, "register_settings", declared, SettingField)
    _names(plugin_id, fields, lambda field: field.name, NAME)
    known = {field.name for field in fields}
    for field in fields:
        if field.shown_if is not None and field.shown_if[0] not in known:
            raise _wrong(plugin_id, field.name, f'shown_if names "{field.shown_if[0]}", which is not a setting')
        if not (field.default is None or isinstance(field.default, str | int | float | Mapping)):
            raise _wrong(plugin_id, field.name, f"a default that cannot be stored: {type(field.default).__name__}")
        if field.kind == "choice" and not field.choices:
            raise _wrong(plugin_id, field.name, "a choice without choices")
    return fields


def check_event_types(plugin_id: str, declared: Iterable[object]) -> tuple[EventType, ...]:
    types = _all(plugin_id, "register_event_types", declared, EventType)
    for one in types:
        _own(plugin_id, one.name)
    _names(plugin_id, types, lambda one: one.name, re.compile(r"[a-z][a-z0-9_.]{2,79}"))
    return types


def check_channels(plugin_id: str, declared: Iterable[object]) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    for one in declared:
        missing = [part for part in CHANNEL_PARTS if not hasattr(one, part)]
        if missing:
            raise _wrong(plugin_id, type(one).__name__, f'a channel without "{missing[0]}"')
        channel: Channel = one  # type: ignore[assignment]
        if not isinstance(channel.facts, ChannelFacts):
            raise _wrong(plugin_id, type(one).__name__, '"facts" must be ChannelFacts')
        if fault := _fault_of_channel(channel):
            raise _wrong(plugin_id, str(channel.name)[:60], fault)
        if len(channel.name) > CHANNEL_NAME_LENGTH:
            raise _wrong(plugin_id, channel.name, f"a channel's name has at most {CHANNEL_NAME_LENGTH} letters")
        channels.append(channel)
    _names(plugin_id, channels, lambda channel: channel.name, NAME)
    return tuple(channels)


def _fault_of_channel(channel: Channel) -> str | None:
    for part in ("name", "label", "icon"):
        value = getattr(channel, part)
        if not isinstance(value, str) or too_long(part, value):
            return f'"{part}" must be a short text'
    if not fits(channel.address_kind, AddressKind):
        return '"address_kind" must be email, phone, postal or contact'
    if not fits(getattr(channel, "preview", "mail"), Preview):
        return '"preview" must be mail, bubble, page or card'
    for part in CHANNEL_CALLS:
        if not callable(getattr(channel, part)):
            return f'"{part}" must be a function'
    facts = channel.facts
    if fault := first_fault(facts):
        return f'"facts": {fault}'
    if facts.batch_size < 1 or facts.timeout <= timedelta(0) or (facts.rate is not None and facts.rate <= 0):
        return '"facts": batch_size, timeout and rate must be more than nothing'
    return None


def check_conditions(plugin_id: str, declared: Iterable[object]) -> dict[str, ConditionType]:
    return _full_names(plugin_id, _all(plugin_id, "register_conditions", declared, ConditionType))


def check_actions(plugin_id: str, declared: Iterable[object]) -> dict[str, ActionType]:
    return _full_names(plugin_id, _all(plugin_id, "register_actions", declared, ActionType))


def check_blueprints(plugin_id: str, declared: Iterable[object]) -> dict[str, Blueprint]:
    return _full_names(plugin_id, _all(plugin_id, "register_blueprints", declared, Blueprint))


def check_holidays(plugin_id: str, declared: Iterable[object]) -> dict[str, HolidayCalendar]:
    calendars = _all(plugin_id, "register_holidays", declared, HolidayCalendar)
    _names(plugin_id, calendars, lambda one: one.name, NAME)
    return {one.name: one for one in calendars}


def check_services(plugin_id: str, declared: Iterable[object]) -> tuple[Service, ...]:
    services = _all(plugin_id, "register_services", declared, Service)
    _names(plugin_id, services, lambda service: service.name, SLUG)
    return services


def check_webhooks(plugin_id: str, declared: Iterable[object]) -> tuple[Webhook, ...]:
    webhooks = _all(plugin_id, "register_webhooks", declared, Webhook)
    _names(plugin_id, webhooks, lambda webhook: webhook.name, SLUG)
    return webhooks


def check_pages(
    plugin_id: str, declared: Iterable[object], rights: Collection[str] | None = None
) -> tuple[PluginPage, ...]:
    """`rights` are those there are: a page under a right that nobody can have would break every menu."""
    pages = _all(plugin_id, "register_pages", declared, PluginPage)
    for page in pages:
        if rights is not None and page.action not in rights:
            raise _wrong(plugin_id, page.name, f'there is no right "{page.action}"')
    _names(plugin_id, pages, lambda page: page.name, SLUG)
    return pages


def _all(plugin_id: str, hook: str, declared: Iterable[object], kind: type[T]) -> tuple[T, ...]:
    found: list[T] = []
    for one in declared:
        if not isinstance(one, kind):
            raise _wrong(plugin_id, hook, f"{type(one).__name__} instead of {kind.__name__}")
        if fault := first_fault(one):
            raise _wrong(plugin_id, str(getattr(one, "name", hook))[:60], fault)
        found.append(one)
    return tuple(found)


def _names(plugin_id: str, things: Iterable[T], name_of: Callable[[T], str], pattern: re.Pattern[str]) -> None:
    seen: set[str] = set()
    for one in things:
        name = name_of(one)
        if not isinstance(name, str) or not pattern.fullmatch(name):
            raise _wrong(plugin_id, str(name), "not a name: small letters, digits and _ only")
        if name in seen:
            raise _wrong(plugin_id, name, "declared twice")
        seen.add(name)


def _own(plugin_id: str, name: str) -> None:
    if not name.startswith(f"{plugin_id}."):
        raise UserError(
            "plugin_foreign_name",
            N_('%(plugin)s: the name "%(name)s" must begin with "%(prefix)s".'),
            plugin=plugin_id,
            name=name,
            prefix=f"{plugin_id}.",
        )


def _full_names(plugin_id: str, things: Iterable[Any]) -> dict[str, Any]:
    """By full name `<plugin>.<name>`, whether the plugin wrote the prefix or not. A foreign prefix is refused."""
    found: dict[str, Any] = {}
    for one in things:
        full = one.name if "." in one.name else f"{plugin_id}.{one.name}"
        _own(plugin_id, full)
        if full in found:
            raise _wrong(plugin_id, full, "declared twice")
        found[full] = one
    return found


def _wrong(plugin_id: str, name: str, detail: str) -> UserError:
    return UserError(
        "plugin_declaration",
        N_('%(plugin)s declares something the panel cannot use: "%(name)s": %(detail)s'),
        plugin=plugin_id,
        name=name,
        detail=detail,
    )
