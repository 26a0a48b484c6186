"""Is a plugin complete? What `panel plugins check` asks. Needs neither a database nor a running panel."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from panel import clock
from panel.errors import Problem, UserError
from panel.i18n import N_
from panel.plugin_manager import declared, messages
from panel.plugin_manager.loader import LoadedPlugin, declare, implements, load, new_registry, problem_of
from panel.plugin_manager.manifest import Manifest
from panel.plugin_manager.secrets import Secrets
from panel.plugin_manager.settings import from_store
from panel.plugin_manager.sources import Found
from panel.sdk.context import Unit

ALLOWED_IMPORTS = ("panel.sdk", "panel.hookspecs")
CHECKS: Mapping[str, Callable[[str, Any], object]] = {
    "register_channels": declared.check_channels,
    "register_conditions": declared.check_conditions,
    "register_actions": declared.check_actions,
    "register_holidays": declared.check_holidays,
    "register_services": declared.check_services,
    "register_webhooks": declared.check_webhooks,
    "register_pages": declared.check_pages,
}


class DryContext:
    """A context for trying what a plugin declares: default settings, no database, tokens of no worth elsewhere."""

    def __init__(self, plugin: LoadedPlugin, folder: Path) -> None:
        self.plugin_id = plugin.id
        self._secrets = Secrets("a plugin check")
        self._settings = from_store(plugin.settings, {}, self._secrets)[0]
        self.folder = folder
        self.public_url = "http://panel.example"

    def settings(self) -> Mapping[str, Any]:
        return self._settings

    def unit(self) -> AbstractContextManager[Unit]:
        raise RuntimeError("a plugin must not touch the database while it declares what it offers")

    def now(self) -> datetime:
        return clock.now()

    def company(self) -> Mapping[str, str]:
        return {"name": "", "address": "", "country": "", "time_zone": "UTC", "language": "en"}

    def sign(self, purpose: str, value: str) -> str:
        return self._secrets.sign(self.plugin_id, purpose, value)

    def unsign(self, purpose: str, token: str) -> str | None:
        return self._secrets.unsign(self.plugin_id, purpose, token)


def check(found: Found) -> list[Problem]:
    """Everything that is missing or wrong, all at once; empty when the plugin is complete."""
    registry = new_registry()
    plugin = load(found, registry)
    if plugin.problem is not None or plugin.manifest is None or plugin.folder is None:
        return [plugin.problem] if plugin.problem else []
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory() as folder:
        ctx = DryContext(plugin, Path(folder))
        for hook, checking in CHECKS.items():
            try:
                checking(plugin.id, declare(registry, plugin.id, hook, ctx=ctx))
            except (Exception, SystemExit) as error:
                problems.append(problem_of(plugin.id, error, plugin.folder))
    try:
        declared.check_blueprints(plugin.id, declare(registry, plugin.id, "register_blueprints"))
    except (Exception, SystemExit) as error:
        problems.append(problem_of(plugin.id, error, plugin.folder))
    problems += _files(plugin.id, plugin.folder)
    problems += _erasing(plugin.id, plugin.manifest, implements(registry, plugin.id, "erase_contact"))
    connects = any(field.kind in ("secret", "url") for field in plugin.settings)
    if connects and not implements(registry, plugin.id, "test_connection"):
        problems.append(
            Problem(
                "plugin_without_test_connection",
                N_("%(plugin)s has settings for a connection but no test_connection to try them."),
                {"plugin": plugin.id},
            )
        )
    if plugin.manifest.sync_every and not implements(registry, plugin.id, "sync"):
        problems.append(
            Problem(
                "plugin_without_sync", N_("%(plugin)s says sync_every but has no sync hook."), {"plugin": plugin.id}
            )
        )
    problems += _imports(plugin.id, plugin.folder)
    problems += _translations(plugin.id, plugin.folder, plugin.manifest)
    return problems


def _files(plugin_id: str, folder: Path) -> Iterator[Problem]:
    readme = folder / "README.md"
    if not readme.exists() or not readme.read_text(encoding="utf-8").strip():
        yield Problem(
            "plugin_without_readme",
            N_("%(plugin)s has no README.md that says how to set it up and what can go wrong."),
            {"plugin": plugin_id},
        )
    if not any((folder / "tests").glob("test_*.py")):
        yield Problem("plugin_without_tests", N_("%(plugin)s has no tests/test_*.py."), {"plugin": plugin_id})


def _erasing(plugin_id: str, manifest: Manifest, erases: bool) -> Iterator[Problem]:
    if manifest.keeps_about_contacts and not erases:
        yield Problem(
            "plugin_without_erasing",
            N_(
                "%(plugin)s does not say how a contact is erased: implement erase_contact, or write"
                " keeps_about_contacts: no in plugin.yaml."
            ),
            {"plugin": plugin_id},
        )


def _imports(plugin_id: str, folder: Path) -> Iterator[Problem]:
    own = f"plugins.{plugin_id}"
    for path in sorted(folder.rglob("*.py")):
        if "tests" in path.relative_to(folder).parts:
            continue
        for name, line in _imported(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            top = name.partition(".")[0]
            fine = (
                top not in ("panel", "plugins")
                or name == own
                or name.startswith((own + ".", *(one + "." for one in ALLOWED_IMPORTS)))
                or name in ALLOWED_IMPORTS
            )
            if not fine:
                yield Problem(
                    "plugin_import",
                    N_("%(plugin)s imports %(name)s (%(file)s, %(line)s); a plugin may import panel.sdk and"
                       " panel.hookspecs only."),
                    {"plugin": plugin_id, "name": name, "file": str(path.relative_to(folder)), "line": line},
                )  # fmt: skip


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # "from panel import sdk" imports panel.sdk.
            if node.module in ("panel", "plugins"):
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def _translations(plugin_id: str, folder: Path, manifest: Manifest) -> Iterator[Problem]:
    wanted = messages.strings(folder, manifest)
    for language in messages.LANGUAGES:
        try:
            known = messages.translated(folder, language)
        except Exception as error:  # babel has no common error of its own
            problem = UserError(
                "plugin_translations_broken",
                N_("%(plugin)s: translations/%(language)s.po cannot be read: %(detail)s"),
                plugin=plugin_id,
                language=language,
                detail=str(error)[:200],
            ).problem
            yield problem
            continue
        missing = sorted(wanted - known.keys())
        if missing:
            yield Problem(
                "plugin_translations_missing",
                N_("%(plugin)s: translations/%(language)s.po lacks %(n)s of its strings, such as “%(first)s”."),
                {"plugin": plugin_id, "language": language, "n": len(missing), "first": missing[0][:80]},
            )
        for message in sorted(wanted & known.keys()):
            if messages.slots(message) != messages.slots(known[message]):
                yield Problem(
                    "plugin_translations_slots",
                    N_("%(plugin)s: in %(language)s.po the translation of “%(message)s” has other %%(...)s slots."),
                    {"plugin": plugin_id, "language": language, "message": message[:80]},
                )
