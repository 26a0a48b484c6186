"""Every screen of the panel. A feature registers its own here with one line."""

from __future__ import annotations

from flask import Flask
from flask_admin import Admin
from flask_admin import babel as admin_babel

from panel.web import headers
from panel.web.admin import calendar_feed
from panel.web.admin.audit import AuditView
from panel.web.admin.card_consent import CardConsentView
from panel.web.admin.card_edit import CardEditView
from panel.web.admin.card_notes import CardNotesView
from panel.web.admin.contact_card import ContactCardView
from panel.web.admin.contacts import ContactsView
from panel.web.admin.engagement import EngagementView
from panel.web.admin.evidence import EvidenceView
from panel.web.admin.experiments import ExperimentsView
from panel.web.admin.explain import ExplainView
from panel.web.admin.fields import FieldsView
from panel.web.admin.held import HeldView
from panel.web.admin.help import HelpView
from panel.web.admin.home import HomeView
from panel.web.admin.imports import ImportsView
from panel.web.admin.issues import IssuesView
from panel.web.admin.journeys import JourneysView
from panel.web.admin.lists import ListsView
from panel.web.admin.mentions import MentionsView
from panel.web.admin.merge import MergeView
from panel.web.admin.message_preview import MessagePreviewView
from panel.web.admin.messages import MessagesView
from panel.web.admin.notices import NoticesView
from panel.web.admin.pages import PanelTheme
from panel.web.admin.personal_message import PersonalMessageView
from panel.web.admin.planned import PlannedView
from panel.web.admin.plugins import PluginPagesView, PluginsView
from panel.web.admin.presence import PresenceView
from panel.web.admin.restore import RestoreView
from panel.web.admin.run import RunView
from panel.web.admin.search import SearchView
from panel.web.admin.segments import SegmentsView
from panel.web.admin.simulate import SimulateView
from panel.web.admin.suppressions import SuppressionsView
from panel.web.admin.tags import TagsView
from panel.web.admin.tasks import TasksView
from panel.web.admin.templates import TemplatesView
from panel.web.admin.timeline_export import TimelineExportView
from panel.web.admin.users import UsersView
from panel.web.words import ours_first

_patched: set[int] = set()


def install(app: Flask) -> Admin:
    """Build Flask-Admin on /admin with our theme and every screen."""
    if id(admin_babel.domain) not in _patched:
        _patched.add(id(admin_babel.domain))
        ours_first(admin_babel.domain)
    admin = Admin(
        app,
        name="Nava",
        index_view=HomeView(url="/admin"),
        theme=PanelTheme(),
        csp_nonce_generator=headers.nonce,
    )
    app.extensions["panel_admin"] = admin
    app.register_blueprint(calendar_feed.blueprint)
    register(admin)
    return admin


def register(admin: Admin) -> None:
    """Add every screen. One line each; the order inside a section of the menu is the view's `menu_position`."""
    admin.add_view(TasksView())
    admin.add_view(NoticesView())
    admin.add_view(SearchView())
    admin.add_view(calendar_feed.CalendarFeedView())
    admin.add_view(PresenceView())
    admin.add_view(MentionsView())
    admin.add_view(ContactsView())
    admin.add_view(ListsView())
    admin.add_view(SegmentsView())
    admin.add_view(EngagementView())
    admin.add_view(TagsView())
    admin.add_view(FieldsView())
    admin.add_view(ImportsView())
    admin.add_view(TemplatesView())
    admin.add_view(MessagesView())
    admin.add_view(MessagePreviewView())
    admin.add_view(SuppressionsView())
    admin.add_view(IssuesView())
    admin.add_view(HeldView())
    admin.add_view(RestoreView())
    admin.add_view(UsersView())
    admin.add_view(AuditView())
    admin.add_view(ContactCardView())
    admin.add_view(EvidenceView())
    admin.add_view(TimelineExportView())
    admin.add_view(RunView())
    admin.add_view(PersonalMessageView())
    admin.add_view(PlannedView())
    admin.add_view(CardEditView())
    admin.add_view(CardNotesView())
    admin.add_view(MergeView())
    admin.add_view(CardConsentView())
    admin.add_view(JourneysView())
    admin.add_view(SimulateView())
    admin.add_view(ExplainView())
    admin.add_view(ExperimentsView())
    admin.add_view(PluginsView())
    admin.add_view(HelpView())
    admin.add_view(PluginPagesView())
