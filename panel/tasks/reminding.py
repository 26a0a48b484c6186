"""Reminders: whoever has a task is told when it is time, once. Called from what time alone brings about (`plan`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.db import connection_of, rows_of, table_of
from panel.i18n import N_
from panel.staff.notices import NewNotice, notify_many
from panel.staff.people import Directory, Meant
from panel.tasks.mailing import tell_of_issues
from panel.tasks.models import Task
from panel.tasks.operations import assignee

BATCH = 500
ONE_BY_ONE = 5  # more reminders at the same moment for the same hands are told in one line


def remind_due(session: Session, now: datetime) -> int:
    """Give the reminders that are due (up to 500); how many tasks they were about."""
    query = (
        select(table_of(Task))
        .where(Task.state == "open", Task.reminded_at.is_(None), Task.remind_at <= now)
        .order_by(Task.remind_at, Task.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = rows_of(session, query)
    tell_of_issues(session, now)
    if not rows:
        return 0
    connection_of(session).execute(update(Task).where(Task.id.in_([row["id"] for row in rows])).values(reminded_at=now))
    by_hands: dict[Meant, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_hands[assignee(row)].append(row)
    notices = [one for who, mine in by_hands.items() for one in _words(who, mine, now)]
    notify_many(session, notices, directory=Directory(session), now=now)
    return len(rows)


def _words(who: Meant, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[NewNotice]:
    if len(rows) > ONE_BY_ONE:
        key = f"reminders:{now.isoformat()}:{who.role or ''}"
        return [NewNotice(who, N_("%(n)s tasks are due"), {"n": len(rows)}, "reminder", dedupe_key=key)]
    return [
        NewNotice(
            who,
            N_("Reminder: %(title)s"),
            {"title": row["title"]},
            "reminder",
            row["contact_id"],
            row["enrolment_id"],
            row["id"],
            f"reminder:{row['id']}:{row['remind_at'].isoformat()}",
        )
        for row in rows
    ]
