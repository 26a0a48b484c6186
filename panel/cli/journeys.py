"""Check, publish and list journeys."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from panel.cli._application import application, fail
from panel.cli._language import language as terminal_language
from panel.cli._simulating import forecast, simulate
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_, translate

as_json_option = click.option("--json", "as_json", is_flag=True, help="For scripts.")
language_option = click.option("--language", type=click.Choice(list(LANGUAGES)), help="en, he or fa.")


@click.group()
def journeys() -> None:
    """Check, publish and list journeys."""


journeys.add_command(simulate)
journeys.add_command(forecast)


@journeys.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--names", is_flag=True, help="Also check names of lists, fields, templates ... against this installation."
)
@language_option
@as_json_option
def check(file: Path, names: bool, language: str | None, as_json: bool) -> None:
    """Check a journeys file; exit code 0 when it has no errors (warnings do not count)."""
    from panel import clock
    from panel.journeys.language import check as check_text

    language = language or terminal_language()
    with application() if names else nullcontext():
        known = None
        if names:
            from panel.db import reading
            from panel.journeys.names import vocabulary

            with reading() as session:
                known = vocabulary(session)
        checked = check_text(file.read_bytes(), known, today=clock.now().date())
    if as_json:
        click.echo(
            json.dumps(
                {
                    "file": str(file),
                    "ok": not checked.problems,
                    "problems": [problem.as_dict(language) for problem in checked.problems],
                    "warnings": [problem.as_dict(language) for problem in checked.warnings],
                    "journeys": {
                        journey.id: {"ok": journey.program is not None, "problems": len(journey.problems)}
                        for journey in checked.journeys.values()
                    },
                },
                ensure_ascii=False,
                indent=2,
            )
        )
    else:
        _print_checked(file, checked, language)
    if checked.problems:
        raise SystemExit(1)


def _print_checked(file: Path, checked: Any, language: str) -> None:
    pattern = N_("%(file)s, line %(line)s, column %(column)s: %(words)s  (%(code)s)")
    for problem in checked.everything:
        where = {"file": file.name, "line": problem.line, "column": problem.column, "words": problem.words(language),
                 "code": problem.code}  # fmt: skip
        click.echo(translate(language, pattern, **where), err=problem.severity == "error")
    counts = {"journeys": len(checked.journeys), "problems": len(checked.problems), "warnings": len(checked.warnings)}
    click.echo(
        translate(language, N_("Journeys: %(journeys)s. Problems: %(problems)s. Warnings: %(warnings)s."), **counts)
    )


@journeys.command()
@click.argument("journey", required=False)
@click.option("--all", "everything", is_flag=True, help="Every journey of the file whose state is live.")
@click.option("--note", default="", help="What changed, for the list of versions.")
@language_option
@as_json_option
def publish(journey: str | None, everything: bool, note: str, language: str | None, as_json: bool) -> None:
    """Read journeys.yaml and publish a journey as it stands there; exit code 1 when it is refused."""
    from panel.db import reading, writing
    from panel.journeys import operations
    from panel.journeys.file import first_place, journey_texts, read_file
    from panel.journeys.language import check as check_text
    from panel.journeys.names import vocabulary

    language = language or terminal_language()
    if not journey and not everything:
        raise fail(N_("Name a journey, or write --all"))
    results: list[dict[str, Any]] = []
    with application() as app:
        path = app.config["PANEL"].journeys_file
        with writing() as session:
            operations.watch_file(session, path)
        found = read_file(path)
        texts = journey_texts(found.text or "")
        if everything:
            checked = check_text(found.data)
            wanted = [j for j in texts if (v := checked.journeys[j].values) is None or v.get("state") == "live"]
        else:
            wanted = [journey or ""]
        for journey_id in wanted:
            try:
                with reading() as session:
                    known = vocabulary(session)
                with writing() as session:
                    done = operations.publish(
                        session,
                        journey_id,
                        text=texts.get(journey_id),
                        file_text=found.text,
                        note=note,
                        vocabulary=known,
                    )
                results.append(
                    {
                        "journey": journey_id,
                        "ok": True,
                        "version": done.number,
                        "new": done.is_new,
                        "tests_begun_anew": list(done.renewed),
                    }
                )
            except UserError as error:
                # The places in the journey's own text, as places in the file that it stands in.
                above, indent = first_place(found.text or "", journey_id) if journey_id in texts else (0, 0)
                problems = [
                    problem.as_dict(language) | (_in_file(problem, above, indent) if _is_own(problem) else {})
                    for problem in getattr(error, "problems", ())
                ]
                results.append(
                    {
                        "journey": journey_id,
                        "ok": False,
                        "code": error.code,
                        "words": error.words(language),
                        "problems": problems,
                    }
                )
    _print_published(results, language, as_json)
    if not all(result["ok"] for result in results):
        raise SystemExit(1)


def _is_own(problem: Any) -> bool:
    return bool(problem.line) and problem.path.startswith("journeys/")


def _in_file(problem: Any, above: int, indent: int) -> dict[str, int]:
    lines = {"line": problem.line + above, "end_line": problem.end_line + above}
    return lines | {"column": problem.column + indent, "end_column": problem.end_column + indent}


def _print_published(results: list[dict[str, Any]], language: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results, ensure_ascii=False, indent=2))
        return
    for result in results:
        if result["ok"]:
            pattern = (
                N_("%(journey)s: version %(version)s is live")
                if result["new"]
                else N_("%(journey)s: nothing changed, version %(version)s is live")
            )
            click.echo(translate(language, pattern, journey=result["journey"], version=result["version"]))
            for test in result["tests_begun_anew"]:
                anew = N_("  the test %(test)s begins anew: what is compared, or when and how strictly, was changed")
                click.echo(translate(language, anew, test=test))
            continue
        head = N_("%(journey)s was not published:")
        # The lines below are the file's; the error's own sentence counts from the journey's first line.
        listed = translate(language, head, journey=result["journey"])
        click.echo(listed if result["problems"] else result["words"], err=True)
        for problem in result["problems"]:
            pattern = N_("  line %(line)s, column %(column)s: %(words)s  (%(code)s)")
            where = {key: problem[key] for key in ("line", "column", "words", "code")}
            click.echo(translate(language, pattern, **where), err=True)


@journeys.command(name="list")
@as_json_option
def list_journeys(as_json: bool) -> None:
    """List the journeys of this installation with their state."""
    from sqlalchemy import select

    from panel.db import reading
    from panel.journeys.models import Journey, JourneyVersion

    with application(), reading() as session:
        query = (
            select(Journey, JourneyVersion.number)
            .outerjoin(JourneyVersion, JourneyVersion.id == Journey.live_version_id)
            .order_by(Journey.id)
        )
        rows = [
            {
                "id": journey.id,
                "name": _name(journey),
                "state": journey.state,
                "version": number,
                "draft": journey.draft_text is not None,
                "review_due": journey.review_due.isoformat() if journey.review_due else None,
            }
            for journey, number in session.execute(query)
        ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        version = f"v{row['version']}" if row["version"] else "-"
        click.echo(f"{row['id']:<30} {row['state']:<8} {version:<5} {'draft' if row['draft'] else '':<6} {row['name']}")


def _name(journey: Any) -> str:
    """What people call it: the name in force, else the one in its draft, else its identity."""
    from panel.journeys.file import splice
    from panel.journeys.language import check as check_text

    if journey.draft_text is None or (journey.name and journey.name != journey.id):
        return str(journey.name or journey.id)
    try:
        found = check_text(splice("", journey.id, journey.draft_text)).journeys.get(journey.id)
    except UserError:
        found = None
    name = found.values.get("name") if found is not None and found.values else None
    return str(name or journey.id)


@journeys.command()
@language_option
def schema(language: str | None) -> None:
    """Print the JSON schema of the journey language, for editors."""
    from panel.journeys.language.schema import json_schema

    click.echo(json.dumps(json_schema(language or terminal_language()), ensure_ascii=False, indent=2))
