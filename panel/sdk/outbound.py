"""HTTP requests to an address that a person typed in: safe against aiming them at our own network, honest about doubt.

Every resolved address is checked when the connection is made (a name may resolve differently a second later), redirects
are not followed, and the answer is bounded in size and time. What failed before the first byte of the request left is
`NotSentError`; what failed after it is `NoAnswerError`: the other side may or may not have acted.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

MAX_ANSWER = 64 * 1024
CONNECT_SECONDS = 10.0

NotSentReason = Literal["address", "name", "private", "connect", "certificate"]


class NotSentError(Exception):
    """Certainly nothing was sent. `reason`: address (not one), name (unknown), private (our own network, not allowed),
    connect (refused or silent), certificate."""

    def __init__(self, reason: NotSentReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NoAnswerError(Exception):
    """The request left, whole or in part, and no clear answer came."""


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name; `complete` False when the body was longer than allowed or broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True


@dataclass(frozen=True)
class Target:
    """A checked address: where to connect and what to ask for there."""

    scheme: str
    host: str
    port: int
    path: str


def parse(url: str) -> Target:
    """Take an address apart. Raises NotSentError("address") for anything but a plain http(s) address."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotSentError("address", str(error)) from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise NotSentError("address", url)
    try:
        host.encode("ascii")
    except UnicodeEncodeError:
        try:
            host = host.encode("idna").decode()
        except UnicodeError as error:
            raise NotSentError("address", str(error)) from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(ord(character) <= 32 or ord(character) > 126 for character in path):
        raise NotSentError("address", path)
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the world, seen through every way of wrapping IPv4 in IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/32"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def resolve(target: Target, *, allow_local: bool = False) -> list[str]:
    """The IP addresses that may be used. Raises NotSentError("name") or ("private")."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSentError("name", f"{target.host}: {error}") from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    usable = addresses if allow_local else [one for one in addresses if is_public(one)]
    if not usable:
        raise NotSentError("private", ", ".join(addresses))
    return usable


def connect(target: Target, *, allow_local: bool = False, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """Open a connection to a checked IP address, with TLS for https. Raises NotSentError."""
    last = "no address"
    for address in resolve(target, allow_local=allow_local):
        try:
            plain = socket.create_connection((address, target.port), timeout)
        except OSError as error:
            last = f"{target.host}:{target.port}: {error}"
            continue
        if target.scheme == "http":
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
        except ssl.SSLError as error:
            plain.close()
            raise NotSentError("certificate", str(error)) from None
        except OSError as error:
            plain.close()
            last = f"{target.host}:{target.port}: {error}"
    raise NotSentError("connect", last)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout: float = 60.0,
    allow_local: bool = False,
    before: Callable[[], None] = lambda: None,
    max_answer: int = MAX_ANSWER,
) -> Answer:
    """Make one request on a connection of its own and read the answer, all within `timeout` seconds of its sending.

    `before` is called once, connected, just before the first byte. A reused connection may die unnoticed and leave a
    doubt that a fresh one does not, so none is reused. Raises NotSentError or NoAnswerError.
    """
    target = parse(url)
    for name, value in headers.items():
        # Checked while it is certain that nothing has left.
        if not name.isascii() or any(c in name + value for c in "\r\n\0") or not value.isprintable():
            raise NotSentError("address", f"header {name!r}")
    opened = connect(target, allow_local=allow_local, timeout=min(timeout, CONNECT_SECONDS))
    opened.settimeout(timeout)
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    connection.sock = opened
    # A peer that sends one byte a second never runs into a socket's own time-out; this does.
    end = threading.Timer(timeout, _cut, [opened])
    end.daemon = True
    lines = {"Host": _host(target), "Connection": "close", **_encoded(headers)}
    try:
        before()
        end.start()
        connection.request(method, target.path, body, lines)
        response = connection.getresponse()
        # An answer that began is an answer: its status stands even when the body breaks off.
        return _read(response, max_answer)
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"{type(error).__name__}: {error}".strip(": ")) from None
    finally:
        end.cancel()
        connection.close()


def _read(response: http.client.HTTPResponse, most: int) -> Answer:
    body, complete = b"", True
    try:
        body = response.read(most + 1)
        if len(body) > most:
            body, complete = body[:most], False
        elif response.length:
            complete = False
    except http.client.IncompleteRead as error:
        body, complete = error.partial, False
    except (OSError, http.client.HTTPException):
        complete = False
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body, complete)


def _host(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    default = 443 if target.scheme == "https" else 80
    return host if target.port == default else f"{host}:{target.port}"


def _encoded(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}


def _cut(opened: socket.socket) -> None:
    with suppress(OSError):
        # The plain socket's shutdown, also under TLS: it only wakes whoever is reading.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
