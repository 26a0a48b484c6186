"""Run one worker until it is stopped (any number of them, on any number of machines)."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.argument("number", default="")
def command(number: str) -> None:
    """Run one worker until it is stopped. NUMBER names it in the list of processes; the default is its process id.

    It waits for `panel db upgrade` when it is newer than the database's tables, and ends with exit code 75 when they
    have become newer than it is: let the service manager start it again (systemd: Restart=always, RestartSec=1).
    """
    replace_by("worker", number)


def replace_by(kind: str, number: str) -> None:
    """Become the background process: it lies above the command line in the order of imports."""
    arguments = [sys.executable, "-m", "panel.worker", kind, *([number] if number else [])]
    os.execv(sys.executable, arguments)
