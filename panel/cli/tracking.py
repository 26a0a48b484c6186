"""Judge opens and clicks anew: person, mail service or machine."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import click

from panel.cli._application import application, fail
from panel.cli._language import say
from panel.i18n import N_

if TYPE_CHECKING:
    from panel.tracking.judging import Changes

_VERDICTS = {"human": N_("a person"), "proxy": N_("a mail service"), "machine": N_("a machine")}
_KINDS = {"open": N_("Opens"), "click": N_("Clicks")}


@click.group()
def command() -> None:
    """Judge opens and clicks anew: person, mail service or machine."""


@command.command()
@click.option("--since", default="", help="Only messages with a hit since this day, like 2026-11-22.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def reclassify(since: str, dry_run: bool, as_json: bool) -> None:
    """Judge the stored hits by the present rules. May be interrupted and started again; starts no journey."""
    from panel.db import reading, writing
    from panel.tracking.judging import reclassify as run
    from panel.tracking.rules import RULES

    start = _day(since) if since else None
    with application():
        shown = None if as_json else lambda changes: click.echo(_progress(changes), err=True)
        done = run(reading if dry_run else writing, since=start, dry_run=dry_run, progress=shown)
    if as_json:
        click.echo(json.dumps({"rules": RULES, "dry_run": dry_run, **_numbers(done)}))
        return
    for line in _report(done, dry_run):
        click.echo(line)


def _day(text: str) -> datetime:
    from panel import clock

    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=clock.now().tzinfo)
    except ValueError as error:
        raise fail(N_("“%(text)s” is not a date like 2026-11-22"), text=text) from error


def _progress(changes: Changes) -> str:
    return say(N_("%(messages)s messages, %(hits)s hits judged, %(changed)s changed …")) % {
        "messages": changes.messages, "hits": changes.hits, "changed": changes.changed,
    }  # fmt: skip


def _report(changes: Changes, dry_run: bool) -> list[str]:
    if not changes.changed:
        return [say(N_("%(hits)s hits judged; every verdict stays as it is.")) % {"hits": changes.hits}]
    lines = [
        say(N_("%(kind)s: %(count)s that counted as %(old)s count as %(new)s"))
        % {"kind": say(_KINDS[kind]), "count": count, "old": say(_VERDICTS[old]), "new": say(_VERDICTS[new])}
        for (kind, old, new), count in sorted(changes.verdicts.items())
    ]
    lines.append(say(N_("Messages with another first open or click: %(count)s")) % {"count": changes.first_times})
    if dry_run:
        lines.append(say(N_("Nothing was changed. Run it without --dry-run to change it.")))
    else:
        lines.append(say(N_("Lines of timelines that were set right: %(count)s")) % {"count": changes.events})
    return lines


def _numbers(changes: Changes) -> dict[str, object]:
    return {
        "messages": changes.messages, "hits": changes.hits, "changed": changes.changed,
        "first_times": changes.first_times, "events": changes.events,
        "verdicts": [{"kind": k, "old": o, "new": n, "count": c} for (k, o, n), c in sorted(changes.verdicts.items())],
    }  # fmt: skip
