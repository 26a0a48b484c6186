"""Reads about issues."""

from __future__ import annotations

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from panel.issues.models import Issue


def open_issues(session: Session) -> dict[str, int]:
    """Count open issues by severity: {"error": 2, "warning": 1}."""
    rows = session.execute(select(Issue.severity, func.count()).where(Issue.state == "open").group_by(Issue.severity))
    return {severity: count for severity, count in rows}


def open_query() -> Select[int]:
    """How many issues are open: a query of one number, for the frame of pages."""
    return select(func.count()).select_from(Issue).where(Issue.state == "open")
