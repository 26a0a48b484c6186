"""Tasks in one's own calendar: making and taking back the secret address, and the file behind it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app, flash, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import clock
from panel.db import db, writing
from panel.i18n import gettext, lazy_gettext
from panel.tasks.calendar import calendar_of, make_feed, owner_of, revoke_feed
from panel.tasks.models import CalendarFeed
from panel.web.admin.pages import PanelView

blueprint = Blueprint("calendar", __name__)
_SHOWN = "calendar_token"


class CalendarFeedView(PanelView):
    """`/admin/calendar/`: everybody makes their own address; it is shown once."""

    action = "tasks.view"
    section = None
    icon = "calendar-due"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("My tasks in my calendar"), endpoint="calendar_feed", url="calendar")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        token = session.pop(_SHOWN, None)
        address = _public() + url_for("calendar.feed", token=token) if token else None
        return self.render("tasks/calendar.html", feed=db.session.get(CalendarFeed, current_user.id), address=address)

    @expose("/<any(make, revoke):what>", methods=["POST"])
    def change(self, what: str) -> ResponseReturnValue:
        if what == "make":
            session[_SHOWN] = make_feed(db.session(), current_user.id, clock.now())
        else:
            revoke_feed(db.session(), current_user.id)
            flash(gettext("The address does not work any more."), "success")
        db.session.commit()
        return redirect(url_for(".index"), 303)


@blueprint.get("/calendar/<token>.ics")
def feed(token: str) -> Response:
    """The calendar itself. Whoever has the address reads it: no login, no cookie, and nothing to write with."""
    with writing() as own:
        user = owner_of(own, token[:100], clock.now())
        if user is None:
            abort(404)
        body = calendar_of(own, user, clock.now(), _public())
    answer = Response(body, mimetype="text/calendar", content_type="text/calendar; charset=utf-8")
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Disposition"] = 'inline; filename="tasks.ics"'
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _public() -> str:
    return str(current_app.config["PANEL"].public_url).rstrip("/")
