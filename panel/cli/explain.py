"""Why a contact got a journey's messages, or did not, what comes next, and what would stop it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from panel.cli._application import application
from panel.cli._contacts import contact_named
from panel.cli._language import language, say
from panel.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from panel.calendars import Reader
    from panel.journeys.explain import Explanation


@click.command()
@click.argument("contact")
@click.argument("journey")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(contact: str, journey: str, as_json: bool) -> None:
    """Explain CONTACT (id, e-mail, phone or name) and JOURNEY (its identity): why, why not, what next."""
    from panel import clock
    from panel.calendars import Reader
    from panel.db import reading
    from panel.errors import UserError
    from panel.journeys.engine.facts import company
    from panel.journeys.explain import explain

    with application(), reading() as session:
        found = contact_named(session, contact)
        reader = Reader(language(), time_zone=company(session).time_zone, sees_amounts=True)
        try:
            told = explain(session, found.id, journey, now=clock.now(), reader=reader)
        except UserError as error:
            raise click.ClickException(error.words(language())) from error
    if as_json:
        click.echo(json.dumps(asdict(told), ensure_ascii=False, default=str, indent=1))
        return
    _tell(told, reader)


def _tell(told: Explanation, reader: Reader) -> None:
    from panel.calendars import show_moment
    from panel.journeys.reasons import state_words

    click.echo(f"{told.journey} ({told.journey_id}, {state_words(told.state, reader.language)})")
    for run in told.runs:
        of_what = f" ({run.entry_key})" if run.entry_key else ""
        click.echo(f"  #{run.number}{of_what}: {run.words}")
    _chapter(say(N_("Why she got it")), told.got)
    _chapter(say(N_("Why she did not")), told.not_got)
    coming = []
    for one in told.coming:
        coming += [f"{show_moment(one.at, reader)}  {one.words}", *(f"    {how}" for how in one.how)]
    _chapter(say(N_("What comes next, and when")), coming)
    _chapter(say(N_("What would stop it")), told.would_stop)


def _chapter(heading: str, sentences: Sequence[str]) -> None:
    if sentences:
        click.echo(heading)
        for sentence in sentences:
            click.echo(f"  {sentence}")
