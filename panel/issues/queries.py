"""Reads about issues."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.issues.models import Issue


def open_issues(session: Session) -> dict[str, int]:
    """Count open issues by severity: {"error": 2, "warning": 1}."""
    rows = session.execute(select(Issue.severity, func.count()).where(Issue.state == "open").group_by(Issue.severity))
    return {severity: count for severity, count in rows}
