"""The last check before the wire, in the transaction that commits `on_wire`: may this message go, now?

The contact's row is locked first, so two workers cannot both take the last place under a limit. Every answer has a
reason; "not now" says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.consent.resting import Resting, resting_many
from panel.contacts.models import Contact
from panel.contacts.sets import among
from panel.db import connection_of, rows_of, table_of
from panel.journeys.engine.advance import reached_goal, started_at, stopped_by
from panel.journeys.engine.conditions import Facts, Needs, UndecidedError, judge, needs
from panel.journeys.engine.facts import Asking, Company, Person, company, load, people, zone_of
from panel.journeys.engine.following import begins_as
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.reach import Reach, assess
from panel.journeys.engine.undecided import LOOK_AGAIN
from panel.journeys.engine.when import Decision, Willing, when
from panel.journeys.models import Enrolment, Journey

NO_SETTINGS: dict[str, Any] = {"time_zone": "contact"}


def lock_contacts(session: Session, contact_ids: Sequence[int]) -> None:
    """Lock in id order (no deadlock between workers); NO KEY UPDATE, so that others may still refer to the contact."""
    connection_of(session).execute(
        select(Contact.id)
        .where(among(session, Contact.id, contact_ids))
        .order_by(Contact.id)
        .with_for_update(key_share=True)
    )


def decide(session: Session, messages: Sequence[Mapping[str, Any]], now: datetime) -> dict[int, Decision]:
    """Decide for messages of one channel, each of another contact. The contacts are locked already."""
    channel = messages[0]["channel"]
    persons = people(session, {one["contact_id"] for one in messages})
    business = company(session)
    runs = _runs(session, [one["enrolment_id"] for one in messages if one["enrolment_id"]])
    states, newest = _states(session, {one["journey_id"] for one in messages if one["journey_id"]})
    known = programs(session, {run["version_id"] for run in runs.values()} | set(newest.values()))
    theirs = {run["version_id"]: known[run["version_id"]] for run in runs.values() if run["version_id"] in known}
    facts = _facts(session, messages, runs, theirs, now, persons, business)
    reach: dict[str, dict[int, Reach]] = {}
    for purpose in {one["purpose"] for one in messages}:
        ids = [one["contact_id"] for one in messages if one["purpose"] == purpose]
        reach[purpose] = assess(session, ids, channel, purpose)
        other = {one["contact_id"]: one["address"] for one in messages if one["rules"].get("to")}
        if other:  # `to:` in the send step: the address was chosen when the message was planned
            reach[purpose] |= assess(session, list(other), channel, purpose, at=other)
    address = {one["id"]: reach[one["purpose"]][one["contact_id"]].address for one in messages}
    resting = resting_many(session, {one["contact_id"] for one in messages}, now)
    willing: list[Willing] = []
    decisions: dict[int, Decision] = {}
    for one in messages:
        run = runs.get(one["enrolment_id"]) if one["enrolment_id"] else None
        program = known.get(run["version_id"]) if run else None
        person = persons.get(one["contact_id"])
        early = _about_the_run(one, run, program, states, facts.get(one["id"]), now)
        early = early or _about_the_contact(one, person, reach[one["purpose"]])
        early = early or _about_the_rest(one, resting.get(one["contact_id"]), now)
        if early is not None:
            decisions[one["id"]] = early
            continue
        settings, said = _as_written_now(one, program, known.get(newest.get(one["journey_id"], 0)))
        zone, zone_from = zone_of(settings, person, business)
        willing.append(Willing(said, settings, zone, zone_from, address[one["id"]]))
    return decisions | when(session, willing, business, now)


def decide_calls(session: Session, messages: Sequence[Mapping[str, Any]], now: datetime) -> dict[int, Decision]:
    """The same for the calls of journeys: the run must still want them; hours, limits and consent are for messages."""
    persons = people(session, {one["contact_id"] for one in messages})
    runs = _runs(session, [one["enrolment_id"] for one in messages if one["enrolment_id"]])
    known = programs(session, {run["version_id"] for run in runs.values()})
    states, _ = _states(session, {one["journey_id"] for one in messages if one["journey_id"]})
    facts = _facts(session, messages, runs, known, now, persons, company(session))
    decisions = {}
    for one in messages:
        run = runs.get(one["enrolment_id"])
        program = known.get(run["version_id"]) if run else None
        early = _about_the_run(one, run, program, states, facts.get(one["id"]), now)
        decisions[one["id"]] = early or Decision("go")
    return decisions


def _as_written_now(
    one: Mapping[str, Any], program: Program | None, live: Program | None
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The settings that a message obeys, and the message with the hours of its step: as they are published now, where
    people inside follow and the step is still there. Hours that were corrected hold for what was waiting, too."""
    if program is None or live is None or live is program or not live.moves_people:
        return (program.settings if program else NO_SETTINGS), one
    step = program.steps.get(one["step_id"] or "")
    same = begins_as(program, live, step) if step is not None else None
    if step is None or same is None:
        return program.settings, one
    rules, now = one["rules"], live.steps[same]
    if rules.get("send_hours") == step.get("send_hours"):  # nobody has chosen others for this very message
        rules = {**rules, "send_hours": now.get("send_hours"), "ignore_limits": bool(now.get("ignore_limits"))}
    return live.settings, {**one, "rules": rules}


def _about_the_run(
    one: Mapping[str, Any],
    run: Mapping[str, Any] | None,
    program: Program | None,
    states: Mapping[str, str],
    facts: Facts | None,
    now: datetime,
) -> Decision | None:
    if not one["enrolment_id"]:
        return None
    if run is None or run["status"] != "active" or program is None:
        return Decision("cancel", "stopped", detail={"run": run["status"] if run else None})
    if states.get(one["journey_id"]) not in ("live", "closing"):
        return Decision("wait", "journey_paused", one["not_before"])
    if facts is None:
        return None
    try:
        stopped = stopped_by(program, facts, started_at(run["data"] or {}, run["entered_at"]))
    except UndecidedError as error:
        return Decision("wait", "source_stale", now + LOOK_AGAIN, detail={"condition": error.tree})
    if stopped is not None:
        return Decision("end", "stopped", detail=stopped)
    goal = program.ending_goal
    reached = reached_goal(goal, facts) if goal else None
    if reached is not None:
        return Decision("end", "stopped", detail=reached, ends="goal")
    if program.resolved.get("exclude_if"):
        tree = judge(program.resolved["exclude_if"], facts)
        if tree["result"] is None:
            return Decision("wait", "source_stale", now + LOOK_AGAIN, detail={"condition": tree})
        if tree["result"]:
            return Decision("end", "excluded", detail={"condition": tree})
    return None


def _about_the_contact(one: Mapping[str, Any], person: Person | None, reach: Mapping[int, Reach]) -> Decision | None:
    if person is None or person.erased_at is not None:
        return Decision("cancel", "contact_erased")
    reason = reach[one["contact_id"]].reason
    return Decision("skip", reason) if reason else None


def _about_the_rest(one: Mapping[str, Any], rest: Resting | None, now: datetime) -> Decision | None:
    """A rest puts off like closed hours do. It may be ended any moment, so a message waits for as long as it may."""
    if rest is None or not rest.covers(one["purpose"]):
        return None
    expires_at = one["expires_at"]
    detail = {"rest_until": rest.until.isoformat(), "scope": rest.scope}
    if expires_at is not None and now > expires_at:
        return Decision("skip", "skipped_rest", detail=detail)
    until = rest.until if expires_at is None else min(rest.until, expires_at + timedelta(seconds=1))
    return Decision("wait", "postponed_rest", until, detail=detail)


def _runs(session: Session, enrolment_ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    if not enrolment_ids:
        return {}
    query = select(table_of(Enrolment)).where(among(session, Enrolment.id, enrolment_ids))
    return {row["id"]: row for row in rows_of(session, query)}


def _states(session: Session, journey_ids: set[str]) -> tuple[dict[str, str], dict[str, int]]:
    """The state of each journey, and its live version."""
    columns = select(Journey.id, Journey.state, Journey.live_version_id)
    rows = connection_of(session).execute(columns.where(Journey.id.in_(journey_ids))).all()
    return {row.id: row.state for row in rows}, {row.id: row.live_version_id for row in rows if row.live_version_id}


def _facts(
    session: Session,
    messages: Sequence[Mapping[str, Any]],
    runs: Mapping[int, Mapping[str, Any]],
    known: Mapping[int, Program],
    now: datetime,
    persons: Mapping[int, Person],
    business: Company,
) -> dict[int, Facts]:
    """What exclude_if, stop_when and the goal look at, for the messages that have a run."""
    wanted = Needs()
    for program in known.values():
        wanted.add(needs(program.resolved.get("exclude_if")))
        wanted.add(Needs(kinds={trigger.kind for trigger in program.stops}))
        if program.ending_goal:
            wanted.kinds.add(program.ending_goal["event"])
        for raw in program.stop_conditions:
            wanted.add(needs(raw["if"]))
    if wanted == Needs():
        return {}
    asked = [
        one for one in messages if one["enrolment_id"] in runs and runs[one["enrolment_id"]]["version_id"] in known
    ]
    asking = []
    for one in asked:
        run = runs[one["enrolment_id"]]
        data = run["data"] or {}
        asking.append(
            Asking(
                one["contact_id"],
                known[run["version_id"]].settings,
                known[run["version_id"]].resolved["purpose"],
                run["id"],
                data.get("event"),
                data.get("run"),
                run["entered_at"],
                run["step_began_at"],
                known[run["version_id"]],
                bool(data.get("moved")),
            )
        )
    loaded = load(session, asking, wanted, now, persons=persons, business=business)
    return {one["id"]: facts for one, facts in zip(asked, loaded, strict=True)}
