"""Issues in words and in number, for every page that shows them."""

from __future__ import annotations

from panel.i18n import current_language, translate
from panel.issues.models import Issue
from panel.web.filters import isolate


def issue_words(issue: Issue, language: str | None = None) -> str:
    """An issue in the reader's language; names in another script keep their place inside the sentence."""
    try:
        params = {name: isolate(value) if isinstance(value, str) else value for name, value in issue.params.items()}
        return translate(language or current_language(), issue.sentence, **params)
    except (KeyError, ValueError, TypeError):
        # Parameters that do not fit the sentence (an older version's, a plugin's) must not hide the issue.
        return issue.sentence
