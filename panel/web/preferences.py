"""How this visitor reads: language, calendar, digits, theme. A user's settings win, then cookies, then the browser."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import Babel
from flask_login import current_user

from panel.calendars import Reader
from panel.db import db, write_intent
from panel.i18n import LANGUAGES, LOCALES, current_language, gettext, set_language, set_latin_digits
from panel.staff import mails
from panel.staff.operations import CUSTOMARY, PREFERENCES, set_preferences
from panel.web.access import allowed
from panel.web.addresses import back_url

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_ONE_YEAR = 365 * 24 * 3600
blueprint = Blueprint("preferences", __name__)


def preference(name: str) -> str:
    """The visitor's choice of "language", "calendar", "digits" or "theme"."""
    if current_user.is_authenticated:
        return str(getattr(current_user, name))
    wanted = request.cookies.get(name, "")
    if wanted in PREFERENCES[name]:
        return wanted
    if name == "language":
        return request.accept_languages.best_match(list(LANGUAGES)) or "en"
    calendar, digits = CUSTOMARY[current_language()]
    return {"calendar": calendar, "digits": digits, "theme": "auto"}[name]


def current_reader() -> Reader:
    """How to write dates and numbers for whoever asked for this page."""
    if "reader" not in g:
        zone = current_user.time_zone if current_user.is_authenticated else "UTC"
        g.reader = Reader(
            current_language(), preference("calendar"), preference("digits"), zone, sees_amounts=allowed("money.view")
        )
    reader: Reader = g.reader
    return reader


@blueprint.get("/preferences")
def show() -> str:
    """The switch as a page; with JavaScript it opens from the top bar and this page is not needed."""
    return render_template(
        "panel/preferences.html",
        back=url_for(".show"),
        zones=sorted(zone_names()),
        mailed=mails.MAILED,
        wants=mails.wishes(current_user.mailed) if current_user.is_authenticated else (),
    )


@blueprint.post("/preferences")
def change() -> Response:
    """One button of the switch was pressed: remember it and show the same page again."""
    wishes = {name: request.form[name] for name in (*PREFERENCES, "name", "time_zone") if name in request.form}
    if "mails" in request.form:  # the form that has the boxes: an empty choice is a choice too
        wishes["mailed"] = " ".join(kind for kind in mails.MAILED if kind in request.form.getlist("mailed"))
    switched = {name: value for name, value in wishes.items() if name in PREFERENCES}
    if not wishes or any(value not in PREFERENCES[name] for name, value in switched.items()):
        abort(400)
    if current_user.is_authenticated:
        set_preferences(current_user, wishes)
        db.session.commit()
        if not switched:
            flash(gettext("Saved."), "success")
    response = redirect(back_url())
    for name, value in switched.items():
        response.set_cookie(
            name,
            value,
            max_age=_ONE_YEAR,
            samesite="Lax",
            httponly=True,
            secure=current_app.config["SESSION_COOKIE_SECURE"],
        )
    return response  # type: ignore[return-value]


def zone_names() -> set[str]:
    """Time zones by place; the many historical and technical names are left out."""
    areas = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return {name for name in available_timezones() if name.split("/")[0] in areas} | {"UTC"}


def prepare_requests(app: Flask) -> None:
    """Set language and write intent at the start of every request, before anything reads the database."""

    @app.before_request
    def _begin() -> None:
        # A server thread keeps its context between requests, so both are always set, never only switched on.
        # The intent comes first: finding the user below opens the transaction.
        write_intent.set(request.method not in _SAFE)
        if request.endpoint != "static":
            set_language(preference("language"))
            set_latin_digits(preference("digits") == "latin")

    app.register_blueprint(blueprint)
    Babel(
        app,
        locale_selector=lambda: LOCALES[current_language()],
        timezone_selector=lambda: current_user.time_zone if current_user and current_user.is_authenticated else "UTC",
    )
