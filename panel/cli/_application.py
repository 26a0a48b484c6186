"""The application for a command: without its pages, except for the one command that serves them.

The command line lies beside the web in the order of imports, so the application with pages is found by its name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from panel import config as configuration
from panel.bare import bare_app
from panel.cli._language import say
from panel.db import db


@contextmanager
def application(*, pages: bool = False) -> Iterator[Any]:
    """The Flask application of this installation, its context pushed: `with application(), writing() as session:`."""
    app = importlib.import_module("panel.app").create_app(settings()) if pages else bare_app(settings())
    with app.app_context():
        try:
            yield app
        finally:
            for engine in db.engines.values():
                engine.dispose()


def settings() -> configuration.Config:
    """What the environment says; a wrong number is one line, not a traceback."""
    try:
        return configuration.load()
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def fail(message: str, **params: Any) -> click.ClickException:
    """An expected failure: `raise fail(N_("..."), name=x)` prints one line and ends with exit code 1."""
    return click.ClickException(say(message) % params)
