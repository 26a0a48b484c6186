"""The application without its pages: what workers, the ticker and the command line need. `panel.app` adds the web."""

from __future__ import annotations

import contextlib
import os
import secrets
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from panel import config as configuration
from panel import jobs
from panel.db import db, prepare_engine
from panel.jobs.broker import redis_url
from panel.models import load_models
from panel.sync.wiring import install_plugins


def bare_app(config: configuration.Config | None = None, **settings: Any) -> Flask:
    """Database, plugins and broker of one installation. `settings` go into Flask's configuration."""
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
        **settings,
    )
    load_models()
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        # An application that is let go closes its connections, instead of leaving them to the collector of garbage.
        weakref.finalize(app, db.engine.dispose)
        install_plugins(
            instance=config.instance,
            secret=app.config["SECRET_KEY"],
            public_url=_public_url(app),
        )
    jobs.use(redis_url(config))
    return app


def _public_url(app: Flask) -> Callable[[], str]:
    """The application's public address when it is asked for. Plugins outlive an application that is let go, so they do
    not hold on to it."""
    known = weakref.ref(app)

    def public_url() -> str:
        found = known()
        return str(found.config["PANEL"].public_url) if found is not None else ""

    return public_url


def secret_key(instance: Path) -> str:
    """Read the installation's secret, made on first use and readable by its owner only.

    Processes may start together: the file appears complete or not at all, and the first one counts.
    """
    path = instance / "secret_key"
    if not path.exists():
        part = instance / f".secret_key.{os.getpid()}"
        part.touch(mode=0o600)
        part.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        part.unlink()
    return path.read_text().strip()
