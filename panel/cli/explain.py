"""Why a contact got a journey's messages, or did not, and what comes next."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from panel.cli._application import application, fail
from panel.cli._language import language, say
from panel.i18n import N_

if TYPE_CHECKING:
    from panel.journeys.explain import Explanation, Line


@click.command()
@click.argument("contact")
@click.argument("journey")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(contact: str, journey: str, as_json: bool) -> None:
    """Explain CONTACT (id, e-mail, phone or name) and JOURNEY (its identity): refusals, runs, steps, messages."""
    from panel import clock
    from panel.contacts.search import search
    from panel.db import reading
    from panel.journeys.explain import explain

    with application(), reading() as session:
        if contact.isdigit() and len(contact) < 10:
            contact_id = int(contact)
        else:
            found = search(session, contact, limit=2)
            if len(found) != 1:
                problem = N_("No contact is like %(text)s") if not found else N_("Several contacts are like %(text)s")
                raise fail(problem, text=contact)
            contact_id = found[0].id
        told = explain(session, contact_id, journey, now=clock.now(), language=language())
    if as_json:
        click.echo(json.dumps(asdict(told), ensure_ascii=False, default=str, indent=1))
        return
    _tell(told)


def _tell(told: Explanation) -> None:
    click.echo(f"{told.journey} ({told.journey_id}, {told.state})")
    for line in told.refusals:
        _line(line)
    for run in told.runs:
        click.echo(f"#{run.number} {run.entered_at:%Y-%m-%d %H:%M}: {run.words}")
        for line in sorted([*run.steps, *run.messages], key=lambda one: one.at):
            _line(line)
        if run.waits_until is not None:
            waiting = say(N_("Looks again at %(at)s (step %(step)s)"))
            click.echo("  " + waiting % {"at": f"{run.waits_until:%Y-%m-%d %H:%M} UTC", "step": run.step_id})
    if told.would_enter is not None:
        would = N_("Never started. It would let this contact in now.")
        would_not = N_("Never started. It would not let this contact in now.")
        click.echo(say(would if told.would_enter else would_not))
        click.echo(json.dumps(told.judged, ensure_ascii=False, default=str))
    if told.stops:
        click.echo(say(N_("It would stop on: %(stops)s")) % {"stops": ", ".join(told.stops)})


def _line(line: Line) -> None:
    click.echo(f"  {line.at:%Y-%m-%d %H:%M}  {line.about}  {line.words}  [{line.code}]")
