"""Where to go next, without ever leaving this site."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request, url_for


def is_ours(target: str) -> bool:
    """True for an address inside this site: a path, or our own host. `//evil` and `\\evil` are not paths."""
    if not target or "\\" in target or any(ord(c) < 32 for c in target):
        return False
    parts = urlsplit(target)
    if not parts.scheme and not parts.netloc:
        return target.startswith("/") and not target.startswith("//")
    return parts.scheme in {"http", "https"} and parts.netloc == request.host


def back_url(default: str | None = None) -> str:
    """The page to return to: `url` or `next` of the request, else the page one came from, else `default` or home."""
    for candidate in (request.values.get("url"), request.values.get("next"), request.referrer):
        if candidate and is_ours(candidate):
            return candidate
    return default or url_for("admin.index")
