"""The plugins of one application: which there are, what the enabled ones offer, and calling them safely.

The manager lives as long as its process. States and settings are in SQL; one small row tells whether another
process changed them. It is compared when somebody asks what there is, at most once a second, and by
`refresh_if_changed` at once, so a running worker needs no restart when somebody flips a switch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from panel.db import db, reading
from panel.errors import Problem, UserError
from panel.i18n import N_
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue
from panel.plugin_manager import declared
from panel.plugin_manager.loader import (
    LoadedPlugin,
    call_one,
    declare,
    implements,
    load,
    new_registry,
    place,
    problem_of,
)
from panel.plugin_manager.manifest import Manifest
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.queries import health_of, state_version, states
from panel.plugin_manager.secrets import Secrets
from panel.plugin_manager.settings import from_store
from panel.plugin_manager.sources import Found, Source
from panel.sdk.channels import Channel
from panel.sdk.context import PluginContext
from panel.sdk.declarations import ActionType, Blueprint, ConditionType
from panel.sdk.events import EventType
from panel.sdk.holidays import HolidayCalendar
from panel.sdk.settings import SettingField
from panel.sdk.web import PluginPage, Service, Webhook

log = logging.getLogger(__name__)

State = Literal["on", "off", "broken"]
CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class PluginInfo:
    """How a plugin stands now. `state` "broken" comes with a `problem` in plain words; then it offers nothing.

    `enabled` is what the people decided, also for a broken plugin. `health` is its last word about its connection:
    {"state": "ok|failing|paused", "since", "detail"}, or empty.
    """

    id: str
    source: Source | None
    folder: Path | None
    manifest: Manifest | None
    enabled: bool
    problem: Problem | None = None
    health: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        if self.problem is not None:
            return "broken"
        return "on" if self.enabled else "off"

    @property
    def name(self) -> str:
        return self.manifest.name if self.manifest else self.id


@dataclass(frozen=True)
class Offer:
    """What one enabled plugin declared, checked. `stamp` tells whether its state changed since."""

    stamp: object
    channels: tuple[Channel, ...] = ()
    conditions: Mapping[str, ConditionType] = field(default_factory=dict)
    actions: Mapping[str, ActionType] = field(default_factory=dict)
    blueprints: Mapping[str, Blueprint] = field(default_factory=dict)
    holidays: Mapping[str, HolidayCalendar] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    pages: tuple[PluginPage, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True)
class _Picture:
    """All that the manager knows at one moment; replaced as a whole, so readers need no lock."""

    version: str | None = None
    loaded: tuple[PluginInfo, ...] = ()
    offers: Mapping[str, Offer] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class PluginManager:
    """See the module. `find` looks for plugins, `contexts` makes the context that a plugin's hooks are given."""

    def __init__(
        self,
        find: Callable[[], Iterable[Found]],
        secrets: Secrets,
        contexts: Callable[[PluginManager, str], PluginContext],
        learn: Callable[[EventType], None] = lambda event_type: None,
        rights: Collection[str] | None = None,
    ) -> None:
        self.secrets = secrets
        self._find = find
        self._learn = learn
        self._rights = rights
        self._contexts: dict[str, PluginContext] = {}
        self._make_context = contexts
        self._registry = new_registry()
        self._plugins: dict[str, LoadedPlugin] = {}
        self._doubles: list[LoadedPlugin] = []
        self._picture = _Picture()
        self._lock = threading.RLock()
        self._troubles: dict[str, Problem] = {}
        self._well: dict[tuple[str, str], None] = {}
        self._fine: set[tuple[str, str]] = set()
        self._checked_at = float("-inf")
        self._painting = False
        self._look()

    # What there is

    @property
    def loaded(self) -> tuple[PluginInfo, ...]:
        """Every plugin found, with its state and problem; in the order they were found."""
        return self._now().loaded

    def get(self, plugin_id: str) -> PluginInfo | None:
        return next((one for one in self.loaded if one.id == plugin_id), None)

    def context(self, plugin_id: str) -> PluginContext:
        if plugin_id not in self._contexts:
            self._contexts[plugin_id] = self._make_context(self, plugin_id)
        return self._contexts[plugin_id]

    def settings_fields(self, plugin_id: str) -> Sequence[SettingField]:
        plugin = self._plugins.get(plugin_id)
        return plugin.settings if plugin else ()

    def settings(self, plugin_id: str) -> Mapping[str, Any]:
        """The plugin's settings as of the last refresh, secrets in clear, defaults filled in."""
        return self._now().settings.get(plugin_id, {})

    def implements(self, plugin_id: str, hook: str) -> bool:
        return plugin_id in self._plugins and implements(self._registry, plugin_id, hook)

    def is_on(self, plugin_id: str) -> bool:
        info = self.get(plugin_id)
        return info is not None and info.state == "on"

    # What the enabled ones offer

    def channels(self) -> dict[str, Channel]:
        return {channel.name: channel for offer in self._offers() for channel in offer.channels}

    def channel_owner(self, channel: str) -> str | None:
        """The id of the plugin that offers a channel."""
        for plugin_id, offer in self._now().offers.items():
            if any(one.name == channel for one in offer.channels):
                return plugin_id
        return None

    def event_types(self, *, enabled_only: bool = False) -> list[EventType]:
        """Event types of all plugins that could be opened: history stays readable when a plugin is switched off."""
        return [
            one
            for plugin in self._plugins.values()
            if not enabled_only or self.is_on(plugin.id)
            for one in plugin.event_types
        ]

    def conditions(self) -> dict[str, ConditionType]:
        return {name: one for offer in self._offers() for name, one in offer.conditions.items()}

    def actions(self) -> dict[str, ActionType]:
        return {name: one for offer in self._offers() for name, one in offer.actions.items()}

    def blueprints(self) -> dict[str, Blueprint]:
        return {name: one for offer in self._offers() for name, one in offer.blueprints.items()}

    def holiday_calendars(self) -> dict[str, HolidayCalendar]:
        """Holiday calendars of plugins, by the name that journeys use."""
        return {name: one for offer in self._offers() for name, one in offer.holidays.items()}

    def services(self) -> dict[str, Service]:
        """Processes to run beside the workers, by `<plugin>.<name>`."""
        return {f"{id_}.{one.name}": one for id_, offer in self._now().offers.items() for one in offer.services}

    def pages(self) -> dict[tuple[str, str], PluginPage]:
        """Pages inside the panel, by (plugin, name)."""
        return {(id_, one.name): one for id_, offer in self._now().offers.items() for one in offer.pages}

    def webhooks(self) -> dict[tuple[str, str], Webhook]:
        """Public addresses, by (plugin, name)."""
        return {(id_, one.name): one for id_, offer in self._now().offers.items() for one in offer.webhooks}

    # Calling

    def invoke(self, plugin_id: str, hook: str, **arguments: Any) -> Any:
        """Call a hook of one plugin; None when it has none. What it raises passes through."""
        return call_one(self._registry, plugin_id, hook, **arguments)

    def guarded(self, plugin_id: str, hook: str, **arguments: Any) -> Any:
        """Call a hook of one plugin; None when it has none or fails. A failure is logged and becomes an issue."""
        try:
            answer = self.invoke(plugin_id, hook, **arguments)
            return list(answer) if isinstance(answer, Iterable) and not isinstance(answer, (str, bytes)) else answer
        except (Exception, SystemExit) as error:
            self.note_failure(plugin_id, hook, error)
            return None

    def note_failure(self, plugin_id: str, what: str, error: BaseException) -> None:
        """Log a plugin's failure and keep it for `flush_issues`; safe inside any transaction."""
        log.error("plugin %s failed in %s", plugin_id, what, exc_info=error)
        self._fine.discard((plugin_id, what))
        self._well.pop((plugin_id, what), None)
        plugin = self._plugins.get(plugin_id)
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self._troubles[f"plugin:{plugin_id}:{what}"] = Problem(
            "plugin_hook_failed",
            N_("The plugin %(plugin)s failed (%(hook)s): %(detail)s"),
            {"plugin": plugin_id, "hook": what, "detail": detail + place(error, plugin.folder if plugin else None)},
        )

    def note_success(self, plugin_id: str, what: str) -> bool:
        """What may have failed before works: `flush_issues` closes its issue. True when there may be one, as far as
        this process knows."""
        if (plugin_id, what) in self._fine:
            return False
        self._troubles.pop(f"plugin:{plugin_id}:{what}", None)
        self._well[plugin_id, what] = None
        return True

    # Keeping up

    def refresh_if_changed(self, session: Session) -> bool:
        """Take over what changed in the database since last time; True when anything did. One small read otherwise."""
        self._checked_at = time.monotonic()
        version = state_version(session)
        if version == self._picture.version:
            return False
        with self._lock:
            if version != self._picture.version:
                if self._picture.version is not None:
                    self._look()
                self._picture = self._paint(version, states(session))
        return True

    def flush_issues(self, session: Session) -> None:
        """Write the problems met so far as issues, and close those of plugins that are well again."""
        for info in self._now().loaded:
            key = f"plugin:{info.id}"
            if info.problem is not None and info.enabled:
                raise_issue(
                    session, key, code=info.problem.code, sentence=info.problem.sentence, params=info.problem.params
                )
            else:
                resolve_issue(session, key)
        while self._well:
            (plugin_id, what), _ = self._well.popitem()
            resolve_issue(session, f"plugin:{plugin_id}:{what}")
            self._fine.add((plugin_id, what))
        while self._troubles:
            key, problem = self._troubles.popitem()
            raise_issue(session, key, code=problem.code, sentence=problem.sentence, params=problem.params)
        self._close_of_those_gone(session)

    def _close_of_those_gone(self, session: Session) -> None:
        """Nobody can mend, and nobody waits for, what a plugin did wrong that is off or no longer here. What it did not
        erase it still keeps: that stays open."""
        here = {info.id for info in self._now().loaded if info.enabled}
        query = select(Issue).where(Issue.state == "open", Issue.code.startswith("plugin_", autoescape=True))
        for issue in session.scalars(query).all():
            plugin_id = issue.params.get("plugin") or issue.key.split(":")[1]
            if issue.code != "plugin_erase_failed" and issue.key.startswith("plugin:") and plugin_id not in here:
                issue.state = "resolved"

    def _now(self) -> _Picture:
        if self._picture.version is None or self._is_stale():
            self._check()
        return self._picture

    def _is_stale(self) -> bool:
        return time.monotonic() - self._checked_at > CHECK_SECONDS

    def _check(self) -> None:
        """Refresh in a session of our own: the asker may be in the middle of a transaction of any kind."""
        with self._lock:
            # While plugins declare, they may ask about themselves; and another thread may have been here before us.
            if self._painting or (self._picture.version is not None and not self._is_stale()):
                return
            self._checked_at = time.monotonic()
            try:
                with reading() as session:
                    self.refresh_if_changed(session)
            except DBAPIError:
                # Before the first migration there are no states, and defaults count; later the last picture does.
                if self._picture.version is None:
                    self._picture = self._paint(None, {})

    def _offers(self) -> Iterable[Offer]:
        return self._now().offers.values()

    def _look(self) -> None:
        """Open plugins that were not there before. One already open stays as it is until the process restarts."""
        for found in self._find():
            known = self._plugins.get(found.id)
            if known is not None:
                if (known.source, known.folder) != (found.source, found.folder):
                    self._note_double(found, known)
                    continue
                if known.problem is None:
                    continue
            plugin = self._plugins[found.id] = load(found, self._registry)
            if plugin.problem is not None:
                log.warning("plugin %s is set aside: %s", found.id, plugin.problem.words("en"))
            for event_type in plugin.event_types:
                self._learn(event_type)

    def _note_double(self, found: Found, known: LoadedPlugin) -> None:
        if any((one.id, one.source, one.folder) == (found.id, found.source, found.folder) for one in self._doubles):
            return
        problem = Problem(
            "plugin_twice",
            N_('There are two plugins called "%(plugin)s"; the one in %(used)s is used, this one is not.'),
            {"plugin": found.id, "used": str(known.folder or known.source)},
        )
        log.warning("plugin %s is there twice: %s is not used", found.id, found.folder)
        self._doubles.append(LoadedPlugin(found.id, found.source, found.folder, problem=problem))

    def _paint(self, version: str | None, rows: Mapping[str, PluginState]) -> _Picture:
        self._painting = True
        try:
            return self._painted(version, rows)
        finally:
            self._painting = False

    def _painted(self, version: str | None, rows: Mapping[str, PluginState]) -> _Picture:
        before = self._picture
        infos: list[PluginInfo] = []
        offers: dict[str, Offer] = {}
        settings: dict[str, Mapping[str, Any]] = {}
        for plugin in self._plugins.values():
            row = rows.get(plugin.id)
            enabled = _enabled(plugin, row)
            settings[plugin.id], lost = from_store(plugin.settings, row.settings if row else {}, self.secrets)
            if lost:
                self._note_lost(plugin.id, lost)
            infos.append(
                PluginInfo(
                    plugin.id, plugin.source, plugin.folder, plugin.manifest, enabled, plugin.problem, health_of(row)
                )
            )
            if enabled and plugin.problem is None:
                stamp = row.updated_at if row else None
                old = before.offers.get(plugin.id)
                if old is not None and old.stamp == stamp and old.problem is None:
                    offers[plugin.id] = old
        # A plugin may read its settings while it declares, so they must be in place first.
        self._picture = _Picture(version if version is not None else "?", tuple(infos), offers, settings)
        taken = {channel.name: id_ for id_, offer in offers.items() for channel in offer.channels}
        for number, info in enumerate(infos):
            if info.state != "on" or info.id in offers:
                continue
            row = rows.get(info.id)
            offer = self._ask(info.id, row.updated_at if row else None, taken)
            if offer.problem is None:
                offers[info.id] = offer
                taken.update({channel.name: info.id for channel in offer.channels})
            else:
                infos[number] = PluginInfo(
                    info.id, info.source, info.folder, info.manifest, True, offer.problem, info.health
                )
        infos += [PluginInfo(one.id, one.source, one.folder, None, False, one.problem) for one in self._doubles]
        infos += [_missing(row) for id_, row in rows.items() if row.enabled and id_ not in self._plugins]
        _close({id(one) for offer in offers.values() for one in offer.channels}, before.offers.values())
        return _Picture(version, tuple(infos), offers, settings)

    def _ask(self, plugin_id: str, stamp: object, taken: Mapping[str, str]) -> Offer:
        """Collect and check what one plugin offers. A failure in any part sets the whole plugin aside."""

        def answers(hook: str) -> list[object]:
            arguments = {} if hook == "register_blueprints" else {"ctx": self.context(plugin_id)}
            return declare(self._registry, plugin_id, hook, **arguments)

        try:
            channels = declared.check_channels(plugin_id, answers("register_channels"))
            for channel in channels:
                if channel.name in taken:
                    raise UserError(
                        "plugin_channel_taken",
                        N_('%(plugin)s offers the channel "%(channel)s", which %(other)s offers already.'),
                        plugin=plugin_id,
                        channel=channel.name,
                        other=taken[channel.name],
                    )
            return Offer(
                stamp,
                channels,
                declared.check_conditions(plugin_id, answers("register_conditions")),
                declared.check_actions(plugin_id, answers("register_actions")),
                declared.check_blueprints(plugin_id, answers("register_blueprints")),
                declared.check_holidays(plugin_id, answers("register_holidays")),
                declared.check_services(plugin_id, answers("register_services")),
                declared.check_webhooks(plugin_id, answers("register_webhooks")),
                declared.check_pages(plugin_id, answers("register_pages"), self._rights),
            )
        except (Exception, SystemExit) as error:
            # What the panel itself refused is said in full by its sentence; a traceback is for faults of the code.
            told = error.problem.words("en") if isinstance(error, UserError) else ""
            log.error("plugin %s is set aside: %s", plugin_id, told, exc_info=None if told else error)
            return Offer(stamp, problem=problem_of(plugin_id, error, self._plugins[plugin_id].folder))

    def _note_lost(self, plugin_id: str, lost: Sequence[str]) -> None:
        self._troubles[f"plugin:{plugin_id}:secrets"] = Problem(
            "plugin_secret_lost",
            N_("%(plugin)s: the stored secret %(fields)s cannot be read with this installation's key. Enter it again."),
            {"plugin": plugin_id, "fields": ", ".join(lost)},
        )


def _enabled(plugin: LoadedPlugin, row: PluginState | None) -> bool:
    if row is not None and row.enabled is not None:
        return row.enabled
    # Only what came with the product may switch itself on; a folder somebody dropped in waits for a person.
    return plugin.source == "product" and plugin.manifest is not None and plugin.manifest.enabled_by_default


def _missing(row: PluginState) -> PluginInfo:
    problem = Problem(
        "plugin_missing",
        N_("The plugin %(plugin)s is switched on but is no longer installed. Its messages wait."),
        {"plugin": row.plugin_id},
    )
    return PluginInfo(row.plugin_id, None, None, None, True, problem, health_of(row))


def _close(kept: set[int], before: Iterable[Offer]) -> None:
    """Let channels that are no longer offered close their connections."""
    for offer in before:
        for channel in offer.channels:
            close = getattr(channel, "close", None)
            if id(channel) not in kept and callable(close):
                try:
                    close()
                except Exception:
                    log.exception("channel %s could not be closed", channel.name)


_managers: WeakKeyDictionary[Engine, PluginManager] = WeakKeyDictionary()


def install(manager: PluginManager) -> None:
    """Make `manager` the present application's. Needs an application context."""
    _managers[db.engine] = manager


def current() -> PluginManager:
    """The plugins of the application we are in. Needs an application context."""
    try:
        return _managers[db.engine]
    except KeyError:
        raise LookupError("this application was made without its plugins: see panel.sync.wiring") from None
