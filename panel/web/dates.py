"""Choosing a date: an echo of what was typed, and a month to click in, both in the reader's calendar."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, render_template, request
from markupsafe import Markup

from panel import clock
from panel.calendars import Reader, days_of_week, month_grid, show_day, weekday_name
from panel.dates import read_day
from panel.errors import UserError
from panel.i18n import current_language
from panel.web.access import requires
from panel.web.preferences import current_reader

blueprint = Blueprint("dates", __name__, url_prefix="/dates")


@blueprint.get("/echo")
@requires("home.view")
def echo() -> str | Markup:
    """What a typed date means: "= Sunday, 22 November 2026"; the reader's own calendar first, Gregorian beside it."""
    text = next(iter(request.args.values()), "")
    if not text.strip():
        return ""
    reader = current_reader()
    try:
        day = read_day(text, reader, _today(reader))
    except UserError as error:
        return Markup('<span class="text-danger" dir="auto">{}</span>').format(error.words(current_language()))
    words = show_day(day, reader, "full")
    if reader.calendar == "solar_hijri":
        words += " · " + show_day(day, Reader(reader.language, "gregorian", reader.digits))
    return Markup("= <bdi>{}</bdi>").format(words)


@blueprint.get("/month")
@requires("home.view")
def month() -> str:
    """One month as buttons: around `day`, else around what its `field` says, else this one. A click fills the field."""
    reader = current_reader()
    today = _today(reader)
    field = request.args.get("field", "")
    chosen = _readable(request.args.get(field), reader, today)
    around = _readable(request.args.get("day"), reader, today) or chosen or today
    title, weeks, before, after = month_grid(around, reader)
    return render_template(
        "panel/month.html",
        field=field,
        title=title,
        weeks=[
            [(d, show_day(d.day, reader, "short"), show_day(d.day, reader, "full")) for d in week] for week in weeks
        ],
        names=[(weekday_name(n, reader, "narrow"), weekday_name(n, reader)) for n in days_of_week(reader)],
        before=before.isoformat(),
        after=after.isoformat(),
        today=today,
        chosen=chosen,
    )


def _readable(text: str | None, reader: Reader, today: date) -> date | None:
    try:
        return read_day(text, reader, today) if text else None
    except UserError:
        return None


def _today(reader: Reader) -> date:
    return clock.now().astimezone(reader.zone).date()
