"""Small helpers for partial answers to htmx."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue


def is_htmx() -> bool:
    """True when the page asked for a part of itself. Such an answer is a fragment, not a page."""
    return request.headers.get("HX-Request") == "true"


def part_or_page(part: str, page: str, **context: Any) -> str:
    """Render template `part` for htmx and `page` (which includes the part) for everybody else."""
    return render_template(part if is_htmx() else page, **context)


def go_to(url: str) -> ResponseReturnValue:
    """Send the browser to another page, from a form or from htmx alike."""
    if is_htmx():
        return Response(headers={"HX-Redirect": url})
    return redirect(url, 303)


def with_event(body: str, event: str) -> Response:
    """A fragment that also tells the page that something happened (`HX-Trigger`), so that other parts can refresh."""
    response = make_response(body)
    response.headers["HX-Trigger"] = event
    return response
