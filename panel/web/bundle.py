"""Finding the built browser code. Without it (no npm when installing) pages use one small plain style sheet."""

from __future__ import annotations

import json
import mimetypes
from functools import cache, lru_cache
from pathlib import Path

from flask import Flask, Response, g, request, send_from_directory, url_for
from markupsafe import Markup, escape

STATIC = Path(__file__).parent / "static"
DIST = STATIC / "dist"
# Icons that point somewhere are mirrored on right-to-left pages; clocks, checks and logos never are.
DIRECTIONAL = frozenset(
    {
        *("arrow-left", "arrow-right", "arrow-back-up", "chevron-left", "chevron-right", "external-link"),
        *("list", "list-check", "list-details", "login", "logout", "player-play", "player-skip-forward", "send"),
    }
)


def manifest() -> dict[str, str]:
    """The names of the built files: {"panel.js": "panel-ABC123.js"}; empty when nothing was built."""
    path = DIST / "manifest.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@cache
def _read(path: Path, _changed: int) -> dict[str, str]:
    return dict(json.loads(path.read_text()))


def asset(name: str) -> str | None:
    """The address of a built file, or None when the browser code was not built. Looked up once per request."""
    known: dict[str, str | None] = g.setdefault("assets", {})
    if name not in known:
        built = manifest().get(name)
        known[name] = url_for("static", filename=f"dist/{built}") if built else None
    return known[name]


def icon(name: str, extra: str = "") -> Markup:
    """An icon from the sprite, hidden from screen readers: words stand beside it. Nothing without the bundle."""
    sprite = asset("icons.svg")
    return Markup("") if sprite is None else _drawn(sprite, name, extra)


@lru_cache(maxsize=1000)  # a page has some two hundred
def _drawn(sprite: str, name: str, extra: str) -> Markup:
    classes = " ".join(filter(None, ["icon", "icon-directional" if name in DIRECTIONAL else "", extra]))
    return Markup('<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>').format(
        escape(classes), sprite, name
    )


def serve_packed(app: Flask) -> None:
    """Let the static route give a built file in its packed form to browsers that take it."""
    plain = app.view_functions["static"]

    def static(filename: str) -> Response:
        packed = f"{filename}.gz"
        if (
            not filename.startswith("dist/")
            or "gzip" not in request.accept_encodings
            or not (STATIC / packed).is_file()
        ):
            return plain(filename=filename)  # type: ignore[return-value]
        kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        response = send_from_directory(STATIC, packed, mimetype=kind)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        return response

    app.view_functions["static"] = static
