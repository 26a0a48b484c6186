"""/o/<token>.gif and /c/<token>: a message's pixel and links. Every hit is stored; a link leads to its own target."""

from __future__ import annotations

from base64 import b64decode

from flask import Blueprint, Flask, Response, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue

from panel.db import writing
from panel.messages.tokens import Purpose, Tokens
from panel.tracking.operations import network_of, record_click, record_open
from panel.tracking.rules import Hit

GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
blueprint = Blueprint("tracking", __name__)


def read_token(purpose: Purpose, token: str) -> tuple[int, int] | None:
    """(message id, link) of a token of ours."""
    return Tokens(current_app.config["SECRET_KEY"]).read(purpose, token)


def this_hit() -> Hit:
    """What the present request says about who is asking."""
    agent = request.headers.get("User-Agent", "")
    purpose = " ".join(request.headers.get(name, "") for name in ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz"))
    return Hit(
        request.method,
        agent[:500],
        network_of(current_app.config["SECRET_KEY"], request.remote_addr or ""),
        "prefetch" in purpose.lower() or "preview" in purpose.lower(),
    )


def gone(status: int = 404) -> ResponseReturnValue:
    """The page for an address that leads nowhere; it names nobody and sets nothing."""
    return Response(render_template("public/gone.html"), status, headers=headers_of_public())


def headers_of_public() -> dict[str, str]:
    return {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}


@blueprint.get("/o/<token>.gif")
def pixel(token: str) -> ResponseReturnValue:
    found = read_token("open", token)
    if found is not None:
        with writing() as session:
            record_open(session, found[0], this_hit())
    headers = {
        "Cache-Control": "no-store, max-age=0",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Referrer-Policy": "no-referrer",
    }
    return Response(GIF, 200 if found else 404, headers=headers, mimetype="image/gif")


@blueprint.get("/c/<token>")
def link(token: str) -> ResponseReturnValue:
    found = read_token("click", token)
    target = None
    if found is not None:
        with writing() as session:
            target = record_click(session, found[0], found[1], this_hit())
    if target is None:
        return gone()
    answer = redirect(target, 302)
    answer.headers.extend(headers_of_public())
    return answer


def install(app: Flask) -> None:
    app.register_blueprint(blueprint)
