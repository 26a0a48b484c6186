"""Every string of the product that a person can see: extracted from Python and templates, as Babel's tools would."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, nodes

ROOT = Path(__file__).parents[2]
# Where the msgid stands among the arguments; a tuple is singular and plural.
KEYWORDS: dict[str, int | tuple[int, int]] = {
    "_": 0,
    "N_": 0,
    "gettext": 0,
    "lazy_gettext": 0,
    "ngettext": (0, 1),
    "translate": 1,
}


@dataclass(frozen=True)
class Found:
    """One string: its plural (or None) and where it was seen."""

    message: str
    plural: str | None
    where: str


def all_strings() -> list[Found]:
    """The strings of `panel/` and `plugins/`, tests and built files left out."""
    found: list[Found] = []
    for folder in ("panel", "plugins"):
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if {"tests", "static", "assets", "node_modules", "fixtures", "__pycache__"} & set(parts):
                continue
            if path.suffix == ".py":
                found.extend(_python(path))
            elif path.suffix in {".html", ".txt", ".xml"} and "templates" in parts:
                found.extend(_template(path))
    return found


def _python(path: Path) -> Iterator[Found]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
            if name in KEYWORDS:
                texts = [
                    a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in node.args
                ]
                yield from _found(name, texts, f"{path.relative_to(ROOT)}:{node.lineno}")


def _template(path: Path) -> Iterator[Found]:
    tree = Environment(extensions=["jinja2.ext.do"], autoescape=True).parse(path.read_text(encoding="utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in KEYWORDS:
            texts = [a.value if isinstance(a, nodes.Const) and isinstance(a.value, str) else None for a in call.args]
            yield from _found(call.node.name, texts, f"{path.relative_to(ROOT)}:{call.lineno}")


def _found(name: str, texts: list[str | None], where: str) -> Iterator[Found]:
    position = KEYWORDS[name]
    if isinstance(position, tuple):
        if len(texts) > 1 and texts[0] and texts[1]:
            yield Found(texts[0], texts[1], where)
    elif len(texts) > position and (text := texts[position]):
        yield Found(text, None, where)
