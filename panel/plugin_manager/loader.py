"""Opening one plugin under a guard: whatever it does, the panel goes on and can say in a sentence what went wrong."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pluggy

from panel import hookspecs
from panel.errors import Problem, UserError
from panel.i18n import N_, add_catalogue_folder
from panel.plugin_manager.declared import check_event_types, check_settings
from panel.plugin_manager.manifest import Manifest, fits, panel_version, read_manifest
from panel.plugin_manager.sources import Found, Source
from panel.sdk.events import EventType
from panel.sdk.settings import SettingField

HOOKS = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec"))


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin as it was found: opened (`problem` None) or set aside with the reason."""

    id: str
    source: Source
    folder: Path | None
    manifest: Manifest | None = None
    module: ModuleType | None = None
    settings: tuple[SettingField, ...] = ()
    event_types: tuple[EventType, ...] = ()
    problem: Problem | None = None


def new_registry() -> pluggy.PluginManager:
    registry = pluggy.PluginManager(hookspecs.PROJECT)
    registry.add_hookspecs(hookspecs)
    return registry


def load(found: Found, registry: pluggy.PluginManager) -> LoadedPlugin:
    """Read the manifest, import, register and check one plugin. Never raises, except KeyboardInterrupt."""
    manifest: Manifest | None = None
    module: ModuleType | None = None
    try:
        if found.folder is None:
            raise UserError(
                "plugin_without_manifest",
                N_("The folder %(folder)s has no plugin.yaml, so it is not a plugin."),
                folder=found.module,
            )
        manifest = read_manifest(found.folder)
        _check_manifest(found, manifest)
        translations = found.folder / "translations"
        if translations.is_dir():
            add_catalogue_folder(translations)
        module = import_plugin(found)
        _register(registry, found.id, module)
        settings = check_settings(found.id, declare(registry, found.id, "register_settings"))
        event_types = check_event_types(found.id, declare(registry, found.id, "register_event_types"))
        return LoadedPlugin(found.id, found.source, found.folder, manifest, module, settings, event_types)
    except (Exception, SystemExit) as error:
        if module is not None and registry.get_plugin(found.id) is module:
            registry.unregister(name=found.id)
        return LoadedPlugin(
            found.id, found.source, found.folder, manifest, problem=problem_of(found.id, error, found.folder)
        )


def declare(registry: pluggy.PluginManager, plugin_id: str, hook: str, **arguments: object) -> list[object]:
    """Ask one plugin alone for its declarations; an empty list when it does not implement the hook."""
    answer = call_one(registry, plugin_id, hook, **arguments)
    return [] if answer is None else list(answer)  # type: ignore[call-overload]


def call_one(registry: pluggy.PluginManager, plugin_id: str, hook: str, **arguments: object) -> object:
    """Call a hook of one plugin; None when it does not implement it. What the plugin raises passes through."""
    others = [plugin for name, plugin in registry.list_name_plugin() if name != plugin_id and plugin is not None]
    answers = registry.subset_hook_caller(hook, remove_plugins=others)(**arguments)
    return answers[0] if answers else None


def implements(registry: pluggy.PluginManager, plugin_id: str, hook: str) -> bool:
    return any(one.plugin_name == plugin_id for one in getattr(registry.hook, hook).get_hookimpls())


def import_plugin(found: Found) -> ModuleType:
    """Import a plugin's package as `plugins.<id>` wherever its folder is, so that its own imports read the same."""
    if found.source == "package" or found.folder is None:
        return importlib.import_module(found.module)
    entry = found.folder / "__init__.py"
    known = sys.modules.get(found.module)
    if known is not None:
        if known.__file__ and Path(known.__file__).resolve() == entry.resolve():
            return known
        _forget(found.module)
    if not entry.exists():
        raise UserError(
            "plugin_without_code",
            N_("The plugin %(plugin)s has no __init__.py with hooks."),
            plugin=found.id,
        )
    spec = importlib.util.spec_from_file_location(found.module, entry, submodule_search_locations=[str(found.folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot read {entry.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[found.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _forget(found.module)
        raise
    return module


def _forget(name: str) -> None:
    for known in [one for one in sys.modules if one == name or one.startswith(name + ".")]:
        del sys.modules[known]


def _check_manifest(found: Found, manifest: Manifest) -> None:
    if manifest.id != found.id:
        raise UserError(
            "plugin_id_differs",
            N_('plugin.yaml says "%(id)s" but the plugin is installed as "%(folder)s". They must be the same.'),
            id=manifest.id,
            folder=found.id,
        )
    try:
        good = fits(manifest.needs_panel, panel_version())
    except ValueError as error:
        raise UserError(
            "plugin_manifest_value",
            N_('plugin.yaml of %(folder)s: "%(key)s" must be %(expected)s.'),
            folder=found.id,
            key="needs_panel",
            expected=f'like ">=0.1, <2", not {error}',
        ) from None
    if not good:
        raise UserError(
            "plugin_needs_panel",
            N_("%(plugin)s needs panel %(needs)s; this is %(have)s."),
            plugin=found.id,
            needs=manifest.needs_panel,
            have=panel_version(),
        )


def _register(registry: pluggy.PluginManager, plugin_id: str, module: ModuleType) -> None:
    registry.register(module, name=plugin_id)
    pending = [
        caller.name for caller in registry.get_hookcallers(module) or [] if not caller.has_spec()
    ]  # what check_pending would refuse one at a time, without saying what was probably meant
    if pending:
        near = difflib.get_close_matches(pending[0], HOOKS, 1)
        raise UserError(
            "plugin_hook_unknown",
            N_('%(plugin)s: there is no hook "%(hook)s". Did you mean "%(nearest)s"?')
            if near
            else N_('%(plugin)s: there is no hook "%(hook)s".'),
            plugin=plugin_id,
            hook=pending[0],
            **({"nearest": near[0]} if near else {}),
        )
    registry.check_pending()
    if not registry.get_hookcallers(module):
        bare = [name for name in HOOKS if callable(getattr(module, name, None))]
        if bare:
            raise UserError(
                "plugin_hook_unmarked",
                N_('%(plugin)s: "%(hook)s" is not marked with @hookimpl.'),
                plugin=plugin_id,
                hook=bare[0],
            )
        raise UserError(
            "plugin_without_hooks", N_("%(plugin)s implements no hook, so it would do nothing."), plugin=plugin_id
        )


def problem_of(plugin_id: str, error: BaseException, folder: Path | None) -> Problem:
    """What went wrong as a sentence; for an unexpected exception with its type, words and the plugin's own line."""
    if isinstance(error, UserError):
        return error.problem
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Problem(
        "plugin_failed",
        N_("%(plugin)s could not be loaded: %(detail)s"),
        {"plugin": plugin_id, "detail": " ".join(detail.split())[:300] + place(error, folder)},
    )


def place(error: BaseException, folder: Path | None) -> str:
    """ " (file, line)" of the innermost frame inside the plugin's folder, or nothing."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, {error.lineno})"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if folder is not None and Path(frame.filename).is_relative_to(folder):
            return f" ({Path(frame.filename).relative_to(folder)}, {frame.lineno})"
    return ""
