"""Issues: telling people that something needs them, once, and taking it back when the cause is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.issues.models import Issue


def raise_issue(
    session: Session,
    key: str,
    *,
    code: str,
    sentence: str,
    params: dict[str, Any] | None = None,
    severity: str = "error",
    journey_id: str | None = None,
    step_id: str | None = None,
    now: datetime | None = None,
) -> Issue:
    """Tell people that something needs them. The same key again counts up and reopens instead of piling up.

    `sentence` is an English msgid marked with N_, filled from `params` in the reader's language.
    """
    now = now or clock.now()
    values: dict[str, Any] = {
        "code": code,
        "sentence": sentence,
        "params": params or {},
        "severity": severity,
        "journey_id": journey_id,
        "step_id": step_id,
        "last_seen": now,
    }
    # Several workers meet the same trouble at the same moment: one statement, so that none of them fails for it.
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.flush()
    session.execute(
        dialect.insert(Issue)
        .values(key=key, first_seen=now, count=1, state="open", **values)
        .on_conflict_do_update(
            index_elements=[Issue.key],
            set_={
                **values,
                "count": Issue.count + 1,
                "state": case((Issue.state == "ignored", "ignored"), else_="open"),
            },
        )
    )
    return session.scalars(select(Issue).where(Issue.key == key).execution_options(populate_existing=True)).one()


def is_open(session: Session, key: str) -> bool:
    return session.scalar(select(Issue.id).where(Issue.key == key, Issue.state == "open")) is not None


def resolve_issue(session: Session, key: str) -> None:
    """The cause is gone: close the issue of this key, if there is one."""
    issue = session.scalars(select(Issue).where(Issue.key == key, Issue.state == "open")).first()
    if issue is not None:
        issue.state = "resolved"
