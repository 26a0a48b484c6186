"""Who did what to the system: the audit trail, read only."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from panel.i18n import N_, gettext, lazy_gettext
from panel.staff.models import AuditEntry
from panel.web import filters
from panel.web.admin.base import PanelModelView

ACTION_WORDS = {
    "owner_created": N_("made the first owner"),
    "user_created": N_("added a user"),
    "user_changed": N_("changed a user"),
    "user_enabled": N_("switched a user on"),
    "user_disabled": N_("switched a user off"),
    "role_changed": N_("changed a role"),
    "password_reset": N_("gave a one-time password"),
    "password_changed": N_("changed their password"),
    "list_created": N_("made a list"),
    "list_changed": N_("changed a list"),
    "list_deleted": N_("deleted a list"),
    "tag_created": N_("made a tag"),
    "tag_changed": N_("changed a tag"),
    "tag_deleted": N_("deleted a tag"),
    "field_created": N_("made a field"),
    "field_changed": N_("changed a field"),
    "field_deleted": N_("deleted a field"),
    "contact_deleted": N_("erased a contact"),
    "address_blocked": N_("blocked an address"),
    "block_lifted": N_("lifted a block"),
    "issue_resolved": N_("settled an issue"),
    "issue_ignored": N_("ignored an issue"),
    "issue_open": N_("opened an issue again"),
    "issue_retried": N_("let held contacts try again"),
    "runs_retried": N_("let held contacts try again"),
    "runs_skipped": N_("skipped a step for contacts"),
    "runs_moved": N_("moved contacts to another step"),
    "runs_ended": N_("took contacts out of a journey"),
    "restore_decided": N_("decided what a restore left open"),
    "sending_resumed": N_("let sending begin again after a restore"),
    "journey_replanned": N_("planned waits anew"),
    "journey_confirmed": N_("confirmed a journey"),
    "message_settled": N_("decided about messages in doubt"),
    "exported": N_("exported"),
}


class AuditView(PanelModelView):
    action = "audit.view"
    export_action = "audit.view"
    section = "system"
    icon = "history"
    menu_position = 90
    creates = False
    keyset = ("id",)
    column_list = ("what", "actor", "subject", "at")
    column_labels = {  # noqa: RUF012
        "what": lazy_gettext("What"),
        "actor": lazy_gettext("Who"),
        "subject": lazy_gettext("To what"),
        "at": lazy_gettext("When"),
    }
    column_formatters = {  # noqa: RUF012
        "what": lambda view, context, row, name: Markup("{}").format(view.label_of(row)),
        "actor": lambda view, context, row, name: filters.email(row.actor),
        "at": lambda view, context, row, name: filters.when(row.at, "long"),
    }
    export_columns = ("at", "actor", "action", "subject")
    search_columns = ("actor", "action", "subject")
    search_words = lazy_gettext("Who, what, to what")

    def __init__(self) -> None:
        super().__init__(AuditEntry, name=lazy_gettext("Audit trail"), endpoint="audit", url="audit")

    def row_url(self, row: Any) -> str | None:
        return None

    def label_of(self, row: Any) -> str:
        return gettext(ACTION_WORDS.get(row.action, row.action))

    def export_value(self, row: Any, name: str) -> Any:
        return self.label_of(row) if name == "action" else super().export_value(row, name)
