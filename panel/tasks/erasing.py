"""A contact is erased: what tasks say about them goes too."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.tasks.models import Task


def forget_tasks(session: Session, contact_ids: Collection[int], now: datetime) -> None:
    """Empty the texts of these contacts' tasks, and take back the open ones; that there was a task stays."""
    connection = connection_of(session)
    mine = Task.contact_id.in_(contact_ids)
    connection.execute(update(Task).where(mine, Task.state == "open").values(state="cancelled", closed_at=now))
    connection.execute(update(Task).where(mine).values(title="", text="", outcome=""))
