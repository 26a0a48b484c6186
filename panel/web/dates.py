"""Choosing a date: an echo of what was typed, and a month to click in, both in the reader's calendar."""

from __future__ import annotations

from datetime import date, datetime

from flask import Blueprint, render_template, request
from markupsafe import Markup, escape

from panel import clock
from panel.calendars import Reader, days_of_week, month_grid, show_day, show_moment, show_time, weekday_name
from panel.contacts.queries import by_public_id
from panel.dates import read_day, read_moment
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext
from panel.journeys import planned
from panel.web.access import allowed, requires
from panel.web.filters import isolate
from panel.web.preferences import current_reader

blueprint = Blueprint("dates", __name__, url_prefix="/dates")


@blueprint.get("/echo")
@requires("home.view")
def echo() -> str | Markup:
    """What the typed `text` means as a `kind` (moment | day), for the contact `of` (public id) on their clock too."""
    return understood(request.args.get("text", ""), request.args.get("kind", "moment"), request.args.get("of", ""))


@blueprint.app_template_global("understood")
def understood(text: str, kind: str = "moment", of: str = "") -> str | Markup:
    """ "= Sunday, 22 November 2026, 09:00", or in red why it cannot be read; "" for nothing. As markup."""
    if not text or not text.strip():
        return ""
    reader = current_reader()
    try:
        if kind == "day":
            return Markup("= <bdi>{}</bdi>").format(_day_words(read_day(text, reader, _today(reader)), reader))
        at = read_moment(text, reader, clock.now())
    except UserError as error:
        return Markup('<span class="text-danger" dir="auto">{}</span>').format(error.words(current_language()))
    said = Markup("= <bdi>{}</bdi>").format(_day_words(at.astimezone(reader.zone).date(), reader, at))
    contact = by_public_id(db.session(), of) if of and allowed("contacts.view") else None
    there = planned.hour_there(db.session(), contact.id, at) if contact is not None else None
    if there is not None and there.local.utcoffset() != at.astimezone(reader.zone).utcoffset():
        hour = isolate(show_time(there.local.time(), reader))
        said += Markup(" · ") + escape(gettext("%(hour)s there", hour=hour))
    return said


def _day_words(day: date, reader: Reader, at: datetime | None = None) -> str:
    """The reader's own calendar first, Gregorian beside it."""
    words = show_moment(at, reader, "full") if at is not None else show_day(day, reader, "full")
    if reader.calendar == "solar_hijri":
        words += " · " + show_day(day, Reader(reader.language, "gregorian", reader.digits))
    return words


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
