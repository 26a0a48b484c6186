"""The base of our own pages inside Flask-Admin: rights, menu entry, rendering in the shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from flask import abort
from flask_admin import AdminIndexView, BaseView
from flask_admin.theme import Theme
from flask_login import current_user

from panel.web.access import allowed, to_login


@dataclass
class PanelTheme(Theme):
    """Flask-Admin's theme object: its template folder stays in reach, the base page is ours."""

    folder: str = "bootstrap4"
    base_template: str = "panel/base.html"


class Guarded:
    """What every screen says about itself: the right it needs, where it stands in the menu, its icon.

    `section` is one of `frame.SECTIONS`; None keeps the screen out of the menu. `menu_position` orders within a section
    (smaller is higher). A screen with a number in the menu has a method `menu_query`, a SELECT of that one number: the
    frame asks those of all screens in one statement. `menu_count`, a plain function, is for what SQL cannot say.
    """

    action: ClassVar[str] = "home.view"
    section: ClassVar[str | None] = "system"
    icon: ClassVar[str] = "circle-dot"
    menu_position: ClassVar[int] = 100
    lead: Any = ""

    def is_accessible(self) -> bool:
        return allowed(self.action)

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Any:
        if not current_user.is_authenticated:
            return to_login()
        return abort(403)


class PanelView(Guarded, BaseView):
    """A screen of our own: `@expose` methods that end with `return self.render("panel/....html", ...)`.

    Guard each method that does more than `action` allows with `@requires("...")` or `must("...")`.
    """


class PanelIndexView(Guarded, AdminIndexView):
    """The same for the home page."""
