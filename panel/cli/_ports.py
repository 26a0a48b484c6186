"""Open ports, or say in one line which one is taken and how to choose another."""

from __future__ import annotations

import errno
import socket

from panel.cli._application import fail
from panel.i18n import N_


def open_listener(host: str, port: int, variable: str) -> socket.socket:
    """A listening socket. It is opened before anything is started, and stays open when the web server starts again."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise refusal(error, host, port, variable) from error


def free_port(port: int, variable: str) -> int:
    """The port itself when it is free on loopback; any free one for 0."""
    with open_listener("127.0.0.1", port, variable) as listener:
        number: int = listener.getsockname()[1]
        return number


def refusal(error: OSError, host: str, port: int, variable: str) -> Exception:
    another = port + 10 if 1024 <= port < 65_000 else 8400
    if error.errno == errno.EADDRINUSE:
        return fail(
            N_("Port %(port)s is taken by another program. Choose another: %(variable)s=%(another)s make run"),
            port=port,
            variable=variable,
            another=another,
        )
    return fail(
        N_(
            "Port %(port)s on %(host)s cannot be opened (%(reason)s). Choose another: %(variable)s=%(another)s make run"
        ),
        port=port,
        host=host,
        reason=error.strerror or error,
        variable=variable,
        another=another,
    )
