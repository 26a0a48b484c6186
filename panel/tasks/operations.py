"""Writes about tasks: giving, closing, handing over, putting off. Each works on any number; none commits.

Every change says who made it: on the timeline of the contact, and in the task itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.origin import PANEL, Authors, By, event_by
from panel.contacts.values import clean, clean_free
from panel.db import connection_of, next_ids, rows_of, table_of
from panel.errors import UserError
from panel.i18n import N_
from panel.staff.models import Notice, User
from panel.staff.notices import NewNotice, notify_many
from panel.staff.people import OWNERS, Directory, Meant
from panel.tasks.models import Task
from panel.timeline.operations import record_many

MAX_TITLE = 300
CHUNK = 500
Row = Mapping[str, Any]

# What must happen in the same transaction when a task that a run stands at is closed; journeys put their waking here.
when_closed: list[Callable[[Session, Sequence[int], datetime], None]] = []


@dataclass(frozen=True)
class NewTask:
    """A task to give. `who` is whom it is for (see `staff.people`), `remind_at` defaults to the time it is due."""

    contact_id: int
    title: str
    text: str = ""
    who: Meant = OWNERS
    due_at: datetime | None = None
    remind_at: datetime | None = None
    enrolment_id: int | None = None
    journey_id: str | None = None
    step_id: str | None = None
    is_awaited: bool = False
    dedupe_key: str | None = None


def create_task(session: Session, task: NewTask, *, by: By = PANEL, now: datetime | None = None) -> int | None:
    """Give one task; its id, or None when the same one (`dedupe_key`) is there already."""
    return create_tasks(session, [task], by=by, now=now)[0]


def create_tasks(
    session: Session,
    tasks: Sequence[NewTask],
    *,
    by: Authors = PANEL,
    now: datetime | None = None,
    directory: Directory | None = None,
) -> list[int | None]:
    """Give many tasks at once: their ids in order, None for a repeat. Raises UserError for one without a title.

    Each is told to whoever it is for, except to the person who gives it; many tasks of one step of a journey are told
    once a day.
    """
    if not tasks:
        return []
    at = now or clock.now()
    directory = directory or Directory(session)
    connection = connection_of(session)
    ids = next_ids(connection, "tasks", len(tasks))
    authors = [by if isinstance(by, By) else by.get(one.contact_id, PANEL) for one in tasks]
    rows = [_row(id_, one, author, at) for id_, one, author in zip(ids, tasks, authors, strict=True)]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Task).on_conflict_do_nothing(index_elements=["dedupe_key"]).returning(Task.id)
    stored: set[int] = set()
    for start in range(0, len(rows), CHUNK):
        stored.update(connection.execute(statement, rows[start : start + CHUNK]).scalars())
    new = [row for row in rows if row["id"] in stored]
    whom = {id_: one.who for id_, one in zip(ids, tasks, strict=True)}
    record_many(
        session,
        [
            event_by(by, row["contact_id"], "task_created", at, {
                "task_id": row["id"], "title": row["title"], "who": shown(whom[row["id"]], directory),
                "due": row["due_at"].isoformat() if row["due_at"] else None,
            })
            for row in new
        ],
    )  # fmt: skip
    _tell(session, new, whom, directory, at)
    return [id_ if id_ in stored else None for id_ in ids]


def complete(
    session: Session, task_ids: Collection[int], *, outcome: str = "", by: By = PANEL, now: datetime | None = None
) -> list[int]:
    """Tasks are done; returns those that were still open. `outcome` says how it went."""
    return _close(session, task_ids, "done", outcome, by, now)


def cancel(
    session: Session, task_ids: Collection[int], *, reason: str = "", by: By = PANEL, now: datetime | None = None
) -> list[int]:
    """Tasks are not needed any more; returns those that were still open."""
    return _close(session, task_ids, "cancelled", reason, by, now)


def reopen(session: Session, task_ids: Collection[int], *, by: By = PANEL, now: datetime | None = None) -> list[int]:
    """Undo a closing; returns those that were closed. A run that already went on does not come back."""
    at = now or clock.now()
    rows = _locked(session, task_ids, ("done", "cancelled"))
    _set(session, rows, state="open", outcome="", closed_at=None, closed_by=None)
    _record(session, rows, "task_reopened", by, at)
    return [row["id"] for row in rows]


def assign(
    session: Session, task_ids: Collection[int], who: Meant, *, by: By = PANEL, now: datetime | None = None
) -> list[int]:
    """Hand open tasks over to a colleague or a role; returns those that changed hands. The new hands are told."""
    at = now or clock.now()
    directory = Directory(session)
    if not directory.members(who):
        raise UserError("assignee_unknown", N_("There is no such colleague"))
    same = (who.user_id, who.role if who.user_id is None else None)
    rows = [row for row in _locked(session, task_ids, ("open",)) if (row["assignee_id"], row["assignee_role"]) != same]
    _set(session, rows, assignee_id=same[0], assignee_role=same[1], asked_for=who.asked_for)
    _record(session, rows, "task_assigned", by, at, who=shown(who, directory))
    # Handed over again later: told again.
    keyed = [{**row, "created_by": by.user_id, "journey_id": None} for row in rows]
    _tell(session, keyed, dict.fromkeys((row["id"] for row in rows), who), directory, at, again=at)
    return [row["id"] for row in rows]


def hand_to_owners(session: Session, user: User, *, by: By = PANEL, now: datetime | None = None) -> list[int]:
    """What a colleague who may not log in any more has left open, handed to the owners: else nobody would see it, and
    a journey that waits for it would wait for ever."""
    left = session.scalars(select(Task.id).where(Task.assignee_id == user.id, Task.state == "open")).all()
    return assign(session, left, replace(OWNERS, asked_for=user.name or user.email), by=by, now=now) if left else []


def snooze(
    session: Session, task_ids: Collection[int], until: datetime, *, by: By = PANEL, now: datetime | None = None
) -> list[int]:
    """Put open tasks off: they come back, with a reminder, at `until`."""
    at = now or clock.now()
    if until <= at:
        raise UserError("snooze_in_the_past", N_("Choose a time that is still to come."))
    rows = _locked(session, task_ids, ("open",))
    _set(session, rows, snoozed_until=until, remind_at=until, reminded_at=None)
    _record(session, rows, "task_put_off", by, at, until=until.isoformat())
    return [row["id"] for row in rows]


@dataclass(frozen=True)
class Before:
    """How a task stood before it was put off or handed over, and how it stood after that."""

    task_id: int
    was: Mapping[str, Any]
    left: Mapping[str, Any]


def before(session: Session, task_ids: Collection[int], what: str) -> dict[int, dict[str, Any]]:
    """What `snooze` or `assign` is about to change of open tasks, by task; plain data (moments as text)."""
    return {row["id"]: _plain(row, what) for row in _locked(session, task_ids, ("open",))}


def put_back(
    session: Session, kept: Sequence[Before], what: str, *, by: By = PANEL, now: datetime | None = None
) -> list[int]:
    """Undo `snooze` or `assign` (`what`) for tasks to which nothing has happened since; those that are back.

    Hands that got a task and lose it again need not be told of it any more.
    """
    at = now or clock.now()
    wanted = {one.task_id: one for one in kept}
    rows = [row for row in _locked(session, wanted, ("open",)) if _plain(row, what) == wanted[row["id"]].left]
    for row in rows:
        was = wanted[row["id"]].was
        values = {
            name: datetime.fromisoformat(was[name]) if was[name] and name in _MOMENTS else was[name] for name in was
        }
        _set(session, [row], **values)
    _record(session, rows, "task_as_before", by, at)
    if what == "assign":
        mine = update(Notice).where(Notice.task_id.in_([row["id"] for row in rows]), Notice.kind == "task")
        connection_of(session).execute(mine.where(Notice.read_at.is_(None)).values(read_at=at))
    return [row["id"] for row in rows]


_CHANGED = {
    "snooze": ("snoozed_until", "remind_at", "reminded_at"),
    "assign": ("assignee_id", "assignee_role", "asked_for"),
}
_MOMENTS = _CHANGED["snooze"]


def _plain(row: Row, what: str) -> dict[str, Any]:
    return {name: row[name].isoformat() if isinstance(row[name], datetime) else row[name] for name in _CHANGED[what]}


def cancel_awaited(session: Session, enrolment_ids: Collection[int], reason: str, now: datetime) -> list[int]:
    """Runs have ended early: the open tasks at which they stood are taken back, and their owners are told why.

    Tasks that a run did not wait for were handed over for good, like a message that has gone; they stay.
    """
    query = select(Task.id).where(Task.enrolment_id.in_(enrolment_ids), Task.state == "open", Task.is_awaited)
    found = list(connection_of(session).execute(query).scalars())
    if not found:
        return []
    # A task that a colleague is changing at this moment is left to them: closing it locks task and run the other way
    # round.
    rows = _locked(session, found, ("open",), skip_locked=True)
    _set(session, rows, state="cancelled", outcome=reason, closed_at=now, closed_by=None)
    _record(session, rows, "task_cancelled", By("journeys", starts_journeys=False), now, reason=reason)
    notify_many(
        session,
        [
            NewNotice(
                assignee(row),
                N_("Taken back, the journey has ended: %(title)s"),
                {"title": row["title"]},
                "task_cancelled",
                row["contact_id"],
                row["enrolment_id"],
                row["id"],
                f"task_cancelled:{row['id']}",
            )
            for row in rows
        ],
        now=now,
    )
    return [row["id"] for row in rows]


def assignee(row: Row) -> Meant:
    """Whom a stored task is for."""
    return Meant(row["assignee_id"], None if row["assignee_id"] else row["assignee_role"] or OWNERS.role)


def shown(who: Meant, directory: Directory) -> str:
    """The assignee as a word for the timeline: a colleague's name, or the identity of a role."""
    one = directory.everybody.get(who.user_id or 0)
    return one.shown if one is not None else who.role or ""


def _row(id_: int, one: NewTask, author: By, at: datetime) -> dict[str, Any]:
    title = " ".join(clean(one.title).split())[:MAX_TITLE]
    if not title:
        raise UserError("task_without_title", N_("Say what is to be done."))
    return {
        "id": id_,
        "contact_id": one.contact_id,
        "title": title,
        "text": clean_free(one.text),
        "assignee_id": one.who.user_id,
        "assignee_role": one.who.role if one.who.user_id is None else None,
        "asked_for": one.who.asked_for,
        "due_at": one.due_at,
        "remind_at": one.remind_at or one.due_at,
        "state": "open",
        "outcome": "",
        "created_at": at,
        "created_by": author.user_id,
        "enrolment_id": one.enrolment_id,
        "journey_id": one.journey_id,
        "step_id": one.step_id,
        "is_awaited": one.is_awaited,
        "dedupe_key": one.dedupe_key,
    }


def _tell(
    session: Session,
    rows: Sequence[Row],
    whom: Mapping[int, Meant],
    directory: Directory,
    at: datetime,
    again: datetime | None = None,
) -> None:
    """Tell the assignees of new tasks."""
    told = []
    for row in rows:
        who = whom[row["id"]]
        if row["created_by"] is not None and directory.members(who) == [row["created_by"]]:
            continue
        key = f"task:{row['id']}:{again.isoformat() if again else ''}"
        if row["journey_id"]:
            key = f"tasks:{row['journey_id']}:{row['step_id']}:{at.date().isoformat()}"
        params = {"title": row["title"], "name": row["asked_for"]}
        sentence = N_("New task: %(title)s")
        if who.asked_for:
            sentence = N_("New task: %(title)s (for %(name)s, whom nobody here is called)")
        told.append(NewNotice(who, sentence, params, "task", row["contact_id"], row["enrolment_id"], row["id"], key))
    notify_many(session, told, directory=directory, now=at)


def _close(
    session: Session, task_ids: Collection[int], state: str, outcome: str, by: By, now: datetime | None
) -> list[int]:
    at = now or clock.now()
    rows = _locked(session, task_ids, ("open",))
    outcome = clean_free(outcome)
    _set(session, rows, state=state, outcome=outcome, closed_at=at, closed_by=by.user_id, snoozed_until=None)
    words = {"outcome": outcome} if state == "done" else {"reason": outcome}
    _record(session, rows, f"task_{state}", by, at, **words)
    runs = [row["enrolment_id"] for row in rows if row["is_awaited"] and row["enrolment_id"] is not None]
    if runs:
        for wake in when_closed:
            wake(session, runs, at)
    return [row["id"] for row in rows]


def _locked(
    session: Session, task_ids: Collection[int], states: Collection[str], *, skip_locked: bool = False
) -> list[dict[str, Any]]:
    query = select(table_of(Task)).where(Task.id.in_(task_ids), Task.state.in_(states)).order_by(Task.id)
    return rows_of(session, query.with_for_update(skip_locked=skip_locked))


def _set(session: Session, rows: Sequence[Row], **values: Any) -> None:
    if rows:
        connection_of(session).execute(update(Task).where(Task.id.in_([row["id"] for row in rows])).values(**values))


def _record(session: Session, rows: Sequence[Row], kind: str, by: By, at: datetime, **more: Any) -> None:
    record_many(
        session,
        [
            event_by(by, row["contact_id"], kind, at, {"task_id": row["id"], "title": row["title"], **more})
            for row in rows
        ],
    )
