"""The application for a command.

The command line lies below the application in the order of imports, so the application is found by its name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from panel import config as configuration
from panel.cli._language import say


@contextmanager
def application() -> Iterator[Any]:
    """The Flask application of this installation, its context pushed: `with application(), writing() as session:`."""
    app = importlib.import_module("panel.app").create_app(settings())
    with app.app_context():
        yield app


def settings() -> configuration.Config:
    """What the environment says; a wrong number is one line, not a traceback."""
    try:
        return configuration.load()
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def fail(message: str, **params: Any) -> click.ClickException:
    """An expected failure: `raise fail(N_("..."), name=x)` prints one line and ends with exit code 1."""
    return click.ClickException(say(message) % params)
