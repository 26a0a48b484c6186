"""Custom fields: what else this business knows about its contacts."""

from __future__ import annotations

import re
from typing import Any

from flask import request
from flask_admin.form import BaseForm
from markupsafe import Markup
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from panel.contacts import operations
from panel.contacts.fields import TYPES
from panel.contacts.models import Field
from panel.db import db
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_, current_language, gettext, lazy_gettext
from panel.staff.audit import record_audit
from panel.web import filters
from panel.web.admin.base import PanelModelView, chip, chips
from panel.web.forms import options

TYPE_WORDS = {
    "text": (N_("Text"), "forms"),
    "number": (N_("Number"), "number"),
    "date": (N_("Date"), "calendar"),
    "yes_no": (N_("Yes or no"), "checkbox"),
    "choice": (N_("Choice"), "list"),
    "money": (N_("Money"), "cash"),
}
_LINES = re.compile(r"[\n,،;]+")


class NewFieldForm(BaseForm):
    name = StringField(
        lazy_gettext("Name"),
        [InputRequired(), Length(max=80)],
        description=lazy_gettext("In any language. Texts use it as a merge field: [[birthday]]."),
    )
    type = SelectField(
        lazy_gettext("Type"),
        choices=options((t, lazy_gettext(TYPE_WORDS[t][0])) for t in TYPES),
        description=lazy_gettext("It cannot be changed later."),
    )
    choices = TextAreaField(
        lazy_gettext("Choices"),
        description=lazy_gettext("Only for the type Choice: one on each line."),
        render_kw={"rows": 3, "dir": "auto"},
    )
    label_en = StringField(lazy_gettext("Name in English"), [Length(max=80)], render_kw={"lang": "en"})
    label_he = StringField(lazy_gettext("Name in Hebrew"), [Length(max=80)], render_kw={"lang": "he"})
    label_fa = StringField(lazy_gettext("Name in Persian"), [Length(max=80)], render_kw={"lang": "fa"})
    aliases = TextAreaField(
        lazy_gettext("Other names"),
        description=lazy_gettext("One on each line; imports and merge fields understand them too."),
        render_kw={"rows": 3, "dir": "auto"},
    )


class EditFieldForm(BaseForm):
    choices = NewFieldForm.choices
    label_en = NewFieldForm.label_en
    label_he = NewFieldForm.label_he
    label_fa = NewFieldForm.label_fa
    aliases = NewFieldForm.aliases


class FieldsView(PanelModelView):
    action = "fields.view"
    edit_action = "fields.edit"
    delete_action = "fields.edit"
    noun = "field"
    section = "people"
    icon = "forms"
    menu_position = 40
    form = NewFieldForm
    column_list = ("name", "type", "merge", "aliases")
    column_labels = {  # noqa: RUF012
        "name": lazy_gettext("Name"),
        "type": lazy_gettext("Type"),
        "merge": lazy_gettext("Merge field"),
        "aliases": lazy_gettext("Other names"),
    }
    default_order = (("name", False),)
    column_formatters = {  # noqa: RUF012
        "name": lambda view, context, row, name: filters.person(view.label_of(row)),
        "type": lambda view, context, row, name: type_chip(row.type),
        "merge": lambda view, context, row, name: filters.code(f"[[{row.name}]]"),
        "aliases": lambda view, context, row, name: chips(row.aliases or []),
    }
    search_columns = ("name",)
    create_words = lazy_gettext("New field")
    empty_title = lazy_gettext("No fields of your own yet")
    empty_words = lazy_gettext("Name, address, company and language are there already. Add what your business needs.")

    def __init__(self) -> None:
        super().__init__(Field, name=lazy_gettext("Fields"), endpoint="fields", url="fields")

    def get_edit_form(self) -> Any:
        return EditFieldForm

    def label_of(self, row: Any) -> str:
        labels = row.labels or {}
        return str(labels.get(current_language()) or labels.get("en") or next(iter(labels.values()), row.name))

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        if request.method == "GET" and obj is not None:
            for language in LANGUAGES:
                form[f"label_{language}"].data = (obj.labels or {}).get(language, "")
            form.aliases.data, form.choices.data = "\n".join(obj.aliases or []), "\n".join(obj.choices or [])
        return form

    def create_model(self, form: Any) -> Any:
        session = db.session()
        try:
            info = operations.create_field(
                session,
                form.name.data,
                form.type.data,
                labels=_labels(form),
                aliases=_lines(form.aliases.data),
                choices=_lines(form.choices.data),
            )
        except UserError as error:
            session.rollback()
            form.name.errors = [*form.name.errors, error.words(current_language())]
            return False
        record_audit(session, user=self.me(), action="field_created", subject=info.name)
        session.commit()
        return session.get(Field, info.id)

    def update_model(self, form: Any, model: Any) -> bool:
        model.labels = _labels(form) or {"en": model.name}
        model.aliases, model.choices = _lines(form.aliases.data), _lines(form.choices.data)
        self.on_model_change(form, model, False)
        db.session.commit()
        return True

    def delete_more(self, model: Any) -> str:
        return gettext("Its values are deleted from every contact.")


def type_chip(code: str) -> Markup:
    words, icon_name = TYPE_WORDS.get(code, (code, "forms"))
    return chip(gettext(words), "", icon_name)


def _labels(form: Any) -> dict[str, str]:
    found = {language: (form[f"label_{language}"].data or "").strip() for language in LANGUAGES}
    return {language: words for language, words in found.items() if words}


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in _LINES.split(text or "") if line.strip()]
