"""`task` and `notify`: what a journey asks of colleagues.

A run that waits for its task stands with a look once a day: closing the task wakes it in the same transaction, and if
that were ever lost the state of the task itself says that it may go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.journeys.engine.facts import zone_of
from panel.journeys.engine.lengths import add
from panel.journeys.engine.runs import Run
from panel.journeys.engine.verbs.changing import authors_of, filled_texts
from panel.journeys.models import Enrolment
from panel.staff.notices import NewNotice, notify_many, worded
from panel.staff.people import Directory
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_tasks, when_closed

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

LOOK_AGAIN = timedelta(days=1)


def task(batch: Batch, step: Step, group: list[Run]) -> None:
    """Give one task per run; with `wait_until_done` the run goes on when the task is closed."""
    fresh = [run for run in group if run.phase != "waiting"]
    _look_at_tasks(batch, [run for run in group if run.phase == "waiting"])
    if not fresh:
        return
    directory = Directory(batch.session)
    titles = filled_texts(batch, fresh, step["title"])
    texts = filled_texts(batch, fresh, step["text"] or "")
    zone, _ = zone_of({"time_zone": "company"}, None, batch.business)
    due = add(batch.now, step["due"], zone) if step["due"] else None
    who = directory.meant(step["for"] or fresh[0].program.resolved.get("owner"))
    tasks = [
        NewTask(
            contact_id=run.contact_id,
            title=titles[run.id] or step["title"],
            text=texts[run.id],
            who=who,
            due_at=due,
            remind_at=_remind_at(batch.now, due, step["remind"], zone),
            enrolment_id=run.id,
            journey_id=run.journey_id,
            step_id=run.step_id,
            is_awaited=step["wait_until_done"],
            dedupe_key=_key(run),
        )
        for run in fresh
    ]
    ids = create_tasks(batch.session, tasks, by=authors_of(fresh), now=batch.now, directory=directory)
    for run, id_ in zip(fresh, ids, strict=True):
        if step["wait_until_done"]:
            run.wait_until(batch.now + LOOK_AGAIN, kind="task", task=id_, due=due.isoformat() if due else None)
        else:
            run.finish("done", batch.now, task=id_, **({"asked_for": who.asked_for} if who.asked_for else {}))


def _key(run: Run) -> str:
    return f"enrolment:{run.id}:{run.seq}"


def _remind_at(
    now: datetime, due: datetime | None, before: Mapping[str, int] | None, zone: ZoneInfo
) -> datetime | None:
    if due is None or not before:
        return due
    return max(add(due, before, zone, -1), now)


def _look_at_tasks(batch: Batch, waiting: Sequence[Run]) -> None:
    """Go on where the task is closed. A task that vanished (the contact's data was cleared away) holds nobody."""
    keys = {_key(run): run for run in waiting}
    if not keys:
        return
    rows = batch.connection.execute(
        select(Task.dedupe_key, Task.id, Task.state, Task.outcome, Task.closed_by).where(Task.dedupe_key.in_(keys))
    )
    for key, id_, state, outcome, closed_by in rows:
        run = keys.pop(key or "")
        if state == "open":
            run.wait_until(batch.now + LOOK_AGAIN, **run.wait)
        else:
            reason = None if state == "done" else "task_cancelled"
            run.finish("done", batch.now, reason=reason, task=id_, result=outcome, closed_by=closed_by)
    for run in keys.values():
        run.finish("done", batch.now, reason="task_cancelled", task=run.wait.get("task"))


def notify(batch: Batch, step: Step, group: list[Run]) -> None:
    """Tell a colleague or a role, once per visit of the step."""
    directory = Directory(batch.session)
    meant = directory.meant(step["who"])
    texts = filled_texts(batch, group, step["text"])
    notices = []
    for run in group:
        sentence, params = worded(meant, texts[run.id])
        key = f"{_key(run)}:notice"
        notices.append(NewNotice(meant, sentence, params, "journey", run.contact_id, run.id, dedupe_key=key))
    notify_many(batch.session, notices, directory=directory, now=batch.now)
    for run in group:
        run.finish("done", batch.now, who=step["who"], users=directory.members(meant))


def wake_runs(session: Session, enrolment_ids: Sequence[int], now: datetime) -> None:
    """Let the runs that stand at these tasks look at once."""
    connection_of(session).execute(
        update(Enrolment)
        .where(Enrolment.id.in_(enrolment_ids), Enrolment.status == "active", Enrolment.phase == "waiting")
        .values(due_at=now)
    )


if wake_runs not in when_closed:
    when_closed.append(wake_runs)
