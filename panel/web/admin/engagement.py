"""How a contact answers, loaded into their page: engagement, a year in a picture, the channel; and the rules behind."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import clock
from panel.calendars import to_latin_digits
from panel.contacts.models import Contact
from panel.contacts.queries import aliases
from panel.db import db
from panel.engagement import pins, rules
from panel.engagement.score import DEFAULT_POINTS, Rules
from panel.errors import UserError
from panel.i18n import N_, current_language, gettext, lazy_gettext
from panel.web import engagement
from panel.web.access import requires
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.htmx import is_htmx
from panel.web.preferences import current_reader
from panel.web.timeline.words import CHANNELS, channel_words


class EngagementView(PanelView):
    """`/admin/engagement/`: the rules. `/admin/engagement/<public id>`: one contact, a part of their page or alone."""

    action = "contacts.view"
    section = "people"
    icon = "activity"
    menu_position = 45

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Engagement"), endpoint="engagement", url="engagement")

    # One contact.

    @expose("/<public_id>")
    def contact(self, public_id: str) -> ResponseReturnValue:
        person = shown(public_id)
        found = engagement.shown(the_session(), person, _ids(person), current_reader(), clock.now())
        context = {
            "contact": person,
            "part": found,
            "weeks": engagement.table(found.bars),
            "channels": [(name, channel_words(name, current_language())) for name in CHANNELS],
        }
        if is_htmx():
            return render_template("contact/engagement/part.html", **context)
        return self.render("contact/engagement/page.html", name=name_of(person), **context)

    @expose("/<public_id>/pin", methods=["POST"])
    @requires("contacts.edit")
    def pin(self, public_id: str) -> ResponseReturnValue:
        """Use this channel from now on. Undo puts back what was pinned before, or takes the pin off."""
        person = shown(public_id)
        channel = request.form.get("channel", "")
        if channel not in CHANNELS:
            raise UserError("channel_missing", N_("Choose a channel"))
        former = pins.pin_of(the_session(), [person.id])
        made = pins.pin(the_session(), person.id, channel, request.form.get("reason", ""), by=me())
        if former is None or former.id != made.id:
            name = isolate(channel_words(channel, current_language()))
            said = gettext("Pinned: %(channel)s is used for this contact from now on.", channel=name)
            if former is None:
                undo = Undo(said, url_for(".unpin", public_id=public_id), "pin", str(made.id))
            else:
                undo = Undo(said, url_for(".restore", public_id=public_id), "pin", str(former.id))
            offer_undo(public_id, undo)
        db.session.commit()
        return back(public_id)

    @expose("/<public_id>/unpin", methods=["POST"])
    @requires("contacts.edit")
    def unpin(self, public_id: str) -> ResponseReturnValue:
        person = shown(public_id)
        former = pins.unpin(the_session(), _ids(person), by=me())
        if former is not None:
            said = gettext("The pin is off; the channel is chosen by what this contact answers.")
            offer_undo(public_id, Undo(said, url_for(".restore", public_id=public_id), "pin", str(former.id)))
        db.session.commit()
        return back(public_id)

    @expose("/<public_id>/restore", methods=["POST"])
    @requires("contacts.edit")
    def restore(self, public_id: str) -> ResponseReturnValue:
        person = shown(public_id)
        if not pins.restore(the_session(), person.id, request.form.get("pin", 0, type=int), by=me()):
            abort(404)
        db.session.commit()
        return back(public_id)

    # The rules.

    @expose("/", methods=["GET"])
    def index(self) -> ResponseReturnValue:
        return self._rules(rules.rules(the_session()))

    @expose("/", methods=["POST"])
    @requires("journeys.edit")
    def save(self) -> ResponseReturnValue:
        """Write the rules, or (`do=default`) go back to those we begin with."""
        session = the_session()
        try:
            if request.form.get("do") == "default":
                rules.save(session, DEFAULT_POINTS, Rules().half_life, by=current_user)
            else:
                points = {
                    name.removeprefix("points."): _number(value)
                    for name, value in request.form.items()
                    if name.startswith("points.") and value.strip()
                }
                rules.save(session, points, int(_number(request.form.get("half_life", ""))), by=current_user)
        except UserError as error:
            session.rollback()
            return self._rules(rules.rules(session), refusal=error.words(current_language())), 422
        session.commit()
        flash(gettext("The rules are saved. Every number follows them from now on, for the past too."), "success")
        return redirect(url_for(".index"), 303)

    def _rules(self, current: Rules, refusal: str = "") -> str:
        kinds = [
            (one.name, one.icon, engagement.kind_words(one.name)) for one in engagement.grouped_kinds(current.points)
        ]
        return self.render(
            "contact/engagement/rules.html",
            rules=current,
            kinds=kinds,
            typed=request.form,
            refusal=refusal,
            is_default=rules.are_default(current),
        )


def _ids(person: Contact) -> list[int]:
    return [person.id, *(id_ for id_ in aliases(the_session(), person.id) if id_ != person.id)]


def _number(text: str) -> float:
    """A number as somebody typed it, in any digits. Raises UserError."""
    typed = to_latin_digits(text.strip()).replace("\u2212", "-").replace("\u200e", "").replace("\u200f", "")
    try:
        number = Decimal(typed)
    except InvalidOperation:
        raise UserError("not_a_number", N_("“%(text)s” is not a number"), text=text.strip()[:40]) from None
    if not number.is_finite():
        raise UserError("not_a_number", N_("“%(text)s” is not a number"), text=text.strip()[:40])
    return float(number)
