"""/evidence/<message>: what is known about one message, for whoever says "I never got it"; as a page and as a PDF."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import calendars, clock
from panel.db import db, writing
from panel.errors import UserError
from panel.i18n import gettext, lazy_gettext
from panel.messages.models import Message
from panel.messages.preview import AsSent, as_sent
from panel.plugin_manager import manager
from panel.staff.audit import record_audit
from panel.web import exports, pdf
from panel.web.access import requires
from panel.web.admin.on_card import name_of, the_session
from panel.web.admin.pages import PanelView
from panel.web.preferences import current_reader
from panel.web.timeline import evidence


class EvidenceView(PanelView):
    """Not in the menu: one comes here from a message on a contact's timeline."""

    action = "messages.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Did it arrive?"), endpoint="evidence", url="evidence")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        abort(404)

    @expose("/<int:message_id>")
    @requires("messages.view")
    def page(self, message_id: int) -> ResponseReturnValue:
        found = _known(message_id)
        reader = current_reader()
        return self.render(
            "contact/evidence/page.html",
            message=found.message,
            name=name_of(found.contact),
            subject=evidence.title_of(found.message),
            back=url_for("contact_card.index", public_id=found.contact.public_id) + f"#m{message_id}",
            sections=evidence.sections(found, reader),
            shows=found.sent is not None,
            as_sent_url=url_for("as_sent.index", message_id=message_id),
            has_pdf=pdf.is_possible(),
            reader=reader,
        )

    @expose("/<int:message_id>.pdf")
    @requires("messages.view")
    def paper(self, message_id: int) -> ResponseReturnValue:
        if not pdf.is_possible():
            abort(404)
        found, reader, now = _known(message_id), current_reader(), clock.now()
        with writing() as session:
            record_audit(session, user=current_user, action="exported", subject="message_evidence.pdf",
                         detail={"message": message_id, "contact": found.contact.public_id})  # fmt: skip
        title = gettext("Did it arrive?")
        paper = pdf.Paper(reader, title)
        paper.heading(title)
        paper.text(f"{name_of(found.contact)} · {evidence.title_of(found.message)}")
        paper.text(gettext("Made on %(when)s by %(who)s. Times are of %(zone)s.",
                           when=calendars.show_moment(now, reader), who=current_user.name or current_user.email,
                           zone=reader.time_zone), size=9, is_quiet=True)  # fmt: skip
        for section in evidence.sections(found, reader):
            paper.section(section.title)
            for sentence in section.sentences:
                paper.text(sentence)
            for step in section.steps:
                paper.text(f"– {pdf.plain(step)}")
            for line in section.lines:
                paper.pair(line.label, line.value)
        name = gettext("Message %(number)s", number=message_id)
        return exports.download(paper.finish(), f"{name}.pdf", "application/pdf")


def _known(message_id: int) -> evidence.Known:
    message = db.session.get(Message, message_id)
    if message is None or message.kind == "call":
        abort(404)
    return evidence.known(the_session(), message, _sent(message))


def _sent(message: Message) -> AsSent | None:
    config: Any = current_app.config["PANEL"]
    try:
        return as_sent(
            the_session(), message, manager.current().channels().get(message.channel), str(config.public_url)
        )
    except UserError:
        return None  # it never left, or its content is gone: the page says what it knows
