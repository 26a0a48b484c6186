"""The Flask application with its pages, wired from its parts."""

from __future__ import annotations

from flask import Flask, redirect, url_for
from flask_wtf import CSRFProtect

from panel import config as configuration
from panel.bare import bare_app
from panel.web import admin, bundle, dates, errors, headers, health, login, preferences, shell
from panel.web.public import hooks, tracking, unsubscribe

MAX_UPLOAD = 256 * 1024 * 1024


def create_app(config: configuration.Config | None = None) -> Flask:
    """Build the application for one installation. `config` defaults to what the environment says."""
    config = config or configuration.load()
    app = bare_app(config, MAX_CONTENT_LENGTH=MAX_UPLOAD, **login.login_settings(config))
    install_web(app)
    return app


def install_web(app: Flask) -> None:
    """Add the pages: their protection first, then what every page shares, then the screens."""
    CSRFProtect().init_app(app)
    headers.protect(app)
    errors.install(app)
    preferences.prepare_requests(app)
    shell.install(app)
    bundle.serve_packed(app)
    login.install(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(dates.blueprint)
    admin.install(app)
    hooks.install(app)
    tracking.install(app)
    unsubscribe.install(app)
    app.add_url_rule("/", "front", lambda: redirect(url_for("admin.index")))
