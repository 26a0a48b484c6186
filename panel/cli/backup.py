"""Save the database into one file; a panel that is started on it sends nothing until somebody decides."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import click

from panel import clock
from panel.cli._application import application, fail
from panel.cli._language import say
from panel.i18n import N_


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def command(target: Path) -> None:
    """Save the database into TARGET while the panel runs. journeys.yaml and instance/ are files: copy them as well."""
    from sqlalchemy.orm import Session

    from panel.db import db
    from panel.journeys.engine import marks

    if target.exists():
        raise fail(N_("%(file)s exists already; name another file."), file=target)
    with application():
        now = clock.now()
        if db.engine.dialect.name == "postgresql":
            dump(postgresql_url(db.engine.url.render_as_string(hide_password=False)), target)
        else:
            with db.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
            # The copy itself says that it is one, also when it is put in place by hand.
            copy = marks.engine_on(target)
            with Session(copy) as session:
                marks.pause(session, "command", now, now)
                session.commit()
            copy.dispose()
            with closing(sqlite3.connect(target)) as opened:
                found = opened.execute("PRAGMA integrity_check").fetchone()[0]
            if found != "ok":
                raise fail(N_("The copy is broken (%(problem)s). Do not rely on it."), problem=found)
    click.echo(
        say(N_("%(file)s: the database as of %(at)s.")) % {"file": target, "at": now.isoformat(timespec="seconds")}
    )


def dump(url: str, target: Path) -> None:
    _run("pg_dump", "--format=custom", f"--file={target}", url)


def load(url: str, source: Path) -> None:
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", f"--dbname={url}", str(source))


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise fail(N_("%(program)s is not on this machine; install PostgreSQL's client programs."), program=program)
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise fail(N_("%(program)s failed: %(problem)s"), program=program, problem=done.stderr.strip()[-500:])


def postgresql_url(url: str) -> str:
    """The address as PostgreSQL's own programs want it, without SQLAlchemy's name of the driver."""
    return url.replace(urlsplit(url).scheme, "postgresql", 1)
