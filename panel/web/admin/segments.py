"""Segments: saved conditions, who is in them, and writing one with a look at whom it would find."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.queries import names_of
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext
from panel.journeys.engine.sets import NotForSetsError, refuse_runs
from panel.journeys.language.clauses import condition as clause
from panel.journeys.language.problems import ERROR
from panel.journeys.language.saved import CheckedCondition, check_condition
from panel.journeys.names import labels, vocabulary
from panel.segments import operations, queries
from panel.segments.models import Segment
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.forms import ask_first
from panel.web.journeys.judging import Finding

PAGE = 50
EXAMPLE = "all:\n  - happened: order_paid\n  - {not_happened: order_paid, within: 3 months}\n"


class SegmentsView(PanelView):
    action = "lists.view"
    section = "people"
    icon = "filter"
    menu_position = 25

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Segments"), endpoint="segments", url="segments")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        session = db.session()
        names = labels(session)
        rows = [(one, clause(one.segment.resolved, current_language(), names)) for one in queries.listed(session)]
        return self.render("segments/list.html", rows=rows)

    @expose("/<int:segment_id>")
    def segment(self, segment_id: int) -> ResponseReturnValue:
        """Who is in it now, the newest first, and what uses it."""
        session = db.session()
        segment = _segment(session, segment_id)
        offset = max(0, request.args.get("from", 0, type=int))
        found = queries.members(session, segment, offset=offset, limit=PAGE + 1)
        return self.render(
            "segments/segment.html",
            segment=segment,
            said=clause(segment.resolved, current_language(), labels(session)),
            count=queries.count_members(session, segment),
            members=found[:PAGE],
            names=names_of(session, [contact.id for contact, _ in found]),
            older=offset + PAGE if len(found) > PAGE else None,
            newer=max(0, offset - PAGE) if offset else None,
            uses=queries.uses(session, segment.name),
        )

    @expose("/new", methods=["GET", "POST"])
    @requires("lists.edit")
    def new(self) -> ResponseReturnValue:
        return self._write(None)

    @expose("/<int:segment_id>/edit", methods=["GET", "POST"])
    @requires("lists.edit")
    def edit(self, segment_id: int) -> ResponseReturnValue:
        return self._write(_segment(db.session(), segment_id))

    def _write(self, segment: Segment | None) -> ResponseReturnValue:
        """The form; posting looks at the condition (`do=check`) or saves it. Works without JavaScript."""
        session = db.session()
        values = {
            "name": segment.name if segment else "",
            "description": segment.description if segment else "",
            "text": segment.source_yaml if segment else EXAMPLE,
        } | {key: request.form[key] for key in ("name", "description", "text") if key in request.form}
        segment_id = segment.id if segment else None
        refusal = ""
        if request.method == "POST" and request.form.get("do") != "check":
            try:
                saved = operations.save(
                    session,
                    values["name"],
                    values["text"],
                    segment_id=segment_id,
                    description=values["description"],
                    vocabulary=vocabulary(session),
                    by=current_user,
                )
                session.commit()
            except UserError as error:
                session.rollback()
                refusal = "" if isinstance(error, operations.ConditionError) else error.words(current_language())
            else:
                flash(gettext("The segment is saved. It is kept up to date by itself from now on."), "success")
                return redirect(url_for(".segment", segment_id=saved.id), 303)
        is_bad = request.method == "POST" and request.form.get("do") != "check"
        return self.render(
            "segments/edit.html",
            segment=session.get(Segment, segment_id) if segment_id else None,
            values=values,
            refusal=refusal,
            **_look(session, values["text"]),
        ), (422 if is_bad else 200)

    @expose("/check", methods=["POST"])
    @requires("lists.edit")
    def check(self) -> ResponseReturnValue:
        """What is wrong with a condition as one types; what it says in words, and whom it finds now."""
        text = (request.get_json(silent=True) or {}).get("text")
        if not isinstance(text, str) or len(text) > operations.LONGEST:
            abort(400)
        seen = _look(db.session(), text)
        words = render_template("segments/preview.html", **seen) if seen["said"] else None
        return jsonify(problems=[one.as_dict(current_language()) for one in seen["findings"]], words=words)

    @expose("/<int:segment_id>/delete", methods=["POST"])
    @requires("lists.edit")
    def delete(self, segment_id: int) -> ResponseReturnValue:
        session = db.session()
        segment = _segment(session, segment_id)
        question = gettext("Delete the segment “%(name)s”?", name=segment.name)
        more = gettext("The contacts stay as they are; only the segment goes.")
        if page := ask_first(question, button=gettext("Delete"), more=more):
            return page
        try:
            operations.delete(session, segment_id, by=current_user)
            session.commit()
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "error")
            return redirect(url_for(".segment", segment_id=segment_id), 303)
        flash(gettext("The segment is deleted."), "success")
        return redirect(url_for(".index"), 303)


def _segment(session: Session, segment_id: int) -> Segment:
    segment = session.get(Segment, segment_id)
    if segment is None:
        abort(404)
    return segment


def _look(session: Session, text: str) -> dict[str, Any]:
    """What the page shows about a condition: its problems, its words, and whom it finds now."""
    language = current_language()
    checked = check_condition(text, vocabulary(session))
    seen: dict[str, Any] = {"findings": _findings(checked, language), "said": "", "preview": None, "names": {}}
    if checked.resolved is None:
        return seen
    try:
        refuse_runs(checked.resolved)
    except NotForSetsError as error:
        seen["findings"].append(Finding("condition_of_a_run", ERROR, 1, 1, 1, 1, error.words(language), "", "segments"))
        return seen
    seen["said"] = clause(checked.resolved, language, labels(session))
    seen["preview"] = queries.preview(session, checked.resolved, clock.now())
    seen["names"] = names_of(session, [contact.id for contact in seen["preview"].first])
    return seen


def _findings(checked: CheckedCondition, language: str) -> list[Finding]:
    return [
        Finding(
            one.code,
            one.severity,
            one.line,
            one.column,
            one.end_line or one.line,
            one.end_column,
            one.words(language),
            one.advice(language),
            f"journeys-problems#{one.code}",
        )
        for one in checked.problems
    ]
