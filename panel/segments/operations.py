"""Saving and deleting segments. What is saved is watched from the same transaction on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.search import fold
from panel.contacts.values import clean
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_
from panel.journeys.engine import audiences
from panel.journeys.engine.sets import refuse_runs
from panel.journeys.language import Problem, Vocabulary
from panel.journeys.language.problems import ERROR
from panel.journeys.language.saved import check_condition
from panel.segments.models import Segment
from panel.segments.queries import CLOCK, names_in, uses
from panel.staff.audit import record_audit
from panel.staff.models import User

LONGEST = 64 * 1024  # characters of one condition; far beyond what anybody writes
LONGEST_NAME = 120


class ConditionError(UserError):
    """The condition has problems; `problems` holds all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "segment_has_problems",
            N_("The segment was not saved: %(n)s problems. The first, on line %(line)s: %(problem)s"),
            n=len(problems),
            line=problems[0].line,
            problem={language: problems[0].words(language) for language in LANGUAGES},
        )
        self.problems = tuple(problems)


def save(
    session: Session,
    name: str,
    text: str,
    *,
    segment_id: int | None = None,
    description: str = "",
    vocabulary: Vocabulary | None = None,
    by: User | None = None,
    now: datetime | None = None,
) -> Segment:
    """Make a segment, or change one. Its members are known when this returns.

    Raises ConditionError with every problem of the condition, and UserError when the name is empty or taken, when the
    condition leads back to the segment itself or is about one run, and when a segment that is in use gets another name.
    """
    now = now or clock.now()
    name = " ".join(clean(name).split())[:LONGEST_NAME]
    if not name:
        raise UserError("name_empty", N_("A name is missing"))
    segment = session.get(Segment, segment_id, with_for_update=True) if segment_id is not None else None
    if segment_id is not None and segment is None:
        raise UserError("no_segment", N_("There is no such segment any more"))
    _refuse_taken(session, name, segment)
    if segment is not None and segment.name != name:
        _refuse_used(session, segment, N_("“%(segment)s” cannot get another name: it is used by %(users)s."))
    if len(text) > LONGEST:
        raise UserError("segment_too_long", N_("The condition is too long"))
    checked = check_condition(text, vocabulary)
    errors = [one for one in checked.problems if one.severity == ERROR]
    if errors or checked.resolved is None:
        raise (
            ConditionError(errors or checked.problems)
            if checked.problems
            else UserError("condition_empty", N_("Write a condition first"))
        )
    refuse_runs(checked.resolved)
    _refuse_circle(session, segment.name if segment is not None else name, checked.resolved, name)
    is_new = segment is None
    if segment is None:
        segment = Segment(name=name, source_yaml=text, resolved=checked.resolved, created_at=now, updated_at=now)
        session.add(segment)
    changed = is_new or segment.resolved != checked.resolved
    segment.name, segment.description = name, clean(description)
    segment.source_yaml, segment.resolved = text, checked.resolved
    segment.updated_at, segment.updated_by = now, by.id if by is not None else None
    session.flush()
    audiences.watch(session, segment.audience, segment.resolved, CLOCK, now, name=name)
    if changed and not is_new:
        audiences.refresh_users(session, name, now)
    action = "segment_created" if is_new else "segment_changed"
    record_audit(session, action=action, user=by, subject=name, detail={"condition": text[:2000]}, at=now)
    session.flush()
    return segment


def delete(session: Session, segment_id: int, *, by: User | None = None, now: datetime | None = None) -> None:
    """Delete a segment; nobody loses anything else by it. Refused while a journey or another segment uses it."""
    segment = session.get(Segment, segment_id, with_for_update=True)
    if segment is None:
        return
    _refuse_used(session, segment, N_("“%(segment)s” cannot be deleted: it is used by %(users)s."))
    audiences.forget(session, [segment.audience])
    detail = {"condition": segment.source_yaml[:2000]}
    record_audit(session, action="segment_deleted", user=by, subject=segment.name, detail=detail, at=now or clock.now())
    session.delete(segment)
    session.flush()


def _refuse_taken(session: Session, name: str, segment: Segment | None) -> None:
    wanted = fold(name)
    for id_, other in session.execute(select(Segment.id, Segment.name)):
        if fold(other) == wanted and (segment is None or id_ != segment.id):
            raise UserError("segment_name_taken", N_("There is a segment called “%(name)s” already"), name=other)


def _refuse_used(session: Session, segment: Segment, sentence: str) -> None:
    users = uses(session, segment.name)
    if users:
        named = ", ".join(one.name for one in users)
        raise UserError("segment_in_use", sentence, segment=segment.name, users=named)


def _refuse_circle(session: Session, own: str, resolved: object, name: str) -> None:
    """Follow the segments that a condition uses; none of them may lead back."""
    known = {one.name: set(names_in(one.resolved)) for one in session.scalars(select(Segment))}
    waiting, seen = list(names_in(resolved)), set()
    while waiting:
        used = waiting.pop()
        if used in (own, name):
            raise UserError(
                "segment_circle", N_("The condition of “%(segment)s” leads back to the segment itself"), segment=name
            )
        if used not in seen:
            seen.add(used)
            waiting.extend(known.get(used, ()))
