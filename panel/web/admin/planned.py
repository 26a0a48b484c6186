"""What is still to come for a contact, steered by a person: leave out, send now, another time; go on now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import clock
from panel.calendars import show_moment, show_time
from panel.contacts.models import Contact
from panel.contacts.queries import canonical
from panel.dates import read_moment
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext, translate
from panel.journeys import planned
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.staff.audit import record_audit
from panel.web.access import must
from panel.web.admin.on_card import Undo, back, name_of, offer_undo, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader


class PlannedView(PanelView):
    """Not in the menu: its buttons stand at what comes next on a contact's page."""

    action = "contacts.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("What is planned"), endpoint="planned", url="planned")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose(
        "/message/<int:message_id>/<any(leave_out, put_back, send_now, another_time, undo):what>",
        methods=["GET", "POST"],
    )
    def message(self, message_id: int, what: str) -> ResponseReturnValue:
        must("messages.send")
        row = db.session.get(Message, message_id) or abort(404)
        contact = _contact(row.contact_id)
        if request.method == "GET":
            return self._when(contact) if what == "another_time" else back(contact.public_id)
        try:
            if what in ("send_now", "another_time"):
                return self._move(contact, row, what)
            if what == "leave_out":
                planned.leave_out(the_session(), message_id, by=current_user.id)
                if row.enrolment_id:
                    _offer(contact, gettext("Left out. The journey goes on without it."), ".message", "put_back",
                           message_id=message_id)  # fmt: skip
                else:
                    flash(gettext("Taken back. It was not sent."), "success")
            elif what == "put_back":
                planned.put_back(the_session(), message_id, by=current_user.id)
            else:
                planned.undo_move(the_session(), message_id, by=current_user.id)
        except UserError as error:
            return _refused(contact, error)
        return _done(contact, f"message.{what}", message=message_id)

    @expose("/run/<int:enrolment_id>/<any(go_on, another_time, undo):what>", methods=["GET", "POST"])
    def run(self, enrolment_id: int, what: str) -> ResponseReturnValue:
        must("journeys.start")
        run = db.session.get(Enrolment, enrolment_id) or abort(404)
        contact, until = _contact(run.contact_id), request.values.get("until", "")
        if request.method == "GET":
            return self._when(contact, until) if what == "another_time" else back(contact.public_id)
        try:
            if what == "go_on":
                planned.go_on(the_session(), enrolment_id, until, by=current_user.id)
                said = gettext("The journey goes on in a few seconds.")
            elif what == "another_time":
                at = _read()
                planned.wait_until(the_session(), enrolment_id, until, at, by=current_user.id)
                said = gettext("It waits until %(when)s.", when=isolate(show_moment(at, current_reader())))
            else:
                planned.undo_wait(the_session(), enrolment_id, by=current_user.id)
                return _done(contact, "run.wait_back", run=enrolment_id)
        except UserError as error:
            return _refused(contact, error)
        _offer(contact, said, ".run", "undo", enrolment_id=enrolment_id)
        return _done(contact, f"run.{what}", run=enrolment_id)

    def _move(self, contact: Contact, row: Message, what: str) -> ResponseReturnValue:
        session, now = the_session(), clock.now()
        at = _read() if what == "another_time" else now
        there = planned.hour_of(session, row.id, at)
        if not there.is_open:
            hour = isolate(show_time(there.local.time(), current_reader()))
            opens = (
                isolate(show_time(there.opens_at.astimezone(there.zone).time(), current_reader()))
                if there.opens_at
                else ""
            )  # noqa: E501
            page = ask_first(
                gettext("It is %(hour)s there then. Send it all the same?", hour=hour),
                button=gettext("At %(hour)s there", hour=hour),
                more=gettext(
                    "Messages may go out from %(opens)s on. Consent, blocks, limits and what stops the journey hold in"
                    " any case.", opens=opens,
                ),
                danger=False,
            )  # fmt: skip
            if page:
                return page
        if what == "send_now":
            planned.send_now(session, row.id, by=current_user.id, any_hour=not there.is_open, now=now)
            said = gettext("It goes out in a few seconds.")
        else:
            planned.put_off(session, row.id, at, by=current_user.id, any_hour=not there.is_open, now=now)
            said = gettext("It is planned for %(when)s.", when=isolate(show_moment(at, current_reader())))
        _offer(contact, said, ".message", "undo", message_id=row.id)
        return _done(contact, f"message.{what}", message=row.id, any_hour=not there.is_open)

    def _when(self, contact: Contact, until: str = "") -> ResponseReturnValue:
        """The question "when?" as a page, for browsers without JavaScript and after a text that was no date."""
        return self.render(
            "contact/message/when.html",
            contact=contact,
            name=name_of(contact),
            until=until,
            back=url_for("contact_card.index", public_id=contact.public_id),
        )


def _contact(contact_id: int) -> Contact:
    return db.session.get(Contact, canonical(the_session(), contact_id)) or abort(404)


def _read() -> datetime:
    return read_moment(request.form.get("at", ""), current_reader(), clock.now())


def _offer(contact: Contact, said: str, endpoint: str, what: str, **where: Any) -> None:
    offer_undo(contact.public_id, Undo(said, url_for(endpoint, what=what, **where), "from", "undo"))


def _done(contact: Contact, action: str, **detail: Any) -> ResponseReturnValue:
    record_audit(
        the_session(), action=action, user=current_user._get_current_object(), subject=contact.public_id, detail=detail
    )
    db.session.commit()
    return back(contact.public_id)


def _refused(contact: Contact, error: UserError) -> ResponseReturnValue:
    """Somebody or something was quicker, or the text is no date: nothing has changed, and the page says why."""
    db.session.rollback()
    flash(translate(current_language(), error.problem.sentence, **error.problem.params), "warning")
    return back(contact.public_id)
