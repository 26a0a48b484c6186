"""The sign of life of an open contact's page; its answer is who else is there."""

from __future__ import annotations

from flask import Response, abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import db
from panel.i18n import gettext, lazy_gettext
from panel.tasks.presence import Looking, here, others
from panel.web import filters
from panel.web.admin.pages import PanelView


class PresenceView(PanelView):
    """`/admin/presence/<public id>`, asked by the page itself every ten seconds while it is visible."""

    action = "contacts.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Who is looking"), endpoint="presence", url="presence")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        abort(404)

    @expose("/<public_id>", methods=["POST"])
    def index(self, public_id: str) -> ResponseReturnValue:
        contact_id = db.session.scalar(select(Contact.id).where(Contact.public_id == public_id))
        if contact_id is None:
            abort(404)
        now = clock.now()
        here(db.session(), contact_id, current_user.id, now, is_writing=request.form.get("writing") == "1")
        found = others(db.session(), contact_id, current_user.id, now)
        db.session.commit()
        return Response(Markup("").join(_said(one) for one in found)) if found else Response(status=204)


def _said(one: Looking) -> Markup:
    words = gettext("%(name)s is writing…") if one.is_writing else gettext("%(name)s is looking at this too")
    return Markup("<p>{}</p>").format(Markup(Markup.escape(words)) % {"name": filters.person(one.name)})
