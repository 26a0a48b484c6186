"""The last check before the wire, in the transaction that commits `on_wire`: may this message go, now?

The contact's row is locked first, so two workers cannot both take the last place under a limit. Every answer has a
reason; "not now" says when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.db import connection_of, rows_of, table_of
from panel.journeys.engine.advance import stopped_by
from panel.journeys.engine.conditions import Facts, Needs, judge, needs
from panel.journeys.engine.facts import Asking, Company, Person, company, load, people, zone_of
from panel.journeys.engine.holidays import calendar_for
from panel.journeys.engine.hours import hours_for, next_open
from panel.journeys.engine.limits import first_over, limits_for, window_start
from panel.journeys.engine.programs import Program, programs
from panel.journeys.engine.reach import Reach, assess
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message

COUNTED = ("on_wire", "sent", "delivered", "bounced", "unknown")
NO_SETTINGS: dict[str, Any] = {"time_zone": "contact"}
Verdict = Literal["go", "wait", "skip", "cancel", "end"]


@dataclass(frozen=True)
class Decision:
    """`go`; `wait` until `not_before`; `skip` or `cancel` with a reason; `end` ends the run too (stopped, excluded)."""

    verdict: Verdict
    reason: str | None = None
    not_before: datetime | None = None
    address: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def lock_contacts(session: Session, contact_ids: Sequence[int]) -> None:
    """Lock in id order (no deadlock between workers); NO KEY UPDATE, so that others may still refer to the contact."""
    connection_of(session).execute(
        select(Contact.id).where(Contact.id.in_(contact_ids)).order_by(Contact.id).with_for_update(key_share=True)
    )


def decide(session: Session, messages: Sequence[Mapping[str, Any]], now: datetime) -> dict[int, Decision]:
    """Decide for messages of one channel, each of another contact. The contacts are locked already."""
    channel = messages[0]["channel"]
    persons = people(session, {one["contact_id"] for one in messages})
    business = company(session)
    runs = _runs(session, [one["enrolment_id"] for one in messages if one["enrolment_id"]])
    known = programs(session, {run["version_id"] for run in runs.values()})
    states = _states(session, {one["journey_id"] for one in messages if one["journey_id"]})
    facts = _facts(session, messages, runs, known, now, persons, business)
    reach: dict[str, dict[int, Reach]] = {}
    for purpose in {one["purpose"] for one in messages}:
        ids = [one["contact_id"] for one in messages if one["purpose"] == purpose]
        reach[purpose] = assess(session, ids, channel, purpose)
        other = {one["contact_id"]: one["address"] for one in messages if one["rules"].get("to")}
        if other:  # `to:` in the send step: the address was chosen when the message was planned
            reach[purpose] |= assess(session, list(other), channel, purpose, at=other)
    undecided: list[tuple[Mapping[str, Any], Mapping[str, Any], Any]] = []
    decisions: dict[int, Decision] = {}
    for one in messages:
        run = runs.get(one["enrolment_id"]) if one["enrolment_id"] else None
        program = known.get(run["version_id"]) if run else None
        early = _about_the_run(one, run, program, states, facts.get(one["id"]), now)
        early = early or _about_the_contact(one, persons.get(one["contact_id"]), reach[one["purpose"]], now)
        if early is not None:
            decisions[one["id"]] = early
            continue
        settings = program.settings if program else NO_SETTINGS
        zone, zone_from = zone_of(settings, persons.get(one["contact_id"]), business)
        late = _about_the_hour(one, settings, zone, zone_from, business, now)
        if late is not None:
            decisions[one["id"]] = late
        else:
            undecided.append((one, settings, zone))
    address = {one["id"]: reach[one["purpose"]][one["contact_id"]].address for one in messages}
    for id_, decision in _about_limits(session, undecided, channel, now).items():
        decisions[id_] = decision or Decision("go", address=address[id_])
    return decisions


def decide_calls(session: Session, messages: Sequence[Mapping[str, Any]], now: datetime) -> dict[int, Decision]:
    """The same for the calls of journeys: the run must still want them; hours, limits and consent are for messages."""
    persons = people(session, {one["contact_id"] for one in messages})
    runs = _runs(session, [one["enrolment_id"] for one in messages if one["enrolment_id"]])
    known = programs(session, {run["version_id"] for run in runs.values()})
    states = _states(session, {one["journey_id"] for one in messages if one["journey_id"]})
    facts = _facts(session, messages, runs, known, now, persons, company(session))
    decisions = {}
    for one in messages:
        run = runs.get(one["enrolment_id"])
        program = known.get(run["version_id"]) if run else None
        early = _about_the_run(one, run, program, states, facts.get(one["id"]), now)
        decisions[one["id"]] = early or Decision("go")
    return decisions


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
    stopped = stopped_by(program, facts)
    if stopped is not None:
        return Decision("end", "stopped", detail=stopped)
    if program.resolved.get("exclude_if"):
        tree = judge(program.resolved["exclude_if"], facts)
        if tree["result"]:
            return Decision("end", "excluded", detail={"condition": tree})
    return None


def _about_the_contact(
    one: Mapping[str, Any], person: Person | None, reach: Mapping[int, Reach], now: datetime
) -> Decision | None:
    if person is None or person.erased_at is not None:
        return Decision("cancel", "contact_erased")
    if one["expires_at"] is not None and now > one["expires_at"]:
        return Decision("skip", "skipped_too_late", detail={"expired_at": one["expires_at"].isoformat()})
    reason = reach[one["contact_id"]].reason
    return Decision("skip", reason) if reason else None


def _about_the_hour(
    one: Mapping[str, Any],
    settings: Mapping[str, Any],
    zone: Any,
    zone_from: str,
    business: Company,
    now: datetime,
) -> Decision | None:
    hours = hours_for(settings, one["channel"], one["rules"].get("send_hours"))
    opens = next_open(hours, now, zone, calendar_for((hours or {}).get("calendar"), business.country))
    if opens is not None and opens <= now:
        return None
    if opens is None or (hours or {}).get("outside") == "skip":
        return Decision("skip", "skipped_hours", detail={"hours": dict(hours or {}), "zone": str(zone)})
    return Decision(
        "wait", "postponed_hours", opens, detail={"hours": dict(hours or {}), "zone": str(zone), "zone_from": zone_from}
    )


def _about_limits(
    session: Session,
    undecided: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], Any]],
    channel: str,
    now: datetime,
) -> dict[int, Decision | None]:
    found: dict[int, Decision | None] = {one["id"]: None for one, _, _ in undecided}
    limited = []
    for one, settings, zone in undecided:
        limits = limits_for(settings, channel)
        free = one["purpose"] == "service" and one["rules"].get("ignore_limits")
        if limits and not free:
            limited.append((one, settings, zone, limits))
    if not limited:
        return found
    start = min(window_start(limit, now, zone) for _, _, zone, limits in limited for limit, _ in limits)
    sent = _sent(session, [one["contact_id"] for one, *_ in limited], start)
    for one, settings, zone, limits in limited:
        over = first_over(limits, sent.get(one["contact_id"], ()), channel, now, zone)
        if over is None:
            continue
        detail = {"limit": dict(over.limit), "free_at": over.free_at.isoformat()}
        if (settings.get("limits") or {}).get("when_over") == "skip":
            found[one["id"]] = Decision("skip", "skipped_limit", detail=detail)
        else:
            found[one["id"]] = Decision(
                "wait", "postponed_limit", max(over.free_at, now + timedelta(seconds=1)), detail=detail
            )
    return found


def _sent(session: Session, contact_ids: Sequence[int], since: datetime) -> dict[int, list[tuple[str, datetime]]]:
    found: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    query = select(Message.contact_id, Message.channel, Message.wire_at).where(
        Message.contact_id.in_(contact_ids),
        Message.wire_at >= since,
        Message.status.in_(COUNTED),
        Message.kind == "message",
    )
    for contact_id, channel, at in connection_of(session).execute(query):
        if at is not None:
            found[contact_id].append((channel, at))
    return found


def _runs(session: Session, enrolment_ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    if not enrolment_ids:
        return {}
    query = select(table_of(Enrolment)).where(Enrolment.id.in_(enrolment_ids))
    return {row["id"]: row for row in rows_of(session, query)}


def _states(session: Session, journey_ids: set[str]) -> dict[str, str]:
    rows = connection_of(session).execute(select(Journey.id, Journey.state).where(Journey.id.in_(journey_ids)))
    return {row.id: row.state for row in rows}


def _facts(
    session: Session,
    messages: Sequence[Mapping[str, Any]],
    runs: Mapping[int, Mapping[str, Any]],
    known: Mapping[int, Program],
    now: datetime,
    persons: Mapping[int, Person],
    business: Company,
) -> dict[int, Facts]:
    """What exclude_if and stop_when look at, for the messages that have a run."""
    wanted = Needs()
    for program in known.values():
        wanted.add(needs(program.resolved.get("exclude_if")))
        wanted.add(Needs(kinds={trigger.kind for trigger in program.stops}))
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
            )
        )
    loaded = load(session, asking, wanted, now, persons=persons, business=business)
    return {one["id"]: facts for one, facts in zip(asked, loaded, strict=True)}
