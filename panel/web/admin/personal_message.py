"""Writing to one contact: the form, how it will read, the question before it goes, and the message in the ledger.

Without JavaScript these are pages; with it the same parts open beside the timeline (`assets/src/writing.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from flask import Response, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from markupsafe import Markup, escape

from panel import clock
from panel.calendars import show_ago, show_price, show_time
from panel.consent.rules import Purpose
from panel.contacts.models import Contact
from panel.contacts.queries import aliases
from panel.dates import read_moment
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, direction, gettext, lazy_gettext, translate
from panel.journeys import planned
from panel.journeys.language import phrases
from panel.journeys.models import Journey
from panel.messages import facts, personal, reasons
from panel.messages.merge import Fields
from panel.messages.models import Message, Template, TemplateVersion
from panel.messages.personal import Draft, Look, Way
from panel.messages.safe_html import frame, frame_headers
from panel.messages.templates import all_templates
from panel.plugin_manager import manager
from panel.sdk.channels import Channel
from panel.staff.audit import record_audit
from panel.web.access import requires
from panel.web.admin.on_card import Undo, back, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.preferences import current_reader
from panel.web.timeline import words

PURPOSES = (
    (Purpose.SERVICE.value, N_("An answer, or about something they asked for or bought"), N_("No consent is needed.")),
    (Purpose.MARKETING.value, N_("An offer or news"), N_("Needs their consent; a link for opting out is added.")),
)


@dataclass(frozen=True)
class Form:
    """What stands in the fields. `template` is the id of a template that is sent as it is; `after` and `seen` see
    `personal.write`; `answers` the message that is answered."""

    channel: str = ""
    address: str = ""
    purpose: str = Purpose.SERVICE.value
    template: int | None = None
    subject: str = ""
    text: str = ""
    when: str = ""
    after: int = 0
    answers: int | None = None

    @property
    def way(self) -> str:
        return f"{self.channel}:{self.address}"


class PersonalMessageView(PanelView):
    """Not in the menu: one comes here from a contact's page."""

    action = "messages.send"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Send a message"), endpoint="personal_message", url="write")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose("/<public_id>", methods=["GET", "POST"])
    @requires("messages.send")
    def index(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        if contact.erased_at is not None:
            return back(contact.public_id)
        if request.method == "GET":
            return self._form(contact, _begun(contact))
        form = _sent_form()
        what, _, hour = request.form.get("do", "send").partition(":")
        match what:
            case "send":
                return self._send(contact, form, hour)
            case "template":
                return self._form(contact, _with_template(contact, form))
        return self._form(contact, form)

    @expose("/<public_id>/preview", methods=["POST"])
    @requires("messages.send")
    def preview(self, public_id: str) -> ResponseReturnValue:
        """The message as a document for the frame: it loads nothing and leads nowhere."""
        look = _look(shown(public_id), _sent_form())
        db.session.rollback()
        return Response(_document(look), headers=frame_headers(), mimetype="text/html")

    @expose("/<public_id>/check", methods=["POST"])
    @requires("messages.send")
    def check(self, public_id: str) -> ResponseReturnValue:
        """What is said beside the preview; a fragment."""
        contact, form = shown(public_id), _sent_form()
        answer = self.render("contact/message/facts.html", **_facts(contact, form))
        db.session.rollback()
        return answer

    def _form(self, contact: Contact, form: Form, refused: str = "") -> ResponseReturnValue:
        every = personal.ways(the_session(), contact.id, _channels())
        if form.way not in {_key(one) for one in every} and every:
            best = _best(every, form.channel)
            form = replace(form, channel=best.channel, address=best.address)
        chosen = next((one for one in every if _key(one) == form.way), None)
        return self.render(
            "contact/message/write.html",
            contact=contact,
            name=name_of(contact),
            back=url_for("contact_card.index", public_id=contact.public_id),
            form=form,
            refused=refused,
            ways=[_way_words(one) for one in every],
            chosen=chosen,
            has_subject=_kind(form.channel) == "email",
            purposes=PURPOSES,
            templates=_templates(form.channel),
            as_it_is=_template_words(form.template),
            fields=_field_picker(),
            script=True,
            **_facts(contact, form),
        )

    def _send(self, contact: Contact, form: Form, wanted: str) -> ResponseReturnValue:
        session, now = the_session(), clock.now()
        try:
            draft = _draft(contact, form, now)
            personal.refuse(session, contact.id, draft, _channels(), _base(), now)
        except UserError as error:
            return self._form(contact, form, _words(error))
        hour = planned.hour_there(session, contact.id, draft.at or now, draft.channel)
        recent = personal.latest(session, contact.id, now)
        is_sure = request.form.get("confirmed") == "1"
        if not is_sure or (not hour.is_open and wanted not in ("now", "open")) or _unseen(recent):
            return self._ask(contact, form, draft, hour, recent, again=is_sure)
        note: dict[str, Any] = {}
        if not hour.is_open:
            note["hours"] = {"there": hour.local.isoformat(), "zone": str(hour.zone), "chose": wanted}
            if wanted == "open":
                draft = replace(draft, at=hour.opens_at)
        if hour.is_open or wanted == "open":
            draft = replace(draft, hours=hour.hours)
        try:
            written = personal.write(
                session, contact.id, draft, by=current_user.id, after=form.after, seen=recent.id if recent else 0,
                channels=_channels(), public_url=_base(), note=note, now=now,
            )  # fmt: skip
        except UserError as error:
            db.session.rollback()
            if error.code == "message_meanwhile":
                recent = personal.latest(session, contact.id, now)
                return self._ask(contact, form, draft, hour, recent, again=True)
            if error.code == "written_meanwhile":
                form = replace(form, after=personal.last_written(session, contact.id, current_user.id))
            return self._form(contact, form, _words(error))
        if written.is_new:
            record_audit(
                session, action="message.write", user=current_user._get_current_object(), subject=contact.public_id,
                detail={"message": written.message_id, "channel": draft.channel, **note},
            )  # fmt: skip
        db.session.commit()
        if written.is_new:
            url = url_for("planned.message", message_id=written.message_id, what="leave_out")
            said = gettext("The message goes out in a few seconds.") if draft.at is None else gettext("It is planned.")
            offer_undo(contact.public_id, Undo(said, url, "from", "undo"))
        else:
            flash(gettext("This message was sent already; it was not sent a second time."), "success")
        return back(contact.public_id)

    def _ask(
        self,
        contact: Contact,
        form: Form,
        draft: Draft,
        hour: planned.HourThere,
        recent: personal.Recent | None,
        *,
        again: bool,
    ) -> ResponseReturnValue:
        """The question before it goes: where to, what stands in its way, and what went before it."""
        reader = current_reader()
        way = next(
            one for one in personal.ways(the_session(), contact.id, {draft.channel: _channels()[draft.channel]})
            if one.address == draft.address
        )  # fmt: skip
        look = _look(contact, form)
        return self.render(
            "contact/message/ask.html",
            contact=contact,
            name=name_of(contact),
            back=url_for("contact_card.index", public_id=contact.public_id),
            channel=words.channel_words(draft.channel, reader.language),
            address=way.shown,
            kind=_kind(draft.channel),
            fields=[(k, v) for k, v in request.form.items(multi=True) if k not in _NOT_KEPT],
            seen=recent.id if recent else 0,
            recent=_recent_words(recent),
            again=again,
            opted_out=way.opted_out,
            at=draft.at,
            hour=hour,
            hour_words=show_time(hour.local.time(), reader),
            opens_words=_opens_words(hour),
            allowed_words=phrases.hours(dict(hour.hours), reader.language) if hour.hours else "",
            preview=look,
            script=True,
        )


_NOT_KEPT = {"csrf_token", "confirmed", "do", "seen"}


def _begun(contact: Contact) -> Form:
    """A new form: empty, or filled from a template, from an earlier message, or as an answer to one."""
    session = the_session()
    after = personal.last_written(session, contact.id, current_user.id)
    form = Form(request.args.get("channel", ""), request.args.get("address", ""), after=after)
    found = request.args.get("reply", type=int) or request.args.get("copy", type=int)
    message = session.get(Message, found) if found else None
    if message is None or message.contact_id not in aliases(session, contact.id) or message.kind != "message":
        if request.args.get("template", type=int):
            return _with_template(contact, replace(form, template=request.args.get("template", type=int)))
        return form
    form = replace(form, channel=message.channel, address=message.address or "")
    subject = message.subject or (message.inline or {}).get("subject") or ""
    if request.args.get("reply"):
        again = subject if subject.casefold().startswith("re:") or not subject else f"Re: {subject}"
        return replace(form, subject=again, answers=message.id)
    form = replace(form, purpose=message.purpose)
    if message.template_version_id:
        version = session.get(TemplateVersion, message.template_version_id)
        return _with_template(contact, replace(form, template=version.template_id if version else None))
    inline = message.inline or {}
    return replace(form, subject=inline.get("subject") or "", text=inline.get("text") or "")


def _with_template(contact: Contact, form: Form) -> Form:
    """A template of plain text fills the fields, to be changed at will; a designed one is sent as it is."""
    template = the_session().get(Template, form.template or 0)
    if template is None or template.archived_at is not None or not template.current_version_id:
        return replace(form, template=None)
    if not form.channel:
        every = personal.ways(the_session(), contact.id, _channels())
        form = replace(form, channel=_best(every, "").channel if every else "email")
    draft = Draft(form.channel, form.address, form.purpose, template_version_id=template.current_version_id)
    content = personal.content_of(the_session(), draft, contact.id)
    if content is None:
        return replace(form, template=None)
    if content.html.strip():
        return replace(form, subject=content.subject, text="")
    return replace(form, template=None, subject=content.subject, text=content.text)


def _sent_form() -> Form:
    given = request.form
    channel, _, address = given.get("way", "").partition(":")
    return Form(
        channel[:20],
        address[:320],
        given.get("purpose", Purpose.SERVICE.value),
        given.get("template", type=int),
        given.get("subject", "")[:500],
        given.get("text", "").replace("\r\n", "\n"),
        given.get("when", ""),
        given.get("after", 0, int),
        given.get("answers", type=int),
    )


def _draft(contact: Contact, form: Form, now: datetime) -> Draft:
    at = None
    if form.when.strip():
        at = read_moment(form.when, current_reader(), now)
        if at <= now:
            raise UserError("moment_past", N_("This moment has passed already."), where="when")
        if at > now + planned.LATEST:
            raise UserError("moment_far", N_("This is more than a year away."), where="when")
    template = the_session().get(Template, form.template) if form.template else None
    if template is not None:
        return Draft(form.channel, form.address, form.purpose, template_version_id=template.current_version_id, at=at,
                     answers=form.answers)  # fmt: skip
    return Draft(form.channel, form.address, form.purpose, form.subject, form.text, at=at, answers=form.answers)


def _unseen(recent: personal.Recent | None) -> bool:
    """Whether the person has not been told of the latest message."""
    return recent is not None and request.form.get("seen", type=int) != recent.id


def _look(contact: Contact, form: Form) -> Look | None:
    channel = _channels().get(form.channel)
    if channel is None:
        return None
    try:
        content = personal.content_of(the_session(), _draft(contact, replace(form, when=""), clock.now()), contact.id)
    except UserError:
        return None
    if content is None or not (content.text.strip() or content.html.strip()):
        return None
    return personal.look(
        the_session(), content, channel, contact.id, public_url=_base(), purpose=form.purpose,
        sees_amounts=current_reader().sees_amounts, now=clock.now(),
    )  # fmt: skip


def _document(look: Look | None) -> str:
    if look is None or look.preview.shown is None:
        body = f"<p>{escape(gettext('What you write is shown here as it will arrive.'))}</p>"
        return frame(body, current_language(), direction(current_language()))
    if look.preview.shown.html:
        return look.preview.document
    bubble = "white-space:pre-wrap;background:#e8f1ff;border-radius:14px;padding:10px 14px;max-width:340px"
    body = f'<div dir="auto" style="{bubble}">{escape(look.preview.shown.text)}</div>'
    return frame(body, look.preview.language, direction(look.preview.language))


def _facts(contact: Contact, form: Form) -> dict[str, Any]:
    """What is known about the text as it stands: its length, its price, what is empty, what is wrong."""
    look = _look(contact, form)
    every = personal.ways(the_session(), contact.id, _channels())
    way = next((one for one in every if _key(one) == form.way), None)
    code = way.why_not(form.purpose) if way is not None else None
    channel = _channels().get(form.channel)
    seen = look.preview.shown if look is not None else None
    price = channel.facts.price if channel is not None else None
    language = current_language()
    return {
        "why_not": reasons.words(code, language) if code else "",
        "opted_out": way.opted_out if way is not None and not code else False,
        "seen": seen,
        "is_text_message": _kind(form.channel) == "phone",
        "price": show_price(price * seen.parts, channel.facts.currency, current_reader())
        if channel and price and seen
        else "",
        "missing": [(isolate(one), f"[[{one}|…]]") for one in look.missing] if look is not None else [],
        "problems": [
            translate(language, one.sentence, **{name: isolate(value) for name, value in one.params.items()})
            for one in (look.preview.problems if look is not None else [])
        ],
    }


def _recent_words(recent: personal.Recent | None) -> Markup | None:
    """ "Last message 2 hours ago, by Dana (email)"."""
    if recent is None:
        return None
    reader = current_reader()
    language = reader.language
    values = {
        "ago": show_ago(recent.at, clock.now(), reader),
        "channel": words.channel_words(recent.channel, language),
        "who": recent.by or _journey_name(recent.journey_id) or gettext("somebody"),
    }
    if recent.is_planned:
        return words.fill(
            language, N_("A message by %(who)s is about to go out (%(channel)s, written %(ago)s)."), values
        )
    if recent.journey_id:
        return words.fill(language, N_("Last message %(ago)s, from the journey %(who)s (%(channel)s)."), values)
    return words.fill(language, N_("Last message %(ago)s, by %(who)s (%(channel)s)."), values)


def _journey_name(journey_id: str | None) -> str:
    journey = the_session().get(Journey, journey_id) if journey_id else None
    return (journey.name if journey else "") or journey_id or ""


def _opens_words(hour: planned.HourThere) -> str:
    return show_time(hour.opens_at.astimezone(hour.zone).time(), current_reader()) if hour.opens_at else ""


def _best(every: Sequence[Way], channel: str) -> Way:
    """The first address that may be used, on the wanted channel if there is one."""
    mine = [one for one in every if one.channel == channel] or list(every)
    return next((one for one in mine if one.why_not(Purpose.SERVICE) is None), mine[0])


def _key(way: Way) -> str:
    return f"{way.channel}:{way.address}"


def _way_words(way: Way) -> SimpleNamespace:
    language = current_language()
    code = way.why_not(Purpose.SERVICE)
    return SimpleNamespace(
        value=_key(way),
        channel=words.channel_words(way.channel, language),
        shown=isolate(way.shown) if way.shown else "",
        is_closed=code is not None,
        why=reasons.words(code, language) if code else "",
    )


def _words(error: UserError) -> str:
    if isinstance(error, personal.NotAllowedError):
        return reasons.words(error.code, current_language())
    params = {name: isolate(value) if isinstance(value, str) else value for name, value in error.problem.params.items()}
    return translate(current_language(), error.problem.sentence, **params)


def _templates(channel: str) -> list[tuple[int, str]]:
    """Those that have a text for this channel."""
    found = all_templates(the_session())
    forms = facts.forms(the_session(), {one.current_version_id for one in found if one.current_version_id})
    return [(one.id, one.name) for one in found if (one.current_version_id or 0, channel) in forms]


def _template_words(template_id: int | None) -> str:
    template = the_session().get(Template, template_id) if template_id else None
    return template.name if template is not None else ""


def _channels() -> Mapping[str, Channel]:
    return manager.current().channels()


def _kind(channel: str) -> str:
    offered = _channels().get(channel)
    return offered.address_kind if offered is not None else ""


def _base() -> str:
    config: Any = current_app.config["PANEL"]
    return str(config.public_url)


def _field_picker() -> list[tuple[str, str]]:
    """Merge fields of the contact: (words, what is put into the text)."""
    language = current_language()
    rows = [one for group, one in Fields(facts.custom_fields(the_session())).labels() if group in ("contact", "ours")]
    return [(one.label(language), f"[[{one.label(language)}]]") for one in rows]
