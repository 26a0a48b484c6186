"""Journeys: which there are, what each does in words, who is inside, and letting them run, pause or close."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import db
from panel.i18n import current_language, gettext, lazy_gettext, ngettext
from panel.journeys import operations, reasons, resuming
from panel.journeys.file import JourneysFile, journey_text, read_file
from panel.journeys.language import Program
from panel.journeys.language.sentences import describe, summary
from panel.journeys.models import Journey, JourneyFile, JourneyVersion
from panel.journeys.names import labels, vocabulary
from panel.web.access import requires
from panel.web.admin import experiments
from panel.web.admin.journey_editor import EditorPages
from panel.web.admin.pages import PanelView
from panel.web.experiments import words as experiment_words
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.journeys import diffs, queries
from panel.web.journeys.judging import Judgement, judge
from panel.web.journeys.places import places

MOST_DRAFTS_JUDGED = 40
STATES = {
    "live": ("green", "player-play"),
    "paused": ("amber", "player-pause"),
    "closing": ("amber", "flag"),
    "draft": ("", "pencil"),
    "ended": ("", "flag-check"),
}


@dataclass(frozen=True)
class Row:
    """One journey in the list. `judgement` is that of its draft, when it has one."""

    journey: Journey
    name: str
    version: int | None
    sentence: str
    inside: queries.Inside
    judgement: Judgement | None


class JourneysView(EditorPages, PanelView):
    action = "journeys.view"
    section = "messages"
    icon = "route"
    menu_position = 10

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Journeys"), endpoint="journeys", url="journeys")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        session, language = db.session(), current_language()
        file = read_file(journeys_path())
        known = session.get(JourneyFile, str(journeys_path()))
        return self.render(
            "journeys/list.html",
            rows=_rows(session, file, language),
            issues=queries.issues(session, language),
            file=file,
            is_unread=bool(file.sha256) and (known is None or known.sha256 != file.sha256),
            is_gone=known is not None and bool(known.sha256) and not file.sha256,
            states=STATES,
            state_words=lambda state: reasons.state_words(state, language),
        )

    @expose("/<journey_id>")
    def journey(self, journey_id: str) -> ResponseReturnValue:
        session, language = db.session(), current_language()
        journey = _journey(session, journey_id)
        file = read_file(journeys_path())
        live = session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None
        judgement = None
        if journey.draft_text is not None:
            judgement = judge(
                journey.id, journey.draft_text, file.text, vocabulary(session), language, clock.now().date()
            )
        program = live.resolved if live else judgement.program if judgement else None
        standing = queries.standing(session, journey_id)
        counts, gone = places(
            live.resolved if live else None,
            live.id if live else None,
            standing,
            queries.programs_of(session, standing),
            language,
            labels(session),
        )
        return self.render(
            "journeys/journey.html",
            journey=journey,
            name=name_of(journey, program),
            live=live,
            words=describe(program, language, labels(session)) if program else None,
            judgement=judgement,
            counts=counts,
            gone=gone,
            on_older=sum(one.count for one in standing if live is None or one.version_id != live.id),
            inside=queries.inside(session).get(journey_id, queries.Inside()),
            waiting_on_old=sum(resuming.waiting_on_old(session, journey_id).values()),
            is_review_due=journey.state == "live"
            and journey.review_due is not None
            and journey.review_due <= clock.now().date(),
            in_a_row=queries.in_a_row(session, journey_id),
            versions=queries.versions(session, journey_id),
            issues=queries.issues(session, language, journey_id),
            experiments=experiments.rows(session, journey_id),
            experiment_states=experiment_words.STATES,
            states=STATES,
            state_words=lambda state: reasons.state_words(state, language),
        )

    @expose("/<journey_id>/versions/<int:number>")
    def version(self, journey_id: str, number: int) -> ResponseReturnValue:
        """One version: its text, and what changed against the one before (or against `?against=`)."""
        session = db.session()
        journey = _journey(session, journey_id)
        version = _version(session, journey_id, number)
        against = request.args.get("against", type=int) or number - 1
        other = session.scalars(
            select(JourneyVersion).where(JourneyVersion.journey_id == journey_id, JourneyVersion.number == against)
        ).first()
        return self.render(
            "journeys/version.html",
            journey=journey,
            name=name_of(journey, version.resolved),
            version=version,
            other=other,
            lines=diffs.diff(_own_text(other), _own_text(version)) if other else [],
            text=_own_text(version),
            words=describe(version.resolved, current_language(), labels(session)),
            versions=queries.versions(session, journey_id),
        )

    @expose("/<journey_id>/versions/<int:number>/restore", methods=["POST"])
    @requires("journeys.edit")
    def restore(self, journey_id: str, number: int) -> ResponseReturnValue:
        """Make an old version the draft again. Nothing that runs changes until somebody publishes it."""
        session = db.session()
        journey = _journey(session, journey_id)
        text = _own_text(_version(session, journey_id, number))
        if journey.draft_text not in (None, text) and (
            page := ask_first(
                gettext("Replace the draft?"),
                button=gettext("Replace it"),
                more=gettext("There is a draft that nobody has published yet. Its text is gone then."),
            )
        ):
            return page
        operations.save_draft(session, journey.id, text, by=current_user)
        session.commit()
        flash(gettext("Version %(number)s is the draft now. Nothing runs differently until you publish it.",
                      number=number), "success")  # fmt: skip
        return redirect(url_for(".edit", journey_id=journey_id), 303)

    @expose("/<journey_id>/resume", methods=["GET", "POST"])
    @requires("journeys.publish")
    def resume(self, journey_id: str) -> ResponseReturnValue:
        """Before a journey goes on: what would go at once, what is too late, and over how long to spread it."""
        session, now = db.session(), clock.now()
        journey = _journey(session, journey_id)
        if request.method == "POST" and request.form.get("confirmed") == "1":
            resuming.resume(session, journey_id, request.form.get("hours", 0, type=int), by=current_user, now=now)
            session.commit()
            flash(_DONE["resume"](), "success")
            return redirect(url_for(".journey", journey_id=journey_id), 303)
        return self.render(
            "restore/resume.html",
            journey=journey,
            question=gettext("Let “%(name)s” run again?", name=isolate(journey.name or journey.id)),
            overdue=resuming.overdue(session, journey_id, now),
            hours=(0, 1, 4, 12, 24, 72),
        )

    @expose("/<journey_id>/<any(pause, close):what>", methods=["POST"])
    @requires("journeys.publish")
    def change_state(self, journey_id: str, what: str) -> ResponseReturnValue:
        session = db.session()
        journey = _journey(session, journey_id)
        count = queries.inside(session).get(journey_id, queries.Inside()).total
        question, more, button = state_question(what, journey.name or journey.id, count)
        if page := ask_first(question, button=button, more=more, danger=what == "close"):
            return page
        {"pause": operations.pause, "close": operations.close}[what](session, journey_id, by=current_user)
        session.commit()
        flash(_DONE[what](), "success")
        return redirect(url_for(".journey", journey_id=journey_id), 303)

    @expose("/read-file", methods=["POST"])
    @requires("journeys.edit")
    def read_now(self) -> ResponseReturnValue:
        """Look at journeys.yaml now instead of at the next tick."""
        session = db.session()
        checked = operations.watch_file(session, journeys_path(), vocabulary=vocabulary(session))
        session.commit()
        if checked is not None and not checked.problems:
            flash(gettext("journeys.yaml was read. What changed waits as drafts below."), "success")
        return redirect(url_for(".index"), 303)

    @expose("/<journey_id>/drop-draft", methods=["POST"])
    @requires("journeys.edit")
    def drop_draft(self, journey_id: str) -> ResponseReturnValue:
        session = db.session()
        journey = _journey(session, journey_id)
        live = operations.live_text(session, journey)
        question = gettext("Throw the draft away?")
        more = (
            gettext("What runs stays as it is. The text of the draft is gone.")
            if live is not None
            else gettext("This journey was never published, so nothing of it is left.")
        )
        if page := ask_first(question, button=gettext("Throw away"), more=more):
            return page
        session.refresh(journey, with_for_update=True)
        if (journey.draft_sha256 or "") != request.form.get("base", journey.draft_sha256 or ""):
            flash(gettext("There is another draft by now, so nothing was thrown away."), "warning")
            return redirect(url_for(".edit", journey_id=journey_id), 303)
        left = operations.drop_draft(session, journey, read_file(journeys_path()).text)
        session.commit()
        if left is not None and left != live:
            flash(gettext("The draft now says what journeys.yaml says."), "success")
            return redirect(url_for(".edit", journey_id=journey_id), 303)
        target = url_for(".journey", journey_id=journey_id) if live is not None else url_for(".index")
        return redirect(target, 303)


def journeys_path() -> Path:
    path: Path = current_app.config["PANEL"].journeys_file
    return path


def name_of(journey: Journey, program: Program | None = None) -> str:
    """What people call it: the name in force, else that of its draft, else its identity."""
    if journey.name and journey.name != journey.id:
        return journey.name
    return str((program or {}).get("name") or journey.name or journey.id)


def state_question(what: str, name: str, count: int) -> tuple[str, str, str]:
    """What is asked before a state changes: the question, what it means for those inside, the word on the button."""
    inside = ngettext("%(n)s contact is inside.", "%(n)s contacts are inside.", count)
    if what == "pause":
        return (
            gettext("Pause “%(name)s”?", name=name),
            inside + " " + gettext("They keep their places; nobody enters and nothing is sent until it is resumed."),
            gettext("Pause"),
        )
    return (
        gettext("Close “%(name)s”?", name=name),
        inside + " " + gettext("Nobody enters any more; those inside finish their way, then the journey has ended."),
        gettext("Close the journey"),
    )


_DONE: dict[str, Any] = {
    "pause": lambda: gettext("The journey is paused. Everybody keeps their place."),
    "resume": lambda: gettext("The journey runs again."),
    "close": lambda: gettext("The journey takes nobody in any more; those inside finish."),
}


def _journey(session: Session, journey_id: str) -> Journey:
    journey = session.get(Journey, journey_id)
    if journey is None:
        abort(404)
    return journey


def _version(session: Session, journey_id: str, number: int) -> JourneyVersion:
    found = session.scalars(
        select(JourneyVersion).where(JourneyVersion.journey_id == journey_id, JourneyVersion.number == number)
    ).first()
    if found is None:
        abort(404)
    return found


def _own_text(version: JourneyVersion) -> str:
    """The journey alone, as the editor shows it; versions keep their defaults with them."""
    return journey_text(version.source_yaml, version.journey_id) or version.source_yaml


def _rows(session: Session, file: JourneysFile, language: str) -> list[Row]:
    inside = queries.inside(session)
    found = session.execute(
        select(Journey, JourneyVersion.number, JourneyVersion.resolved)
        .outerjoin(JourneyVersion, JourneyVersion.id == Journey.live_version_id)
        .order_by(Journey.id)
    ).all()
    has_drafts = any(journey.draft_text is not None for journey, _, _ in found)
    names = vocabulary(session) if has_drafts else None
    rows, judged = [], 0
    called = labels(session)
    for journey, number, resolved in found:
        judgement = None
        if journey.draft_text is not None and judged < MOST_DRAFTS_JUDGED:
            judged += 1
            judgement = judge(journey.id, journey.draft_text, file.text, names, language, clock.now().date())
        program = resolved or (judgement.program if judgement else None)
        rows.append(
            Row(
                journey,
                name_of(journey, program),
                number,
                summary(program, language, called) if program else "",
                inside.get(journey.id, queries.Inside()),
                judgement,
            )
        )
    order = {"live": 0, "paused": 1, "closing": 2, "draft": 3, "ended": 4}
    return sorted(rows, key=lambda row: (order.get(row.journey.state, 5), row.name.casefold()))
