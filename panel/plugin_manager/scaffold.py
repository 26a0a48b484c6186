"""A new plugin to begin with: small, complete, and good by `panel plugins check` from its first minute."""

from __future__ import annotations

from pathlib import Path
from string import Template

from panel.errors import UserError
from panel.i18n import N_
from panel.plugin_manager.manifest import ID

FILES = {
    "plugin.yaml": """\
id: $id
name: $title
version: 0.1.0
description: Says hello on a page of its own.
author: $author
needs_panel: 0.1
icon: puzzle
keeps_about_contacts: no
""",
    "README.md": """\
# $title

Says hello on a page of its own. Replace this by what the plugin is for.

## Set it up

1. Switch it on under *Plugins*.
2. *Settings*: write the greeting.
3. Open its page.

## What can go wrong

Nothing yet.

## What is kept about contacts

Nothing, so there is nothing to erase. When that changes, implement `erase_contact` and remove
`keeps_about_contacts: no` from `plugin.yaml`.
""",
    "__init__.py": '''\
"""$title: hooks only; the work is in the modules beside this one."""

from functools import partial

from panel.hookspecs import hookimpl
from panel.sdk.events import EventField, EventType
from panel.sdk.i18n import N_
from panel.sdk.settings import SettingField
from panel.sdk.web import PluginPage
from plugins.$id.page import render


@hookimpl
def register_settings():
    return [SettingField("greeting", N_("Greeting"), default="Hello", help=N_("What the page says."), required=True)]


@hookimpl
def register_event_types():
    return [EventType("$id.greeted", N_("Greeted"), N_("Was greeted: %(words)s"), "bell", "notes",
                      (EventField("words", N_("words")),))]


@hookimpl
def register_pages(ctx):
    return [PluginPage("hello", N_("Hello"), partial(render, ctx))]
''',
    "page.py": '''\
"""The page of the plugin."""

from __future__ import annotations

from html import escape

from panel.sdk.context import PluginContext
from panel.sdk.i18n import N_, translate
from panel.sdk.web import Request


def render(ctx: PluginContext, request: Request) -> str:
    """The page's content as HTML. Whatever did not come from this file is escaped."""
    greeting = escape(str(ctx.settings()["greeting"]))
    thanks = escape(translate(request.language, N_("This page belongs to a plugin.")))
    return f'<p dir="auto">{greeting}</p><p class="text-secondary">{thanks}</p>'
''',
    "translations/he.po": """\
msgid ""
msgstr ""
"Language: he\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "$title"
msgstr "$title"

msgid "Says hello on a page of its own."
msgstr "אומר שלום בדף משלו."

msgid "Greeting"
msgstr "ברכה"

msgid "What the page says."
msgstr "מה שהדף אומר."

msgid "Greeted"
msgstr "נאמר שלום"

msgid "Was greeted: %(words)s"
msgstr "נאמר שלום: %(words)s"

msgid "words"
msgstr "מילים"

msgid "Hello"
msgstr "שלום"

msgid "This page belongs to a plugin."
msgstr "הדף הזה שייך לתוסף."
""",
    "translations/fa.po": """\
msgid ""
msgstr ""
"Language: fa\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

msgid "$title"
msgstr "$title"

msgid "Says hello on a page of its own."
msgstr "در صفحهٔ خودش سلام می‌گوید."

msgid "Greeting"
msgstr "خوشامد"

msgid "What the page says."
msgstr "آنچه صفحه می‌گوید."

msgid "Greeted"
msgstr "سلام گفته شد"

msgid "Was greeted: %(words)s"
msgstr "سلام گفته شد: %(words)s"

msgid "words"
msgstr "واژه‌ها"

msgid "Hello"
msgstr "سلام"

msgid "This page belongs to a plugin."
msgstr "این صفحه از آنِ یک افزونه است."
""",
    "tests/conftest.py": '''\
"""Opens the plugin as the panel does, wherever its folder is: `plugins.$id`."""

from pathlib import Path

import pytest

from panel.plugin_manager.loader import import_plugin
from panel.plugin_manager.sources import Found

FOLDER = Path(__file__).parents[1]
FOUND = Found(FOLDER.name, "instance", FOLDER, f"plugins.{FOLDER.name}")
PLUGIN = import_plugin(FOUND)


@pytest.fixture
def found():
    return FOUND


@pytest.fixture
def plugin():
    return PLUGIN
''',
    "tests/test_complete.py": '''\
"""The plugin is complete, and its page is safe."""

from panel.plugin_manager.completeness import check
from panel.sdk.web import Request


def test_the_plugin_is_complete(found):
    assert [problem.words("en") for problem in check(found)] == []


class Context:
    def settings(self):
        return {"greeting": "<b>שלום</b>"}


def test_the_page_shows_the_greeting_as_text(plugin):
    page = plugin.register_pages(Context())[0]
    html = page.render(Request("GET", "/", {}, {}, b"", {}, "he"))
    assert "&lt;b&gt;שלום" in html
''',
}


def create(plugin_id: str, parent: Path, *, title: str = "", author: str = "") -> Path:
    """Write a new plugin into `parent/<id>` and return its folder. Refuses a bad id and a folder that exists."""
    if not ID.fullmatch(plugin_id):
        raise UserError(
            "plugin_id",
            N_('"%(id)s" cannot be the id of a plugin: small letters, digits and _ only, beginning with a letter.'),
            id=plugin_id,
        )
    folder = parent / plugin_id
    if folder.exists():
        raise UserError("plugin_exists", N_("There is already something at %(path)s."), path=str(folder))
    words = {
        "id": plugin_id,
        "title": title or plugin_id.replace("_", " ").capitalize(),
        "author": author or "Unknown",
    }
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    return folder
