"""Logging in with Flask-Security: our pages and words, limits on guessing, one-time passwords that must be changed."""

from __future__ import annotations

from typing import Any

from flask import Flask, redirect, request, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user
from flask_security.core import Security
from flask_security.datastore import SQLAlchemyUserDatastore
from flask_security.signals import password_changed

from panel import clock
from panel.config import Config
from panel.db import db
from panel.i18n import N_
from panel.staff.audit import record_audit
from panel.staff.models import Role, User
from panel.web.words import ours_first

limiter = Limiter(key_func=get_remote_address, headers_enabled=True)

# Flask-Security's own words that our pages can show; here so that they are translated and checked like ours.
WORDS = (
    N_("Authentication failed - identity or password/passcode invalid"),
    N_("Email not provided"),
    N_("Password not provided"),
    N_("Invalid email address"),
    N_("Invalid password"),
    N_("Passwords do not match"),
    N_("Password must be at least %(length)s characters"),
    N_("Your new password must be different than your previous password."),
    N_("You successfully changed your password."),
    N_("Password has been changed"),
    N_("Please log in to access this page."),
    N_("The CSRF token is missing."),
    N_("The CSRF session token is missing."),
    N_("The CSRF token has expired."),
    N_("The CSRF tokens do not match."),
)
_WHILE_CHANGING = frozenset(
    {"security.change_password", "security.logout", "preferences.change", "preferences.show", "static"}
)


def login_settings(config: Config) -> dict[str, Any]:
    """The configuration of Flask-Security and of the session cookie."""
    return {
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SALT": "nava",  # argon2 salts by itself; Flask-Security wants a pepper's name all the same
        "SECURITY_PASSWORD_LENGTH_MIN": 10,
        "SECURITY_PASSWORD_CONFIRM_REQUIRED": True,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,  # never say whether an address has an account
        "SECURITY_REGISTERABLE": False,
        "SECURITY_RECOVERABLE": False,
        "SECURITY_CHANGEABLE": True,
        "SECURITY_SEND_PASSWORD_CHANGE_EMAIL": False,
        "SECURITY_TRACKABLE": False,
        "SECURITY_URL_PREFIX": "/account",
        "SECURITY_POST_LOGIN_VIEW": "/admin/",
        "SECURITY_POST_LOGOUT_VIEW": "/account/login",
        "SECURITY_POST_CHANGE_VIEW": "/admin/",
        "SECURITY_LOGOUT_METHODS": ["POST"],
        "SECURITY_FLASH_MESSAGES": True,
        "SECURITY_USER_IDENTITY_ATTRIBUTES": [{"email": {"mapper": _lowered, "case_insensitive": True}}],
        "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False, "test_environment": True},
        "SECURITY_CSRF_IGNORE_UNAUTH_ENDPOINTS": False,
        "SECURITY_MSG_UNAUTHENTICATED": ("Please log in to access this page.", "info"),
        "SESSION_COOKIE_NAME": "nava_session",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": config.public_url.startswith("https://"),
        "REMEMBER_COOKIE_NAME": "nava_remember",
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": config.public_url.startswith("https://"),
        "PERMANENT_SESSION_LIFETIME": 14 * 24 * 3600,
        "WTF_CSRF_TIME_LIMIT": None,  # the token lives as long as the session, so that a long-open form still saves
        # The limiter calls a broker on a unix socket redis+unix://, everybody else unix://.
        "RATELIMIT_STORAGE_URI": (config.redis_url or "memory://").replace("unix://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {"socket_connect_timeout": 2} if config.redis_url else {},
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,  # without the broker the limits still hold, per process
    }


def _lowered(identity: str) -> str | None:
    cleaned = identity.strip().lower()
    return cleaned if "@" in cleaned else None


def install(app: Flask) -> None:
    """Add the login pages under /account. The limits of guessing: 10 a minute and 60 an hour from one address."""
    limiter.init_app(app)
    security = Security(app, SQLAlchemyUserDatastore(db, User, Role))
    ours_first(security.i18n_domain)
    views: dict[str, Any] = app.view_functions
    for name, limit in (("security.login", "10/minute;60/hour"), ("security.change_password", "10/minute")):
        views[name] = limiter.limit(limit, methods=["POST"])(views[name])

    @password_changed.connect_via(app)
    def _changed(_app: Flask, user: User, **_more: Any) -> None:
        user.must_change_password = False
        record_audit(db.session(), user=user, action="password_changed", subject=user.email)

    @app.before_request
    def _change_first() -> Any:
        if not current_user.is_authenticated:
            return None
        if current_user.must_change_password and request.endpoint not in _WHILE_CHANGING:
            return redirect(url_for("security.change_password"))
        return None

    @app.after_request
    def _seen(response: Any) -> Any:
        # Only after a change of their own: a page that is only read must not become a write.
        # Nobody asks who it was when it failed: with the database away that would fail again, behind the page in words.
        if request.method == "POST" and response.status_code < 400 and current_user.is_authenticated:
            _note_seen(current_user.id)
        return response


def _note_seen(user_id: int) -> None:
    user = db.session.get(User, user_id)
    if user is not None and (user.last_seen_at is None or (clock.now() - user.last_seen_at).total_seconds() > 300):
        user.last_seen_at = clock.now()
        db.session.commit()
