"""Lists that contacts join and leave."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_admin.form import BaseForm
from markupsafe import Markup
from sqlalchemy import func, select
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from panel.contacts.models import ContactList, ListMember
from panel.contacts.sets import among
from panel.db import db
from panel.i18n import gettext, lazy_gettext, ngettext
from panel.web import filters
from panel.web.admin.base import PanelModelView


class ListForm(BaseForm):
    name = StringField(lazy_gettext("Name"), [InputRequired(), Length(max=120)])
    description = TextAreaField(lazy_gettext("What it is for"), render_kw={"rows": 3, "dir": "auto"})


class ListsView(PanelModelView):
    action = "lists.view"
    edit_action = "lists.edit"
    delete_action = "lists.edit"
    export_action = "contacts.export"
    noun = "list"
    section = "people"
    icon = "list-check"
    menu_position = 20
    form = ListForm
    column_list = ("name", "description", "members", "created_at")
    column_labels = {  # noqa: RUF012
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("What it is for"),
        "members": lazy_gettext("Contacts"),
        "created_at": lazy_gettext("Since"),
    }
    column_sortable_list = ("name", "created_at")
    default_order = (("name", False),)
    column_formatters = {"members": lambda view, context, row, name: members_link(row, "list")}  # noqa: RUF012
    search_columns = ("name", "description")
    create_words = lazy_gettext("New list")
    empty_title = lazy_gettext("No lists yet")
    empty_words = lazy_gettext("A list is for people who asked for something: a newsletter, a course, an event.")

    def __init__(self) -> None:
        super().__init__(ContactList, name=lazy_gettext("Lists"), endpoint="lists", url="lists")

    def prepare(self, rows: list[Any]) -> None:
        counts = count_members(ListMember.list_id, [row.id for row in rows])
        for row in rows:
            row.members = counts.get(row.id, 0)

    def delete_more(self, model: Any) -> str:
        count = count_members(ListMember.list_id, [model.id]).get(model.id, 0)
        return ngettext(
            "%(n)s contact leaves it and stays in the panel.", "%(n)s contacts leave it and stay in the panel.", count
        )


def count_members(column: Any, ids: list[int]) -> dict[int, int]:
    """How many contacts each list or tag has: {id: count}."""
    session = db.session()
    rows = session.execute(select(column, func.count()).where(among(session, column, ids)).group_by(column))
    return {int(id_): count for id_, count in rows}


def members_link(row: Any, parameter: str) -> Markup:
    """The number of contacts, leading to exactly those."""
    if not row.members:
        return filters.number(0)
    words = gettext("Show the contacts of %(name)s", name=filters.isolate(row.name))
    return Markup('<a href="{}" title="{}">{}</a>').format(
        url_for("contacts.index_view", **{parameter: row.id}), words, filters.number(row.members)
    )
