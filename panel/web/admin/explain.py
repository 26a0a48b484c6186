"""Why she got it, why she did not, what comes next and when, what would stop it: one contact and one journey."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.queries import by_public_id, canonical
from panel.contacts.search import search
from panel.db import db
from panel.errors import UserError
from panel.i18n import lazy_gettext
from panel.journeys.explain import explain
from panel.journeys.models import Journey
from panel.journeys.reasons import state_words
from panel.web.admin.pages import PanelView
from panel.web.preferences import current_reader

MOST_FOUND = 12


class ExplainView(PanelView):
    action = "journeys.view"
    section = None
    icon = "help-circle"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Why?"), endpoint="explain", url="explain")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return redirect(url_for("journeys.index"))

    @expose("/<journey_id>")
    def choose(self, journey_id: str) -> ResponseReturnValue:
        """About whom? A search; with one result straight to the answer."""
        session = db.session()
        journey = session.get(Journey, journey_id) or abort(404)
        text = request.args.get("q", "").strip()
        found = search(session, text, limit=MOST_FOUND) if text else []
        if len(found) == 1:
            return redirect(url_for(".answer", journey_id=journey_id, public_id=found[0].public_id))
        return self.render("explain/choose.html", journey=journey, text=text, found=found)

    @expose("/<journey_id>/<public_id>")
    def answer(self, journey_id: str, public_id: str) -> ResponseReturnValue:
        session = db.session()
        contact = by_public_id(session, public_id)
        if contact is None:
            abort(404)
        contact = session.get_one(Contact, canonical(session, contact.id))
        reader = current_reader()
        try:
            told = explain(session, contact.id, journey_id, now=clock.now(), reader=reader)
        except UserError:
            abort(404)
        return self.render(
            "explain/answer.html", contact=contact, told=told, state=state_words(told.state, reader.language)
        )
