"""The numbers that stand on every page, and what every page must say in red: one statement for all of them.

Each part gives a SELECT of one value; here they become the columns of a single row. A screen adds its number to the
menu with `menu_query` (see `panel.web.admin.pages.Guarded`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import current_app, g
from flask_login import current_user
from sqlalchemy import Select, select

from panel import clock
from panel.db import db
from panel.i18n import N_
from panel.installation.queries import setting_query
from panel.jobs.heartbeats import last_sign_query
from panel.staff.notices import unread_query

# The sections of the menu, in this order; a view names its own with the attribute `section`, or stays out of it.
SECTIONS = {
    "": "",
    "people": N_("People"),
    "messages": N_("Messages and journeys"),
    "system": N_("System"),
}


@dataclass(frozen=True)
class Frame:
    """`notices`: not read yet. `ticker_at`: the last sign of life of a ticker within a day, None when there was none.
    `sending_paused`: the setting of that name. `menu`: endpoint of a screen -> its number."""

    notices: int = 0
    ticker_at: datetime | None = None
    sending_paused: Mapping[str, Any] = field(default_factory=dict)
    menu: Mapping[str, int] = field(default_factory=dict)


def frame() -> Frame:
    """Asked once per request, when the first part of the page needs it. A stranger is told nothing."""
    if "frame" not in g:
        g.frame = _ask() if current_user.is_authenticated else Frame()
    found: Frame = g.frame
    return found


def views_in_menu() -> list[Any]:
    """Every registered view that says where it belongs and that this person may open."""
    return [
        view
        for view in current_app.extensions["panel_admin"]._views
        if getattr(view, "section", None) in SECTIONS and view.is_visible() and view.is_accessible()
    ]


def _ask() -> Frame:
    now = clock.now()
    asked: dict[str, Select[Any]] = {
        "notices": unread_query(current_user.id),
        "ticker": last_sign_query("ticker", now),
        "paused": setting_query("sending_paused"),
    }
    counted: dict[str, int] = {}
    for view in views_in_menu():
        query = view.menu_query() if hasattr(view, "menu_query") else None
        if query is not None:
            asked[f"menu {view.endpoint}"] = query
        elif hasattr(view, "menu_count"):
            counted[view.endpoint] = view.menu_count()
    row = db.session.execute(select(*(one.scalar_subquery().label(name) for name, one in asked.items()))).one()
    found = dict(zip(asked, row, strict=True))
    for name, value in found.items():
        if name.startswith("menu "):
            counted[name.removeprefix("menu ")] = value or 0
    return Frame(found["notices"], found["ticker"], found["paused"] or {}, counted)
