"""Those who stand still: all, or those behind one issue, with what can be done for all of them at once."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import Select, func, select

from panel import clock
from panel.contacts.models import Contact
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, gettext, lazy_gettext, ngettext
from panel.issues.models import Issue
from panel.jobs.bells import wake
from panel.journeys import helping, reasons, resuming
from panel.journeys.engine.programs import programs
from panel.journeys.models import Enrolment, Journey
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.again import again
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.issues import issue_words

SHOWN = 100
BUTTONS = {
    "retry": (N_("Try again"), "refresh"),
    "skip": (N_("Skip the step"), "arrow-right"),
    "move": (N_("Move to the step"), "git-branch"),
    "end": (N_("Take out of the journey"), "x"),
}


class HeldView(PanelView):
    action = "journeys.view"
    section = "messages"
    icon = "hand-stop"
    menu_position = 15
    lead = lazy_gettext("Contacts whose journey cannot go on by itself. Mend the cause, then let them try again.")

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Standing still"), endpoint="held", url="held")

    def menu_query(self) -> Select[int]:
        some = helping.behind(None, clock.now()).limit(1000)
        return select(func.count()).select_from(some.subquery())

    @expose("/")
    def index(self) -> ResponseReturnValue:
        session, now = db.session(), clock.now()
        issue = _issue()
        which = _chosen(issue)
        rows = session.execute(
            select(Enrolment, Contact.name)
            .join(Contact, Contact.id == Enrolment.contact_id)
            .where(Enrolment.id.in_(which))
            .order_by(Enrolment.journey_id, Enrolment.step_id, Enrolment.id)
            .limit(SHOWN)
        ).all()
        places = helping.places(session, which)
        journeys = {one.id: one for one in session.scalars(select(Journey))}
        language = current_language()
        return self.render(
            "held/index.html",
            issue=issue,
            issue_words=issue_words(issue) if issue else "",
            rows=rows,
            places=places,
            total=sum(one.count for one in places),
            names={key: one.name or key for key, one in journeys.items()},
            steps=_steps(session, places, journeys),
            reason_words=lambda code: reasons.step_words(code, language) if code else "",
            journey=request.args.get("journey", ""),
            step=request.args.get("step", ""),
            buttons=BUTTONS,
            shown=SHOWN,
            now=now,
        )

    @expose("/help", methods=["POST"])
    @requires("issues.settle")
    def help(self) -> ResponseReturnValue:
        """Do one thing for the chosen ones, or for all behind the issue."""
        session, now = db.session(), clock.now()
        issue, what = _issue(), request.form.get("what", "")
        if what not in BUTTONS:
            abort(400)
        everybody = request.form.get("everybody") == "1"
        chosen = [int(one) for one in request.form.getlist("id") if one.isdigit()]
        ids = helping.ids_of(session, _chosen(issue))
        if not everybody:
            ids = sorted(set(ids) & set(chosen))
        if not ids:
            flash(gettext("Choose somebody first."), "warning")
            return redirect(_back(issue), 303)
        if page := _asked(what, len(ids)):
            return page

        def once() -> int:
            # Helped from the list of all, an issue whose last one is helped is settled too.
            behind = helping.issues_of(session, ids)
            if what == "move":
                done = helping.move_to(session, ids, request.form.get("target", ""), by=current_user, now=now)
            else:
                act: Any = {"retry": helping.try_again, "skip": helping.skip_step, "end": helping.end}[what]
                done = act(session, ids, by=current_user, now=now)
            session.flush()
            helping.settle_what_is_done(session, [*behind, *([issue] if issue else [])], now)
            return int(done)

        try:
            done = again(once)
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
            return redirect(_back(issue), 303)
        wake("advance")
        flash(ngettext("Done for %(n)s contact.", "Done for %(n)s contacts.", done), "success")
        return redirect(_back(issue), 303)

    @expose("/review/<journey_id>", methods=["POST"])
    @requires("journeys.publish")
    def confirm(self, journey_id: str) -> ResponseReturnValue:
        session = db.session()
        if session.get(Journey, journey_id) is None:
            abort(404)
        resuming.confirm_review(session, journey_id, by=current_user, now=clock.now())
        session.commit()
        flash(gettext("Confirmed. It will ask again when its time comes."), "success")
        return redirect(url_for("journeys.journey", journey_id=journey_id), 303)

    @expose("/replan/<journey_id>", methods=["POST"])
    @requires("journeys.publish")
    def replan(self, journey_id: str) -> ResponseReturnValue:
        session = db.session()
        if session.get(Journey, journey_id) is None:
            abort(404)
        count = sum(resuming.waiting_on_old(session, journey_id).values())
        question = ngettext("Plan the wait of %(n)s contact anew?", "Plan the waits of %(n)s contacts anew?", count)
        more = gettext(
            "Each wait is computed from its own beginning, as the live version has it. A wait that would be over by now"
            " ends at once. Waits whose end a colleague has chosen by hand stay as they are."
        )
        if page := ask_first(question, button=gettext("Plan anew"), more=more, danger=False):
            return page
        done = resuming.replan(session, journey_id, by=current_user, now=clock.now())
        session.commit()
        wake("advance")
        flash(
            ngettext(
                "The wait of %(n)s contact is planned anew.", "The waits of %(n)s contacts are planned anew.", done
            ),
            "success",
        )
        return redirect(url_for("journeys.journey", journey_id=journey_id), 303)


def _asked(what: str, n: int) -> str | None:
    """The page that asks before something that cannot be taken back is done; trying again can be done at any time."""
    button = gettext(BUTTONS[what][0])
    match what:
        case "end":
            question = ngettext("Take %(n)s contact out of the journey?", "Take %(n)s contacts out of the journey?", n)
            return ask_first(question, button=button)
        case "skip":
            question = ngettext("Skip the step for %(n)s contact?", "Skip the step for %(n)s contacts?", n)
            more = gettext("What the step would have done is left out, and the journey goes on behind it at once.")
            return ask_first(question, button=button, more=more)
        case "move":
            question = ngettext(
                "Move %(n)s contact to the step %(step)s?",
                "Move %(n)s contacts to the step %(step)s?",
                n,
                step=isolate(request.form.get("target", "")),
            )
            more = gettext(
                "The journey goes on there at once. If that step sends something, they get it, even a second time."
            )
            return ask_first(question, button=button, more=more)
    return None


def _issue() -> Issue | None:
    number = request.values.get("issue", type=int)
    if number is None:
        return None
    return db.session().get(Issue, number) or abort(404)


def _chosen(issue: Issue | None) -> Any:
    which = helping.behind(issue, clock.now())
    if journey := request.values.get("journey"):
        which = which.where(Enrolment.journey_id == journey)
    if step := request.values.get("step"):
        which = which.where(Enrolment.step_id == step)
    return which


def _back(issue: Issue | None) -> str:
    kept: dict[str, Any] = {name: request.values[name] for name in ("journey", "step") if request.values.get(name)}
    return url_for(".index", issue=issue.id if issue else None, **kept)


def _steps(session: Any, places: list[helping.Place], journeys: dict[str, Journey]) -> list[str]:
    """The steps of the live version, when all that are shown stand in one journey."""
    shown = {one.journey_id for one in places}
    if len(shown) != 1:
        return []
    live = journeys[shown.pop()].live_version_id
    return list(programs(session, {live})[live].steps) if live else []
