"""The strings a plugin shows to people, found in its code and manifest without running anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from panel.plugin_manager.manifest import Manifest

MARKERS = frozenset({"N_", "_", "gettext", "lazy_gettext", "say"})
LANGUAGES = ("he", "fa")
SLOT = re.compile(r"%\((\w+)\)")


def strings(folder: Path, manifest: Manifest) -> set[str]:
    """Every marked string of the plugin's modules (not its tests), and its name and description."""
    found = {manifest.name, manifest.description}
    for path in sorted(folder.rglob("*.py")):
        if "tests" not in path.relative_to(folder).parts:
            found.update(_marked(ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return found


def _marked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        at = 1 if name == "translate" else 0
        if name in MARKERS or name == "translate":
            for argument in node.args[at : at + 1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value:
                    yield argument.value


def translated(folder: Path, language: str) -> dict[str, str]:
    """The plugin's own catalogue of a language; empty when there is none. Raises ValueError when it is broken."""
    path = folder / "translations" / f"{language}.po"
    if not path.exists():
        return {}
    with path.open("rb") as stream:
        catalogue = read_po(stream, abort_invalid=True)
    return {
        str(message.id): str(message.string)
        for message in catalogue
        if message.id and isinstance(message.id, str) and message.string and not message.fuzzy
    }


def slots(text: str) -> frozenset[str]:
    return frozenset(SLOT.findall(text))
