"""Trying a journey on a contact, day by day, and the next weeks of everybody. Nothing is sent, nothing remains."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy.orm import Session

from panel import clock
from panel.calendars import show_time, to_latin_digits
from panel.contacts.models import Contact
from panel.contacts.queries import by_public_id
from panel.contacts.search import search
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext
from panel.jobs import wake
from panel.journeys.engine.programs import programs
from panel.journeys.language import clauses
from panel.journeys.models import Journey
from panel.journeys.names import labels
from panel.journeys.simulate import work
from panel.journeys.simulate.one import Asked, simulate
from panel.journeys.simulate.wishes import Happens, Wishes
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.preferences import current_reader
from panel.web.simulations import charts

MOST_FOUND = 12
ICONS = {
    "happened": "user", "entered": "login", "refused": "ban", "step": "point", "sent": "send", "not_sent": "x",
    "postponed": "hourglass", "ended": "flag-check", "held": "hand-stop", "waits": "hourglass",
}  # fmt: skip
# How long after a message she does something, in hours; "" is never.
DELAYS = (("", lazy_gettext("never")), ("1", lazy_gettext("after an hour")), ("24", lazy_gettext("after a day")),
          ("72", lazy_gettext("after three days")))  # fmt: skip
FATES = (("sent", lazy_gettext("goes out")), ("failed", lazy_gettext("is refused by the service")),
         ("unknown", lazy_gettext("stays in doubt")))  # fmt: skip
DAYS = (7, 30, 60, 120, 365)


class SimulateView(PanelView):
    action = "journeys.view"
    section = "messages"
    icon = "calendar"
    menu_position = 15

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Forecast"), endpoint="simulate", url="simulate")

    # Everybody

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The latest forecast, its progress while it is being made, and a button for a new one."""
        latest = work.latest(db.session())
        done = work.latest(db.session(), state="done")
        return self.render(
            "simulate/whole.html",
            latest=latest,
            is_running=latest is not None and latest.state in ("waiting", "running"),
            done=done,
            told=charts.read(done, current_reader()) if done is not None else None,
        )

    @expose("/make", methods=["POST"])
    @requires("journeys.edit")
    def make(self) -> ResponseReturnValue:
        session = db.session()
        work.ask(session, min(max(request.form.get("days", 60, type=int), 1), 120), user_id=current_user.id)
        session.commit()
        wake(work.NAME)
        return redirect(url_for(".index"), 303)

    @expose("/stop", methods=["POST"])
    @requires("journeys.edit")
    def stop(self) -> ResponseReturnValue:
        session = db.session()
        if work.cancel(session):
            flash(gettext("The forecast was stopped."), "success")
        session.commit()
        return redirect(url_for(".index"), 303)

    # One contact

    @expose("/<journey_id>")
    def one(self, journey_id: str) -> ResponseReturnValue:
        """Whom to try it on, what she does, and the days that come of it."""
        session = db.session()
        journey = session.get(Journey, journey_id) or abort(404)
        contact, found = _contact(session)
        told, problem = None, ""
        if contact is not None:
            try:
                told = simulate(_asked(journey, contact), current_reader(), now=clock.now())
            except UserError as error:
                session.rollback()
                problems = [one.words(current_language()) for one in getattr(error, "problems", ())]
                problem = " ".join([error.words(current_language()), *problems])
        return self.render(
            "simulate/one.html",
            journey=journey,
            contact=contact,
            found=found,
            text=request.args.get("q", ""),
            told=told,
            problem=problem,
            days=_days(told.lines) if told else [],
            triggers=_triggers(session, journey),
            chosen=request.args,
            kept={name: value for name, value in request.args.items() if name not in ("q", "contact")},
            delays=DELAYS,
            fates=FATES,
            lengths=DAYS,
            icons=ICONS,
            time_words=lambda moment: show_time(moment, current_reader()),
        )


def _contact(session: Session) -> tuple[Contact | None, list[Contact]]:
    """The contact that is meant, and those that may be meant."""
    if public_id := request.args.get("contact"):
        return by_public_id(session, public_id), []
    text = request.args.get("q", "").strip()
    found = search(session, text, limit=MOST_FOUND) if text else []
    return (found[0], []) if len(found) == 1 else (None, found)


def _asked(journey: Journey, contact: Contact) -> Asked:
    given = request.args
    events: tuple[Happens, ...] = ()
    if kind := given.get("event", "").strip():
        after = timedelta(days=_days_after())
        data: dict[str, Any] = {"amount": given["amount"]} if given.get("amount") else {}
        events = (Happens(kind[:80], after, data),)
    fate: Any = given.get("fate") if given.get("fate") in dict(FATES) else "sent"
    wishes = Wishes(_delay("opens"), _delay("clicks"), _delay("replies"), events, fate)
    return Asked(
        contact.id,
        journey.id,
        days=given.get("days", 60, type=int),
        start=given.get("start", "1") == "1",
        trigger_no=max(0, given.get("trigger", 0, type=int)),
        draft=journey.draft_text is not None and (journey.live_version_id is None or given.get("draft") == "1"),
        wishes=wishes,
    )


def _days_after() -> int:
    """After how many days the event happens; digits of any script."""
    text = to_latin_digits(request.args.get("event_day", "")).strip()
    return min(int(text), 400) if text.isascii() and text.isdigit() else 1


def _delay(name: str) -> timedelta | None:
    hours = request.args.get(name, type=int)
    return timedelta(hours=hours) if hours else None


def _days(lines: list[Any]) -> list[tuple[datetime, list[Any]]]:
    """The lines by local day, each day by its first moment."""
    zone = current_reader().zone
    grouped = groupby(lines, key=lambda line: line.at.astimezone(zone).date())
    return [(inside[0].at, inside) for _, many in grouped if (inside := list(many))]


def _triggers(session: Session, journey: Journey) -> list[tuple[int, str]]:
    if journey.live_version_id is None:
        return []
    program = programs(session, [journey.live_version_id])[journey.live_version_id]
    language = current_language()
    names = labels(session)
    found = [clauses.trigger(dict(raw), language, names) for raw in program.resolved["start_when"]]
    return list(enumerate(found)) or [(0, gettext("its beginning"))]
