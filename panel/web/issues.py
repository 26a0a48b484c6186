"""Issues in words and in number, for every page that shows them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime

from flask import g
from sqlalchemy import select

from panel.calendars import show_day, show_moment
from panel.db import db
from panel.i18n import current_language, translate
from panel.issues.models import Issue
from panel.journeys.models import Journey
from panel.plugin_manager import manager
from panel.timeline.registry import types
from panel.web.filters import isolate
from panel.web.preferences import current_reader
from panel.web.timeline.words import CHANNELS, channel_words

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*[+-]\d\d:\d\d")


def issue_words(issue: Issue, language: str | None = None) -> str:
    """An issue in the reader's language; names in another script keep their place inside the sentence."""
    language = language or current_language()
    try:
        params = {name: _value(_named(issue, name, value, language), language) for name, value in issue.params.items()}
        return translate(language, issue.sentence, **params)
    except (KeyError, ValueError, TypeError):
        # Parameters that do not fit the sentence (an older version's, a plugin's) must not hide the issue.
        return issue.sentence


def _named(issue: Issue, name: str, value: object, language: str) -> object:
    """What the engine knows by a code, as the other pages call it."""
    if not isinstance(value, str) or name not in ("journey", "channel", "plugin", "source", "action", "what"):
        return value
    if name == "journey":
        return _journeys().get(value) or value
    plugins = manager.current()
    if name == "channel":
        offered = plugins.channels().get(value)
        return (
            channel_words(value, language)
            if value in CHANNELS or offered is None
            else translate(language, offered.label)
        )
    if name in ("plugin", "source"):
        info = plugins.get(value)
        return value if info is None else translate(language, info.name)
    if name == "action":
        action = plugins.actions().get(value)
        return value if action is None else translate(language, action.label)
    known = types.get(value) or plugins.conditions().get(value)
    return value if known is None else translate(language, known.label)


def _journeys() -> dict[str, str]:
    """The names of all journeys by their ids, read once for a page."""
    if "issue_journeys" not in g:
        g.issue_journeys = {id_: name for id_, name in db.session.execute(select(Journey.id, Journey.name)) if name}
    return dict(g.issue_journeys)


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
