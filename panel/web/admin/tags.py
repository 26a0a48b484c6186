"""Tags: short words on contacts."""

from __future__ import annotations

from typing import Any

from flask_admin.form import BaseForm
from markupsafe import Markup
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from panel.contacts.models import ContactTag, Tag
from panel.i18n import lazy_gettext, ngettext
from panel.web.admin.base import PanelModelView, chip
from panel.web.admin.lists import count_members, members_link
from panel.web.forms import options

COLORS = (
    ("", lazy_gettext("Grey")),
    ("blue", lazy_gettext("Blue")),
    ("green", lazy_gettext("Green")),
    ("amber", lazy_gettext("Amber")),
    ("red", lazy_gettext("Red")),
    ("purple", lazy_gettext("Purple")),
)


class TagForm(BaseForm):
    name = StringField(lazy_gettext("Name"), [InputRequired(), Length(max=120)])
    color = SelectField(lazy_gettext("Colour"), [Optional()], choices=options(COLORS))


class TagsView(PanelModelView):
    action = "tags.view"
    edit_action = "tags.edit"
    delete_action = "tags.edit"
    export_action = "contacts.export"
    noun = "tag"
    section = "people"
    icon = "tags"
    menu_position = 30
    form = TagForm
    column_list = ("name", "members", "created_at")
    column_labels = {  # noqa: RUF012
        "name": lazy_gettext("Name"),
        "members": lazy_gettext("Contacts"),
        "created_at": lazy_gettext("Since"),
    }
    column_sortable_list = ("name", "created_at")
    default_order = (("name", False),)
    column_formatters = {  # noqa: RUF012
        "name": lambda view, context, row, name: tag_chip(row),
        "members": lambda view, context, row, name: members_link(row, "tag"),
    }
    search_columns = ("name",)
    create_words = lazy_gettext("New tag")
    empty_title = lazy_gettext("No tags yet")
    empty_words = lazy_gettext("A tag says something about a contact in a word: VIP, met at the fair, wholesale.")

    def __init__(self) -> None:
        super().__init__(Tag, name=lazy_gettext("Tags"), endpoint="tags", url="tags")

    def prepare(self, rows: list[Any]) -> None:
        counts = count_members(ContactTag.tag_id, [row.id for row in rows])
        for row in rows:
            row.members = counts.get(row.id, 0)

    def delete_more(self, model: Any) -> str:
        count = count_members(ContactTag.tag_id, [model.id]).get(model.id, 0)
        return ngettext("%(n)s contact loses it.", "%(n)s contacts lose it.", count)


def tag_chip(tag: Tag) -> Markup:
    return chip(tag.name, tag.color if tag.color in {code for code, _ in COLORS} else "")
