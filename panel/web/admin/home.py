"""The first page: what to do next, how the system is, the figures of the day."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from flask_admin import expose
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import db
from panel.i18n import N_, lazy_gettext
from panel.web import health
from panel.web.admin.pages import PanelIndexView


@dataclass(frozen=True)
class ChecklistStep:
    """One step of getting started; words are msgids."""

    title: str
    more: str
    url: str
    button: str
    is_done: bool
    icon: str


class HomeView(PanelIndexView):
    action = "home.view"
    section = ""
    icon = "home"
    menu_position = 0

    def __init__(self, url: str) -> None:
        super().__init__(name=lazy_gettext("Home"), url=url)

    @expose("/")
    def index(self) -> str:
        return self.render("panel/home.html", parts=health.parts(current_app.config["PANEL"]), steps=first_steps())


def first_steps() -> list[ChecklistStep]:
    has_contacts = db.session.scalar(select(Contact.id).limit(1)) is not None
    return [
        ChecklistStep(
            N_("Choose your language and calendar"),
            N_("The switch is at the top of every page."),
            "#preferences",
            N_("Open"),
            True,
            "language",
        ),
        ChecklistStep(
            N_("Bring in your contacts"),
            N_("From a CSV or Excel file, with a check before anything is stored."),
            "/admin/imports/",
            N_("Import"),
            has_contacts,
            "file-import",
        ),
    ]
