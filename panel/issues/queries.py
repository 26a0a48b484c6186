"""Reads about issues."""

from __future__ import annotations

from sqlalchemy import Select, func, select

from panel.issues.models import Issue


def open_query() -> Select[int]:
    """How many issues are open: a query of one number, for the frame of pages."""
    return select(func.count()).select_from(Issue).where(Issue.state == "open")
