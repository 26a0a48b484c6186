"""Errors as pages in words. A person never sees a traceback; a script that asked for JSON gets a code and words."""

from __future__ import annotations

import logging
from contextlib import suppress
from secrets import token_hex

from flask import Flask, Response, flash, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from panel.db import db, write_intent
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_, current_language, direction, gettext, set_language
from panel.web.access import to_login
from panel.web.addresses import back_url

log = logging.getLogger("panel.web")

SENTENCES = {
    400: (N_("This request was not understood"), N_("Go back, reload the page and try once more.")),
    403: (
        N_("You may not do this"),
        N_("Your role does not include it. An owner can change roles under Users."),
    ),
    404: (N_("There is nothing here"), N_("The address is wrong, or what was here has been deleted.")),
    405: (N_("This address cannot be used that way"), N_("Go back and use the buttons of the page.")),
    413: (N_("That is too large"), N_("Split the file into smaller ones and send them one after the other.")),
    429: (N_("Too many attempts"), N_("Wait a minute and try again.")),
    500: (
        N_("Something went wrong on our side"),
        N_("It was written down with the number below. What you entered before is safe."),
    ),
    503: (N_("Not available just now"), N_("Try again in a minute.")),
}


_BARE = (
    '<!DOCTYPE html><html lang="{language}" dir="{dir}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
    "<body><main><h1>{title}</h1><p>{more}</p></main></body></html>"
)


def wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "application/json" or request.is_json


def _page(status: int, *, code: str, title: str, more: str, reference: str = "") -> ResponseReturnValue:
    if wants_json():
        return jsonify(error={"code": code, "message": f"{title}. {more}".strip(), "reference": reference}), status
    if request.headers.get("HX-Request"):
        return render_template("panel/notice.html", kind="danger", text=f"{title}. {more}"), status
    return render_template("panel/error.html", status=status, title=title, more=more, reference=reference), status


def install(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> ResponseReturnValue | HTTPException:
        status = error.code or 500
        if status < 400:
            return error
        if status == 401 and not wants_json():
            return to_login()
        title, more = SENTENCES.get(status, SENTENCES[400 if status < 500 else 500])
        return _page(status, code=f"http_{status}", title=gettext(title), more=gettext(more))

    @app.errorhandler(CSRFError)
    def _csrf(error: CSRFError) -> ResponseReturnValue:
        title = gettext(N_("This form has expired"))
        more = gettext(N_("Go back, reload the page and send it again. Nothing was changed."))
        return _page(400, code="form_expired", title=title, more=more)

    @app.errorhandler(UserError)
    def _refused(error: UserError) -> ResponseReturnValue:
        # An expected refusal that a view did not place beside a field: said on the page the person came from.
        db.session.rollback()
        words = error.words(current_language())
        if wants_json() or request.headers.get("HX-Request") or not current_user.is_authenticated:
            return _page(422, code=error.code, title=words, more="")
        flash(words, "danger")
        return redirect(back_url())

    @app.errorhandler(OperationalError)
    def _away(error: OperationalError) -> ResponseReturnValue:
        """The database is locked by another program, full, read-only or away. Nothing here may ask it anything: a page
        with a menu would wait for it again, and end as the server's own bare words."""
        if app.config["TESTING"] and not app.config.get("SHOW_ERROR_PAGES"):
            raise error
        log.error("the database did not answer at %s %s: %s", request.method, request.path, error.orig)
        write_intent.set(False)
        with suppress(SQLAlchemyError):
            db.session.rollback()
        wanted = request.cookies.get("language", "")
        set_language(wanted if wanted in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES)) or "en")
        title = gettext(SENTENCES[503][0])
        more = gettext(N_("The database does not answer. What you sent last may not be saved; try again in a minute."))
        if wants_json():
            answer = jsonify(error={"code": "database_away", "message": f"{title}. {more}", "reference": ""})
        else:
            language = current_language()
            answer = Response(
                Markup(_BARE).format(language=language, dir=direction(language), title=title, more=more),
                mimetype="text/html",
            )
        answer.status_code = 503
        answer.headers["Retry-After"] = "60"
        return answer

    @app.errorhandler(Exception)
    def _broken(error: Exception) -> ResponseReturnValue:
        if app.config["TESTING"] and not app.config.get("SHOW_ERROR_PAGES"):
            raise error
        reference = token_hex(4)
        log.exception("error %s at %s %s", reference, request.method, request.path)
        db.session.rollback()
        title, more = SENTENCES[500]
        return _page(500, code="internal", title=gettext(title), more=gettext(more), reference=reference)


def plain(text: str, status: int = 200) -> Response:
    return Response(text, status, mimetype="text/plain")
