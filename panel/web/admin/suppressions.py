"""Blocked addresses: looking, blocking by hand, lifting a block."""

from __future__ import annotations

from typing import Any

from flask import flash
from flask_admin.actions import action as bulk_action
from flask_admin.form import BaseForm
from sqlalchemy import Select, select
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from panel.consent import operations
from panel.consent.models import Suppression
from panel.contacts.addresses import parse
from panel.contacts.operations import By
from panel.contacts.queries import region
from panel.contacts.search import fold
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext, ngettext
from panel.staff.audit import record_audit
from panel.web import filters
from panel.web.admin import labels
from panel.web.admin.base import PanelModelView
from panel.web.admin.listing import ListFilter
from panel.web.forms import options

# "Every channel" first: that is what a person who blocks an address by hand usually means.
_CHANNELS = [(c, lazy_gettext(labels.CHANNELS[c][0])) for c in sorted(labels.CHANNELS, key=lambda c: c != "*")]
# The other reasons are found out by sending, never chosen by a person.
_REASONS = [(c, lazy_gettext(labels.SUPPRESSION_REASONS[c][0])) for c in ("manual", "legal", "unsubscribed")]


class SuppressionForm(BaseForm):
    address = StringField(
        lazy_gettext("Email or phone"), [InputRequired(), Length(max=320)], render_kw={"class": "ltr", "dir": "ltr"}
    )
    channel = SelectField(lazy_gettext("Channel"), choices=options(_CHANNELS))
    reason = SelectField(lazy_gettext("Reason"), choices=options(_REASONS))
    note = TextAreaField(lazy_gettext("Note"), [Length(max=2000)], render_kw={"rows": 3, "dir": "auto"})


class SuppressionsView(PanelModelView):
    action = "suppressions.view"
    edit_action = "suppressions.edit"
    export_action = "contacts.export"
    action_rights = {"lift": "suppressions.edit"}  # noqa: RUF012
    noun = "suppression"
    section = "messages"
    icon = "ban"
    menu_position = 60
    form = SuppressionForm
    keyset = ("id",)
    column_list = ("address", "channel", "reason", "note", "at")
    column_labels = {  # noqa: RUF012
        "address": lazy_gettext("Address"),
        "channel": lazy_gettext("Channel"),
        "reason": lazy_gettext("Reason"),
        "note": lazy_gettext("Note"),
        "at": lazy_gettext("Since"),
    }
    column_formatters = {  # noqa: RUF012
        "address": lambda view, context, row, name: (filters.email if "@" in row.address else filters.phone)(
            row.address
        ),
        "channel": lambda view, context, row, name: labels.channel(row.channel),
        "reason": lambda view, context, row, name: labels.state(row.reason, labels.SUPPRESSION_REASONS),
    }
    search_words = lazy_gettext("Email or phone")
    create_words = lazy_gettext("Block an address")
    lead = lazy_gettext("Nothing is ever sent to these addresses, whatever a journey or an import says.")
    empty_title = lazy_gettext("No blocked addresses")
    empty_words = lazy_gettext("Addresses land here when somebody unsubscribes, complains or does not exist.")

    def __init__(self) -> None:
        super().__init__(
            Suppression, name=lazy_gettext("Blocked addresses"), endpoint="suppressions", url="suppressions"
        )
        self.list_filters = (
            ListFilter(
                "reason",
                lazy_gettext("Reason"),
                lambda: labels.choices(labels.SUPPRESSION_REASONS),
                lambda query, value: query.where(Suppression.reason == value),
            ),
        )

    def query(self) -> Select[Any]:
        return select(Suppression).where(Suppression.lifted_at.is_(None))

    def searched(self, query: Select[Any], text: str) -> Select[Any]:
        wanted = fold(text)
        digits = "".join(c for c in wanted if c.isdigit()).lstrip("0")
        is_phone = len(digits) >= 4 and not any(c.isalpha() for c in wanted)
        return query.where(Suppression.address.contains(digits if is_phone else wanted, autoescape=True))

    def row_url(self, row: Any) -> str | None:
        return None

    def label_of(self, row: Any) -> str:
        return str(row.address)

    @property
    def can_edit(self) -> bool:
        return False

    def create_model(self, form: Any) -> Any:
        session = db.session()
        try:
            address = parse("email" if "@" in form.address.data else "phone", form.address.data, region=region(session))
        except UserError as error:
            form.address.errors = [*form.address.errors, error.words(current_language())]
            return False
        operations.suppress(
            session,
            form.channel.data,
            address.value,
            form.reason.data,
            note=form.note.data or "",
            source="panel",
            by=By(user_id=self.me().id),
        )
        record_audit(session, user=self.me(), action="address_blocked", subject=address.value)
        session.commit()
        return True

    @bulk_action(
        "lift",
        lazy_gettext("Lift the block"),
        lazy_gettext("Lift the block? Messages may then be sent to these addresses again."),
    )
    def action_lift(self, ids: list[str]) -> None:
        session = db.session()
        done = 0
        for row in map(self.get_one, ids):
            if row is None or row.lifted_at is not None:
                continue
            try:
                lifted = operations.lift(session, row.channel, row.address, by=By(user_id=self.me().id))
            except UserError as error:
                flash(error.words(current_language()), "danger")
                continue
            if lifted:
                done += 1
                record_audit(session, user=self.me(), action="block_lifted", subject=row.address)
        session.commit()
        if done:
            flash(ngettext("%(n)s address may be used again.", "%(n)s addresses may be used again.", done), "success")
        elif ids:
            flash(gettext("Nothing was changed."), "info")
