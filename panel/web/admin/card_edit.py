"""Changing a field or an address of a contact on its own page: in place with JavaScript, on a small page without."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import available_timezones

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import select

from panel import calendars, clock
from panel.contacts import editing, operations
from panel.contacts.addresses import KINDS
from panel.contacts.editing import Meanwhile
from panel.contacts.fields import FieldInfo
from panel.contacts.models import Contact, ContactAddress
from panel.dates import read_day
from panel.db import db
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_, current_language, gettext, lazy_gettext
from panel.staff.people import Directory
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader
from panel.web.timeline.beside import AMONG_FIELDS
from panel.web.timeline.beside import shown as value_words

ADDRESS_WORDS = {"email": N_("E-mail"), "phone": N_("Phone"), "postal": N_("Postal address")}


class CardEditView(PanelView):
    action = "contacts.edit"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Edit"), endpoint="card_edit", url="card-edit")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose("/<public_id>/fields")
    def choose_field(self, public_id: str) -> ResponseReturnValue:
        """Which field is to be filled in."""
        contact, language = shown(public_id), current_language()
        infos = sorted(
            editing.editable_fields(the_session()), key=lambda one: (one.id is not None, one.label(language))
        )
        return _answer(
            "contact/edit/fields.html",
            contact,
            choices=[
                (one.label(language), url_for(".field", public_id=public_id, field_name=one.name)) for one in infos
            ],
            heading=gettext("Which field?"),
        )

    @expose("/<public_id>/field/<field_name>", methods=["GET", "POST"])
    def field(self, public_id: str, field_name: str) -> ResponseReturnValue:
        """Set one field. What is refused keeps what was typed; what somebody else changed meanwhile is said first."""
        contact = shown(public_id)
        info = editing.field_named(the_session(), field_name)
        if info is None:
            abort(404)
        if info.type == "money" and not current_reader().sees_amounts:
            abort(403)
        if request.method == "GET":
            return self._field_form(contact, info, editing.value_of(the_session(), contact.id, info))
        typed, was = request.form.get("value", ""), request.form.get("was")
        try:
            before = editing.value_of(the_session(), contact.id, info)
            found = editing.change_field(
                the_session(), contact.id, info, _as_stored(info, typed), was=was, by=me(), now=clock.now()
            )
        except UserError as error:
            db.session.rollback()
            return self._field_form(contact, info, was or "", typed, error.words(current_language()))
        if isinstance(found, Meanwhile):
            db.session.rollback()
            reader = current_reader()
            now_says = value_words(info, found.value, reader).striptags() if found.value else gettext("nothing")
            said = (
                gettext("%(name)s has changed this meanwhile: it says %(value)s now. Save again to put yours in its"
                        " place.", name=isolate(found.by), value=isolate(now_says))
                if found.by
                else gettext("This was changed meanwhile: it says %(value)s now. Save again to put yours in its place.",
                             value=isolate(now_says))
            )  # fmt: skip
            return self._field_form(contact, info, found.value, typed, said)
        if found:
            said = gettext("%(field)s was changed.", field=isolate(info.label(current_language())))
            again = url_for(".field", public_id=public_id, field_name=field_name)
            offer_undo(public_id, Undo(said, again, "value", before))
        db.session.commit()
        return _done(public_id)

    def _field_form(
        self, contact: Contact, info: FieldInfo, was: str, typed: str | None = None, problem: str = ""
    ) -> ResponseReturnValue:
        return _answer(
            "contact/edit/field.html",
            contact,
            heading=info.label(current_language()),
            info=info,
            place=f"field-{info.name}" if _is_shown(contact, info) else "field-new",
            was=was,
            typed=_to_type(info, was) if typed is None else typed,
            problem=problem,
            choices=_choices(info),
            suggestions=sorted(available_timezones()) if info.type == "time_zone" else (),
        )

    # Addresses.

    @expose("/<public_id>/addresses", methods=["GET", "POST"])
    def addresses(self, public_id: str) -> ResponseReturnValue:
        """Every address with what can be done about it, and a new one."""
        contact, problem, kind, typed = shown(public_id), "", request.values.get("kind", "email"), ""
        if request.method == "POST":
            typed = request.form.get("value", "")
            if kind not in KINDS:
                abort(400)
            try:
                label = request.form.get("label", "")[:60]
                added = operations.add_address(the_session(), contact.id, kind, typed, label=label, by=me())
            except UserError as error:
                db.session.rollback()
                problem = error.words(current_language())
            else:
                db.session.commit()
                if added:
                    new = max(one.id for one in contact.addresses)
                    url = url_for(".address", public_id=public_id, address_id=new, what="remove")
                    offer_undo(public_id, Undo(gettext("The address was added."), url, "confirmed", "1"))
                    return _done(public_id)
                problem = gettext("This contact has this address already.")
        return self._addresses(contact, problem=problem, kind=kind, typed=typed)

    @expose(
        "/<public_id>/addresses/<int:address_id>/<any(first, broken, works, remove, repair):what>", methods=["POST"]
    )
    def address(self, public_id: str, address_id: int, what: str) -> ResponseReturnValue:
        contact, session = shown(public_id), the_session()
        if what == "repair":
            typed = request.form.get("value", "")
            try:
                editing.repair_address(session, contact.id, address_id, typed, by=me())
            except UserError as error:
                db.session.rollback()
                return self._addresses(contact, wrong=(address_id, typed, error.words(current_language())))
        elif what == "remove":
            return self._remove(contact, public_id, address_id)
        elif what == "broken":
            if editing.mark_broken(session, contact.id, address_id, note=request.form.get("note", ""), by=me()):
                said = gettext("Marked: this address does not work. Nothing is sent to it any more.")
                url = url_for(".address", public_id=public_id, address_id=address_id, what="works")
                offer_undo(public_id, Undo(said, url, "again", "1"))
        elif what == "works":
            editing.mark_works(session, contact.id, address_id, by=me())
        else:
            first = _first_of_kind(contact, address_id)
            if editing.make_first(session, contact.id, address_id, by=me()) and first:
                url = url_for(".address", public_id=public_id, address_id=first, what="first")
                offer_undo(public_id, Undo(gettext("This address is the main one now."), url, "again", "1"))
        db.session.commit()
        return _done(public_id)

    def _remove(self, contact: Contact, public_id: str, address_id: int) -> ResponseReturnValue:
        found = db.session.get(ContactAddress, address_id)
        if found is not None and found.contact_id == contact.id:
            question = gettext("Take the address %(address)s away?", address=isolate(found.shown))
            more = gettext("What was sent to it stays on the timeline. Blocks on it stay too.")
            if page := ask_first(question, button=gettext("Take away"), more=more):
                return page
            kind, text = found.kind, found.shown
            operations.remove_address(the_session(), contact.id, kind, found.value, by=me())
            url = url_for(".addresses", public_id=public_id) + f"?kind={kind}"
            offer_undo(public_id, Undo(gettext("The address was taken away."), url, "value", text))
        db.session.commit()
        return _done(public_id)

    def _addresses(
        self,
        contact: Contact,
        *,
        problem: str = "",
        kind: str = "email",
        typed: str = "",
        wrong: tuple[int, str, str] = (0, "", ""),
    ) -> ResponseReturnValue:
        rows = the_session().scalars(
            select(ContactAddress)
            .where(ContactAddress.contact_id == contact.id)
            .order_by(ContactAddress.kind, ContactAddress.position, ContactAddress.id)
        )
        return _answer(
            "contact/edit/addresses.html",
            contact,
            heading=gettext("Addresses"),
            rows=list(rows),
            kinds=ADDRESS_WORDS,
            kind=kind,
            typed=typed,
            problem=problem,
            wrong=wrong,
        )


def _answer(template: str, contact: Contact, **values: Any) -> ResponseReturnValue:
    """The form alone when the browser puts it into the page, else on a page of its own."""
    inside = bool(request.headers.get("HX-Request"))
    card = url_for("contact_card.index", public_id=contact.public_id)
    page = template if inside else "contact/edit/page.html"
    text = render_template(
        page, contact=contact, name=name_of(contact), card=card, part=template, inside=inside, **values
    )
    if not inside or request.method == "GET":
        return text, 422 if request.method == "POST" else 200
    # The form answered to would be replaced by the contact's page; a form that is refused stays where it is.
    answer: Response = make_response(text)
    answer.headers["HX-Retarget"] = f"#{values.get('place', 'address-editor')}"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Reselect"] = "unset"
    return answer


def _done(public_id: str) -> ResponseReturnValue:
    return back(public_id)


def _first_of_kind(contact: Contact, address_id: int) -> int | None:
    mine = next((one for one in contact.addresses if one.id == address_id), None)
    if mine is None:
        return None
    return min((one for one in contact.addresses if one.kind == mine.kind), key=lambda one: (one.position, one.id)).id


def _is_shown(contact: Contact, info: FieldInfo) -> bool:
    """Whether the field has a line of its own on the page, in whose place the form stands."""
    among = info.id is not None or info.name in AMONG_FIELDS
    return among and bool(editing.value_of(the_session(), contact.id, info))


def _as_stored(info: FieldInfo, typed: str) -> str:
    """A day as the writer's own calendar means it ("tomorrow", 1405/9/1); anything else as it was typed."""
    if info.type != "date" or not typed.strip():
        return typed
    reader = current_reader()
    return read_day(typed, reader, clock.now().astimezone(reader.zone).date()).isoformat()


def _to_type(info: FieldInfo, stored: str) -> str:
    """A value in the form in which it can be typed again."""
    if info.type == "date" and stored:
        try:
            day = date.fromisoformat(stored)
        except ValueError:
            return stored
        reader = current_reader()
        return calendars.show_day(day, reader, "short") if reader.calendar == "solar_hijri" else stored
    return stored


def _choices(info: FieldInfo) -> list[tuple[str, str]] | None:
    """(value, words) when a field has a few values only; the empty one first."""
    none = ("", gettext("(empty)"))
    if info.type == "yes_no":
        return [none, ("yes", gettext("Yes")), ("no", gettext("No"))]
    if info.type == "choice":
        return [none, *((one, one) for one in info.choices)]
    if info.type == "language":
        return [none, *LANGUAGES.items()]
    if info.type == "person":
        active = [one for one in Directory(the_session()).everybody.values() if one.active]
        return [none, *((one.shown, one.shown) for one in sorted(active, key=lambda one: one.shown.casefold()))]
    return None
