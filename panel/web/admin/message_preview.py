"""/messages/<id>/as-sent: a message exactly as it went out, proven by its hash, in a frame that reports nothing."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from panel.contacts.queries import names_of
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, direction, lazy_gettext
from panel.messages.models import Message
from panel.messages.preview import AsSent, as_sent
from panel.messages.safe_html import frame_headers
from panel.plugin_manager import manager
from panel.tracking.queries import link_use
from panel.web import headers
from panel.web.access import requires
from panel.web.admin.pages import PanelView

VIEWS = (
    ("desktop", N_("Wide screen")),
    ("mobile", N_("Telephone")),
    ("text", N_("Text part")),
    ("headers", N_("Headers")),
)


class MessagePreviewView(PanelView):
    """Not in the menu: one comes here from a contact's timeline or the list of messages."""

    action = "messages.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("As it was sent"), endpoint="as_sent", url="/messages")

    @expose("/")
    @expose("/<int:message_id>/as-sent")
    @requires("messages.view")
    def index(self, message_id: int | None = None) -> ResponseReturnValue:
        if message_id is None:
            return redirect(url_for("messages.index_view"))
        message = _message(message_id)
        sent, problem = _sent(message)
        view = request.args.get("view", "desktop")
        views = VIEWS if sent is not None and sent.shown.html else (VIEWS[2:] if sent is not None else ())
        if view not in [name for name, _ in views]:
            view = views[0][0] if views else ""
        is_framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
        context = {
            "message": message,
            "contact_name": names_of(db.session(), [message.contact_id]).get(message.contact_id, ""),
            "sent": sent,
            "problem": problem,
            "view": view,
            "views": views,
            "links": link_use(db.session(), message) if sent is not None else [],
            "language": current_language(),
            "direction": direction(current_language()),
        }
        if not is_framed:
            return self.render("messages/as_sent.html", **context)
        # Inside the dialog of the contact's page: the same content without the panel around it.
        body = render_template("messages/as_sent_framed.html", **context)
        policy = headers.content_policy().replace("frame-ancestors 'none'", "frame-ancestors 'self'")
        return Response(body, headers={"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"})

    @expose("/<int:message_id>/as-sent/frame")
    @requires("messages.view")
    def frame(self, message_id: int) -> ResponseReturnValue:
        """The mail itself, as a document that can load nothing, run nothing and lead nowhere."""
        sent, _ = _sent(_message(message_id))
        if sent is None:
            abort(404)
        return Response(sent.document, headers=frame_headers(), mimetype="text/html")


def _message(message_id: int) -> Message:
    message = db.session.get(Message, message_id)
    return message if message is not None else abort(404)


def _sent(message: Message) -> tuple[AsSent | None, str]:
    """What was sent, or the sentence that says why there is nothing to show."""
    channel = manager.current().channels().get(message.channel)
    try:
        return as_sent(db.session(), message, channel, _base()), ""
    except UserError as error:
        return None, error.words(current_language())


def _base() -> str:
    config: Any = current_app.config["PANEL"]
    return str(config.public_url)
