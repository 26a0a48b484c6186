"""What the frame of every page needs: language, direction, theme, the built files, who is logged in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask import Flask, current_app, g, url_for
from flask_login import current_user
from markupsafe import Markup, escape

from panel import clock, i18n
from panel.calendars import show_day
from panel.staff.rules import ROLE_LABELS, strongest
from panel.web import filters, headers, mentioned
from panel.web.access import allowed
from panel.web.alarms import alarm
from panel.web.bundle import asset, icon
from panel.web.frame import frame
from panel.web.menu import menu
from panel.web.preferences import current_reader, preference


def shell() -> SimpleNamespace:
    """The facts of the frame, computed once per request; a template function."""
    if "shell" not in g:
        language = i18n.current_language()
        direction = i18n.direction(language)
        user = current_user._get_current_object() if current_user.is_authenticated else None
        role = strongest(r.name for r in user.roles) if user else None
        g.shell = SimpleNamespace(
            language=language,
            direction=direction,
            theme=preference("theme"),
            preferences={name: preference(name) for name in ("language", "theme", "calendar", "digits")},
            css=asset("panel.rtl.css" if direction == "rtl" else "panel.css")
            or url_for("static", filename="plain.css"),
            js=asset("panel.js"),
            user=user,
            role=i18n.gettext(ROLE_LABELS[role]) if role else "",
            issues=frame().menu.get("issues", 0),
            issues_url=_address("issues.index_view"),
            notices=frame().notices,
            notices_url=_address("notices.index"),
            search_url=_address("search.index") or "",
            reader=current_reader(),
            today=show_day(clock.now().astimezone(current_reader().zone).date(), current_reader(), "full"),
        )
    return g.shell


def _address(endpoint: str) -> str | None:
    return url_for(endpoint) if endpoint in current_app.view_functions else None


def install(app: Flask) -> None:
    """Give every template translation, icons, rights, the frame's facts and the filters."""
    env = app.jinja_env
    env.add_extension("jinja2.ext.do")
    env.trim_blocks = True
    env.lstrip_blocks = True
    env.globals.update(
        icon=icon,
        allowed=allowed,
        shell=shell,
        alarm=alarm,
        panel_menu=menu,
        csp_nonce=headers.nonce,
        asset=asset,
        _=translated,
        ngettext=translated_many,
    )
    filters.install(app)
    mentioned.install(app)


def translated(message: Any, **params: Any) -> Markup | str:
    """`_` of the templates: values are escaped, filters' markup (`|person`, `|phone`) is kept."""
    text = i18n.gettext(str(message)) if message else ""
    return Markup(escape(text)) % params if params else text


def translated_many(one: str, many: str, n: int, **params: Any) -> Markup:
    """`ngettext` of the templates; `%(n)s` is the number in the reader's digits."""
    language = i18n.current_language()
    text = i18n.catalogue(language).ngettext(one, many, n) if language != "en" else (one if n == 1 else many)
    return Markup(escape(i18n.digits_chosen(text))) % {"n": filters.number(n), **params}
