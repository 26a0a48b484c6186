"""Run the web server only."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from typing import Any

import click

from panel.cli._application import application, fail
from panel.i18n import N_
from panel.processes import lifeline

# The supervisor waits for this line before it says that the panel is there.
READY = "the pages are open"


@click.command()
@click.option("--threads", default=8, show_default=True, help="Requests answered at the same time.")
@click.option("--trusted-proxy", default="", help="Address of the proxy in front, whose X-Forwarded headers count.")
@click.option("--fd", default=-1, hidden=True, help="A listening socket opened by the supervisor.")
def command(threads: int, trusted_proxy: str, fd: int) -> None:
    """Serve the pages on PANEL_HOST and PANEL_PORT until stopped."""
    from waitress.server import create_server

    lifeline.hold()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with application(pages=True) as app:
        config = app.config["PANEL"]
    options: dict[str, Any] = {"threads": threads, "ident": None, "clear_untrusted_proxy_headers": True}
    if trusted_proxy:
        headers = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
        options |= {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": headers}
    if fd >= 0:
        options["sockets"] = [socket.socket(fileno=fd)]
    else:
        options |= {"host": config.host, "port": config.port}
    try:
        server = create_server(app, **options)
    except OSError as error:
        raise fail(
            N_("Port %(port)s cannot be opened (%(reason)s). Choose another: PANEL_PORT=8401"),
            port=config.port,
            reason=error.strerror or error,
        ) from error
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    click.echo(READY)
    with contextlib.suppress(SystemExit):
        server.run()
    server.close()


def _stop(*_: object) -> None:
    sys.exit(0)
