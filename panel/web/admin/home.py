"""The first page: what to do next, who and what moved last, whether everything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from flask_admin import expose
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import db
from panel.i18n import N_, lazy_gettext
from panel.issues.models import Issue
from panel.journeys.models import Journey
from panel.messages.models import Message
from panel.plugin_manager.models import PluginState
from panel.web import filters, health
from panel.web.access import allowed
from panel.web.admin import labels
from panel.web.admin.contacts import ContactsView, contact_url
from panel.web.admin.pages import PanelIndexView
from panel.web.issues import issue_words


@dataclass(frozen=True)
class Step:
    """One step of getting started; words are msgids. `url` None: its screen is not here, or not for this person."""

    title: str
    more: str
    button: str
    icon: str
    url: str | None
    is_done: bool


class HomeView(PanelIndexView):
    action = "home.view"
    section = ""
    icon = "home"
    menu_position = 0

    def __init__(self, url: str) -> None:
        super().__init__(name=lazy_gettext("Home"), url=url)

    @expose("/")
    def index(self) -> str:
        steps = first_steps()
        return self.render(
            "panel/home.html",
            parts=health.parts(current_app.config["PANEL"]),
            steps=steps,
            done=sum(step.is_done for step in steps),
            contacts=latest_contacts(),
            messages=latest_messages(),
            contact_url=contact_url,
            state=lambda code: labels.state(code, labels.MESSAGE_STATES),
            channel=labels.channel,
            problem=worst_issue(),
        )


def worst_issue() -> str:
    """The open issue to show on the first page, in the reader's words: errors before warnings, the latest first."""
    query = select(Issue).where(Issue.state == "open").order_by(Issue.severity, Issue.last_seen.desc()).limit(1)
    issue = db.session.scalars(query).first()
    return issue_words(issue) if issue is not None and allowed("issues.view") else ""


def first_steps() -> list[Step]:
    """What a new installation still needs, as far as the database can tell."""
    session = db.session()

    def any_row(column: Any, *conditions: Any) -> bool:
        return session.scalar(select(column).where(*conditions).limit(1)) is not None

    return [
        Step(
            N_("Bring in your contacts"),
            N_("From a CSV or Excel file, with a check before anything is stored."),
            N_("Import"),
            "file-import",
            _screen("imports", "contacts.import"),
            any_row(Contact.id),
        ),
        Step(
            N_("Connect your mail server"),
            N_("Until then every message lands in the development mailbox and reaches nobody."),
            N_("Plugins"),
            "plug",
            _screen("plugins", "plugins.manage"),
            sends_for_real(),
        ),
        Step(
            N_("Publish a first journey"),
            N_("Write it, try it on one contact, switch it on."),
            N_("Journeys"),
            "route",
            _screen("journeys", "journeys.edit"),
            any_row(Journey.id, Journey.live_version_id.is_not(None)),
        ),
        Step(
            N_("See a first message arrive"),
            N_("Every message and its story stands on the contact's timeline."),
            N_("Messages"),
            "send",
            _screen("messages", "messages.view"),
            any_row(Message.id, Message.status.in_(("sent", "delivered"))),
        ),
    ]


def sends_for_real() -> bool:
    """True when the email plugin was given a server; until then it keeps everything in the development mailbox."""
    settings = db.session.scalar(select(PluginState.settings).where(PluginState.plugin_id == "email"))
    return bool(settings and settings.get("delivery") == "smtp" and settings.get("host"))


def _screen(name: str, right: str) -> str | None:
    if not allowed(right):
        return None
    for endpoint in (f"{name}.index_view", f"{name}.index"):
        if endpoint in current_app.view_functions:
            return url_for(endpoint)
    return None


def latest_contacts(limit: int = 6) -> list[Any]:
    """The contacts changed last, with their tags."""
    query = select(Contact).where(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))
    rows: list[Any] = list(
        db.session.scalars(query.order_by(Contact.updated_at.desc(), Contact.id.desc()).limit(limit))
    )
    view: ContactsView = next(v for v in current_app.extensions["panel_admin"]._views if isinstance(v, ContactsView))
    view.prepare(rows)
    for row in rows:
        row.shown = view.name_of(row)
        mail, number = view.first(row, "email"), view.first(row, "phone")
        row.reached_by = filters.email(mail) if mail else filters.phone(number)
    return rows


def latest_messages(limit: int = 6) -> list[Message]:
    return list(db.session.scalars(select(Message).order_by(Message.id.desc()).limit(limit)))
