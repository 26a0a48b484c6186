"""Why did or did not something happen? The answer is read from what was recorded when it was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader
from panel.journeys import reasons
from panel.journeys.language.program import Program
from panel.journeys.models import Enrolment, EntryCheck, Journey, JourneyVersion, StepRun
from panel.messages import reasons as message_reasons
from panel.web.timeline.steps import step_icon, step_sentence

_TROUBLE = ("held", "passed", "timeout")


@dataclass(frozen=True)
class Visit:
    """One visit of one step, in words."""

    at: datetime
    icon: str
    step: str
    outcome: str
    more: str = ""
    is_trouble: bool = False


@dataclass(frozen=True)
class Run:
    entered_at: datetime
    ended_at: datetime | None
    status: str
    reason: str
    version: int
    step: str
    due_at: datetime | None
    visits: tuple[Visit, ...] = ()


@dataclass(frozen=True)
class Refused:
    at: datetime
    words: str
    count: int


@dataclass(frozen=True)
class Answer:
    """All we recorded about this contact and one journey, newest first."""

    journey_id: str
    name: str
    runs: tuple[Run, ...]
    refused: tuple[Refused, ...]


def answers(session: Session, contact_ids: Sequence[int], journey_id: str | None, reader: Reader) -> list[Answer]:
    """One answer per journey that ever considered this contact; only the one asked for when it is named."""
    language = reader.language
    runs = _runs(session, contact_ids, journey_id)
    visits = _visits(session, [run.id for run, _, _ in runs])
    refused = _refusals(session, contact_ids, journey_id)
    ids = {run.journey_id for run, _, _ in runs} | {check.journey_id for check in refused}
    if journey_id:
        ids.add(journey_id)
    rows = session.execute(select(Journey.id, Journey.name).where(Journey.id.in_(sorted(ids))))
    names = {id_: name for id_, name in rows}
    found = []
    for id_ in sorted(ids, key=lambda one: (names.get(one) or one).casefold()):
        if id_ not in names:
            continue
        found.append(
            Answer(
                id_,
                names[id_] or id_,
                tuple(
                    _run(run, number, resolved, visits.get(run.id, []), language)
                    for run, number, resolved in runs
                    if run.journey_id == id_
                ),
                tuple(
                    Refused(check.at, reasons.entry_words(check.outcome, language), check.count)
                    for check in refused
                    if check.journey_id == id_
                ),
            )
        )
    return found


def _run(run: Enrolment, number: int | None, resolved: Program | None, visits: Sequence[StepRun], language: str) -> Run:
    return Run(
        run.entered_at,
        run.ended_at,
        reasons.status_words(run.status, language),
        reason_words(run.reason, language) if run.reason else "",
        number or 0,
        step_sentence(resolved, run.step_id, language) if run.ended_at is None else "",
        run.due_at,
        tuple(_visit(one, resolved, language) for one in visits),
    )


def _visit(visit: StepRun, program: Program | None, language: str) -> Visit:
    return Visit(
        visit.ended_at,
        step_icon(visit.kind),
        step_sentence(program, visit.step_id, language),
        reasons.step_words(visit.outcome, language),
        reason_words(visit.reason, language) if visit.reason else "",
        visit.outcome.startswith(_TROUBLE) or bool(visit.reason),
    )


def reason_words(code: str, language: str) -> str:
    """A reason of a run, a step or a message: one of them knows the code."""
    if code in reasons.END:
        return reasons.end_words(code, language)
    if code in message_reasons.SENTENCES:
        return message_reasons.words(code, language)
    return reasons.step_words(code, language) if code in reasons.STEP else code


def _runs(
    session: Session, contact_ids: Sequence[int], journey_id: str | None
) -> list[tuple[Enrolment, int | None, dict[str, Any] | None]]:
    query = (
        select(Enrolment, JourneyVersion.number, JourneyVersion.resolved)
        .outerjoin(JourneyVersion, JourneyVersion.id == Enrolment.version_id)
        .where(Enrolment.contact_id.in_(contact_ids))
    )
    if journey_id:
        query = query.where(Enrolment.journey_id == journey_id)
    return [
        (run, number, resolved)
        for run, number, resolved in session.execute(query.order_by(Enrolment.entered_at.desc()).limit(30))
    ]


def _visits(session: Session, run_ids: Sequence[int]) -> dict[int, list[StepRun]]:
    if not run_ids:
        return {}
    found: dict[int, list[StepRun]] = {}
    query = select(StepRun).where(StepRun.enrolment_id.in_(run_ids)).order_by(StepRun.enrolment_id, StepRun.seq.desc())
    for visit in session.scalars(query.limit(1500)):
        found.setdefault(visit.enrolment_id, []).append(visit)
    return found


def _refusals(session: Session, contact_ids: Sequence[int], journey_id: str | None) -> list[EntryCheck]:
    query = select(EntryCheck).where(EntryCheck.contact_id.in_(contact_ids), EntryCheck.outcome != "entered")
    if journey_id:
        query = query.where(EntryCheck.journey_id == journey_id)
    return list(session.scalars(query.order_by(EntryCheck.at.desc()).limit(60)))
