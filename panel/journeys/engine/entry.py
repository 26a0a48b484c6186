"""Who enters a journey, and who does not and why. Used by `route` for events and by the panel for starts by hand.

The order of the checks is the order in which we explain them (language rule 2d.1): live and within its dates, already
in or in before, `only_if`, `exclude_if`, a stop that has happened already, `entry_limit`, then in. The first refusal is
recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.db import connection_of, next_ids, to_micros
from panel.journeys.engine.conditions import Facts, Needs, event_matches, judge, needs
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.facts import Asking, Company, Person, company, load, people, zone_of
from panel.journeys.engine.intake import let_in, wait_in_row
from panel.journeys.engine.lengths import add
from panel.journeys.engine.programs import LiveJourney
from panel.journeys.engine.undecided import LOOK_AGAIN, tell_undecided
from panel.journeys.engine.watched import watched_journeys
from panel.journeys.models import Enrolment, EntryCheck
from panel.journeys.reasons import START_TAKEN_BACK
from panel.timeline.operations import NewEvent, record_many

PLANNED_KINDS = ("date", "schedule")  # their first message is meant for the planned moment, however late they enter
MAX_DEPTH = 5  # a journey that starts a journey that starts a journey: refused beyond this


@dataclass(frozen=True)
class Candidate:
    """A start to consider. `event_id` None: a person started it by hand."""

    journey: LiveJourney
    contact_id: int
    trigger: str
    at: datetime
    event_id: int | None = None
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    depth: int = 0
    user_id: int | None = None
    chain: Mapping[str, str] = field(default_factory=dict)  # journeys that led here within a day, with when

    @property
    def entry_key(self) -> str:
        name = self.journey.program.resolved.get("one_per")
        if not name:
            return ""
        value = self.data.get(name.removeprefix("event."))
        return "" if value is None else str(value)[:200]


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate: code "entered" with the new enrolment, or the refusal."""

    candidate: Candidate
    code: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    enrolment_id: int | None = None


def start_of(candidate: Candidate) -> dict[str, Any]:
    """A candidate as data, for those who wait for their turn; `candidate_from` reads it."""
    return {
        "trigger": candidate.trigger,
        "at": candidate.at.isoformat(),
        "event_id": candidate.event_id,
        "kind": candidate.kind,
        "data": dict(candidate.data),
        "depth": candidate.depth,
        "user_id": candidate.user_id,
        "chain": dict(candidate.chain),
    }


def candidate_from(journey: LiveJourney, contact_id: int, start: Mapping[str, Any]) -> Candidate:
    """The candidate that waited, for the journey as it is now."""
    return Candidate(journey, contact_id, **{**start, "at": datetime.fromisoformat(start["at"])})


def consider(
    session: Session, candidates: Sequence[Candidate], now: datetime, *, in_turn: bool = False
) -> list[Outcome]:
    """Decide and write, in the caller's transaction. Outcomes come in the order of the candidates.

    `in_turn`: these have waited because of `entry_limit` and their turn has come.
    """
    outcomes: dict[int, Outcome] = {}
    # Two starts of one contact in one run's place are judged one after the other, as if they had come apart.
    waves: list[dict[tuple[str, int, str], int]] = []
    for index, candidate in enumerate(candidates):
        place = (candidate.journey.id, candidate.contact_id, candidate.entry_key)
        for wave in waves:
            if place not in wave:
                wave[place] = index
                break
        else:
            waves.append({place: index})
    for wave in waves:
        chosen = list(wave.values())
        for index, outcome in zip(chosen, _wave(session, [candidates[i] for i in chosen], now, in_turn), strict=True):
            outcomes[index] = outcome
    return [outcomes[index] for index in range(len(candidates))]


@dataclass
class _Past:
    open_id: int | None = None
    last_ended_at: datetime | None = None
    runs: int = 0
    number: int = 0  # the highest so far, also of a run that does not count
    events: set[int] = field(default_factory=set)


def _wave(session: Session, candidates: Sequence[Candidate], now: datetime, in_turn: bool) -> list[Outcome]:
    business = company(session)
    persons = people(session, {one.contact_id for one in candidates})
    past = _past_runs(session, candidates)
    facts = _facts(session, candidates, now, persons, business)
    refused: list[Outcome] = []
    allowed: list[tuple[Candidate, _Past]] = []
    entering: list[tuple[Candidate, int]] = []
    restarting: list[int] = []
    decided: dict[int, Outcome] = {}
    waiting = []
    for candidate, known in zip(candidates, facts, strict=True):
        place = (candidate.journey.id, candidate.contact_id, candidate.entry_key)
        before = past[place]
        code, detail = _refusal(candidate, before, known, now, persons.get(candidate.contact_id), business)
        if code is None:
            allowed.append((candidate, before))
        else:
            outcome = Outcome(candidate, code, detail)
            refused.append(outcome)
            decided[id(candidate)] = outcome
            if code == "source_stale":  # nobody can say today: asked again, until somebody can
                tell_undecided(session, detail["condition"], now)
                waiting.append((*place, start_of(candidate), now + LOOK_AGAIN))
    turns: list[datetime | None] = [None] * len(allowed)
    if not in_turn:
        turns = let_in(session, [one.journey for one, _ in allowed], now)
    for (candidate, before), turn in zip(allowed, turns, strict=True):
        if turn is not None:
            limit = candidate.journey.program.resolved["entry_limit"]
            outcome = Outcome(candidate, "entry_limit", {"limit": limit, "due_at": turn.isoformat()})
            refused.append(outcome)
            decided[id(candidate)] = outcome
            place = (candidate.journey.id, candidate.contact_id, candidate.entry_key)
            waiting.append((*place, start_of(candidate), turn))
            continue
        if before.open_id is not None:
            restarting.append(before.open_id)
        entering.append((candidate, before.number + 1))
    wait_in_row(session, waiting, now)
    if restarting:
        end_runs(session, restarting, "stopped", "restarted", now)
    for outcome in _enrol(session, entering, now):
        decided[id(outcome.candidate)] = outcome
        if outcome.code != "entered":
            refused.append(outcome)
    record_refusals(session, refused, now)
    return [decided[id(candidate)] for candidate in candidates]


def _refusal(
    candidate: Candidate,
    before: _Past,
    facts: Facts,
    now: datetime,
    person: Person | None,
    business: Company,
) -> tuple[str | None, dict[str, Any]]:
    journey, program = candidate.journey, candidate.journey.program
    resolved = program.resolved
    if journey.state != "live":
        return "not_live", {"state": journey.state}
    if person is None or person.erased_at is not None:
        return "contact_erased", {}
    zone, _ = zone_of(program.settings, person, business)
    if resolved.get("ends_on") and now.astimezone(zone).date() > date.fromisoformat(resolved["ends_on"]):
        return "ended", {"ends_on": resolved["ends_on"]}
    if candidate.event_id is not None and candidate.event_id in before.events:
        return "duplicate_event", {}
    if candidate.depth >= MAX_DEPTH:
        return "too_deep", {"depth": candidate.depth}
    if candidate.journey.id in candidate.chain:
        return "journey_circle", {"chain": list(candidate.chain)}
    if before.open_id is not None:
        if resolved.get("if_already_in") != "restart":
            return "already_in", {"enrolment": before.open_id}
    elif before.runs:
        re_enter = resolved.get("re_enter") or {"mode": "never"}
        if re_enter["mode"] == "never":
            return "never_again", {"runs": before.runs}
        if re_enter["mode"] == "after" and before.last_ended_at is not None:
            free = add(before.last_ended_at, re_enter["after"], zone)
            if now < free:
                return "too_soon", {"free_at": free.isoformat()}
    if resolved.get("only_if"):
        tree = judge(resolved["only_if"], facts)
        if tree["result"] is None:
            return "source_stale", {"condition": tree}
        if not tree["result"]:
            return "only_if_false", {"condition": tree}
    if resolved.get("exclude_if"):
        tree = judge(resolved["exclude_if"], facts)
        if tree["result"] is None:
            return "source_stale", {"condition": tree}
        if tree["result"]:
            return "excluded", {"condition": tree}
    for trigger in program.stops:
        for event in facts.history:
            if (
                event.kind == trigger.kind
                and event.occurred_at >= candidate.at
                and event.id != candidate.event_id
                and event_matches(trigger.where, event.data, facts)
            ):
                return "stop_already_happened", {"event": event.id, "kind": event.kind}
    return None, {}


def _facts(
    session: Session,
    candidates: Sequence[Candidate],
    now: datetime,
    persons: Mapping[int, Person],
    business: Company,
) -> list[Facts]:
    wanted = Needs()
    for program in {id(one.journey.program): one.journey.program for one in candidates}.values():
        wanted.add(needs(program.resolved.get("only_if")))
        wanted.add(needs(program.resolved.get("exclude_if")))
        wanted.add(Needs(kinds={trigger.kind for trigger in program.stops}))
    asking = [
        Asking(
            one.contact_id,
            one.journey.program.settings,
            one.journey.program.resolved["purpose"],
            event=one.data,
            run=run_values(one),
        )
        for one in candidates
    ]
    return load(session, asking, wanted, now, persons=persons, business=business)


def run_values(candidate: Candidate) -> dict[str, Any]:
    """What `run.x` and `entry.x` mean inside the run."""
    values: dict[str, Any] = {"entry.trigger": candidate.trigger}
    name = candidate.journey.program.resolved.get("one_per")
    if name:
        values[name.removeprefix("event.")] = candidate.entry_key
    return values


def _past_runs(session: Session, candidates: Sequence[Candidate]) -> dict[tuple[str, int, str], _Past]:
    found: dict[tuple[str, int, str], _Past] = defaultdict(_Past)
    query = select(
        Enrolment.journey_id,
        Enrolment.contact_id,
        Enrolment.entry_key,
        Enrolment.id,
        Enrolment.status,
        Enrolment.ended_at,
        Enrolment.run_no,
        Enrolment.entered_event,
        Enrolment.reason,
    ).where(
        Enrolment.contact_id.in_({one.contact_id for one in candidates}),
        Enrolment.journey_id.in_({one.journey.id for one in candidates}),
    )
    rows = connection_of(session).execute(query)
    for journey_id, contact_id, key, id_, status, ended_at, run_no, event, reason in rows:
        past = found[(journey_id, contact_id, key)]
        past.number = max(past.number, run_no)
        if reason == START_TAKEN_BACK:
            continue
        past.runs = max(past.runs, run_no)
        if status in ("active", "held"):
            past.open_id = id_
        elif ended_at is not None and (past.last_ended_at is None or ended_at > past.last_ended_at):
            past.last_ended_at = ended_at
        if event is not None:
            past.events.add(event)
    return found


def _enrol(session: Session, entering: Sequence[tuple[Candidate, int]], now: datetime) -> list[Outcome]:
    if not entering:
        return []
    ids = next_ids(session, "enrolments", len(entering))
    rows = []
    for id_, (candidate, run_no) in zip(ids, entering, strict=True):
        program = candidate.journey.program
        rows.append(
            {
                "id": id_,
                "journey_id": candidate.journey.id,
                "version_id": program.version_id,
                "contact_id": candidate.contact_id,
                "entry_key": candidate.entry_key,
                "run_no": run_no,
                "entered_event": candidate.event_id,
                "entered_at": now,
                "status": "active",
                "step_id": program.resolved["first"],
                "step_began_at": now,
                "due_at": now,
                "priority": program.settings.get("priority", 5),
                "depth": candidate.depth,
                "data": {
                    "event": dict(candidate.data),
                    "kind": candidate.kind,
                    "run": run_values(candidate),
                    "by": candidate.user_id,
                    **({"at": to_micros(candidate.at)} if candidate.at < now else {}),  # see advance.started_at
                    **({"chain": dict(candidate.chain)} if candidate.chain else {}),
                    **({"planned_at": candidate.at.isoformat()} if candidate.kind in PLANNED_KINDS else {}),
                },
            }
        )
    dialect = postgresql if connection_of(session).dialect.name == "postgresql" else sqlite
    # Another router may have taken the place meanwhile: the partial unique index decides, nobody enters twice.
    connection_of(session).execute(dialect.insert(Enrolment).on_conflict_do_nothing(), rows)
    stored = set(connection_of(session).execute(select(Enrolment.id).where(Enrolment.id.in_(list(ids)))).scalars())
    outcomes, events = [], []
    watched = watched_journeys(session)
    for id_, (candidate, _) in zip(ids, entering, strict=True):
        if id_ not in stored:
            outcomes.append(Outcome(candidate, "already_in"))
            continue
        outcomes.append(Outcome(candidate, "entered", enrolment_id=id_))
        program = candidate.journey.program
        events.append(
            NewEvent(
                candidate.contact_id,
                "journey_entered",
                now,
                {
                    "journey": program.resolved["name"],
                    "journey_id": candidate.journey.id,
                    "version": program.number,
                    "because": candidate.trigger,
                    "event": candidate.event_id,
                },
                source="journeys",
                enrolment_id=id_,
                user_id=candidate.user_id,
                depth=candidate.depth + 1,
                starts_journeys=candidate.journey.id in watched,
            )
        )
    record_many(session, events)
    return outcomes


def record_refusals(session: Session, refused: Sequence[Outcome], now: datetime) -> None:
    """Store refusals; the same one on the same day is counted up instead of repeated."""
    if not refused:
        return
    dialect = postgresql if connection_of(session).dialect.name == "postgresql" else sqlite
    statement = dialect.insert(EntryCheck)
    statement = statement.on_conflict_do_update(
        index_elements=["contact_id", "journey_id", "outcome", "day"],
        set_={
            "count": EntryCheck.count + 1,
            "at": statement.excluded.at,
            "detail": statement.excluded.detail,
            "event_id": statement.excluded.event_id,
            "version_id": statement.excluded.version_id,
        },
    )
    for outcome in refused:
        candidate = outcome.candidate
        connection_of(session).execute(
            statement,
            {
                "journey_id": candidate.journey.id,
                "version_id": candidate.journey.program.version_id,
                "contact_id": candidate.contact_id,
                "event_id": candidate.event_id,
                "at": now,
                "day": now.date(),
                "outcome": outcome.code,
                "detail": dict(outcome.detail),
                "count": 1,
            },
        )


def wake(session: Session, enrolment_ids: Sequence[int], now: datetime) -> None:
    """Write "look again" on these runs. The row carries the wake-up, so nobody can drop it."""
    if enrolment_ids:
        connection_of(session).execute(
            update(Enrolment).where(Enrolment.id.in_(enrolment_ids), Enrolment.status == "active").values(due_at=now)
        )
