"""`panel journeys simulate` and `panel journeys forecast`: what would happen, printed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from panel.cli._application import application, fail
from panel.cli._contacts import contact_named
from panel.cli._language import language as terminal_language
from panel.i18n import LANGUAGES, N_, translate

if TYPE_CHECKING:
    from panel.calendars import Reader
    from panel.journeys.simulate.one import Simulation

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
language_option = click.option("--language", type=click.Choice(list(LANGUAGES)), help="en, he or fa.")
as_json_option = click.option("--json", "as_json", is_flag=True, help="For scripts.")


class Length(click.ParamType[timedelta]):
    """30m, 2h, 3d, 1w."""

    name = "length"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d+)([mhdw])", str(value).strip())
        if found is None:
            self.fail(f"{value} is not a length: write 30m, 2h, 3d or 1w", param, ctx)
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


LENGTH = Length()


@click.command()
@click.argument("contact")
@click.argument("journey")
@click.option("--days", default=60, show_default=True, help="How far ahead.")
@click.option("--opens", type=LENGTH, help="How long after a message the contact opens it (2h).")
@click.option("--clicks", type=LENGTH, help="... follows a link in it.")
@click.option("--replies", type=LENGTH, help="... answers it.")
@click.option("--event", "events", multiple=True, metavar="KIND@LENGTH", help="An event: order_paid@3d. Repeatable.")
@click.option("--fails", "fate", flag_value="failed", help="The provider refuses every message.")
@click.option("--doubt", "fate", flag_value="unknown", help="The provider never says whether a message went out.")
@click.option("--draft", is_flag=True, help="The text that nobody has published yet.")
@click.option("--no-start", is_flag=True, help="Only what is under way; the journey does not begin anew.")
@click.option("--trigger", default=1, show_default=True, help="Which of the journey's triggers begins it.")
@language_option
@as_json_option
def simulate(
    contact: str,
    journey: str,
    days: int,
    opens: timedelta | None,
    clicks: timedelta | None,
    replies: timedelta | None,
    events: tuple[str, ...],
    fate: str | None,
    draft: bool,
    no_start: bool,
    trigger: int,
    language: str | None,
    as_json: bool,
) -> None:
    """What would happen to CONTACT in JOURNEY, day by day. Nothing is sent and nothing remains."""
    from panel.calendars import Reader
    from panel.db import reading
    from panel.errors import UserError
    from panel.journeys.engine.facts import company
    from panel.journeys.simulate.one import Asked
    from panel.journeys.simulate.one import simulate as play
    from panel.journeys.simulate.wishes import Happens, Wishes

    language = language or terminal_language()
    happens = []
    for one in events:
        kind, _, after = one.partition("@")
        happens.append(Happens(kind, LENGTH.convert(after or "1d", None, None)))
    wishes = Wishes(opens, clicks, replies, tuple(happens), fate or "sent")  # type: ignore[arg-type]
    with application():
        with reading() as session:
            found = contact_named(session, contact)
            reader = Reader(language, time_zone=company(session).time_zone, sees_amounts=True)
        asked = Asked(found.id, journey, days, not no_start, trigger - 1, draft=draft, wishes=wishes)
        try:
            told = play(asked, reader)
        except UserError as error:
            problems = [problem.words(language) for problem in getattr(error, "problems", ())]
            raise click.ClickException("\n".join([error.words(language), *problems])) from error
    if as_json:
        click.echo(json.dumps(asdict(told), ensure_ascii=False, default=str, indent=1))
        return
    _tell(told, reader)


def _tell(told: Simulation, reader: Reader) -> None:
    from panel.calendars import show_day, show_time

    day = None
    for line in told.lines:
        local = line.at.astimezone(reader.zone).date()
        if local != day:
            day = local
            click.echo(show_day(day, reader, "full"))
        elsewhere = f"  [{line.journey}]" if line.journey and line.journey_id != told.journey_id else ""
        click.echo(f"  {show_time(line.at, reader)}  {line.words}{elsewhere}")
        for more in line.more:
            click.echo(f"         {more}")
        if line.text is not None:
            for row in [line.text.subject, *line.text.text.splitlines()][:12]:
                click.echo(f"         | {row}" if row.strip() else "         |")
    if not told.lines:
        click.echo(translate(reader.language, N_("Nothing would happen in this time.")))


@click.command()
@click.option("--days", default=60, show_default=True, help="How far ahead.")
@click.option("--processes", default=2, show_default=True, help="Among how many processes the contacts are shared.")
@language_option
@as_json_option
def forecast(days: int, processes: int, language: str | None, as_json: bool) -> None:
    """Everybody: messages per day and channel, entries, collisions with limits, cost. Nothing is sent or kept."""
    from panel.calendars import Reader
    from panel.db import reading
    from panel.journeys.engine.facts import company
    from panel.journeys.simulate.whole import forecast as play

    language = language or terminal_language()
    with application() as app:
        with reading() as session:
            reader = Reader(language, time_zone=company(session).time_zone, sees_amounts=True)
        try:
            told = play(app.config["PANEL"], days, processes)
        except OSError as error:
            raise fail(N_("The forecast could not be made: %(reason)s"), reason=str(error)) from error
    if as_json:
        click.echo(json.dumps(told.as_dict(), ensure_ascii=False, indent=1))
        return
    for words in told.sentences(reader):
        click.echo(words)
