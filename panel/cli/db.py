"""Bring the database to the newest schema, or say where it is."""

from __future__ import annotations

import json

import click

from panel.cli._application import application, fail
from panel.i18n import N_


@click.group()
def command() -> None:
    """The database's schema."""


@command.command()
def upgrade() -> None:
    """Bring the database to the newest schema; it keeps its data."""
    from panel import migrations
    from panel.db import db

    with application():
        before = migrations.level(db.engine)
        migrations.upgrade(db.engine)
        click.echo(f"{before or '-'} → {migrations.level(db.engine)}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def level(as_json: bool) -> None:
    """Say which schema the database has. Exit code 1 when it is not the newest."""
    from panel import migrations
    from panel.db import db

    with application():
        have, newest = migrations.level(db.engine), migrations.newest()
    if as_json:
        click.echo(json.dumps({"level": have, "newest": newest}))
    else:
        click.echo(f"{have or '-'} ({newest})")
    if have != newest:
        raise fail(N_("The database has no tables yet, or old ones. Run: panel db upgrade"))
