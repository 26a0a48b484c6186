"""Why did or did not something happen? The answer is read from what was recorded when it was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.journeys import judged, reasons
from panel.journeys.answers import Coming
from panel.journeys.engine.programs import Program as Known
from panel.journeys.engine.programs import programs
from panel.journeys.explain import explain
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.program import Program
from panel.journeys.models import Enrolment, EntryCheck, Journey, JourneyVersion, StepRun
from panel.journeys.names import labels
from panel.messages import reasons as message_reasons
from panel.staff.models import User
from panel.web.filters import isolate
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
    enrolment_id: int = 0


@dataclass(frozen=True)
class Test:
    """One test of a condition: what was asked, whether it held, and what was seen."""

    words: str
    held: bool
    seen: str


@dataclass(frozen=True)
class Refused:
    at: datetime
    words: str
    count: int
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What would happen if the journey were to start now. `must` are its conditions, `must_not` its exclusions."""

    would_enter: bool
    must: tuple[Test, ...]
    must_not: tuple[Test, ...]


@dataclass(frozen=True)
class Answer:
    """All we recorded about this contact and one journey, newest first; `now` only when nothing was ever recorded."""

    journey_id: str
    name: str
    runs: tuple[Run, ...]
    refused: tuple[Refused, ...]
    now: Verdict | None = None
    starts: str = ""
    got: tuple[str, ...] = ()
    coming: tuple[Coming, ...] = ()
    would_stop: tuple[str, ...] = ()


def answers(session: Session, contact_ids: Sequence[int], journey_id: str | None, reader: Reader) -> list[Answer]:
    """One answer per journey that ever considered this contact; only the one asked for when it is named."""
    language = reader.language
    runs = _runs(session, contact_ids, journey_id)
    visits = _visits(session, [run.id for run, _, _ in runs])
    people = _people(session, visits)
    # What was done under an older version is said in the words of that one.
    known = programs(session, {one.version_id for many in visits.values() for one in many})
    refused = _refusals(session, contact_ids, journey_id)
    ids = {run.journey_id for run, _, _ in runs} | {check.journey_id for check in refused}
    if journey_id:
        ids.add(journey_id)
    rows = session.execute(select(Journey.id, Journey.name).where(Journey.id.in_(sorted(ids))))
    names = {id_: name for id_, name in rows}
    found = []
    called = labels(session) if ids else plain_names
    for id_ in sorted(ids, key=lambda one: (names.get(one) or one).casefold()):
        if id_ not in names:
            continue
        found.append(
            Answer(
                id_,
                names[id_] or id_,
                tuple(
                    _run(run, number, resolved, visits.get(run.id, []), known, language, people, called)
                    for run, number, resolved in runs
                    if run.journey_id == id_
                ),
                tuple(
                    Refused(
                        check.at,
                        reasons.entry_words(check.outcome, language),
                        check.count,
                        tests(check.detail.get("condition"), reader, called),
                    )
                    for check in refused
                    if check.journey_id == id_
                ),
            )
        )
    # What comes next is played ahead by the engine, so only for the journey that is asked about.
    return [
        _judged(session, contact_ids[0], one, reader) if journey_id or not (one.runs or one.refused) else one
        for one in found
    ]


def journeys_to_ask(session: Session) -> list[tuple[str, str]]:
    """(identity, name) of every journey that ever ran, by name."""
    rows = session.execute(select(Journey.id, Journey.name).where(Journey.live_version_id.is_not(None)))
    return sorted(((id_, name or id_) for id_, name in rows), key=lambda one: one[1].casefold())


def _judged(session: Session, contact_id: int, answer: Answer, reader: Reader) -> Answer:
    """What comes next and what would stop it; when nothing was ever decided, what starts the journey and what its
    conditions say about this contact now."""
    told = explain(session, contact_id, answer.journey_id, now=clock.now(), reader=reader)
    if answer.runs or answer.refused:
        is_open = any(run.ended_at is None for run in answer.runs)
        stops = tuple(told.would_stop) if is_open else ()
        return replace(answer, got=tuple(told.got), coming=tuple(told.coming), would_stop=stops)
    version = session.scalar(
        select(JourneyVersion.resolved).join(Journey, Journey.live_version_id == JourneyVersion.id)
        .where(Journey.id == answer.journey_id)
    )  # fmt: skip
    names = labels(session)
    starts = [clauses.trigger(one, reader.language, names) for one in version["start_when"]] if version else []
    verdict = None
    if told.would_enter is not None:
        must, must_not = (tests(told.judged.get(name), reader, names) for name in ("only_if", "exclude_if"))
        verdict = Verdict(told.would_enter, must, must_not)
    return replace(answer, now=verdict, starts=phrases.either(starts, reader.language) if starts else "")


def tests(tree: Mapping[str, Any] | None, reader: Reader, names: Labels) -> tuple[Test, ...]:
    """The single tests of a judged condition, in words; a branch of "all" and "any" gives its parts."""
    if not tree:
        return ()
    if tree.get("of") is not None:
        return tuple(one for part in tree["of"] for one in tests(part, reader, names))
    asked = {"where": [], "within": None, "since": None, "times": None, "value": "", **tree}
    seen = judged.seen_of(tree, reader, clock.now(), names)
    return (Test(clauses.condition(asked, reader.language, names), bool(tree["result"]), seen),)


def _run(
    run: Enrolment,
    number: int | None,
    resolved: Program | None,
    visits: Sequence[StepRun],
    known: Mapping[int, Known],
    language: str,
    people: Mapping[int, str],
    names: Labels,
) -> Run:
    return Run(
        run.entered_at,
        run.ended_at,
        reasons.status_words(run.status, language),
        reason_words(run.reason, language) if run.reason else "",
        number or 0,
        step_sentence(resolved, run.step_id, language, names) if run.ended_at is None else "",
        run.due_at,
        tuple(_visit(one, known.get(one.version_id), language, people, names) for one in visits),
        run.id,
    )


def _visit(visit: StepRun, version: Known | None, language: str, people: Mapping[int, str], names: Labels) -> Visit:
    program: Program | None = version.resolved if version is not None else None  # type: ignore[assignment]
    more = reason_words(visit.reason, language) if visit.reason else ""
    if who := people.get((visit.detail or {}).get("by", 0)):
        more = f"{more} {translate(language, N_('By %(name)s'), name=isolate(who))}".strip()
    return Visit(
        visit.ended_at,
        step_icon(visit.kind),
        step_sentence(program, visit.step_id, language, names),
        reasons.step_words(visit.outcome, language),
        more,
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


def _people(session: Session, visits: Mapping[int, Sequence[StepRun]]) -> dict[int, str]:
    """The colleagues who decided about a step; nothing is asked when nobody did."""
    ids = {by for many in visits.values() for one in many if isinstance(by := (one.detail or {}).get("by"), int)}
    if not ids:
        return {}
    rows = session.execute(select(User.id, User.name, User.email).where(User.id.in_(ids)))
    return {row.id: row.name or row.email for row in rows}


def _refusals(session: Session, contact_ids: Sequence[int], journey_id: str | None) -> list[EntryCheck]:
    query = select(EntryCheck).where(EntryCheck.contact_id.in_(contact_ids), EntryCheck.outcome != "entered")
    if journey_id:
        query = query.where(EntryCheck.journey_id == journey_id)
    return list(session.scalars(query.order_by(EntryCheck.at.desc()).limit(60)))
