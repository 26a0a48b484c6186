"""Why did she get it, why did she not, what comes next: answered from what was written when it was decided.

Nothing is guessed: refused starts, runs, step visits and messages are rows. Only when there is nothing at all is the
journey's entry judged now, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.contacts.queries import aliases
from panel.db import rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.engine.conditions import Needs, judge, needs
from panel.journeys.engine.facts import Asking, load
from panel.journeys.engine.programs import Program, programs
from panel.journeys.models import Enrolment, EntryCheck, Journey, StepRun
from panel.journeys.reasons import end_words, entry_words, status_words, step_words
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


def explain(session: Session, contact_id: int, journey_id: str, *, now: datetime, language: str = "en") -> Explanation:
    """Explain one contact and one journey in the reader's language. Raises UserError when either does not exist."""
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise UserError("no_contact", N_("There is no contact %(contact)s"), contact=contact_id)
    journey = session.get(Journey, journey_id)
    if journey is None:
        raise UserError("no_journey", N_("There is no journey called %(journey)s"), journey=journey_id)
    ids = aliases(session, contact_id)
    refusals = [
        Line(row["at"], row["outcome"], entry_words(row["outcome"], language), f"×{row['count']}", row["detail"])
        for row in rows_of(
            session,
            select(table_of(EntryCheck))
            .where(EntryCheck.contact_id.in_(ids), EntryCheck.journey_id == journey_id)
            .order_by(EntryCheck.at),
        )
    ]
    runs = [_story(session, row, language) for row in _runs(session, ids, journey_id)]
    program = _program(session, journey)
    would_enter, judged = (None, {}) if runs or program is None else _judge_now(session, contact_id, program, now)
    return Explanation(
        contact_id=contact_id,
        journey_id=journey_id,
        journey=program.resolved["name"] if program else journey.name,
        state=journey.state,
        refusals=refusals,
        runs=runs,
        would_enter=would_enter,
        judged=judged,
        stops=[trigger.reason or trigger.name for trigger in program.stops] if program else [],
    )


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
        for row in rows_of(
            session, select(table_of(Message)).where(Message.enrolment_id == run["id"]).order_by(Message.id)
        )
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
        step_id=run["step_id"] if is_open else None,
        waits_until=run["due_at"] if is_open else None,
        waits_for=run["wait"] if is_open else {},
    )


def _judge_now(session: Session, contact_id: int, program: Program, now: datetime) -> tuple[bool, dict[str, Any]]:
    """Nothing was ever decided: would the conditions let the contact in now, and what do they see?"""
    resolved = program.resolved
    wanted = Needs()
    wanted.add(needs(resolved.get("only_if")))
    wanted.add(needs(resolved.get("exclude_if")))
    [facts] = load(session, [Asking(contact_id, program.settings, resolved["purpose"])], wanted, now)
    judged: dict[str, Any] = {}
    would_enter = True
    if resolved.get("only_if"):
        judged["only_if"] = judge(resolved["only_if"], facts)
        would_enter = bool(judged["only_if"]["result"])
    if resolved.get("exclude_if"):
        judged["exclude_if"] = judge(resolved["exclude_if"], facts)
        would_enter = would_enter and not judged["exclude_if"]["result"]
    return would_enter, judged
