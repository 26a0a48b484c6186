"""/messages/<id>/as-sent: a message exactly as it went out, proven by its hash, in a frame that reports nothing."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.contacts.queries import names_of
from panel.db import db, writing
from panel.errors import UserError
from panel.i18n import N_, current_language, direction, gettext, lazy_gettext
from panel.issues.operations import raise_issue
from panel.messages.models import Message
from panel.messages.preview import AsSent, as_sent
from panel.messages.safe_html import frame_headers
from panel.messages.showing import pages, pictures
from panel.messages.showing.texts import marked
from panel.plugin_manager import manager
from panel.sdk.channels import Channel, Preview, digest
from panel.tracking.queries import link_clicks
from panel.web import headers
from panel.web.access import requires
from panel.web.admin import labels
from panel.web.admin.base import chip
from panel.web.admin.contacts import contact_url
from panel.web.admin.pages import PanelView

_WORDS = {
    "desktop": N_("Wide screen"),
    "phone": N_("Telephone"),
    "message": N_("Message"),
    "pages": N_("Pages"),
    "text": N_("Text part"),
    "headers": N_("Headers"),
    "links": N_("Links"),
    "proof": N_("Proof"),
}
_VIEWS: dict[Preview, tuple[str, ...]] = {
    "mail": ("desktop", "phone", "text", "headers", "links", "proof"),
    "bubble": ("message", "links", "proof"),
    "page": ("pages", "text", "proof"),
    "card": ("message", "links", "proof"),
}
# Who followed a link: words and the look of a chip. What is not known here is shown as it came.
VERDICTS = {
    "human": (N_("a person"), "blue", "user-check"),
    "proxy": (N_("a mail service on somebody's behalf"), "", "server"),
    "machine": (N_("a security scanner, not counted"), "", "robot"),
}


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
        channel = manager.current().channels().get(message.channel)
        sent, problem = _sent(message, channel)
        views = _views(sent) if sent is not None else ()
        view = request.args.get("view", "")
        if view not in views:
            view = views[0] if views else ""
        if sent is not None and not sent.proven:
            _tell(message)
        context: dict[str, Any] = {
            "message": message,
            "contact_name": names_of(db.session(), [message.contact_id]).get(message.contact_id, ""),
            "public_id": db.session.scalar(select(Contact.public_id).where(Contact.id == message.contact_id)),
            "contact_url": contact_url(message.contact_id),
            "state": labels.message_state(message.status, message.reason),
            "channel": _channel_chip(message.channel, channel),
            "sent": sent,
            "problem": problem,
            "call": _call(message),
            "view": view,
            "views": [(name, _WORDS[name]) for name in views],
            "verdicts": VERDICTS,
            "language": current_language(),
            "direction": direction(current_language()),
            **(_of_view(view, sent, channel) if sent is not None else {}),
        }
        if request.headers.get("Sec-Fetch-Dest") != "iframe":
            return self.render("messages/as_sent.html", **context)
        # Inside the dialog of the contact's page: the same content without the panel around it.
        body = render_template("messages/as_sent_framed.html", **context)
        policy = headers.content_policy().replace("frame-ancestors 'none'", "frame-ancestors 'self'")
        return Response(body, headers={"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"})

    @expose("/<int:message_id>/as-sent/frame", methods=["GET", "POST"])
    @requires("messages.view")
    def frame(self, message_id: int) -> ResponseReturnValue:
        """The mail itself, as a document that can load nothing, run nothing and lead nowhere.

        A POST is somebody's wish to see the images too: the panel fetches those that everybody got and puts them in.
        """
        message = _message(message_id)
        sent, _ = _sent(message, manager.current().channels().get(message.channel))
        if sent is None:
            abort(404)
        if request.method == "POST":
            document = sent.document_with(pictures.fetch(sent.remote_images, sent.common_images).loaded)
        else:
            document = sent.document
        return Response(document, headers=frame_headers(), mimetype="text/html")

    @expose("/<int:message_id>/as-sent/page/<int:number>.png")
    @requires("messages.view")
    def page(self, message_id: int, number: int) -> ResponseReturnValue:
        """One page of a document that was handed over, as a picture."""
        message = _message(message_id)
        sent, _ = _sent(message, manager.current().channels().get(message.channel))
        if sent is None or not sent.shown.document:
            abort(404)
        try:
            image = pages.picture(sent.shown.document, number)
        except pages.NotADocumentError:
            abort(404)
        return Response(image, headers={"Cache-Control": "no-store"}, mimetype="image/png")


def _message(message_id: int) -> Message:
    message = db.session.get(Message, message_id)
    return message if message is not None else abort(404)


def _sent(message: Message, channel: Channel | None) -> tuple[AsSent | None, str]:
    """What was sent, or the sentence that says why there is nothing to show."""
    try:
        return as_sent(_session(), message, channel, _base()), ""
    except UserError as error:
        return None, error.words(current_language())


def _channel_chip(code: str, channel: Channel | None) -> Markup:
    """A plugin's own channel by the name and the icon that it declares."""
    if code in labels.CHANNELS or channel is None:
        return labels.channel(code)
    return chip(gettext(channel.label), "", channel.icon)


def _views(sent: AsSent) -> tuple[str, ...]:
    """The tabs of this message: those of its kind that have something to show."""
    empty = set()
    if not sent.shown.html:
        empty |= {"desktop", "phone"}
    if not sent.shown.text:
        empty.add("text")
    if not sent.links:
        empty.add("links")
    return tuple(name for name in _VIEWS[sent.preview] if name not in empty)


def _of_view(view: str, sent: AsSent, channel: Channel | None) -> dict[str, Any]:
    """What only this tab needs."""
    if view == "proof":
        return {"computed": digest(sent.payload)}
    if view == "links":
        return {"links": link_clicks(_session(), sent.message)}
    if view == "message":
        price = channel.facts.price if channel is not None else None
        return {
            "pieces": marked(sent.shown.text, sent.targets),
            "cost": price * sent.shown.parts if price is not None else None,
            "currency": channel.facts.currency if channel is not None else "",
        }
    if view == "pages":
        try:
            return {"count": pages.count(sent.shown.document), "most": pages.MOST_PAGES}
        except pages.NotADocumentError:
            return {"count": 0, "most": pages.MOST_PAGES}
    if view in ("desktop", "phone"):
        return {"remote": len(sent.remote_images), "own": len(set(sent.remote_images) - set(sent.common_images))}
    return {}


def _call(message: Message) -> dict[str, Any] | None:
    """A call of a plugin stands in the ledger too; it is shown as what it is."""
    if message.kind != "call":
        return None
    inline = message.inline or {}
    action = str(inline.get("action", ""))
    known = manager.current().actions().get(action)
    return {"action": action, "label": known.label if known else "", "settings": dict(inline.get("with") or {})}


def _tell(message: Message) -> None:
    """What is stored is not what was sent: somebody changed it, and somebody must know."""
    with writing() as session:
        raise_issue(
            session,
            f"message_changed:{message.id}",
            code="message_changed",
            sentence=N_("What is stored of message %(message)s is not what was sent: it was changed afterwards."),
            params={"message": message.id},
            severity="error",
            journey_id=message.journey_id,
            step_id=message.step_id,
        )


def _session() -> Session:
    return db.session()


def _base() -> str:
    config: Any = current_app.config["PANEL"]
    return str(config.public_url)
