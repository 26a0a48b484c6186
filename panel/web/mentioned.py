"""Mentions as a page shows them, and everybody who works here, read once for a page."""

from __future__ import annotations

from flask import Flask, g
from flask_login import current_user
from markupsafe import Markup

from panel.db import db
from panel.staff.mentions import parts
from panel.staff.people import Directory

# The name keeps its own direction, and the sentence around it its own.
_CHIP = Markup('<bdi class="{}" title="{}">{}</bdi>')


def directory() -> Directory:
    """Everybody who works here, as they are at the beginning of this request."""
    if "directory" not in g:
        g.directory = Directory(db.session())
    known: Directory = g.directory
    return known


def mentioned(text: str | None) -> Markup:
    """A note's text with its @names marked, those of whoever reads it a little more. As a filter: `note|mentioned`."""
    if not text or "@" not in text:
        return Markup.escape(text or "")
    me = current_user.id if current_user.is_authenticated else None
    return Markup("").join(
        piece if one is None else _CHIP.format("mention is-me" if one.id == me else "mention", one.shown, piece)
        for piece, one in parts(directory(), text)
    )


def install(app: Flask) -> None:
    app.jinja_env.filters["mentioned"] = mentioned
