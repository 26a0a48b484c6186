"""Journeys in a merge: every run is the kept contact's, nobody is in one place of a journey twice, nothing begins.

Where both stand in the same place of a journey, the run that is further along goes on and the other ends with what it
had planned: what the one has had already is not sent again for the other. Runs that are over count for the kept contact
as its own, so a journey that takes everybody once does not take the same person a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, delete, exists, insert, select, update
from sqlalchemy.orm import Session, aliased

from panel.contacts.merging import Merging
from panel.db import connection_of, rows_of, table_of
from panel.experiments.models import ExperimentAssignment
from panel.journeys.engine import audiences
from panel.journeys.engine.ending import end_runs
from panel.journeys.models import Enrolment, PlannedEntry, WaitingEntry
from panel.messages.models import Message
from panel.tasks.models import Task
from panel.timeline.models import Event

_OPEN = ("active", "held")
_PLACE = ("status", "reason", "step_id", "phase", "due_at", "held_issue", "ended_at")


@dataclass(frozen=True)
class Clash:
    """Both are inside: `goes_on` and `ends` are enrolment ids."""

    journey_id: str
    goes_on: int
    ends: int


def clashes(rows: Sequence[Any], kept_id: int) -> list[Clash]:
    """Where two open runs (`id, journey_id, entry_key, contact_id, seq, status`) would stand in one place. The one that
    has come further goes on; of two alike the kept contact's."""
    places: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        if row.status in _OPEN:
            places[(row.journey_id, row.entry_key)].append(row)
    found = []
    for (journey_id, _), both in sorted(places.items()):
        if len(both) == 2:
            first, second = sorted(both, key=lambda row: (-row.seq, row.contact_id != kept_id))
            found.append(Clash(journey_id, first.id, second.id))
    return found


def runs_of(session: Session, contact_ids: Sequence[int], *, lock: bool = False) -> list[Any]:
    query = (
        select(
            Enrolment.id, Enrolment.journey_id, Enrolment.entry_key, Enrolment.contact_id, Enrolment.seq,
            Enrolment.status, Enrolment.run_no,
        )
        .where(Enrolment.contact_id.in_(contact_ids))
        .order_by(Enrolment.id)
    )  # fmt: skip
    return list(connection_of(session).execute(query.with_for_update() if lock else query))


class JourneysPart:
    name = "journeys"

    def merge(self, session: Session, merging: Merging) -> dict[str, Any]:
        kept_id, merged_id = merging.kept_id, merging.merged_id
        # A worker that is at one of these runs finishes its step first, and what it planned is seen below.
        rows = runs_of(session, (kept_id, merged_id), lock=True)
        _take_from_workers(session, (kept_id, merged_id))
        ended = [_end(session, one.ends, merging) for one in clashes(rows, kept_id)]
        highest: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            if row.contact_id == kept_id:
                place = (row.journey_id, row.entry_key)
                highest[place] = max(highest[place], row.run_no)
        runs = [{"id": row.id, "run_no": row.run_no} for row in rows if row.contact_id == merged_id]
        for row in rows:
            if row.contact_id == merged_id:
                number = row.run_no + highest[(row.journey_id, row.entry_key)]
                _give_run(session, row.id, kept_id, number)
        return {
            "runs": runs,
            "ended": ended,
            "waiting": _take_waiting(session, kept_id, merged_id),
            "planned": _take_planned(session, kept_id, merged_id),
            "variants": _take_variants(session, kept_id, merged_id),
        }

    def part(self, session: Session, merging: Merging, before: Mapping[str, Any]) -> None:
        kept_id, merged_id = merging.kept_id, merging.merged_id
        runs_of(session, (kept_id, merged_id), lock=True)
        _take_from_workers(session, (kept_id,))
        for run in before["runs"]:
            _give_run(session, run["id"], merged_id, run["run_no"], of=kept_id)
        for run in before["ended"]:
            _begin_again(session, run, merging)
        _return_waiting(session, kept_id, merged_id, before["waiting"])
        _return_planned(session, kept_id, merged_id, before["planned"])
        for journey_id, split_id, number in before["variants"]:
            _give_variant(session, journey_id, split_id, number, kept_id, merged_id)

    def settle(self, session: Session, merging: Merging) -> None:
        """What is watched is asked again about both, quietly: a condition that has become true because two cards are
        one (or two again) is nobody's doing and starts nothing."""
        audiences.ask_again_quietly(session, {merging.kept_id, merging.merged_id}, merging.at)


def _take_from_workers(session: Session, contact_ids: Sequence[int]) -> None:
    """A message that a worker has claimed and not yet marked goes back into the row: it was written for a card that is
    no longer shown. What is on the wire stays with its worker."""
    connection_of(session).execute(
        update(Message)
        .where(Message.contact_id.in_(contact_ids), Message.status == "claimed")
        .values(status="queued", attempt_token=None, lease_until=None)
    )


def _end(session: Session, run_id: int, merging: Merging) -> dict[str, Any]:
    """End a run; what it was, so that it can go on as if nothing had been."""
    run = rows_of(session, select(table_of(Enrolment)).where(Enrolment.id == run_id))[0]
    messages = connection_of(session).execute(
        select(Message.id, Message.status, Message.reason).where(
            Message.enrolment_id == run_id, Message.status.in_(("queued", "held"))
        )
    )
    stored = [{"id": id_, "status": status, "reason": reason} for id_, status, reason in messages]
    query = select(Task.id).where(Task.enrolment_id == run_id, Task.state == "open", Task.is_awaited)
    tasks = list(connection_of(session).execute(query).scalars())
    end_runs(session, [run_id], "removed", "contact_merged", merging.at, user_id=merging.by.user_id)
    connection_of(session).execute(
        update(Message)
        .where(Message.enrolment_id == run_id, Message.status == "held")
        .values(status="cancelled", reason="stopped")
    )
    place = {name: run[name].isoformat() if isinstance(run[name], datetime) else run[name] for name in _PLACE}
    return {"id": run_id, "place": place, "messages": stored, "tasks": tasks}


def _begin_again(session: Session, stored: Mapping[str, Any], merging: Merging) -> None:
    """The run goes on where it stood, unless somebody else has its place by now."""
    connection = connection_of(session)
    run = connection.execute(
        select(
            Enrolment.journey_id, Enrolment.contact_id, Enrolment.entry_key, Enrolment.reason, Enrolment.ended_at
        ).where(Enrolment.id == stored["id"])
    ).first()
    if run is None or run.reason != "contact_merged":
        return
    taken = connection.execute(
        select(Enrolment.id).where(
            Enrolment.journey_id == run.journey_id,
            Enrolment.contact_id == run.contact_id,
            Enrolment.entry_key == run.entry_key,
            Enrolment.status.in_(_OPEN),
        )
    ).first()
    if taken is not None:
        return
    place = dict(stored["place"])
    for name in ("due_at", "ended_at"):
        place[name] = datetime.fromisoformat(place[name]) if place[name] else None
    both = Event.contact_id.in_((merging.kept_id, merging.merged_id))
    since = select(Event.id).where(both, Event.received_at > run.ended_at).limit(1)
    if place["status"] == "active" and connection.execute(since).first() is not None:
        # Nobody woke it while it was over: what it waited for, its message's end too, may have come.
        place["due_at"] = merging.at
    connection.execute(update(Enrolment).where(Enrolment.id == stored["id"]).values(**place))
    for one in stored["messages"]:
        connection.execute(
            update(Message)
            .where(Message.id == one["id"], Message.status == "cancelled")
            .values(status=one["status"], reason=one["reason"])
        )
    if stored["tasks"]:
        connection.execute(
            update(Task)
            .where(Task.id.in_(stored["tasks"]), Task.state == "cancelled", Task.outcome == "contact_merged")
            .values(state="open", outcome="", closed_at=None, closed_by=None)
        )


def _give_run(session: Session, id_: int, contact_id: int, number: int, of: int | None = None) -> None:
    mine = Enrolment.id == id_ if of is None else and_(Enrolment.id == id_, Enrolment.contact_id == of)
    connection_of(session).execute(update(Enrolment).where(mine).values(contact_id=contact_id, run_no=number))


def _take_waiting(session: Session, kept_id: int, merged_id: int) -> dict[str, Any]:
    """Starts that wait for their turn. One that would come a second time for the same place is taken out of the row."""
    other = aliased(WaitingEntry)
    twice = exists().where(
        other.contact_id == kept_id,
        other.journey_id == WaitingEntry.journey_id,
        other.entry_key == WaitingEntry.entry_key,
    )
    connection = connection_of(session)
    rows = rows_of(session, select(table_of(WaitingEntry)).where(WaitingEntry.contact_id == merged_id, twice))
    dropped = [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows
    ]
    connection.execute(delete(WaitingEntry).where(WaitingEntry.id.in_([row["id"] for row in rows])))
    moved = connection.execute(
        update(WaitingEntry)
        .where(WaitingEntry.contact_id == merged_id)
        .values(contact_id=kept_id)
        .returning(WaitingEntry.id)
    )
    return {"moved": sorted(moved.scalars()), "dropped": dropped}


def _return_waiting(session: Session, kept_id: int, merged_id: int, before: Mapping[str, Any]) -> None:
    connection = connection_of(session)
    connection.execute(
        update(WaitingEntry)
        .where(WaitingEntry.id.in_(before["moved"]), WaitingEntry.contact_id == kept_id)
        .values(contact_id=merged_id)
    )
    for row in before["dropped"]:
        times = {name: datetime.fromisoformat(row[name]) for name in ("waits_since", "due_at")}
        connection.execute(insert(WaitingEntry).values(**{**row, **times}))


def _take_planned(session: Session, kept_id: int, merged_id: int) -> dict[str, Any]:
    """Entries that a date has planned. What was done for the one is done for both."""
    other = aliased(PlannedEntry)
    same = and_(
        other.journey_id == PlannedEntry.journey_id,
        other.rule == PlannedEntry.rule,
        other.occurrence == PlannedEntry.occurrence,
    )
    connection = connection_of(session)
    done = select(other.done_at).where(other.contact_id == merged_id, same).correlate(PlannedEntry).scalar_subquery()
    had = exists().where(other.contact_id == merged_id, same, other.done_at.is_not(None)).correlate(PlannedEntry)
    names = (PlannedEntry.journey_id, PlannedEntry.rule, PlannedEntry.occurrence)
    closed = connection.execute(
        update(PlannedEntry)
        .where(PlannedEntry.contact_id == kept_id, PlannedEntry.done_at.is_(None), had)
        .values(done_at=done)
        .returning(*names)
    ).all()
    twice = exists().where(other.contact_id == kept_id, same).correlate(PlannedEntry)
    moved = connection.execute(
        update(PlannedEntry)
        .where(PlannedEntry.contact_id == merged_id, ~twice)
        .values(contact_id=kept_id)
        .returning(*names)
    ).all()
    return {
        "closed": [[journey_id, rule, day.isoformat()] for journey_id, rule, day in closed],
        "moved": [[journey_id, rule, day.isoformat()] for journey_id, rule, day in moved],
    }


def _return_planned(session: Session, kept_id: int, merged_id: int, before: Mapping[str, Any]) -> None:
    for what, values in (("moved", {"contact_id": merged_id}), ("closed", {"done_at": None})):
        for journey_id, rule, day in before[what]:
            connection_of(session).execute(
                update(PlannedEntry)
                .where(
                    PlannedEntry.journey_id == journey_id,
                    PlannedEntry.rule == rule,
                    PlannedEntry.contact_id == kept_id,
                    PlannedEntry.occurrence == date.fromisoformat(day),
                )
                .values(**values)
            )


def _take_variants(session: Session, kept_id: int, merged_id: int) -> list[list[Any]]:
    """Which variant of a test the kept contact is given: its own, else what the other one was given."""
    other = aliased(ExperimentAssignment)
    has = exists().where(
        other.contact_id == kept_id,
        other.journey_id == ExperimentAssignment.journey_id,
        other.split_id == ExperimentAssignment.split_id,
        other.round == ExperimentAssignment.round,
    )
    moved = connection_of(session).execute(
        update(ExperimentAssignment)
        .where(ExperimentAssignment.contact_id == merged_id, ~has.correlate(ExperimentAssignment))
        .values(contact_id=kept_id)
        .returning(ExperimentAssignment.journey_id, ExperimentAssignment.split_id, ExperimentAssignment.round)
    )
    return [list(row) for row in moved]


def _give_variant(session: Session, journey_id: str, split_id: str, number: int, of: int, to: int) -> None:
    connection_of(session).execute(
        update(ExperimentAssignment)
        .where(
            ExperimentAssignment.journey_id == journey_id,
            ExperimentAssignment.split_id == split_id,
            ExperimentAssignment.round == number,
            ExperimentAssignment.contact_id == of,
        )
        .values(contact_id=to)
    )
