"""May we send? What a colleague settles by hand on a contact's page: a rest, an opt-out, a blocked address."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Response, abort, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import clock
from panel.calendars import start_of_day
from panel.consent import operations, resting
from panel.consent.queries import ALL_CHANNELS, active_suppressions, history
from panel.consent.rules import OPTED_IN, OPTED_OUT, Suppressed
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.origin import By
from panel.contacts.queries import aliases
from panel.contacts.values import clean_free
from panel.dates import read_day
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, gettext, lazy_gettext
from panel.journeys.calling_off import call_off, wake_rested
from panel.staff.audit import record_audit
from panel.web.access import allowed, requires
from panel.web.admin import labels
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.preferences import current_reader
from panel.web.timeline import words
from panel.web.timeline.reach import ADDRESS_KINDS

LENGTHS = (("7", N_("A week")), ("30", N_("A month")), ("day", N_("Until this day:")))
SCOPES = (
    (resting.MARKETING, N_("No marketing; what must go (an invoice, a delivery) still goes")),
    (resting.EVERYTHING, N_("Nothing at all")),
)
# Found out by sending: a person does not say so.
REASONS = ((Suppressed.MANUAL, N_("We decided so")), (Suppressed.LEGAL, N_("The law asks for it")))


class CardConsentView(PanelView):
    action = "consent.edit"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("May we send?"), endpoint="card_consent", url="card-consent")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    # A rest.

    @expose("/<public_id>/rest", methods=["GET", "POST"])
    def rest(self, public_id: str) -> ResponseReturnValue:
        """Send nothing until a day."""
        contact, given = shown(public_id), dict(request.form)
        if request.method == "POST":
            try:
                until = _until(given.get("length", ""), given.get("day", ""))
                scope = given.get("scope", resting.MARKETING)
                if scope not in resting.SCOPES:
                    abort(400)
                began = resting.rest(
                    the_session(), contact.id, until, scope=scope, reason=given.get("reason", ""), by=me()
                )
            except UserError as error:
                db.session.rollback()
                return self._rest_form(contact, given, error.words(current_language()))
            if began:
                said = gettext("Nothing is sent to this contact for a while.")
                offer_undo(public_id, Undo(said, url_for(".end_rest", public_id=public_id), "again", "1"))
            db.session.commit()
            return back(public_id)
        return self._rest_form(contact, {})

    def _rest_form(self, contact: Contact, given: dict[str, Any], problem: str = "") -> ResponseReturnValue:
        return _answer(
            "contact/edit/rest.html", contact, heading=gettext("Send nothing for a while"), given=given,
            problem=problem, lengths=LENGTHS, scopes=SCOPES,
        )  # fmt: skip

    @expose("/<public_id>/rest/end", methods=["POST"])
    def end_rest(self, public_id: str) -> ResponseReturnValue:
        contact, now = shown(public_id), clock.now()
        if resting.end_rest(the_session(), contact.id, by=me(), now=now):
            wake_rested(the_session(), aliases(the_session(), contact.id), now)
            flash(gettext("The rest is over; what waited goes out in its own hours."), "success")
        db.session.commit()
        return back(public_id)

    # Consent.

    @expose("/<public_id>/consent/<channel>", methods=["GET", "POST"])
    def consent(self, public_id: str, channel: str) -> ResponseReturnValue:
        """Note what the contact said about a channel, and how it was said: that is the proof."""
        contact = shown(public_id)
        if channel not in words.CHANNELS:
            abort(404)
        if request.method == "GET":
            return self._consent_form(contact, channel)
        state, wording = request.form.get("state", ""), clean_free(request.form.get("wording", ""))[:2000]
        if state not in (OPTED_IN, OPTED_OUT):
            return self._consent_form(contact, channel, wording, problem=gettext("Choose what the contact said."))
        if state == OPTED_IN and not wording:
            problem = gettext("Write how the contact agreed: where, when and in which words. It is the proof.")
            return self._consent_form(contact, channel, wording, state, problem)
        now, name = clock.now(), words.channel_words(channel, current_language())
        if state == OPTED_IN:
            done = operations.opt_in(
                the_session(), contact.id, channel, how="by_hand", wording=wording, source="panel", by=me(), now=now
            )
            said = gettext("Noted: the contact agrees to messages by %(channel)s.", channel=isolate(name))
        else:
            done = _refuse(contact, channel, wording, me(), now)
            said = gettext("Noted: the contact opted out of messages by %(channel)s.", channel=isolate(name))
            count = call_off(the_session(), aliases(the_session(), contact.id), now, user_id=current_user.id)
            if count:
                said += " " + gettext("What was planned there is called off.")
        flash(said if done else gettext("That was known already."), "success" if done else "info")
        db.session.commit()
        return back(public_id)

    def _consent_form(
        self, contact: Contact, channel: str, wording: str = "", state: str = "", problem: str = ""
    ) -> ResponseReturnValue:
        language, reader = current_language(), current_reader()
        said = [one for one in history(the_session(), contact.id) if one.channel == channel]
        name = words.channel_words(channel, language)
        return _answer(
            "contact/edit/consent.html", contact, heading=gettext("Messages by %(channel)s", channel=isolate(name)),
            channel=channel, said=said[:10], how=lambda code: words.how_words(code, language), wording=wording,
            state=state, problem=problem, reader=reader,
        )  # fmt: skip

    # Blocked addresses.

    @expose("/<public_id>/block", methods=["GET", "POST"])
    def block(self, public_id: str) -> ResponseReturnValue:
        """Block an address of this contact, or look at what is blocked and lift it."""
        contact = shown(public_id)
        if request.method == "GET":
            return self._block_form(contact, {})
        given = dict(request.form)
        address = _own_address(contact, given.get("address", ""))
        channel, reason = given.get("channel", ALL_CHANNELS), given.get("reason", "")
        note = clean_free(given.get("note", ""))[:2000]
        if reason not in {code.value for code, _ in REASONS} or channel not in _channels(address):
            abort(400)
        if not note:
            return self._block_form(contact, given, gettext("Write why: whoever looks here next year will ask."))
        now = clock.now()
        done = operations.suppress(
            the_session(), channel, address.value, reason, contact_id=contact.id, source="panel", note=note, by=me(),
            now=now,
        )  # fmt: skip
        if done:
            record_audit(the_session(), user=_user(), action="address_blocked", subject=address.value)
            call_off(the_session(), aliases(the_session(), contact.id), now, user_id=current_user.id)
            flash(gettext("%(address)s is blocked.", address=isolate(address.shown)), "success")
        else:
            flash(gettext("That was known already."), "info")
        db.session.commit()
        return back(public_id)

    def _block_form(self, contact: Contact, given: dict[str, Any], problem: str = "") -> ResponseReturnValue:
        mine = [one for one in contact.addresses if one.kind in ("email", "phone")]
        blocks = active_suppressions(the_session(), [one.value for one in mine])
        language = current_language()
        return _answer(
            "contact/edit/block.html", contact, heading=gettext("Blocked addresses"), given=given, problem=problem,
            addresses=mine, reasons=REASONS,
            blocks=[(one, _may_lift(one), words.reason_words(one.reason, language)) for one in blocks],
            channel_names={"*": gettext(labels.CHANNELS["*"][0])}
            | {one: words.channel_words(one, language) for one in ADDRESS_KINDS},
        )  # fmt: skip

    @expose("/<public_id>/unblock", methods=["POST"])
    @requires("consent.edit")
    def unblock(self, public_id: str) -> ResponseReturnValue:
        """Lift a block. A complaint and what was erased stay; what the contact or a bounce said, marketing may lift."""
        contact = shown(public_id)
        address, channel = request.form.get("address", ""), request.form.get("channel", "")
        mine = [one.value for one in contact.addresses]
        for one in active_suppressions(the_session(), mine):
            if (one.address, one.channel) == (address, channel):
                if not _may_lift(one) and one.reason != Suppressed.COMPLAINED:
                    abort(403)
                note = clean_free(request.form.get("note", ""))[:2000]
                if operations.lift(the_session(), channel, address, note=note, by=me()):
                    record_audit(the_session(), user=_user(), action="block_lifted", subject=address)
                    flash(gettext("%(address)s may be used again.", address=isolate(address)), "success")
        db.session.commit()
        return back(public_id)


def _until(length: str, day: str) -> datetime:
    """The start of the day on which messages go out again, on the clock of whoever chose it."""
    reader, now = current_reader(), clock.now()
    today = now.astimezone(reader.zone).date()
    if length in ("7", "30"):
        return start_of_day(today + timedelta(days=int(length)), reader)
    if not day.strip():
        raise UserError("rest_without_day", N_("Choose the day on which messages may go out again."))
    return start_of_day(read_day(day, reader, today), reader)


def _refuse(contact: Contact, channel: str, wording: str, by: By, now: datetime) -> bool:
    """An opt-out holds for the person, under every address that the channel could use."""
    session, done = the_session(), False
    for one in contact.addresses:
        if one.kind == ADDRESS_KINDS.get(channel) and one.kind in ("email", "phone"):
            done |= operations.suppress(
                session, channel, one.value, Suppressed.UNSUBSCRIBED, contact_id=contact.id, source="panel",
                note=wording, now=now, by=by, silent=True,
            )  # fmt: skip
    return operations.opt_out(
        session, contact.id, channel, how="by_hand", wording=wording, source="panel", by=by, now=now
    ) or done  # fmt: skip


def _own_address(contact: Contact, value: str) -> ContactAddress:
    found = next((one for one in contact.addresses if one.value == value and one.kind in ("email", "phone")), None)
    if found is None:
        abort(404)
    return found


def _channels(address: ContactAddress) -> set[str]:
    return {ALL_CHANNELS, *(name for name, kind in ADDRESS_KINDS.items() if kind == address.kind)}


def _may_lift(block: Any) -> bool:
    if block.reason == Suppressed.COMPLAINED or (block.reason == Suppressed.LEGAL and block.source == "erased"):
        return False
    return block.reason == Suppressed.MANUAL or allowed("suppressions.edit")


def _user() -> Any:
    return current_user._get_current_object()


def _answer(template: str, contact: Contact, *, problem: str = "", **values: Any) -> ResponseReturnValue:
    inside = bool(request.headers.get("HX-Request"))
    text = render_template(
        template if inside else "contact/edit/page.html",
        contact=contact,
        name=name_of(contact),
        card=url_for("contact_card.index", public_id=contact.public_id),
        part=template,
        inside=inside,
        problem=problem,
        **values,
    )
    if not inside or request.method == "GET":
        return text, 422 if request.method == "POST" else 200
    answer: Response = make_response(text)
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#reach-editor", "innerHTML"
    answer.headers["HX-Reselect"] = "unset"
    return answer
