"""Examine this installation: what is well, what is not, and what to do about it."""

from __future__ import annotations

import json
import sys

import click

from panel.cli._application import application
from panel.cli._language import language

SIGNS = {"good": "ok  ", "warn": "WARN", "bad": "BAD "}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(as_json: bool) -> None:
    """Examine this installation. Exit code 0 when everything works (warnings are allowed)."""
    from panel.cli._checks import examine

    with application() as app:
        findings = examine(app.config["PANEL"])
    fine = all(finding.state != "bad" for finding in findings)
    speech = language()
    if as_json:
        rows = [
            {"name": each.name, "state": each.state, "words": each.words(speech), "fix": each.fix_words(speech)}
            for each in findings
        ]
        click.echo(json.dumps({"ok": fine, "checks": rows}, ensure_ascii=False, indent=1))
    else:
        for each in findings:
            click.echo(f"{SIGNS[each.state]}  {each.name:<11} {each.words(speech)}")
            if each.fix:
                click.echo(f"{'':<18}→ {each.fix_words(speech)}")
    sys.exit(0 if fine else 1)
