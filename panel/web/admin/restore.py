"""After a restore: what would go out, a decision for each group, and then sending begins again."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select

from panel import clock
from panel.db import db
from panel.i18n import N_, gettext, lazy_gettext, ngettext
from panel.jobs.bells import wake
from panel.journeys import restoring
from panel.journeys.engine import marks
from panel.journeys.models import Journey
from panel.plugin_manager import manager
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.forms import ask_first

log = logging.getLogger(__name__)
HOURS = (0, 1, 4, 12, 24, 72)
FIRST, PAGE = 8, 100  # names beside a group, and on a page of all of them
WORDS = {
    "send": N_("It did not go out: send it"),
    "already": N_("It already went out"),
    "skip": N_("Skip it"),
}
HOW = {
    "older_than_file": N_("The database is older than this machine remembers."),
    "no_file": N_("The database was brought here from another place."),
    "copied": N_("This is a copy of another installation's folder."),
    "went_back": N_("The database went back while the panel was running."),
    "command": N_("It was restored with “panel restore”."),
    "person": N_("A colleague said that this is a restored copy."),
}


class RestoreView(PanelView):
    action = "journeys.view"
    section = None  # reached from the banner, the issue and the help
    icon = "history"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("After a restore"), endpoint="restore", url="restore")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        session, now = db.session(), clock.now()
        state = restoring.state(session)
        found = restoring.groups(session, now) if state else []
        made = restoring.decisions(session)
        return self.render(
            "restore/index.html",
            state=state,
            point=datetime.fromisoformat(state["point"]) if state else None,
            how=HOW.get(state["how"]) if state else None,
            groups=found,
            whom={one.key: restoring.whom(session, one, now, FIRST) for one in found},
            made=made,
            names={one.id: one.name or one.id for one in session.scalars(select(Journey))},
            channels={name: channel.label for name, channel in manager.current().channels().items()},
            is_done=all(one.key in made for one in found),
            words=WORDS,
            hours=HOURS,
        )

    @expose("/whom")
    def whom(self) -> ResponseReturnValue:
        """All contacts of a group, a page at a time, in the order in which they were due."""
        session, now = db.session(), clock.now()
        found = restoring.groups(session, now) if restoring.state(session) else []
        group = next((one for one in found if one.key == request.args.get("key")), None)
        if group is None:
            # Decided and carried out meanwhile, or never there: the page says what there is now.
            return redirect(url_for(".index"), 303)
        skipped = max(request.args.get("from", 0, type=int), 0)
        journey = session.get(Journey, group.journey_id)
        return self.render(
            "restore/whom.html",
            group=group,
            people=restoring.whom(session, group, now, PAGE, skipped),
            first=skipped,
            page=PAGE,
            journey_name=(journey.name if journey else "") or group.journey_id,
        )

    @expose("/decide", methods=["POST"])
    @requires("journeys.publish")
    def decide(self) -> ResponseReturnValue:
        session = db.session()
        what: Any = request.form.get("what", "")
        hours = request.form.get("hours", 4, type=int)
        restoring.decide(session, request.form.getlist("key"), what, hours, by=current_user, now=clock.now())
        session.commit()
        return redirect(url_for(".index"), 303)

    @expose("/ask", methods=["POST"])
    @requires("journeys.publish")
    def ask(self) -> ResponseReturnValue:
        """Ask the providers about each waiting message by its number, with no transaction open meanwhile."""
        asked = restoring.ask_providers(db.session(), clock.now())
        db.session().rollback()
        channels = manager.current().channels()
        sent = []
        for id_, channel, number in asked:
            try:
                if channels[channel].lookup(number) == "sent":
                    sent.append(id_)
            except (Exception, SystemExit):  # a plugin's own fault: then nobody can say
                log.exception("the channel %s could not look a message up", channel)
        count = restoring.providers_said(db.session(), sent, by=current_user, now=clock.now())
        db.session().commit()
        flash(
            ngettext("%(n)s message is known to its provider and counts as sent.",
                     "%(n)s messages are known to their provider and count as sent.", count)
            if count else gettext("No provider could say that one of these went out."),
            "success" if count else "warning",
        )  # fmt: skip
        return redirect(url_for(".index"), 303)

    @expose("/resume", methods=["POST"])
    @requires("journeys.publish")
    def resume(self) -> ResponseReturnValue:
        question = gettext("Carry out what was decided and let sending begin again?")
        if page := ask_first(question, button=gettext("Resume sending"), danger=False):
            return page
        session = db.session()
        restoring.resume_sending(session, by=current_user, now=clock.now())
        session.commit()
        for name in ("advance", "deliver"):
            wake(name, *(("email",) if name == "deliver" else ()))
        flash(gettext("Sending runs again. What was decided is carried out."), "success")
        return redirect(url_for(".index"), 303)

    @expose("/pause", methods=["POST"])
    @requires("journeys.publish")
    def pause(self) -> ResponseReturnValue:
        """A person knows that this database is a restored one although nothing shows it (a whole machine went back)."""
        question = gettext("Is this a restored copy? Stop all sending until each group is decided?")
        if page := ask_first(question, button=gettext("Stop all sending")):
            return page
        session, now = db.session(), clock.now()
        marks.pause(session, "person", now, now)
        session.commit()
        return redirect(url_for(".index"), 303)
