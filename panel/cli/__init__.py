"""The command `panel`.

A command is a module of this folder: its docstring's first line is the help, its attribute `command` (or one with the
module's name) the click command. A module is imported only when its command is called: `panel --help` stays quick, and
one broken module leaves the others working. Modules that begin with an underscore are helpers.
"""

from __future__ import annotations

import ast
import importlib
import sys
from functools import cache
from pathlib import Path

import click

from panel.cli._language import language, say
from panel.errors import UserError
from panel.i18n import N_, use_language


@cache
def commands() -> dict[str, str]:
    """Name and one-line help of each command, read without importing them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if _names(tree) & {"command", path.stem}:
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def _names(tree: ast.Module) -> set[str]:
    """What the module defines at its top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(commands())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module_name = name.replace("-", "_")
        if module_name not in commands():
            return None
        try:
            module = importlib.import_module(f"panel.cli.{module_name}")
        except ModuleNotFoundError as error:
            raise click.ClickException(
                say(N_("“panel %(name)s” needs the module %(module)s, which is not installed. Run: make setup"))
                % {"name": name, "module": error.name}
            ) from error
        found = getattr(module, "command", None) or getattr(module, module_name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))

    def invoke(self, ctx: click.Context) -> object:
        """Expected refusals are one sentence in the reader's language, never a traceback."""
        with use_language(language()):
            try:
                return super().invoke(ctx)
            except UserError as error:
                raise click.ClickException(error.words(language())) from error
            except Exception as error:
                # Asked by name: SQLAlchemy itself is only imported by commands that use the database.
                orig = getattr(error, "orig", None)
                if orig is None or not type(error).__module__.startswith("sqlalchemy."):
                    raise
                raise click.ClickException(say(_database_words(orig)) % {"detail": orig}) from error


def _database_words(orig: Exception) -> str:
    """What the database driver's own error means for the person at the command line."""
    if "no such table" in str(orig) or "UndefinedTable" in type(orig).__name__:
        return N_("The database has no tables yet, or old ones. Run: panel db upgrade")
    return N_("The database does not answer: %(detail)s")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Nava: contacts, their timeline, and journeys.

    Settings come from the environment: PANEL_INSTANCE (the folder for data), PANEL_DATABASE_URL, PANEL_REDIS_URL,
    PANEL_HOST, PANEL_PORT, PANEL_PUBLIC_URL, PANEL_WORKERS, PANEL_JOURNEYS, PANEL_LANGUAGE (en, he, fa).
    """
    for stream in (sys.stdout, sys.stderr):
        # A log file or an old terminal may not know Hebrew; a question mark is better than a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
