"""Run the ticker, which wakes the workers when something is due (one is enough, two do no harm)."""

from __future__ import annotations

import click

from panel.cli.worker import replace_by


@click.command()
@click.argument("number", default="")
def command(number: str) -> None:
    """Run the ticker until it is stopped."""
    replace_by("ticker", number)
