"""Headers of every answer: a strict content policy with a nonce per request, and the small protective ones."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

_REST = (
    "default-src 'none'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self';"
    " manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def nonce() -> str:
    """The nonce of this request, for the few inline scripts and styles we write ourselves."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def content_policy() -> str:
    allowed = f"'self' 'nonce-{nonce()}'"
    return f"script-src {allowed}; style-src {allowed}; {_REST}"


def protect(app: Flask) -> None:
    """Set the headers after every request. A view that sets its own policy (the message frame) keeps it."""

    @app.after_request
    def _set_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", content_policy())
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if request.endpoint == "static":
            if "/dist/" in request.path:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif response.mimetype == "text/html":
            headers.setdefault("Cache-Control", "no-store")
        return response
