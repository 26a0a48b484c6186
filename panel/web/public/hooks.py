"""/hooks/<plugin>/<name>: what outside services call. The plugin proves who it is; the panel guards the door."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask, Response, abort, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed

from panel.db import db, writing
from panel.errors import UserError
from panel.i18n import current_language
from panel.plugin_manager import manager
from panel.plugin_manager.shapes import unlike
from panel.sdk import web as sdk

MAX_BODY = 10 * 1024 * 1024
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

log = logging.getLogger(__name__)
blueprint = Blueprint("hooks", __name__)


def sdk_request(*, limit: int = MAX_BODY) -> sdk.Request:
    """The present request as plain data for a plugin. Answers 413 to a body above `limit` bytes."""
    request.max_content_length = limit
    body = request.get_data(cache=True)
    form = {name: value for name, value in request.form.items() if name != "csrf_token"}
    return sdk.Request(
        request.method,
        request.path,
        dict(request.args.items()),
        # A plugin has no business with the session of whoever sits before the browser.
        {name: value for name, value in request.headers.items() if name != "Cookie"},
        body,
        form,
        current_language(),
    )


def leave_transaction() -> None:
    """End what this request has begun in the database: no plugin runs inside a page's transaction, and on SQLite its
    own writing would wait for ours for ever."""
    db.session.rollback()


@blueprint.route("/hooks/<plugin_id>/<name>", methods=METHODS)
def hook(plugin_id: str, name: str) -> ResponseReturnValue:
    plugins = manager.current()
    plugins.refresh_if_changed(db.session())
    leave_transaction()
    webhook = plugins.webhooks().get((plugin_id, name))
    if webhook is None:
        abort(404)
    if request.method not in webhook.methods:
        raise MethodNotAllowed(valid_methods=webhook.methods)
    asked = sdk_request()
    what = f"webhook {name}"
    try:
        answer = webhook.handle(asked)
        if fault := unlike(answer, sdk.Response):
            raise TypeError(f"the answer cannot be used: {fault}")
        response = Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)
    except UserError as error:
        return Response(error.words("en"), 400, mimetype="text/plain")
    except (Exception, SystemExit) as error:
        # Whoever called will come again after a 500; after a 200 the report would be gone.
        plugins.note_failure(plugin_id, what, error)
        tell(plugins)
        return Response("the report could not be taken in", 500, mimetype="text/plain")
    if plugins.note_success(plugin_id, what):
        tell(plugins)
    return response


def tell(plugins: manager.PluginManager) -> None:
    """Write down as issues what a plugin did wrong in this process, and close those of what works again."""
    with writing() as session:
        plugins.flush_issues(session)


def install(app: Flask) -> None:
    """Add the addresses. They carry their own proof, so the check for forms of our own pages does not apply."""
    app.extensions["csrf"].exempt(blueprint)
    app.register_blueprint(blueprint)
