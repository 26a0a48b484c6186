"""What `panel up` shows: every program's lines in one place, and the address to open."""

from __future__ import annotations

import importlib.metadata
import signal
import sys
from contextlib import suppress
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import click

from panel.cli._language import say
from panel.config import Config
from panel.i18n import N_

KEEP_BYTES, KEEP_FILES = 10_000_000, 3
WIDTH = 10


class Log:
    """Lines go to the terminal, and with their time into one file that is kept small.

    A line that cannot be written (a full disk, a closed terminal) is lost: whoever writes it down runs everything else,
    and must not end for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_closed = False
        self._file = RotatingFileHandler(path, maxBytes=KEEP_BYTES, backupCount=KEEP_FILES, encoding="utf-8")

    def write(self, name: str, line: str) -> None:
        with suppress(OSError):
            click.echo(f"{name:<{WIDTH}} | {line}")
        if self._is_closed:
            return
        at = datetime.now().astimezone().isoformat(timespec="milliseconds")
        try:
            if self._file.stream is None:
                self._file.stream = open(self.path, "a", encoding="utf-8")  # noqa: SIM115
            self._file.stream.write(f"{at} {name} {line}\n")
            self._file.stream.flush()
            if self._file.stream.tell() > KEEP_BYTES:
                self._file.doRollover()
        except OSError:
            self._let_go()

    def close(self) -> None:
        self._is_closed = True
        self._let_go()
        self._file.close()

    def _let_go(self) -> None:
        """Forget the stream with what it could not write; the next line opens the file anew."""
        stream, self._file.stream = self._file.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()


class Banner:
    """Shown once, when the first page can be opened."""

    def __init__(self, config: Config, log: Path) -> None:
        self.config, self.log = config, log
        self.found: dict[str, Any] = {}
        self._shown = False

    def show(self) -> None:
        if self._shown:
            return
        self._shown = True
        rows = [(N_("Open this address"), self.config.public_url)]
        if owner := self.found.get("owner"):
            rows += [
                (N_("Log in as"), owner["email"]),
                (N_("One-time password"), owner["password"]),
            ]
        rows += [(N_("Data folder"), str(self.config.instance)), (N_("Log file"), str(self.log))]
        labels = [say(label) for label, _ in rows]
        width = max(map(len, labels))
        click.echo("")
        click.echo("  " + say(N_("Nava is running. Stop it with Ctrl-C.")))
        for label, (_, value) in zip(labels, rows, strict=True):
            click.echo(f"  {label:<{width}}  {value}")
        click.echo("", nl=True)
        sys.stdout.flush()


def ending(code: int) -> str:
    """How a process ended, for a log line."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def warn_about_name_clash() -> None:
    """Another project's distribution is called `panel` and owns the same import name: one of the two is broken."""
    try:
        version = importlib.metadata.version("panel")
    except importlib.metadata.PackageNotFoundError:
        return
    click.echo(
        say(
            N_(
                "Warning: another package called “panel” (%(version)s) is installed in this environment and uses the"
                " same import name. Remove it: pip uninstall panel"
            )
        )
        % {"version": version},
        err=True,
    )
