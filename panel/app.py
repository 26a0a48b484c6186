"""The Flask application, wired from its parts."""

from __future__ import annotations

import secrets
from pathlib import Path

from flask import Flask, redirect, url_for
from flask_wtf import CSRFProtect

from panel import config as configuration
from panel import jobs
from panel.db import db, prepare_engine
from panel.jobs.broker import redis_url
from panel.models import load_models
from panel.sync.wiring import install_plugins
from panel.web import admin, errors, headers, health, login, preferences, shell
from panel.web.public import hooks, tracking, unsubscribe


def create_app(config: configuration.Config | None = None) -> Flask:
    """Build the application for one installation. `config` defaults to what the environment says."""
    config = config or configuration.load()
    config.instance.mkdir(parents=True, exist_ok=True)
    app = Flask(
        "panel",
        instance_path=str(config.instance),
        static_folder="web/static",
        static_url_path="/static",
        template_folder="web/templates",
    )
    app.config.update(
        PANEL=config,
        SECRET_KEY=secret_key(config.instance),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        MAX_CONTENT_LENGTH=256 * 1024 * 1024,
        **login.login_settings(config),
    )
    load_models()
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        install_plugins(
            instance=config.instance,
            secret=app.config["SECRET_KEY"],
            public_url=lambda: app.config["PANEL"].public_url,
        )
    jobs.use(redis_url(config))
    install_web(app)
    return app


def install_web(app: Flask) -> None:
    """Add the pages: their protection first, then what every page shares, then the screens."""
    CSRFProtect().init_app(app)
    headers.protect(app)
    errors.install(app)
    preferences.prepare_requests(app)
    shell.install(app)
    login.install(app)
    app.register_blueprint(health.blueprint)
    admin.install(app)
    hooks.install(app)
    tracking.install(app)
    unsubscribe.install(app)
    app.add_url_rule("/", "front", lambda: redirect(url_for("admin.index")))


def secret_key(instance: Path) -> str:
    """Read the installation's secret, made on first use and readable by its owner only."""
    path = instance / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()
