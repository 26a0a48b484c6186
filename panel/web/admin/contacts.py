"""The list of contacts and the form of one. The card with the timeline is a screen of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import current_app, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin.actions import action as bulk_action
from flask_admin.form import BaseForm
from markupsafe import Markup
from sqlalchemy import Select, select
from wtforms import SelectField, StringField
from wtforms.validators import Length, Optional

from panel import clock
from panel.calendars import show_day
from panel.consent.operations import erase_contact
from panel.contacts import operations
from panel.contacts.models import Contact, ContactAddress, ContactList, ContactTag, FieldValue, ListMember, Tag
from panel.contacts.operations import By
from panel.contacts.queries import aliases, custom_fields
from panel.contacts.search import matching
from panel.contacts.sets import among
from panel.dates import read_day
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, gettext, lazy_gettext, ngettext
from panel.sdk.context import NewContact
from panel.staff.audit import record_audit
from panel.sync.erasing import forget_in_plugins
from panel.web import filters
from panel.web.access import must
from panel.web.admin.base import PanelModelView, chips
from panel.web.admin.labels import LANGUAGE_NAMES
from panel.web.admin.listing import ListFilter
from panel.web.forms import options
from panel.web.preferences import current_reader


class ContactForm(BaseForm):
    first_name = StringField(lazy_gettext("First name"), [Length(max=150)])
    last_name = StringField(lazy_gettext("Last name"), [Length(max=150)])
    email = StringField(lazy_gettext("Email"), [Length(max=320)], render_kw={"type": "email"})
    phone = StringField(
        lazy_gettext("Phone"),
        [Length(max=60)],
        description=lazy_gettext("Any way of writing it, Persian digits too."),
        render_kw={"type": "tel"},
    )
    company = StringField(lazy_gettext("Company"), [Length(max=200)])
    language = SelectField(
        lazy_gettext("Language of their messages"),
        [Optional()],
        choices=options([("", "–"), *LANGUAGE_NAMES.items()]),
        coerce=lambda v: v or "",
    )
    reference = StringField(lazy_gettext("Your number for this contact"), [Length(max=120)], render_kw={"class": "ltr"})


class ContactsView(PanelModelView):
    action = "contacts.view"
    edit_action = "contacts.edit"
    delete_action = "contacts.erase"
    export_action = "contacts.export"
    action_rights = {"tag": "contacts.edit", "join": "contacts.edit"}  # noqa: RUF012
    noun = "contact"
    section = "people"
    icon = "users"
    menu_position = 10
    keyset = ("updated_at", "id")
    list_template = "panel/contacts.html"
    form = ContactForm
    column_list = ("name", "email", "phone", "groups", "updated_at")
    column_labels = {  # noqa: RUF012
        "name": lazy_gettext("Name"),
        "email": lazy_gettext("Email"),
        "phone": lazy_gettext("Phone"),
        "groups": lazy_gettext("Tags and lists"),
        "updated_at": lazy_gettext("Last change"),
        "first_name": lazy_gettext("First name"),
        "last_name": lazy_gettext("Last name"),
        "company": lazy_gettext("Company"),
        "language": lazy_gettext("Language"),
        "reference": lazy_gettext("Your number"),
        "lists": lazy_gettext("Lists"),
        "tags": lazy_gettext("Tags"),
        "created_at": lazy_gettext("Since"),
    }
    column_formatters = {  # noqa: RUF012
        "name": lambda view, context, row, name: view.name_of(row),
        "email": lambda view, context, row, name: filters.email(view.first(row, "email")),
        "phone": lambda view, context, row, name: filters.phone(view.first(row, "phone")),
        "groups": lambda view, context, row, name: view.groups_of(row),
    }
    export_columns = (
        *("first_name", "last_name", "company", "email", "phone", "language", "reference"),
        *("lists", "tags", "created_at"),
    )
    search_words = lazy_gettext("Name, email or phone, in any spelling")
    create_words = lazy_gettext("New contact")
    empty_title = lazy_gettext("No contacts yet")
    empty_words = lazy_gettext("Bring them in from a file, or write the first one by hand.")

    def __init__(self) -> None:
        super().__init__(Contact, name=lazy_gettext("Contacts"), endpoint="contacts", url="contacts")
        self.list_filters = (
            ListFilter("list", lazy_gettext("List"), lambda: _names(ContactList), _on_list),
            ListFilter("tag", lazy_gettext("Tag"), lambda: _names(Tag), _tagged),
        )

    # The list.

    def query(self) -> Select[Any]:
        return select(Contact).where(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))

    def searched(self, query: Select[Any], text: str) -> Select[Any]:
        return query.where(*matching(db.session(), text))

    def prepare(self, rows: list[Any]) -> None:
        """Addresses, tags and lists of these contacts, in three queries."""
        ids = [row.id for row in rows]
        session = db.session()
        for row in rows:
            row.shown_addresses, row.shown_tags, row.shown_lists = {}, [], []
        by_id = {row.id: row for row in rows}
        for contact_id, kind, value in session.execute(
            select(ContactAddress.contact_id, ContactAddress.kind, ContactAddress.value)
            .where(among(session, ContactAddress.contact_id, ids))
            .order_by(ContactAddress.position, ContactAddress.id)
        ):
            by_id[contact_id].shown_addresses.setdefault(kind, value)
        for contact_id, name in session.execute(
            select(ContactTag.contact_id, Tag.name)
            .join(Tag, Tag.id == ContactTag.tag_id)
            .where(among(session, ContactTag.contact_id, ids))
            .order_by(Tag.name)
        ):
            by_id[contact_id].shown_tags.append(name)
        for contact_id, name in session.execute(
            select(ListMember.contact_id, ContactList.name)
            .join(ContactList, ContactList.id == ListMember.list_id)
            .where(among(session, ListMember.contact_id, ids))
            .order_by(ContactList.name)
        ):
            by_id[contact_id].shown_lists.append(name)

    @staticmethod
    def first(row: Contact, kind: str) -> str | None:
        value: str | None = row.shown_addresses.get(kind)  # type: ignore[attr-defined]
        return value

    def name_of(self, row: Contact) -> Markup:
        words = self.label_of(row)
        return Markup(
            '<span class="name-cell"><span class="avatar-letters" aria-hidden="true">{}</span><span>{}{}</span></span>'
        ).format(
            filters.initials(words),
            filters.person(words),
            Markup('<small class="text-secondary"><bdi>{}</bdi></small>').format(row.company)
            if row.company and row.company != words
            else "",
        )

    @staticmethod
    def groups_of(row: Any) -> Markup:
        shown = [chips(row.shown_tags, "blue")] if row.shown_tags else []
        shown += [chips(row.shown_lists)] if row.shown_lists else []
        return Markup(" ").join(shown) or filters.NOTHING

    def label_of(self, row: Any) -> str:
        known = getattr(row, "shown_addresses", {})
        return row.name or row.company or next(iter(known.values()), "") or gettext("Contact %(n)s", n=row.id)

    def row_url(self, row: Any) -> str | None:
        return contact_url(row.id)

    def export_value(self, row: Any, name: str) -> Any:
        if name in {"email", "phone"}:
            return self.first(row, name)
        if name in {"lists", "tags"}:
            return row.shown_lists if name == "lists" else row.shown_tags
        return super().export_value(row, name)

    # The form.

    def create_form(self, obj: Any = None) -> Any:
        return _form_class()(self.sent_form(), obj=obj)

    def edit_form(self, obj: Any = None) -> Any:
        form = _form_class()(self.sent_form(), obj=obj)
        if request.method == "GET" and obj is not None:
            self.prepare([obj])
            form.email.data, form.phone.data = self.first(obj, "email"), self.first(obj, "phone")
            reader = current_reader()
            values: dict[int | None, str] = {
                value.field_id: show_day(value.day, reader, "short") if value.day else value.text
                for value in db.session.scalars(select(FieldValue).where(FieldValue.contact_id == obj.id))
            }
            for info in _fields():
                form[info.name].data = values.get(info.id, "")
        return form

    @staticmethod
    def sent_form() -> Any:
        return request.form if request.method == "POST" else None

    @staticmethod
    def sent_values(form: Any) -> dict[str, str]:
        """What was typed; dates in any calendar as YYYY-MM-DD. UserError with its field for one that cannot be read."""
        values = {name: (value or "").strip() for name, value in form.data.items()}
        reader = current_reader()
        for info in _fields():
            if info.type == "date" and values.get(info.name):
                try:
                    day = read_day(values[info.name], reader, clock.now().astimezone(reader.zone).date())
                except UserError as error:
                    problem = error.problem
                    raise UserError(problem.code, problem.sentence, where=info.name, **problem.params) from None
                values[info.name] = day.isoformat()
        return values

    def create_model(self, form: Any) -> Any:
        session = db.session()
        try:
            data = self.sent_values(form)
        except UserError as error:
            return self.refused(form, error)
        if not any(data[name] for name in ("first_name", "last_name", "email", "phone", "company")):
            return self.refused(
                form, UserError("contact_empty", N_("Write at least a name or an address."), where="first_name")
            )
        email, phone = data.pop("email"), data.pop("phone")
        try:
            contact_id = operations.create_contact(
                session,
                NewContact(
                    first_name=data.pop("first_name"),
                    last_name=data.pop("last_name"),
                    emails=[email] if email else [],
                    phones=[phone] if phone else [],
                    reference=data.pop("reference") or None,
                    language=data.pop("language") or None,
                    fields={name: value for name, value in data.items() if value},
                ),
                how="manual",
                by=By(user_id=self.me().id),
            )
        except UserError as error:
            return self.refused(form, error)
        session.commit()
        return session.get(Contact, contact_id)

    def update_model(self, form: Any, model: Any) -> bool:
        session = db.session()
        try:
            operations.update_contact(session, model.id, self.sent_values(form), by=By(user_id=self.me().id))
        except UserError as error:
            return self.refused(form, error)
        session.commit()
        return True

    @staticmethod
    def refused(form: Any, error: UserError) -> bool:
        """Say what is wrong beside the field it is about."""
        db.session.rollback()
        # Refusals about an address carry its kind at the beginning of their code: email_invalid, phone_invalid.
        field = form._fields.get(error.problem.where or error.code.partition("_")[0])
        words = error.words(current_language())
        if field is not None:
            field.errors = [*field.errors, words]
        else:
            flash(words, "danger")
        return False

    def get_save_return_url(self, model: Any, is_created: bool = False) -> str:
        return contact_url(model.id) or super().get_save_return_url(model, is_created)

    # Erasing and bulk actions.

    def delete_model(self, model: Any) -> bool:
        contact_id, ids = model.id, aliases(db.session(), model.id)
        label = self.label_of(model)  # while it has one
        done = erase_contact(db.session(), contact_id, by=By(user_id=self.me().id))
        record_audit(db.session(), user=self.me(), action=f"{self.noun}_deleted", subject=label)
        db.session.commit()
        forget_in_plugins(contact_id, ids)
        return bool(done)

    def delete_question(self, model: Any) -> str:
        return gettext("Erase %(name)s and everything personal about them?", name=filters.isolate(self.label_of(model)))

    def delete_more(self, model: Any) -> str:
        return gettext("This cannot be undone. That they must not be written to any more is kept.")

    @bulk_action("tag", lazy_gettext("Add tag"))
    def action_tag(self, ids: list[str]) -> ResponseReturnValue | None:
        name = request.form.get("tag", "").strip()
        if not name:
            flash(gettext("Write the tag first."), "warning")
            return None
        session = db.session()
        done = operations.add_tag_many(session, _numbers(ids), name, by=By(user_id=self.me().id))
        session.commit()
        flash(ngettext("%(n)s contact tagged.", "%(n)s contacts tagged.", len(done)), "success")
        return None

    @bulk_action("join", lazy_gettext("Add to list"))
    def action_join(self, ids: list[str]) -> ResponseReturnValue | None:
        name = request.form.get("list_name", "").strip()
        if not name:
            flash(gettext("Choose a list first."), "warning")
            return None
        session = db.session()
        done = operations.join_list_many(session, _numbers(ids), name, by=By(user_id=self.me().id))
        session.commit()
        flash(ngettext("%(n)s contact added.", "%(n)s contacts added.", len(done)), "success")
        return None

    @bulk_action("delete", lazy_gettext("Erase"), lazy_gettext("Erase what you chose, with everything personal?"))
    def action_delete(self, ids: list[str]) -> None:
        must("contacts.erase")
        done = sum(self.delete_model(row) for row in map(self.get_one, ids) if row is not None)
        flash(ngettext("%(n)s contact erased.", "%(n)s contacts erased.", done), "success")

    @staticmethod
    def import_url() -> str | None:
        return url_for("imports.index") if "imports.index" in current_app.view_functions else None

    def list_names(self) -> list[str]:
        return [words for _, words in _names(ContactList)]


def contact_url(contact_id: int) -> str:
    """The page of a contact: its card, or its form where there is no card."""
    if "contact_card.card" in current_app.view_functions:
        return url_for("contact_card.card", contact_id=contact_id)
    return url_for("contacts.edit_view", id=contact_id)


def _fields() -> list[Any]:
    """This business's own fields, as far as this colleague may see them."""
    return [one for one in custom_fields(db.session()) if one.type != "money" or current_reader().sees_amounts]


def _form_class() -> type[ContactForm]:
    """The form with this business's own fields after the built-in ones."""
    fields: dict[str, Any] = {}
    for info in _fields():
        label = info.label(current_language())
        if info.type == "choice":
            choices = options((c, c) for c in ("", *info.choices))
            fields[info.name] = SelectField(label, choices=choices, validate_choice=False)
        elif info.type == "yes_no":
            words = [("", "–"), ("yes", gettext("yes")), ("no", gettext("no"))]
            fields[info.name] = SelectField(label, choices=options(words), validate_choice=False)
        elif info.type == "date":
            fields[info.name] = StringField(label, render_kw={"data-date": "1", "autocomplete": "off"})
        elif info.type in {"number", "money"}:
            # Not type=number: browsers drop Persian digits there.
            fields[info.name] = StringField(label, render_kw={"inputmode": "decimal", "class": "ltr"})
        else:
            fields[info.name] = StringField(label)
    return type("ContactFormWithFields", (ContactForm,), fields)


def _names(model: Any) -> list[tuple[str, str]]:
    return [(str(id_), name) for id_, name in db.session.execute(select(model.id, model.name).order_by(model.name))]


def _on_list(query: Select[Any], value: str) -> Select[Any]:
    return query.where(Contact.id.in_(select(ListMember.contact_id).where(ListMember.list_id == int(value))))


def _tagged(query: Select[Any], value: str) -> Select[Any]:
    return query.where(Contact.id.in_(select(ContactTag.contact_id).where(ContactTag.tag_id == int(value))))


def _numbers(ids: Iterable[str]) -> list[int]:
    return [int(i) for i in ids if i.isdigit()]
