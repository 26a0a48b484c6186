"""Bring contacts in from a file, and find them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from panel.cli._application import application, fail
from panel.cli._language import language, say
from panel.i18n import N_, translate

if TYPE_CHECKING:
    from panel.imports.models import Import


@click.group()
def command() -> None:
    """Contacts: import a file, find somebody."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What the columns are.")
@click.option("--check", "only_check", is_flag=True, help="Say what would happen; store nothing.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def import_file(file: Path, mapping: Path | None, only_check: bool, as_json: bool) -> None:
    """Bring in the contacts of FILE (CSV or Excel).

    Rows that cannot be taken are written to an error file, with the reasons, and do not change the exit code. It is 1
    when the file cannot be imported at all.
    """
    from panel.contacts.queries import custom_fields
    from panel.db import writing
    from panel.errors import UserError
    from panel.imports import jobs, operations, running
    from panel.imports.mappingfile import MappingFile, columns_of, parse
    from panel.imports.models import Import
    from panel.imports.reading import Reading, preview

    try:
        wanted = parse(mapping.read_text(encoding="utf-8-sig")) if mapping else MappingFile()
    except UnicodeDecodeError as error:
        raise fail(N_("The mapping file is not written in UTF-8")) from error
    with application() as app:
        instance: Path = app.config["PANEL"].instance
        with writing() as session, file.open("rb") as stream:
            task = operations.bring(session, stream, file.name, instance, language=language())
            try:
                if wanted.reading:
                    operations.read_as(session, task, instance, wanted.reading)
                headers = preview(instance / task.path, Reading.of(task.reading)).headers
                columns = columns_of(wanted, headers, task.mapping, custom_fields(session))
                operations.map_columns(session, task, instance, columns)
                operations.set_rules(session, task, instance, wanted.rules)
                if only_check:
                    found = running.check(session, task, instance / task.path)
                    operations.discard(session, task, instance)
                else:
                    operations.start(session, task)
            except UserError:
                (instance / task.path).unlink(missing_ok=True)
                raise
            import_id = task.id
        if only_check:
            _say_check(found, as_json)
            return
        jobs.run_now(import_id)
        with writing() as session:
            finished = session.get(Import, import_id)
            assert finished is not None
            _say_result(finished, instance, as_json)
            failed = finished.state != "done"
    if failed:
        raise SystemExit(1)


def _say_check(found: Any, as_json: bool) -> None:
    from panel.imports.errorfile import reasons

    rows = [{"row": number, "reasons": reasons(problems, language())} for number, problems in found.examples]
    counts = {"rows": found.rows, "new": found.new, "known": found.known, "errors": found.refused}
    if as_json:
        click.echo(json.dumps(counts | {"examples": rows}, ensure_ascii=False, indent=1))
        return
    click.echo(say(N_("%(new)s new, %(known)s known, %(errors)s with errors, of %(rows)s rows")) % counts)
    for one in rows:
        click.echo("  " + say(N_("row %(row)s: %(reasons)s")) % one)


def _say_result(task: Import, instance: Path, as_json: bool) -> None:
    errors = str(instance / task.error_path) if task.error_path else None
    counts = {
        "import": task.id,
        "state": task.state,
        "rows": task.rows_done,
        "created": task.created_count,
        "updated": task.updated_count,
        "unchanged": task.unchanged_count,
        "errors": task.error_count,
    }
    problem = task.problem
    words = translate(language(), problem["sentence"], **problem["params"]) if problem else ""
    if as_json:
        click.echo(json.dumps(counts | {"error_file": errors, "problem": words or None}, ensure_ascii=False, indent=1))
        return
    sentence = N_(
        "%(rows)s rows: %(created)s new, %(updated)s updated, %(unchanged)s unchanged, %(errors)s with errors"
    )
    click.echo(say(sentence) % counts)
    if errors:
        click.echo(say(N_("The rows with errors are in %(file)s")) % {"file": errors})
    if words:
        click.echo(words, err=True)


@command.command()
@click.argument("text")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def find(text: str, limit: int, as_json: bool) -> None:
    """Find contacts by name, address, number or tag, in any spelling. Exit code 1 when there is none."""
    from panel.contacts.queries import primary_addresses
    from panel.contacts.search import search
    from panel.db import reading

    with application(), reading() as session:
        found = search(session, text, limit)
        ids = [one.id for one in found]
        emails, phones = (primary_addresses(session, ids, kind) for kind in ("email", "phone"))
        rows = [
            {
                "id": one.id,
                "public_id": one.public_id,
                "name": one.name,
                "company": one.company,
                "reference": one.reference,
                "email": emails.get(one.id),
                "phone": phones.get(one.id),
            }
            for one in found
        ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for row in rows:
            click.echo("  ".join(str(row[name]) for name in ("id", "name", "email", "phone", "reference") if row[name]))
    if not rows:
        raise fail(N_("No contact is like %(text)s"), text=text)
