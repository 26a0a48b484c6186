"""The message ledger as a list: every message, its state and the reason in words."""

from __future__ import annotations

from typing import Any

from flask import flash, url_for
from flask_admin.actions import action as bulk_action
from flask_security import current_user
from markupsafe import Markup
from sqlalchemy import Select

from panel.contacts.queries import names_of
from panel.db import db
from panel.i18n import gettext, lazy_gettext, ngettext
from panel.jobs.bells import wake
from panel.journeys.by_hand import Settlement, settle
from panel.messages.models import Message
from panel.messages.reasons import SENTENCES
from panel.staff.audit import record_audit
from panel.web import filters
from panel.web.admin import labels
from panel.web.admin.base import PanelModelView
from panel.web.admin.contacts import contact_url
from panel.web.admin.listing import ListFilter


class MessagesView(PanelModelView):
    action = "messages.view"
    export_action = "contacts.export"
    noun = "message"
    section = "messages"
    icon = "send"
    menu_position = 40
    creates = False
    can_view_details = True
    keyset = ("id",)
    action_rights = {"arrived": "issues.settle", "send_again": "issues.settle", "skip": "issues.settle"}  # noqa: RUF012
    column_list = ("subject", "contact", "channel", "status", "reason", "planned_at")
    column_details_list = (
        *(
            "as_sent",
            "contact",
            "address",
            "channel",
            "status",
            "reason",
            "subject",
            "journey_id",
            "step_id",
            "planned_at",
        ),
        *("not_before", "sent_at", "delivered_at", "first_opened_at", "first_clicked_at", "bounced_at", "provider"),
        *("our_message_id", "attempt"),
    )
    column_labels = {  # noqa: RUF012
        "subject": lazy_gettext("Message"),
        "as_sent": lazy_gettext("As it was sent"),
        "contact": lazy_gettext("Contact"),
        "channel": lazy_gettext("Channel"),
        "address": lazy_gettext("Address"),
        "status": lazy_gettext("State"),
        "reason": lazy_gettext("Why"),
        "planned_at": lazy_gettext("Planned"),
        "journey_id": lazy_gettext("Journey"),
        "step_id": lazy_gettext("Step"),
        "not_before": lazy_gettext("Not before"),
        "sent_at": lazy_gettext("Sent"),
        "delivered_at": lazy_gettext("Delivered"),
        "first_opened_at": lazy_gettext("First opened"),
        "first_clicked_at": lazy_gettext("First clicked"),
        "bounced_at": lazy_gettext("Came back"),
        "provider": lazy_gettext("Sent through"),
        "our_message_id": lazy_gettext("Message number"),
        "attempt": lazy_gettext("Attempts"),
    }
    column_formatters = {  # noqa: RUF012
        "subject": lambda view, context, row, name: filters.person(view.label_of(row)),
        "as_sent": lambda view, context, row, name: view.as_sent_link(row),
        "contact": lambda view, context, row, name: view.contact_link(row),
        "address": lambda view, context, row, name: (
            filters.phone(row.address) if (row.address or "").startswith("+") else filters.email(row.address)
        ),
        "channel": lambda view, context, row, name: labels.channel(row.channel),
        "status": lambda view, context, row, name: labels.message_state(row.status, row.reason),
        "reason": lambda view, context, row, name: reason_words(row),
        "our_message_id": lambda view, context, row, name: filters.code(row.our_message_id),
        "journey_id": lambda view, context, row, name: filters.code(row.journey_id),
        "step_id": lambda view, context, row, name: filters.code(row.step_id),
    }
    column_formatters_detail = column_formatters
    export_columns = ("subject", "contact", "address", "channel", "status", "reason", "planned_at", "sent_at")
    search_words = lazy_gettext("Address or subject")
    empty_title = lazy_gettext("No messages yet")
    empty_words = lazy_gettext("They appear here as soon as a journey sends one, with their state and the reason.")

    def __init__(self) -> None:
        super().__init__(Message, name=lazy_gettext("Messages"), endpoint="messages", url="messages")
        self.list_filters = (
            ListFilter("status", lazy_gettext("State"), lambda: labels.choices(labels.MESSAGE_STATES), _in_state),
            ListFilter(
                "channel",
                lazy_gettext("Channel"),
                lambda: [(c, gettext(words)) for c, (words, _) in labels.CHANNELS.items() if c != "*"],
                lambda query, value: query.where(Message.channel == value),
            ),
        )

    search_columns = ("address", "subject")

    def prepare(self, rows: list[Any]) -> None:
        names = names_of(db.session(), {row.contact_id for row in rows})
        for row in rows:
            row.contact_name = names.get(row.contact_id, "")

    def label_of(self, row: Any) -> str:
        return row.subject or gettext("%(channel)s message", channel=_channel_words(row.channel))

    def contact_link(self, row: Any) -> Markup:
        if not hasattr(row, "contact_name"):
            self.prepare([row])
        words = row.contact_name or row.address or gettext("Contact %(n)s", n=row.contact_id)
        return Markup('<a href="{}">{}</a>').format(contact_url(row.contact_id), filters.person(words))

    def as_sent_link(self, row: Any) -> Markup:
        """The way to the very bytes; a message that never went out has none."""
        if not row.skeleton:
            return filters.NOTHING
        url = url_for("as_sent.index", message_id=row.id)
        return Markup('<a href="{}">{}</a>').format(url, gettext("Show as sent"))

    def export_value(self, row: Any, name: str) -> Any:
        if name == "contact":
            return row.contact_name
        if name == "reason":
            return gettext(SENTENCES[row.reason]) if row.reason in SENTENCES else row.reason
        if name == "status":
            return gettext(labels.MESSAGE_STATES[row.status][0]) if row.status in labels.MESSAGE_STATES else row.status
        return super().export_value(row, name)

    # A message in doubt waits for a person; these three answers are the only ones there are.

    @bulk_action(
        "arrived",
        lazy_gettext("It arrived"),
        lazy_gettext("Say that these messages went out? Only messages in doubt are changed."),
    )
    def action_arrived(self, ids: list[str]) -> None:
        self._settle(ids, "arrived")

    @bulk_action(
        "send_again",
        lazy_gettext("Send again"),
        lazy_gettext(
            "Send these messages again? Who did get the first one gets it twice. Only messages in doubt are sent."
        ),
    )
    def action_send_again(self, ids: list[str]) -> None:
        self._settle(ids, "send_again")

    @bulk_action(
        "skip",
        lazy_gettext("Do not send"),
        lazy_gettext("Give these messages up? Their journeys go on. Only messages in doubt are changed."),
    )
    def action_skip(self, ids: list[str]) -> None:
        self._settle(ids, "skip")

    def _settle(self, ids: list[str], decision: Settlement) -> None:
        session = db.session()
        chosen = [int(one) for one in ids if one.isdigit()]
        settled = settle(session, chosen, decision, user_id=current_user.id)
        record_audit(
            session,
            user=self.me(),
            action="message_settled",
            subject=", ".join(ids)[:200],
            detail={"decision": decision},
        )
        session.commit()
        wake("deliver", "email")
        wake("advance")
        words = ngettext("%(n)s message in doubt is settled.", "%(n)s messages in doubt are settled.", settled)
        flash(words, "success" if settled else "warning")


def reason_words(row: Message) -> Markup:
    if not row.reason:
        return filters.NOTHING
    return Markup('<span class="text-secondary">{}</span>').format(gettext(SENTENCES.get(row.reason, row.reason)))


def _channel_words(code: str) -> str:
    return gettext(labels.CHANNELS[code][0]) if code in labels.CHANNELS else code


def _in_state(query: Select[Any], value: str) -> Select[Any]:
    # "Being sent" is one word for two states.
    return query.where(Message.status.in_(("claimed", "on_wire")) if value == "claimed" else Message.status == value)
