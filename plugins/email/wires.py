"""One SMTP connection: commands and replies over a socket, with a time limit per phase."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from panel.sdk.errors import Misconfigured, TryLater
from plugins.email.account import Account
from plugins.email.replies import Reply

MAX_REPLY_LINE = 4096
MAX_REPLY_LINES = 200


@dataclass(frozen=True)
class Timeouts:
    """Seconds per phase. The one for the answer after the body is RFC 5321's ten minutes, never less in production."""

    connect: float = 30
    greeting: float = 60
    command: float = 60
    body: float = 180
    body_end: float = 600


class BrokenError(Exception):
    """The connection ended, stalled, or spoke nonsense."""


class Connection:
    """Opened, greeted, encrypted and signed in. Every failure until then is certain: nothing was sent."""

    def __init__(self, account: Account, timeouts: Timeouts, told: Callable[[str], None] | None = None) -> None:
        self.account = account
        self._timeouts = timeouts
        self._buffer = b""
        self.features: dict[str, str] = {}
        self.last_used = time.monotonic()
        if not account.host:
            raise Misconfigured("host", "No mail server is set.")
        tell = told or (lambda step: None)
        try:
            tell("connect")
            self._socket: socket.socket = socket.create_connection((account.host, account.port), timeouts.connect)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise TryLater(f"{account.host}:{account.port}: {_words(error)}") from error
        try:
            if account.security == "tls":
                tell("tls")
                self._encrypt()
            tell("greeting")
            greeting = self.read(timeouts.greeting)
            if greeting.code != 220:
                raise TryLater(greeting.words)
            self._hello()
            if account.security == "starttls":
                tell("tls")
                self._start_tls()
            if account.user:
                tell("sign_in")
                self._sign_in()
        except BrokenError as error:
            self.close()
            raise TryLater(f"{account.host}:{account.port}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _hello(self) -> None:
        name = self.account.domain if self.account.domain.isascii() else "localhost"
        reply = self.command(f"EHLO {name or 'localhost'}")
        if reply.code != 250:
            raise TryLater(reply.words)
        self.features = {}
        for line in reply.text.split("\n")[1:]:
            word, _, rest = line.strip().partition(" ")
            self.features[word.upper()] = rest

    def _encrypt(self) -> None:
        context = ssl.create_default_context()
        if self.account.certificate:
            try:
                context.load_verify_locations(cadata=self.account.certificate)
            except ssl.SSLError:
                raise Misconfigured("certificate", "The trusted certificate is not in PEM form.") from None
        try:
            self._socket.settimeout(self._timeouts.greeting)
            self._socket = context.wrap_socket(self._socket, server_hostname=self.account.host)
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured("security", f"The server's certificate is not valid: {error.verify_message}") from error
        except (ssl.SSLError, OSError) as error:
            raise TryLater(f"{self.account.host}:{self.account.port}: {_words(error)}") from error
        self._buffer = b""  # nothing said before the encryption counts

    def _start_tls(self) -> None:
        if "STARTTLS" not in self.features:
            raise Misconfigured("security", "The server does not offer STARTTLS.")
        reply = self.command("STARTTLS")
        if reply.code != 220:
            raise TryLater(reply.words)
        self._encrypt()
        self._hello()

    def _sign_in(self) -> None:
        offered = self.features.get("AUTH", "").upper().split()
        user, password = self.account.user, self.account.password
        if "PLAIN" in offered or not offered:
            token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            reply = self.command(f"AUTH PLAIN {token}")
        elif "LOGIN" in offered:
            reply = self.command("AUTH LOGIN")
            if reply.code == 334:
                reply = self.command(base64.b64encode(user.encode()).decode())
            if reply.code == 334:
                reply = self.command(base64.b64encode(password.encode()).decode())
        else:
            raise Misconfigured("user", "The server offers no way to sign in that we know (PLAIN, LOGIN).")
        if reply.code == 235:
            return
        if 400 <= reply.code < 500:
            raise TryLater(reply.words)
        raise Misconfigured("password", reply.words)

    def command(self, line: str) -> Reply:
        self.write(line.encode("utf-8") + b"\r\n", self._timeouts.command)
        return self.read(self._timeouts.command)

    def write(self, data: bytes, seconds: float) -> None:
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(data)
        except (OSError, ValueError) as error:
            raise BrokenError(_words(error)) from error

    def read(self, seconds: float) -> Reply:
        """The next reply, all its lines. Raises BrokenError when it does not come whole in time."""
        until = 0.0
        lines: list[str] = []
        while True:
            at = self._buffer.find(b"\n")
            if at >= 0:  # several answers often come at once
                raw, self._buffer = self._buffer[:at].rstrip(b"\r"), self._buffer[at + 1 :]
            else:
                until = until or time.monotonic() + seconds
                raw = self._line(until)
            code, mark, text = raw[:3], raw[3:4], raw[4:]
            if not code.isdigit() or mark not in (b" ", b"-", b"") or len(lines) >= MAX_REPLY_LINES:
                raise BrokenError(f"not an SMTP reply: {raw[:60]!r}")
            lines.append(text.decode("utf-8", "replace").strip())
            if mark != b"-":
                return Reply(int(code), "\n".join(lines) if len(lines) > 1 else lines[0])

    def _line(self, until: float) -> bytes:
        while True:
            at = self._buffer.find(b"\n")
            if at >= 0:
                line, self._buffer = self._buffer[:at], self._buffer[at + 1 :]
                return line.rstrip(b"\r")
            if len(self._buffer) > MAX_REPLY_LINE:
                raise BrokenError("a reply without end")
            left = until - time.monotonic()
            if left <= 0:
                raise BrokenError("no answer in time")
            try:
                self._socket.settimeout(left)
                more = self._socket.recv(65536)
            except TimeoutError as error:
                raise BrokenError("no answer in time") from error
            except (OSError, ValueError) as error:
                raise BrokenError(_words(error)) from error
            if not more:
                raise BrokenError("the server closed the connection")
            self.last_used = time.monotonic()
            self._buffer += more

    def is_stale(self) -> bool:
        """The server hung up, or said something unasked (421), while nobody used the connection."""
        if self._buffer:
            return True
        try:
            self._socket.setblocking(False)
            return self._socket.recv(1, 0 if isinstance(self._socket, ssl.SSLSocket) else socket.MSG_PEEK) is not None
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError):
            return True

    def close(self, *, politely: bool = False) -> None:
        try:
            if politely:
                self._socket.settimeout(1)
                self._socket.sendall(b"QUIT\r\n")
            self._socket.close()
        except OSError:
            pass  # it is gone either way


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "no such server name"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def first_line(replies: Sequence[Reply]) -> str:
    return replies[0].words if replies else ""
