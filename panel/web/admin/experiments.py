"""Tests: which run, what they show, and the choice when one asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import db
from panel.errors import UserError
from panel.experiments import operations, queries
from panel.experiments.models import Experiment
from panel.experiments.rules import key_of
from panel.i18n import current_language, gettext, lazy_gettext
from panel.journeys.models import Journey, JourneyVersion
from panel.staff.models import User
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.experiments import words
from panel.web.experiments.chart import chart
from panel.web.forms import ask_first

KEEP_DIVIDING = "keep-dividing"


@dataclass(frozen=True)
class Row:
    """A test in a list: its newest round with the names that people gave it."""

    experiment: Experiment
    journey: str
    name: str
    entered: int

    @property
    def sentence(self) -> Markup:
        found = None if self.experiment.numbers else words.stale(self.experiment, clock.now())
        return Markup(found or words.leading(self.experiment.numbers))  # noqa: S704 - made of escaped parts


class ExperimentsView(PanelView):
    section = "messages"
    icon = "flask"
    menu_position = 15
    action = "journeys.view"
    lead = lazy_gettext("Variants of a journey against one another: what they bring, and when that is decided.")

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Experiments"), endpoint="experiments", url="experiments")

    def menu_query(self) -> Select[int]:
        return queries.asking_query()

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.render("experiments/list.html", rows=rows(db.session()), states=words.STATES)

    @expose("/<journey_id>/<split_id>")
    def show(self, journey_id: str, split_id: str) -> ResponseReturnValue:
        session = db.session()
        rounds = queries.rounds(session, journey_id, split_id)
        wanted = request.args.get("round", type=int)
        experiment = next((one for one in rounds if wanted in (None, one.round)), None)
        if experiment is None:
            abort(404)
        numbers = experiment.numbers
        by = session.get(User, experiment.decided_by) if experiment.decided_by else None
        decided_by = (by.name or by.email) if by else None
        step = _split(session, experiment)
        journey = session.get(Journey, journey_id)
        is_over = experiment is rounds[0] and journey is not None and journey.state == "ended"
        now, is_mixed = clock.now(), words.is_mixed(numbers)
        leading, stale = words.leading(numbers), words.stale(experiment, now)
        if stale and not numbers:
            leading, stale = stale, None
        return self.render(
            "experiments/show.html",
            experiment=experiment,
            rounds=rounds,
            journey=(journey.name if journey else "") or journey_id,
            name=_name(experiment, step),
            numbers=numbers,
            measure=words.MEASURES.get((step or {}).get("measure", ""), ""),
            leading=_safe(leading) if experiment.started_at else None,
            stale=_safe(stale),
            verdict=[_safe(one) for one in words.verdict(experiment, now, decided_by, journey_is_over=is_over)],
            plan=_safe(words.plan(numbers)) if experiment.state == "running" and not experiment.looked_at else None,
            suggested=words.suggested(numbers),
            is_mixed=is_mixed,
            chart=None if is_mixed else chart(numbers.get("arms", ()), is_rtl=current_language() in ("he", "fa")),
            entered=queries.entered_by_variant(session, experiment),
            looks=[(one["look"], datetime.fromisoformat(one["at"])) for one in numbers.get("looks", ())],
            variants=_variants(step, numbers),
            has_hold_out=bool(step and step["hold_out"]),
            states=words.STATES,
            amount=lambda value: _safe(words.amount(numbers, value)),
            sums=lambda arm, each=False: [_safe(one) for one in words.sums(numbers, arm, each=each)],
            keep_dividing=KEEP_DIVIDING,
        )

    @expose("/<journey_id>/<split_id>/choose", methods=["POST"])
    @requires("journeys.publish")
    def choose(self, journey_id: str, split_id: str) -> ResponseReturnValue:
        session = db.session()
        experiment = next(iter(queries.rounds(session, journey_id, split_id)), None)
        chosen = request.form.get("winner")
        if experiment is None or chosen is None:
            abort(404)
        if request.form.get("round", type=int) not in (None, experiment.round):
            flash(gettext("A new round has begun meanwhile. These are its numbers."), "warning")
            return redirect(url_for(".show", journey_id=journey_id, split_id=split_id), 303)
        winner = None if chosen == KEEP_DIVIDING else chosen.removeprefix("=")
        question, more = choice_question(winner)
        if page := ask_first(question, button=gettext("Choose"), more=more, danger=False):
            return page
        try:
            variants = _variants(_split(session, experiment), experiment.numbers)
            operations.choose(session, experiment, winner, variants=variants, by=current_user._get_current_object())
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
        else:
            session.commit()
            flash(gettext("Chosen. It holds for everybody who comes from now on."), "success")
        return redirect(url_for(".show", journey_id=journey_id, split_id=split_id), 303)


def choice_question(winner: str | None) -> tuple[str, str]:
    """What is asked before a choice, and what it means."""
    if winner is None:
        return (
            gettext("Go on dividing?"),
            gettext("The test is over: contacts still get different variants, but nothing is judged any more."),
        )
    return (
        gettext("Give “%(name)s” to everybody from now on?", name=words.name_of(winner)),
        gettext("Those inside finish the variant they have. This cannot be taken back; a new test needs a new id."),
    )


def rows(session: Session, journey_id: str | None = None) -> list[Row]:
    """The tests (of one journey) for a list."""
    found = queries.newest(session, journey_id)
    counts = queries.entered(session, found)
    names = dict(session.execute(select(Journey.id, Journey.name)).all())
    return [
        Row(one, names.get(one.journey_id) or one.journey_id, _name(one, _split(session, one)), counts[one.id])
        for one in found
    ]


def _safe(text: str | None) -> Markup | None:
    """A sentence whose values were escaped when they were put in (filters, isolated names)."""
    return Markup(text) if text is not None else None  # noqa: S704


def _split(session: Session, experiment: Experiment) -> dict[str, Any] | None:
    """The split as the version had it that began the round."""
    version = session.get(JourneyVersion, experiment.version_id)
    steps = version.resolved["steps"].values() if version else ()
    return next((one for one in steps if (one.get("key") or one["id"]) == experiment.split_id), None)


def _name(experiment: Experiment, step: dict[str, Any] | None) -> str:
    return str((step or {}).get("name") or (step or {}).get("id") or experiment.split_id)


def _variants(step: dict[str, Any] | None, numbers: dict[str, Any]) -> list[str]:
    if step:
        return [key_of(one["name"]) for one in step["variants"]]
    return [one["key"] for one in numbers.get("arms", ()) if one["key"]]
