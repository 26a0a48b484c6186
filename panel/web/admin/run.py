"""One contact in one journey: the drawn path, the trace beside it, what comes next; pause, go on, skip, move, take out.

Also why a single message went to this contact, or did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel import clock
from panel.calendars import Reader, show_ago, show_moment
from panel.contacts.models import Contact
from panel.contacts.queries import aliases
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, direction, gettext, lazy_gettext, translate
from panel.jobs.bells import wake
from panel.journeys import drawing, pausing, reasons, taking_back
from panel.journeys.by_hand import retry
from panel.journeys.explain import explain
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels
from panel.journeys.models import Enrolment, Journey
from panel.journeys.names import labels
from panel.messages.models import Message
from panel.web.access import requires
from panel.web.admin.on_card import Undo, back, name_of, offer_undo, shown, take_undo, the_session
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader
from panel.web.timeline.reached import reached
from panel.web.timeline.steps import step_icon, step_sentence, waiting_words
from panel.web.timeline.trace import Trace, trace

STATES = {
    "done": (N_("taken"), "circle-check"),
    "passed": (N_("passed over"), "player-skip-forward"),
    "here": (N_("stands here"), "map-pin"),
    "ahead": (N_("may come"), "circle-dashed"),
    "away": (N_("will not come"), "minus"),
}


class RunView(PanelView):
    """Not in the menu: one comes here from the contact's page."""

    action = "journeys.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Journey of a contact"), endpoint="contact_run", url="contact")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    # Looking.

    @expose("/<public_id>/journey/<int:enrolment_id>")
    @requires("journeys.view")
    def index(self, public_id: str, enrolment_id: int) -> ResponseReturnValue:
        contact, run = _found(public_id, enrolment_id)
        session, reader, now = the_session(), current_reader(), clock.now()
        names = labels(session)
        told = trace(session, run, reader, names)
        nodes = drawing.tree(
            told.program.resolved,  # type: ignore[arg-type]
            reader.language,
            visits=told.visits,
            here=run.step_id if run.ended_at is None else None,
            names=names,
        )
        why = explain(session, contact.id, run.journey_id, now=now, reader=reader)
        is_latest = bool(why.runs) and why.runs[-1].enrolment_id == run.id
        return self.render(
            "contact/run/page.html",
            contact=contact,
            name=name_of(contact),
            run=run,
            told=told,
            nodes=nodes,
            picture=_picture(nodes, told, reader, names),
            states=STATES,
            step_icon=step_icon,
            status=reasons.status_words(run.status, reader.language),
            is_paused=pausing.is_paused(run),
            standing=_standing(told, reader, names),
            why=why if is_latest else None,
            would_stop=why.would_stop if run.ended_at is None else (),
            now=now,
            undo=take_undo(public_id),
            moment=lambda at: show_moment(at, reader),
        )

    @expose("/<public_id>/message/<int:message_id>")
    @requires("messages.view")
    def message(self, public_id: str, message_id: int) -> ResponseReturnValue:
        """Why this message: what started it, the way to it, when it might go, what became of it."""
        contact = shown(public_id)
        message = db.session.get(Message, message_id)
        if message is None or message.contact_id not in aliases(the_session(), contact.id):
            abort(404)
        reader = current_reader()
        return self.render(
            "contact/run/message.html",
            contact=contact,
            name=name_of(contact),
            message=message,
            journey=db.session.get(Journey, message.journey_id) if message.journey_id else None,
            told=reached(the_session(), message, reader, labels(the_session())),
        )

    # Doing.

    @expose("/<public_id>/journey/<int:enrolment_id>/move", methods=["GET"])
    @requires("journeys.start")
    def where_to(self, public_id: str, enrolment_id: int) -> ResponseReturnValue:
        """To which step? Those of the live version, in the order of its text."""
        contact, run = _found(public_id, enrolment_id)
        session, reader = the_session(), current_reader()
        names = labels(session)
        live = pausing.live_program(session, run.journey_id)
        found = pausing.targets(session, vars(run)) if run.ended_at is None else []
        choices = [
            (step, step_sentence(live.resolved, step, reader.language, names), is_behind)  # type: ignore[arg-type]
            for is_behind, step in found
            if live is not None and step != run.step_id
        ]
        return self.render(
            "contact/run/move.html", contact=contact, name=name_of(contact), run=run, choices=choices,
            journey=live.resolved["name"] if live else run.journey_id,
        )  # fmt: skip

    @expose(
        "/<public_id>/journey/<int:enrolment_id>/"
        "<any(pause, go_on, skip, move, step_back, undo_start, take_out, put_back, retry):what>",
        methods=["POST"],
    )
    @requires("journeys.start")
    def act(self, public_id: str, enrolment_id: int, what: str) -> ResponseReturnValue:
        """Do one thing with this run. Twice the same is once; a worker that is faster is told."""
        _found(public_id, enrolment_id)
        if what in ("skip", "take_out") and (page := _ask(what)):
            return page
        try:
            self._do(public_id, enrolment_id, what)
        except UserError as error:
            db.session.rollback()
            flash(error.words(current_language()), "warning")
            return _back(public_id, enrolment_id)
        db.session.commit()
        wake("advance")
        return _back(public_id, enrolment_id)

    def _do(self, public_id: str, enrolment_id: int, what: str) -> None:
        session, now = the_session(), clock.now()
        seen, by = request.form.get("seen", type=int), current_user
        if what == "pause":
            done = pausing.pause(session, enrolment_id, by=by, why=request.form.get("why", "").strip(), now=now)
            said = gettext("Paused in %(journey)s. Nothing of it goes out now.", journey=isolate(done.journey))
            if done.on_the_way:
                flash(gettext("One message had left already; it can no longer be stopped."), "warning")
            self._offer(public_id, enrolment_id, said, "go_on")
        elif what == "go_on":
            done = pausing.go_on(session, enrolment_id, by=by, now=now)
            said = gettext("%(journey)s goes on for this contact.", journey=isolate(done.journey))
            self._offer(public_id, enrolment_id, said, "pause")
        elif what == "take_out":
            done = pausing.take_out(session, enrolment_id, by=by, now=now)
            self._offer(public_id, enrolment_id,
                        gettext("Taken out of %(journey)s.", journey=isolate(done.journey)), "put_back")  # fmt: skip
        elif what == "put_back":
            done = pausing.put_back(session, enrolment_id, by=by, now=now)
            flash(gettext("Back in %(journey)s, at the same place.", journey=isolate(done.journey)), "success")
        elif what == "skip":
            done, can_undo = taking_back.skip_for_now(session, enrolment_id, seen=seen, by=by, now=now)
            said = gettext("The step was skipped: %(step)s", step=isolate(done.step))
            if can_undo:
                self._offer(public_id, enrolment_id, said, "step_back")
            else:
                flash(f"{said} {gettext('It was the last one: the journey is over for this contact.')}", "success")
        elif what == "move":
            target = request.form.get("step", "")
            done, _ = taking_back.move_for_now(session, enrolment_id, target, seen=seen, by=by, now=now)
            said = gettext("Moved to the step %(step)s", step=isolate(done.step))
            self._offer(public_id, enrolment_id, said, "step_back")
        elif what == "step_back":
            done = taking_back.step_back(session, enrolment_id, by=by, now=now)
            flash(gettext("Back in %(journey)s, at the same place.", journey=isolate(done.journey)), "success")
        elif what == "undo_start":
            name = taking_back.undo_start(session, enrolment_id, by=by, now=now)
            flash(gettext("The start of %(journey)s was taken back.", journey=isolate(name)), "success")
        else:
            retry(session, [enrolment_id], now=now)
            flash(gettext("It tries again."), "success")

    def _offer(self, public_id: str, enrolment_id: int, said: str, undo: str) -> None:
        url = url_for(".act", public_id=public_id, enrolment_id=enrolment_id, what=undo)
        # Taking back is never asked about again.
        offer_undo(public_id, Undo(said, url, "confirmed", "1"))


def _found(public_id: str, enrolment_id: int) -> tuple[Contact, Enrolment]:
    contact = shown(public_id)
    run = db.session.get(Enrolment, enrolment_id)
    if run is None or run.contact_id not in aliases(the_session(), contact.id):
        abort(404)
    return contact, run


def _ask(what: str) -> str | None:
    if what == "skip":
        return ask_first(
            gettext("Skip this step?"),
            button=gettext("Skip the step"),
            more=gettext("The journey goes on with the next step. What this step had planned is not sent."),
        )
    return ask_first(
        gettext("Take this contact out of the journey?"),
        button=gettext("Take out"),
        more=gettext("What was still planned in it will not be sent. The timeline keeps what happened."),
    )


def _back(public_id: str, enrolment_id: int) -> ResponseReturnValue:
    if request.form.get("from") == "run":
        return redirect(url_for(".index", public_id=public_id, enrolment_id=enrolment_id), 303)
    return back(public_id)


def _picture(nodes: Sequence[drawing.Node], told: Trace, reader: Reader, names: Labels) -> drawing.Picture:
    language, now = reader.language, clock.now()

    def notes(node: drawing.Node) -> list[str]:
        if node.state == "here":
            due = told.run.due_at
            if pausing.is_paused(told.run):
                return [translate(language, N_("Paused here"))]
            if told.run.status == "held":
                return [translate(language, N_("Stands still here"))]
            if due is not None and due > now and told.run.wait.get("kind") != "task":
                return [translate(language, N_("Here, until %(date)s"), date=show_ago(due, now, reader))]
            return [translate(language, N_("Stands here"))]
        if not node.visits:
            return []
        at = show_moment(node.visits[-1].ended_at, reader, "short")
        if node.state == "passed":
            return [translate(language, N_("Passed over, %(date)s"), date=at)]
        return [at if len(node.visits) == 1 else f"{at} (×{len(node.visits)})"]

    resolved = told.program.resolved
    starts = phrases.either([clauses.trigger(one, language, names) for one in resolved["start_when"]], language)
    start = told.began[0] if told.began else translate(language, N_("Starts when %(trigger)s"), trigger=starts)
    end = translate(language, N_("End"))
    if told.run.ended_at is not None:
        reason = reasons.end_words(told.run.reason or "", language)
        end = translate(language, N_("Left: %(reason)s"), reason=reason)
    return drawing.draw(
        nodes, start, end, notes=notes, is_over=told.run.ended_at is not None, mirrored=direction(language) == "rtl"
    )


def _standing(told: Trace, reader: Reader, names: Labels) -> dict[str, Any]:
    """Where the run stands now: the step, what it waits for, and why it stands still."""
    run, language = told.run, reader.language
    if run.ended_at is not None:
        return {}
    step = step_sentence(told.program.resolved, run.step_id, language, names)  # type: ignore[arg-type]
    found = {"step": step, "icon": step_icon(told.program.steps[run.step_id]["verb"]) if run.step_id else "point"}
    if run.status == "held":
        return found | {"words": reasons.step_words(run.reason or "", language)}
    if told.journey.state == "paused":
        return found | {"words": translate(language, N_("The journey is paused; everybody keeps their place."))}
    if run.phase == "waiting":
        return found | {"words": waiting_words(run.wait, language)}
    return found
