"""Plugins: list them, switch them on and off, check one for completeness, begin a new one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from panel.cli._application import application, fail, settings
from panel.cli._language import language, say
from panel.db import reading, writing
from panel.i18n import N_
from panel.plugin_manager import completeness, manager, operations, scaffold, sources
from panel.plugin_manager.queries import health_of, states
from panel.plugin_manager.sources import Found
from panel.staff.audit import record_audit
from panel.sync import jobs

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


@click.group()
def command() -> None:
    """List plugins, switch them on and off, check them, begin a new one."""


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List every plugin in reach with its state. Exit code 1 when an enabled one is broken."""
    with application():
        rows: list[dict[str, Any]] = [
            {
                "id": info.id,
                "name": info.name,
                "version": info.manifest.version if info.manifest else None,
                "source": info.source,
                "state": info.state,
                "enabled": info.enabled,
                "problem": (
                    {"code": info.problem.code, "words": info.problem.words(language())} if info.problem else None
                ),
            }
            for info in manager.current().loaded
        ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    else:
        width = max((len(row["id"]) for row in rows), default=0)
        for row in rows:
            click.echo(f"{row['id']:<{width}}  {row['version'] or '-':<8}  {row['state']:<6}  {row['source'] or '-'}")
            if row["problem"]:
                click.echo(f"{'':<{width}}  {row['problem']['words']}")
    if any(row["state"] == "broken" and row["enabled"] for row in rows):
        sys.exit(1)


@command.command()
@click.argument("plugins", nargs=-1)
@as_json
def check(plugins: tuple[str, ...], as_json: bool) -> None:
    """Check that PLUGINS (ids or folders; all of them by default) are complete: hooks, names, README, translations,
    tests, what they say about erasing. Exit code 1 when something is missing."""
    found = list(sources.discover(settings().instance))
    chosen = [_chosen(one, found) for one in plugins] or found
    results = [(one, completeness.check(one)) for one in chosen]
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "id": one.id,
                        "good": not problems,
                        "problems": [
                            {"code": problem.code, "words": problem.words(language())} for problem in problems
                        ],
                    }
                    for one, problems in results
                ],
                ensure_ascii=False,
            )
        )
    else:
        for one, problems in results:
            click.echo(f"{one.id}: " + (say(N_("complete")) if not problems else ""))
            for problem in problems:
                click.echo(f"  {problem.words(language())}  ({problem.code})")
    if any(problems for _, problems in results):
        sys.exit(1)


def _chosen(text: str, found: list[Found]) -> Found:
    for one in found:
        if one.id == text:
            return one
    folder = Path(text)
    if folder.is_dir():
        folder = folder.resolve()
        return Found(folder.name, "instance", folder, f"plugins.{folder.name}")
    raise fail(N_("There is no plugin called %(name)s."), name=text)


@command.command()
@click.argument("plugin_id", metavar="ID")
@click.option("--name", default="", help="What people call it.")
@click.option("--author", default="", help="Who makes it.")
@click.option(
    "--in",
    "parent",
    type=click.Path(path_type=Path),
    default=None,
    help="The folder to put it in; else instance/plugins.",
)
@as_json
def new(plugin_id: str, name: str, author: str, parent: Path | None, as_json: bool) -> None:
    """Begin a new plugin: a small one that is complete. ID is its folder, its module, and how its names begin."""
    folder = scaffold.create(plugin_id, parent or settings().instance / "plugins", title=name, author=author)
    if as_json:
        click.echo(json.dumps({"id": plugin_id, "folder": str(folder)}, ensure_ascii=False))
        return
    click.echo(say(N_("Made %(folder)s.")) % {"folder": folder})
    click.echo(say(N_("Next: panel plugins check %(folder)s, then switch it on under Plugins.")) % {"folder": folder})


@command.command()
@click.argument("plugin_id", metavar="ID")
def on(plugin_id: str) -> None:
    """Switch a plugin on; running workers notice within a second."""
    _switch(plugin_id, True)


@command.command()
@click.argument("plugin_id", metavar="ID")
def off(plugin_id: str) -> None:
    """Switch a plugin off; its settings and rows stay, its messages wait."""
    _switch(plugin_id, False)


def _switch(plugin_id: str, enabled: bool) -> None:
    with application():
        plugins = manager.current()
        if plugins.get(plugin_id) is None:
            raise fail(N_("There is no plugin called %(name)s."), name=plugin_id)
        with writing() as session:
            operations.set_enabled(session, plugin_id, enabled)
            record_audit(
                session, action="plugin_on" if enabled else "plugin_off", subject=plugin_id, actor="panel plugins"
            )
        with reading() as session:
            plugins.refresh_if_changed(session)
        info = plugins.get(plugin_id)
        if info is not None and info.problem is not None and enabled:
            raise click.ClickException(info.problem.words(language()))
        click.echo(say(N_("%(name)s is on.") if enabled else N_("%(name)s is off.")) % {"name": plugin_id})


@command.command("sync")
@click.argument("plugin_id", metavar="ID")
def sync_now(plugin_id: str) -> None:
    """Do a plugin's regular work now, in this process. Exit code 1 when it fails."""
    with application():
        plugins = manager.current()
        if not plugins.is_on(plugin_id) or not plugins.implements(plugin_id, "sync"):
            raise fail(N_("%(name)s has no regular work, or is not on."), name=plugin_id)
        if not jobs.run_sync(plugins, plugin_id, force=True):
            raise fail(N_("A worker is doing the work of %(name)s right now."), name=plugin_id)
        with reading() as session:
            health = health_of(states(session).get(plugin_id))
    if health.get("state") != "ok":
        raise click.ClickException(str(health.get("detail")))
    click.echo(say(N_("Done.")))
