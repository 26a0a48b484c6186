"""The search of every page: a list while one types, and a page of results for whoever presses Enter."""

from __future__ import annotations

from dataclasses import dataclass

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markupsafe import Markup

from panel.contacts.finding import WHOLE, Found, find
from panel.db import db
from panel.i18n import gettext, lazy_gettext
from panel.web import filters
from panel.web.admin.pages import PanelView

WHILE_TYPING, ON_THE_PAGE = 8, 30
MAX_TEXT = 200


@dataclass(frozen=True)
class Line:
    """One contact as the list shows it; `facts` are the addresses by which one tells people of one name apart."""

    public_id: str
    url: str
    name: str
    company: str
    facts: Markup
    tags: list[str]
    reference: str


class SearchView(PanelView):
    """`/admin/search/`, behind the box at the top of every page."""

    action = "contacts.view"
    section = None
    icon = "search"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Find a contact"), endpoint="search", url="search")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """All that fits, best first; the only one there is opens at once."""
        text = request.args.get("search", "").strip()[:MAX_TEXT]
        found = find(db.session(), text, ON_THE_PAGE)
        if found and (len(found) == 1 or found[0].weight == WHOLE > found[1].weight):
            return redirect(url_for("contact_card.index", public_id=found[0].public_id))
        more = url_for("contacts.index_view", search=text) if len(found) == ON_THE_PAGE else None
        return self.render("search/index.html", text=text, lines=[_line(one) for one in found], more=more)

    @expose("/typing")
    def typing(self) -> ResponseReturnValue:
        """The choices below the box, as rows of a listbox."""
        text = request.args.get("search", "").strip()[:MAX_TEXT]
        return render_template(
            "search/typing.html", text=text, lines=[_line(one) for one in find(db.session(), text, WHILE_TYPING)]
        )


def _line(one: Found) -> Line:
    matched = one.matched
    mail = matched if "@" in matched else one.first("email")
    number = matched if matched.startswith("+") else one.first("phone")
    facts = [filters.email(mail)] if mail else []
    facts += [filters.phone(number)] if number else []
    return Line(
        one.public_id,
        url_for("contact_card.index", public_id=one.public_id),
        one.name or one.company or mail or gettext("Without a name"),
        one.company if one.name and one.company != one.name else "",
        Markup(" · ").join(facts),
        one.tags[:3],
        one.reference or "",
    )
