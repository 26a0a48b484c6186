"""Asking whether the person behind this request may do something. The table of rights is in `panel.staff.rules`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import abort, redirect, request, url_for
from flask_login import current_user

from panel.staff import rules

View = TypeVar("View", bound=Callable[..., Any])


def allowed(action: str) -> bool:
    """True when somebody is logged in and one of their roles may do `action`. Also a template function."""
    return bool(current_user.is_authenticated) and rules.may((role.name for role in current_user.roles), action)


def must(action: str) -> None:
    """Stop the request unless `action` is allowed: 403 for a colleague, the login page's 401 for a stranger.

    Call it at the top of every view that changes something; a hidden button protects nothing.
    """
    if not current_user.is_authenticated:
        abort(401)
    if not allowed(action):
        abort(403)


def requires(action: str) -> Callable[[View], View]:
    """Decorator form of `must`, for view functions and Flask-Admin's exposed methods."""
    rules.ACTIONS[action]  # a misspelt right fails when the module is imported, not when somebody needs it

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return to_login()
            must(action)
            return view(*args, **kwargs)

        return guarded  # type: ignore[return-value]

    return decorate


def to_login() -> Any:
    """Send a stranger to the login page, and back here afterwards when this was a page and not a sent form."""
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("security.login", next=target))
