"""Colleagues: who logs in, with which role; one-time passwords; switching off."""

from __future__ import annotations

import re
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.form import BaseForm
from markupsafe import Markup
from wtforms import BooleanField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Length, Regexp
from wtforms.validators import Optional as MayBeEmpty

from panel.contacts.addresses import parse_email
from panel.contacts.origin import By
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext, ngettext
from panel.staff import operations
from panel.staff.models import User
from panel.staff.rules import ROLE_LABELS, ROLE_SENTENCES, RoleName, strongest
from panel.tasks.operations import hand_to_owners
from panel.web import filters
from panel.web.access import requires
from panel.web.admin.base import PanelModelView, chip
from panel.web.admin.labels import LANGUAGE_NAMES
from panel.web.forms import ask_first, options

ROLE_TONES = {"owner": "purple", "marketing": "blue", "support": "green", "viewer": ""}
_HANDLE = re.compile(r"^[a-z][a-z0-9_.-]{0,59}$")


def _name_field() -> Any:
    return StringField(lazy_gettext("Name"), [InputRequired(), Length(max=200)])


def _role_field() -> Any:
    choices = options((role.value, lazy_gettext(ROLE_LABELS[role])) for role in RoleName)
    return SelectField(lazy_gettext("Role"), choices=choices, default=RoleName.SUPPORT.value)


def _handle_field() -> Any:
    wrong = lazy_gettext("Small Latin letters, digits, dot, dash; it begins with a letter.")
    return StringField(
        lazy_gettext("Short name"),
        [MayBeEmpty(), Regexp(_HANDLE, message=wrong)],
        description=lazy_gettext("Journeys call a colleague by it: owner: dana"),
        render_kw={"class": "ltr", "dir": "ltr"},
    )


# The fields are made twice: WTForms orders a form by when its fields were made, so sharing them would mix the order.
class EditUserForm(BaseForm):
    name = _name_field()
    handle = _handle_field()
    role = _role_field()
    active = BooleanField(lazy_gettext("May log in"), default=True)


class NewUserForm(BaseForm):
    name = _name_field()
    email = StringField(lazy_gettext("Email"), [InputRequired(), Length(max=255)], render_kw={"type": "email"})
    role = _role_field()
    language = SelectField(lazy_gettext("Language"), choices=options(LANGUAGE_NAMES.items()))
    handle = _handle_field()

    def validate_email(self, field: Any) -> None:
        try:
            field.data = parse_email(field.data or "").value
        except UserError as error:
            raise ValidationError(error.words(current_language())) from None


class UsersView(PanelModelView):
    action = "users.view"
    edit_action = "users.manage"
    noun = "user"
    section = "system"
    icon = "user-cog"
    menu_position = 80
    form = NewUserForm
    edit_template = "panel/user.html"
    create_template = "panel/user_new.html"
    column_list = ("name", "email", "role", "active", "last_seen_at")
    column_labels = {  # noqa: RUF012
        "name": lazy_gettext("Name"),
        "email": lazy_gettext("Email"),
        "role": lazy_gettext("Role"),
        "active": lazy_gettext("May log in"),
        "last_seen_at": lazy_gettext("Last seen"),
    }
    column_sortable_list = ("name", "email", "last_seen_at")
    default_order = (("name", False), ("id", False))
    column_formatters = {  # noqa: RUF012
        "name": lambda view, context, row, name: Markup(
            '<span class="name-cell"><span class="avatar-letters" aria-hidden="true">{}</span>{}</span>'
        ).format(filters.initials(row.name or row.email), filters.person(row.name or row.email)),
        "email": lambda view, context, row, name: filters.email(row.email),
        "role": lambda view, context, row, name: role_chip(row),
    }
    search_columns = ("name", "email", "handle")
    create_words = lazy_gettext("New user")
    role_sentences = [(lazy_gettext(ROLE_LABELS[r]), lazy_gettext(ROLE_SENTENCES[r])) for r in RoleName]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(User, name=lazy_gettext("Users"), endpoint="users", url="users")

    def get_edit_form(self) -> Any:
        return EditUserForm

    def label_of(self, row: Any) -> str:
        return row.name or row.email

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        if request.method == "GET" and obj is not None:
            form.role.data = strongest(role.name for role in obj.roles)
        return form

    def create_model(self, form: Any) -> Any:
        session = db.session()
        try:
            user, password = operations.create_user(
                session,
                form.email.data,
                name=form.name.data,
                role=form.role.data,
                language=form.language.data,
                handle=form.handle.data,
                by=self.me(),
            )
        except UserError as error:
            session.rollback()
            field = form[error.problem.where or "email"]
            field.errors = [*field.errors, error.words(current_language())]
            return False
        session.commit()
        tell_password(user, password)
        return user

    def update_model(self, form: Any, model: Any) -> bool:
        session = db.session()
        model.name, model.handle = form.name.data, form.handle.data or None
        try:
            operations.set_role(session, model, form.role.data, by=self.me())
            operations.set_active(session, model, form.active.data, by=self.me())
            session.flush()
            left = [] if form.active.data else hand_to_owners(session, model, by=By(user_id=self.me().id))
            session.commit()
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
            return False
        if left:
            words = ngettext("%(n)s open task went to the owners.", "%(n)s open tasks went to the owners.", len(left))
            flash(words, "info")
        return True

    @expose("/password/", methods=("POST",))
    @requires("users.manage")
    def password_view(self) -> ResponseReturnValue:
        user = self.get_one(request.form.get("id"))
        if user is None:
            return redirect(self.get_url(".index_view"))
        question = gettext("Give %(name)s a new one-time password?", name=filters.isolate(self.label_of(user)))
        more = gettext("Whoever is logged in with this account is logged out.")
        if page := ask_first(question, button=gettext("New password"), more=more, danger=False):
            return page
        password = operations.reset_password(db.session(), user, by=self.me())
        db.session.commit()
        tell_password(user, password)
        return redirect(self.get_url(".index_view"), 303)


def tell_password(user: User, password: str) -> None:
    """Show a one-time password, once. It is not stored anywhere in this form."""
    flash(
        gettext(
            "The one-time password of %(email)s is %(password)s. It is shown only now; pass it on safely.",
            email=filters.isolate(user.email),
            password=filters.isolate(password),
        ),
        "warning",
    )


def role_chip(user: User) -> Markup:
    role = strongest(role.name for role in user.roles)
    return chip(gettext(ROLE_LABELS[role]), ROLE_TONES[role]) if role else filters.NOTHING
