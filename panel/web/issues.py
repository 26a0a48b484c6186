"""Issues in words and in number, for every page that shows them."""

from __future__ import annotations

from flask import g

from panel.db import db
from panel.i18n import current_language, translate
from panel.issues.models import Issue
from panel.issues.queries import open_issues
from panel.web.filters import isolate


def issue_words(issue: Issue, language: str | None = None) -> str:
    """An issue in the reader's language; names in another script keep their place inside the sentence."""
    try:
        params = {name: isolate(value) if isinstance(value, str) else value for name, value in issue.params.items()}
        return translate(language or current_language(), issue.sentence, **params)
    except (KeyError, ValueError, TypeError):
        # Parameters that do not fit the sentence (an older version's, a plugin's) must not hide the issue.
        return issue.sentence


def open_count() -> int:
    """How many issues are open; asked once per request, though the bar and the menu both show it."""
    if "open_issues" not in g:
        g.open_issues = sum(open_issues(db.session()).values())
    return int(g.open_issues)
