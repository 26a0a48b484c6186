"""A note as an item of the timeline: what it says now, what it said before, who took it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from panel import calendars
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.web.timeline import words


def state_of(data: Mapping[str, Any]) -> str:
    """gone | pinned | "" (nothing special)."""
    return "gone" if data.get("gone") else "pinned" if data.get("pinned") else ""


def title_of(data: Mapping[str, Any], language: str) -> Markup:
    label = N_("Note taken back") if data.get("gone") else N_("Note, pinned") if data.get("pinned") else N_("Note")
    return Markup("<strong>{}</strong>").format(translate(language, label))


def remarks_of(data: Mapping[str, Any], reader: Reader) -> tuple[str, ...]:
    """Who changed it last, who took it back."""
    found = []
    earlier = data.get("earlier") or []
    if earlier:
        found.append(_said(N_("Changed by %(name)s, %(when)s"), earlier[-1], reader))
    if data.get("gone"):
        found.append(_said(N_("Taken back by %(name)s, %(when)s"), data["gone"], reader))
    return tuple(found)


def before_of(data: Mapping[str, Any], reader: Reader) -> list[tuple[str, Markup]]:
    """(label, text) of everything it said before, the newest first; of one that is gone, what it said last."""
    found = []
    if data.get("gone") and data.get("text"):
        found.append((translate(reader.language, N_("What it said")), words.isolated(data["text"])))
    for one in reversed(data.get("earlier") or []):
        label = _said(N_("Until %(when)s"), one, reader)
        found.append((label, words.isolated(one.get("text") or "…")))
    return found


def _said(sentence: str, trace: Mapping[str, Any], reader: Reader) -> Markup:
    try:
        moment = datetime.fromisoformat(str(trace.get("at")))
        when = Markup("<bdi>{}</bdi>").format(calendars.show_moment(moment, reader))
    except ValueError:
        when = Markup("…")
    return words.fill(reader.language, sentence, {"name": trace.get("by") or "…", "when": when})
