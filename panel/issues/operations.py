"""Issues: telling people that something needs them, once, and taking it back when the cause is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
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
    issue = session.scalars(select(Issue).where(Issue.key == key)).first()
    if issue is None:
        issue = Issue(key=key, code=code, sentence=sentence, first_seen=now, last_seen=now, count=0)
        session.add(issue)
    issue.code, issue.sentence, issue.params, issue.severity = code, sentence, params or {}, severity
    issue.journey_id, issue.step_id = journey_id, step_id
    issue.last_seen, issue.count = now, issue.count + 1
    if issue.state != "ignored":
        issue.state = "open"
    session.flush()
    return issue


def resolve_issue(session: Session, key: str) -> None:
    """The cause is gone: close the issue of this key, if there is one."""
    issue = session.scalars(select(Issue).where(Issue.key == key, Issue.state == "open")).first()
    if issue is not None:
        issue.state = "resolved"
