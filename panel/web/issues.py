"""Issues in words and in number, for every page that shows them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime

from panel.calendars import show_day, show_moment
from panel.i18n import current_language, translate
from panel.issues.models import Issue
from panel.web.filters import isolate
from panel.web.preferences import current_reader

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*[+-]\d\d:\d\d")


def issue_words(issue: Issue, language: str | None = None) -> str:
    """An issue in the reader's language; names in another script keep their place inside the sentence."""
    language = language or current_language()
    try:
        params = {name: _value(value, language) for name, value in issue.params.items()}
        return translate(language, issue.sentence, **params)
    except (KeyError, ValueError, TypeError):
        # Parameters that do not fit the sentence (an older version's, a plugin's) must not hide the issue.
        return issue.sentence


def _value(value: object, language: str) -> object:
    """A value as the reader writes it; days and moments are kept as ISO 8601 and shown by the reader's calendar."""
    if not isinstance(value, str):
        return value
    reader = replace(current_reader(), language=language)
    if _DAY.fullmatch(value):
        return isolate(show_day(date.fromisoformat(value), reader))
    if _MOMENT.fullmatch(value):
        return isolate(show_moment(datetime.fromisoformat(value), reader))
    return isolate(value)
