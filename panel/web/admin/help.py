"""The help pages: Markdown files of `panel/help`, one per topic and language, each heading an anchor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import abort
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markdown_it import MarkdownIt
from markupsafe import Markup

from panel.i18n import current_language, lazy_gettext
from panel.web.admin.pages import PanelView
from panel.web.timeline.statuses import legend

FOLDER = Path(__file__).parents[2] / "help"
# In the order in which a newcomer needs them; topics not named here follow by name.
ORDER = (
    "contacts",
    "segments",
    "imports",
    "journeys",
    "journeys-reference",
    "journeys-problems",
    "templates",
    "plugins",
)
_BEFORE_CODES = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class Topic:
    """A help page in one language. `headings` are (anchor, words, level) of its sections."""

    name: str
    title: str
    html: Markup
    headings: tuple[tuple[str, str, int], ...]


class HelpView(PanelView):
    section = "system"
    icon = "help-circle"
    menu_position = 95
    action = "home.view"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Help"), endpoint="help", url="help")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.page(next(iter(names())))

    @expose("/<topic>")
    def page(self, topic: str) -> ResponseReturnValue:
        if topic not in names():
            abort(404)
        language = current_language()
        topics = [read(one, language) for one in names()]
        return self.render("help/page.html", topic=read(topic, language), topics=topics, statuses=legend())


@cache
def names() -> tuple[str, ...]:
    found = {path.name.removesuffix(".en.md") for path in FOLDER.glob("*.en.md")}
    return (*(one for one in ORDER if one in found), *sorted(found.difference(ORDER)))


@cache
def read(name: str, language: str) -> Topic:
    """The page of a topic, in English where there is no translation. Raw HTML in the text stays text."""
    path = FOLDER / f"{name}.{language}.md"
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((path if path.exists() else FOLDER / f"{name}.en.md").read_text(encoding="utf-8"))
    title, headings = name, []
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        words = tokens[at + 1].content.strip("`")
        level = int(token.tag[1])
        if level == 1:
            title = words
            # The page shows the title itself.
            token.hidden = tokens[at + 2].hidden = True
            tokens[at + 1].children = []
            token.tag = tokens[at + 2].tag = "span"
            continue
        anchor = _BEFORE_CODES.sub("-", words.casefold()).strip("-")
        token.attrSet("id", anchor)
        token.attrSet("dir", "auto")
        headings.append((anchor, words, level))
    html = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<table>", '<div class="table-responsive" tabindex="0"><table class="table">')
    html = html.replace("</table>", "</table></div>").replace("<pre>", '<pre dir="ltr" tabindex="0">')
    html = html.replace("<code>", '<code dir="ltr">')
    return Topic(name, title, Markup(html), tuple(headings))
