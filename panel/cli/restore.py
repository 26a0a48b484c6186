"""Put a saved database back; nothing is sent until somebody decides on the page "After a restore"."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from panel import clock
from panel.cli._application import application, fail, settings
from panel.cli._language import say
from panel.cli.backup import load, postgresql_url
from panel.i18n import N_


@click.command()
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(source: Path, yes: bool) -> None:
    """Replace the database by SOURCE, which “panel backup” wrote. Stop the panel first."""
    from panel import migrations
    from panel.db import db, writing
    from panel.jobs.heartbeats import signs
    from panel.journeys.engine import marks

    config = settings()
    with application():
        if migrations.level(db.engine):
            with writing() as session:
                if any(one.alive for one in signs(session, clock.now())):
                    raise fail(N_("The panel is running. Stop it first: a worker must not send while this happens."))
        if not yes:
            click.confirm(
                say(N_("Replace the database by this file? What came after it was saved is gone.")), abort=True
            )
        saved = datetime.fromtimestamp(source.stat().st_mtime, UTC)
        if db.engine.dialect.name == "postgresql":
            load(postgresql_url(db.engine.url.render_as_string(hide_password=False)), source)
        else:
            _put_back(source, Path(db.engine.url.database or ""))
        db.engine.dispose()
        migrations.upgrade(db.engine)
        with writing() as session:
            marks.pause(session, "command", min(saved, clock.now()), clock.now())
        marks.look(config.instance)
    click.echo(say(N_("The database is back. Nothing is sent until you decide on the page “After a restore”.")))


def _put_back(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"file:{source.resolve()}?mode=ro", uri=True)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise fail(
            N_("%(file)s is not a sound database (%(problem)s). Nothing was changed."), file=source, problem=found
        )
    for end in ("-wal", "-shm"):
        target.with_name(target.name + end).unlink(missing_ok=True)
    draft = target.with_name(target.name + ".restored")
    shutil.copyfile(source, draft)
    draft.replace(target)
