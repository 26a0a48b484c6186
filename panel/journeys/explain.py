"""Why did she get it, why did she not, what comes next: answered from what was written when it was decided.

Nothing is guessed: refused starts, runs, step visits and messages are rows. Only when there is nothing at all is the
journey's entry judged now, and the answer says so. What comes next is played ahead by the engine on a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader
from panel.contacts.models import Contact
from panel.contacts.queries import aliases
from panel.db import connection_of, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.answers import Answerer, Coming
from panel.journeys.engine.facts import company
from panel.journeys.engine.programs import Program, programs
from panel.journeys.explain_starts import Starts
from panel.journeys.models import Enrolment, EntryCheck, Journey, StepRun
from panel.journeys.names import labels
from panel.journeys.reasons import end_words, entry_words, status_words, step_words
from panel.journeys.steered import pins_of, steered
from panel.messages.models import Message
from panel.messages.reasons import words as message_words


@dataclass(frozen=True)
class Line:
    """One thing that was decided: when, a code, what it was about, and the details seen then."""

    at: datetime
    code: str
    words: str
    about: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunStory:
    """One run: how it began and stands, every step visit, every message, and what it waits for."""

    enrolment_id: int
    number: int
    status: str
    words: str
    entered_at: datetime
    because: str
    ended_at: datetime | None
    steps: list[Line]
    messages: list[Line]
    entry_key: str = ""  # what tells two runs of one contact apart, such as the number of the invoice
    step_id: str | None = None
    waits_until: datetime | None = None
    waits_for: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """All that is known about one contact and one journey. `would_enter` is only judged when there is no run at all."""

    contact_id: int
    journey_id: str
    journey: str
    state: str
    refusals: list[Line]
    runs: list[RunStory]
    would_enter: bool | None = None
    judged: Mapping[str, Any] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    # The four answers, as sentences for the reader.
    got: list[str] = field(default_factory=list)
    not_got: list[str] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    would_stop: list[str] = field(default_factory=list)


def explain(
    session: Session,
    contact_id: int,
    journey_id: str,
    *,
    now: datetime,
    language: str = "en",
    reader: Reader | None = None,
) -> Explanation:
    """Explain one contact and one journey to `reader` (else in `language`, on the clock of the business).

    Needs an application context. Raises UserError when either does not exist.
    """
    reader = reader or Reader(language, time_zone=company(session).time_zone)
    language = reader.language
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise UserError("no_contact", N_("There is no contact %(contact)s"), contact=contact_id)
    journey = session.get(Journey, journey_id)
    if journey is None:
        raise UserError("no_journey", N_("There is no journey called %(journey)s"), journey=journey_id)
    ids = aliases(session, contact_id)
    checks = rows_of(
        session,
        select(table_of(EntryCheck))
        .where(EntryCheck.contact_id.in_(ids), EntryCheck.journey_id == journey_id)
        .order_by(EntryCheck.at),
    )
    refusals = [
        Line(row["at"], row["outcome"], entry_words(row["outcome"], language), f"×{row['count']}", row["detail"])
        for row in checks
    ]
    rows = _runs(session, ids, journey_id)
    runs = [_story(session, row, language) for row in rows]
    program = _program(session, journey)
    told = Explanation(
        contact_id=contact_id,
        journey_id=journey_id,
        journey=program.resolved["name"] if program else journey.name,
        state=journey.state,
        refusals=refusals,
        runs=runs,
        stops=[trigger.reason or trigger.name for trigger in program.stops] if program else [],
    )
    if program is None:
        return told
    answerer = Answerer(session, ids, reader, labels(session), now, pins_of(session, ids))
    return _answered(told, answerer, program, rows, checks)


def _answered(
    told: Explanation,
    answerer: Answerer,
    program: Program,
    runs: list[dict[str, Any]],
    checks: list[dict[str, Any]],
) -> Explanation:
    """The same with the four answers."""
    visits = _visits(answerer.session, [run["id"] for run in runs])
    known = programs(answerer.session, {*(run["version_id"] for run in runs), *visits.values()})
    got, not_got = [], []
    for check in checks:
        not_got += answerer.refused(check)
    for run in runs:
        its = known.get(run["version_id"], program)
        got.append(answerer.entered(run, its))
        for message in _messages(answerer.session, run["id"]):
            visit = ":".join((message["dedupe_key"] or "").split(":")[:3])
            then = known.get(visits.get(visit, 0), its)  # an older version is told in its own words
            if message["wire_at"] is not None and message["status"] not in ("queued", "claimed"):
                got.append(answerer.sent(message, then))
            elif message["status"] in ("skipped", "cancelled", "held", "failed"):
                not_got += answerer.withheld(message, then)
        if run["ended_at"] is not None:
            not_got += answerer.ended(run, its)
    came, withheld = steered(answerer.session, [run["id"] for run in runs], answerer.reader)
    got, not_got = [*got, *came], [*not_got, *withheld]
    would_enter: bool | None = None
    judged: dict[str, Any] = {}
    if not runs:
        starts = Starts(answerer, told.contact_id, program)
        not_got += starts.said({check["event_id"] for check in checks})
        would_enter, judged = starts.would_enter, starts.trees
    inside = [run for run in runs if run["status"] in ("active", "held")]
    asked: list[dict[str, Any] | None] = [*inside] or [None]
    of_runs = [one for run in asked for one in answerer.stops(_of(run, known, program), run)]
    return replace(
        told,
        would_enter=would_enter,
        judged=judged,
        got=got,
        not_got=not_got,
        coming=_coming(told, answerer, program, known, inside),
        would_stop=list(dict.fromkeys(of_runs)),
    )


def _visits(session: Session, run_ids: list[int]) -> dict[str, int]:
    """The version under which each visit of a step was made, by what the keys of its messages begin with."""
    query = select(StepRun.enrolment_id, StepRun.seq, StepRun.version_id).where(StepRun.enrolment_id.in_(run_ids))
    rows = connection_of(session).execute(query).all() if run_ids else ()
    return {f"enrolment:{run}:{seq}": version for run, seq, version in rows}


def _of(run: Mapping[str, Any] | None, known: Mapping[int, Program], program: Program) -> Program:
    return known.get(run["version_id"], program) if run is not None else program


def _coming(
    told: Explanation,
    answerer: Answerer,
    program: Program,
    known: Mapping[int, Program],
    inside: list[dict[str, Any]],
) -> list[Coming]:
    """What stands still, and what is played ahead for the rest."""
    if told.state not in ("live", "closing"):
        paused = N_("The journey is paused: nothing comes until a colleague resumes it.")
        return [Coming(answerer.now, answerer.say(paused))] if inside else []
    still = [
        Coming(answerer.now, step_words(run["reason"] or "held_error", answerer.reader.language))
        for run in inside
        if run["status"] == "held"
    ]
    moving = [run for run in inside if run["status"] == "active"]
    if not moving and (inside or told.state == "closing"):
        return still
    its = _of(moving[-1] if moving else None, known, program)
    return still + answerer.coming(told.contact_id, told.journey_id, its, is_inside=bool(moving))


def _messages(session: Session, enrolment_id: int) -> list[dict[str, Any]]:
    return rows_of(session, select(table_of(Message)).where(Message.enrolment_id == enrolment_id).order_by(Message.id))


def _program(session: Session, journey: Journey) -> Program | None:
    if journey.live_version_id is None:
        return None
    return programs(session, [journey.live_version_id]).get(journey.live_version_id)


def _runs(session: Session, ids: list[int], journey_id: str) -> list[dict[str, Any]]:
    return rows_of(
        session,
        select(table_of(Enrolment))
        .where(Enrolment.contact_id.in_(ids), Enrolment.journey_id == journey_id)
        .order_by(Enrolment.entered_at),
    )


def _story(session: Session, run: Mapping[str, Any], language: str) -> RunStory:
    steps = [
        Line(
            row["ended_at"],
            row["outcome"],
            step_words(row["outcome"], language),
            row["step_id"],
            {**row["detail"], **({"reason": row["reason"]} if row["reason"] else {})},
        )
        for row in rows_of(
            session, select(table_of(StepRun)).where(StepRun.enrolment_id == run["id"]).order_by(StepRun.seq)
        )
    ]
    messages = [
        Line(
            row["sent_at"] or row["wire_at"] or row["not_before"],
            row["reason"] or row["status"],
            message_words(row["reason"] or row["status"], language),
            f"{row['step_id']} ({row['channel']})",
            {"status": row["status"], "address": row["address"], **row["detail"]},
        )
        for row in _messages(session, run["id"])
    ]
    is_open = run["status"] in ("active", "held")
    words = status_words(run["status"], language)
    if run["reason"] and not is_open:
        words = f"{words}: {end_words(run['reason'], language)}"
    elif run["reason"]:
        words = f"{words}: {step_words(run['reason'], language)}"
    return RunStory(
        enrolment_id=run["id"],
        number=run["run_no"],
        status=run["status"],
        words=words,
        entered_at=run["entered_at"],
        because=str((run["data"].get("run") or {}).get("entry.trigger") or run["data"].get("kind") or ""),
        ended_at=run["ended_at"],
        steps=steps,
        messages=messages,
        entry_key=run["entry_key"],
        step_id=run["step_id"] if is_open else None,
        waits_until=run["due_at"] if is_open else None,
        waits_for=run["wait"] if is_open else {},
    )
