"""Rules for every template, kept by a machine; and a guard for the day Flask-Admin changes what we replaced."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import flask_admin
import pytest

ROOT = Path(__file__).parents[2]
OURS = ROOT / "panel" / "web" / "templates"
THEIRS = Path(flask_admin.__file__).parent / "templates" / "bootstrap4"
RECORDED = Path(__file__).with_name("shadowed_templates.json")
TEMPLATES = sorted(p for folder in ("panel", "plugins") for p in (ROOT / folder).rglob("templates/**/*.html")
                   if "email" not in p.relative_to(ROOT).parts and "node_modules" not in p.parts)  # fmt: skip
# What is sent to contacts follows the rules of mail programs, not those of the panel.
PAGES = [path for path in TEMPLATES if "fixtures" not in path.parts]

FORBIDDEN = {
    r"\son[a-z]+\s*=\s*[\"']": "an inline handler: the content policy blocks it; use a data- attribute",
    r"\sstyle\s*=\s*[\"']": "an inline style: the content policy blocks it; use a class",
    r"javascript:": "a javascript: address",
    r"<(script|style)(?![^>]*nonce)[^>]*>": "a script or style without the nonce",
    r"https?://(?!www\.w3\.org)[a-z]": "an address of another site in a page",
    r"\b(ms|me|ps|pe|float|text)-(left|right)\b": "left or right: say start or end",
    r"\{\{-?\s*[\w.]*\.(phone|email|address)\s*-?\}\}": "an address printed bare: |phone, |email",
    r"type=\"number\"": "a number field drops Persian digits: use inputmode and read them on the server",
}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_template_keeps_the_rules(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r"(dir=\"ltr\"[^>]*>)\{\{[^}]*\}\}", r"\1", text)  # isolated by hand
    broken = [
        f"line {text[: found.start()].count(chr(10)) + 1}: {why}"
        for pattern, why in FORBIDDEN.items()
        for found in re.finditer(pattern, text)
    ]
    assert broken == []


def test_style_sheets_know_no_left_and_right_except_where_a_direction_is_named():
    physical = re.compile(r"(?<![\w-])(?:margin|padding|border|inset)?-?(?:left|right)\s*:")
    wrong = []
    for path in sorted((ROOT / "panel" / "web" / "assets" / "src").glob("*.css")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            # A rule inside [dir=...] or the always left-to-right editor may name a side.
            if physical.search(line) and "[dir=" not in line and ".yaml-editor" not in line:
                wrong.append(f"{path.name}:{number}")
    assert wrong == []


def test_the_templates_we_replace_are_those_we_know():
    """Flask-Admin changed a template that ours replaces: compare, take over what matters, record the new hash."""
    shadowed = {
        path.relative_to(OURS).as_posix(): hashlib.sha256((THEIRS / path.relative_to(OURS)).read_bytes()).hexdigest()
        for path in sorted((OURS / "admin").rglob("*.html"))
        if (THEIRS / path.relative_to(OURS)).exists()
    }
    assert shadowed == json.loads(RECORDED.read_text())


def test_every_icon_a_screen_asks_for_is_in_the_sprite():
    known = set(json.loads((ROOT / "panel" / "web" / "assets" / "src" / "icons.json").read_text()))
    asked = re.compile(
        r"""icon\(\s*['"]([a-z0-9-]+)['"]|^\s+icon(?:: \w+)? = "([a-z0-9-]+)"|icon="([a-z0-9-]+)\"""", re.M
    )
    missing = {}
    for folder in ("panel", "plugins"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".html"} and "node_modules" not in path.parts:
                for found in asked.finditer(path.read_text(encoding="utf-8")):
                    name = next(filter(None, found.groups()))
                    if name not in known:
                        missing[name] = str(path.relative_to(ROOT))
    assert missing == {}


@pytest.mark.databases("sqlite")
def test_every_icon_of_the_timeline_is_in_the_sprite(app):
    from panel.timeline.registry import CORE

    known = set(json.loads((ROOT / "panel" / "web" / "assets" / "src" / "icons.json").read_text()))
    assert {kind.icon for kind in CORE} - known == set()
