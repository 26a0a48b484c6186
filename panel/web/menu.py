"""The menu: every registered view that says where it belongs and that this person may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from flask_login import current_user

from panel.i18n import gettext
from panel.plugin_manager import manager
from panel.web.access import allowed
from panel.web.frame import SECTIONS, frame, views_in_menu


@dataclass(frozen=True)
class Item:
    name: str
    url: str
    icon: str
    is_current: bool
    count: int = 0


def menu() -> list[tuple[str, list[Item]]]:
    """Sections with their items, for the sidebar: [("People", [Item(...), ...]), ...]; empty for a stranger."""
    if not current_user.is_authenticated:
        return []
    found: dict[str, list[tuple[int, Item]]] = {section: [] for section in SECTIONS}
    for position, view in enumerate(views_in_menu()):
        found[view.section].append((getattr(view, "menu_position", 100 + position), _item(view)))
    sections = [
        (gettext(SECTIONS[section]) if section else "", [item for _, item in sorted(items, key=lambda pair: pair[0])])
        for section, items in found.items()
        if items
    ]
    pages = _plugin_pages()
    return [*sections, (gettext("From plugins"), pages)] if pages else sections


def _plugin_pages() -> list[Item]:
    """The pages of plugins that are on (the development mailbox, the telephone, the books), for who may use them."""
    here = request.path
    return [
        Item(gettext(page.label), url, page.icon, here == url)
        for (plugin_id, name), page in sorted(manager.current().pages().items())
        if allowed(page.action)
        for url in (url_for("plugin_pages.page", plugin_id=plugin_id, page_name=name),)
    ]


def _item(view: Any) -> Item:
    blueprint = (request.endpoint or "").partition(".")[0]
    return Item(str(view.name), view.get_url(f"{view.endpoint}.{view._default_view}"), view.icon,
                blueprint == view.endpoint, frame().menu.get(view.endpoint, 0))  # fmt: skip
