"""Journeys: what runs, for whom, and the text behind it."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_admin import expose

from panel.i18n import lazy_gettext
from panel.web.admin.pages import PanelView


class JourneysView(PanelView):
    action = "journeys.view"
    section = "messages"
    icon = "route"
    menu_position = 10

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Journeys"), endpoint="journeys_page", url="journeys")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.render("journeys/list.html")

    @expose("/<journey_id>")
    def journey(self, journey_id: str) -> ResponseReturnValue:
        return self.render("journeys/journey.html")
