"""Handing over mail by SMTP, with one round trip per mail where the server allows it (PIPELINING).

The one rule that everything here serves: an answer decides only if it is certain. Refused before any byte of the
body: certainly not sent. 2xx after the body: sent. 4xx or 5xx after the body: certainly not sent. Anything else once
the body was begun (a broken line, silence, nonsense) is `Unknown`, and never repeated by itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from panel.sdk.channels import Deferred, Failed, Outgoing, Result, Sent, Unknown, Wire
from panel.sdk.errors import Misconfigured, TryLater
from plugins.email.account import Account
from plugins.email.replies import Phase, Reply, refused
from plugins.email.wires import BrokenError, Connection, Timeouts

IDLE = 20.0  # seconds after which a kept connection is looked at before it is used
MAX_RECONNECTS = 3  # per batch
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_PHASES: tuple[Phase, Phase, Phase] = ("mail", "rcpt", "data")


class Client:
    """Sends batches over one kept connection. Not for several threads at once."""

    def __init__(
        self,
        account: Account,
        timeouts: Timeouts | None = None,
        connect: Callable[[Account, Timeouts], Connection] = Connection,
    ) -> None:
        self._account = account
        self._timeouts = timeouts or Timeouts()
        self._connect = connect
        self._connection: Connection | None = None

    def send(self, batch: Sequence[Outgoing], wire: Wire) -> list[Result]:
        """One result per message. Raises TryLater or Misconfigured only while nothing of the batch was handed over."""
        results: list[Result | None] = [None] * len(batch)
        at = reconnects = 0
        while at < len(batch):
            try:
                connection = self._ready()
                if self._pipelines(connection):
                    at = self._run_pipelined(connection, batch, at, results, wire)
                else:
                    self._run_one(connection, batch, at, results, wire)
                    at += 1
            except BrokenError as error:
                # Only a connection that broke between messages ends here; a message in doubt has its result already.
                self._drop()
                at = _next(results, at)
                reconnects += 1
                if reconnects > MAX_RECONNECTS:
                    self._give_up(results, TryLater(str(error)))
            except (TryLater, Misconfigured) as error:
                self._give_up(results, error)
            except BaseException:
                # In the middle of a conversation: the server may be waiting for a body, and would take the next
                # envelope for it.
                self._drop()
                raise
            at = _next(results, at)
        return [result if result is not None else Deferred() for result in results]

    def _give_up(self, results: list[Result | None], error: TryLater | Misconfigured) -> None:
        """The connection cannot be had. With nothing handed over the panel may know why; else the rest is deferred."""
        if not any(isinstance(result, Sent | Unknown | Failed) for result in results):
            raise error
        reason = error.reason if isinstance(error, TryLater) else error.detail
        after = error.after if isinstance(error, TryLater) else None
        for place, result in enumerate(results):
            if result is None:
                results[place] = Deferred(reason, after)

    def _ready(self) -> Connection:
        connection = self._connection
        if connection is not None and time.monotonic() - connection.last_used > IDLE and connection.is_stale():
            self._drop()
        if self._connection is None:
            self._connection = self._connect(self._account, self._timeouts)
        return self._connection

    def _pipelines(self, connection: Connection) -> bool:
        return "PIPELINING" in connection.features

    def _envelope(self, outgoing: Outgoing) -> list[bytes]:
        sender = _path(self._account.envelope_from)
        return [b"MAIL FROM:<" + sender + b">\r\n", b"RCPT TO:<" + _path(outgoing.address) + b">\r\n", b"DATA\r\n"]

    def _run_pipelined(
        self, connection: Connection, batch: Sequence[Outgoing], at: int, results: list[Result | None], wire: Wire
    ) -> int:
        """Send from `at` on; the next envelope travels behind the body before it. Returns where to go on."""
        times = self._timeouts
        connection.write(b"".join(self._envelope(batch[at])), times.command)
        while at < len(batch):
            outgoing = batch[at]
            no = self._envelope_answer(connection, results, at)
            if no:
                if no == "reset":
                    # RSET clears the half-made envelope, in one write with the next one.
                    after = b"".join(self._envelope(batch[at + 1])) if at + 1 < len(batch) else b""
                    connection.write(b"RSET\r\n" + after, times.command)
                    connection.read(times.command)
                    at += 1
                    continue
                self._drop(politely=True)
                return at + 1
            body = _stuffed(outgoing.payload)
            after = b"".join(self._envelope(batch[at + 1])) if at + 1 < len(batch) else b""
            wire.begin(outgoing)
            try:
                connection.write(body + after, times.body)
                reply = connection.read(times.body_end)
            except BrokenError as error:
                results[at] = Unknown(str(error))
                raise
            if not self._body_answer(reply, outgoing, results, at, wire):
                self._drop()
                return at + 1
            at += 1
        return at

    def _envelope_answer(self, connection: Connection, results: list[Result | None], at: int) -> str:
        """Read the answers to MAIL, RCPT and DATA. Empty: go on with the body. "reset" or "close": not this one."""
        answers: list[Reply] = []
        for _ in _PHASES:
            answers.append(connection.read(self._timeouts.command))
            if answers[-1].code == 421:
                results[at] = Deferred(answers[-1].words)
                return "close"
        bad = next((place for place, one in enumerate(answers) if not _is_good(one, place)), None)
        if bad is None:
            return ""
        outcome = refused(answers[bad], _PHASES[bad])
        if answers[2].code == 354:
            # The server waits for a body without a recipient. It gets none: the connection is closed instead.
            self._decide(results, at, outcome)
            return "close"
        self._decide(results, at, outcome)
        return "reset"

    def _run_one(
        self, connection: Connection, batch: Sequence[Outgoing], at: int, results: list[Result | None], wire: Wire
    ) -> None:
        """A server without PIPELINING: command by command."""
        times = self._timeouts
        outgoing = batch[at]
        for place, command in enumerate(self._envelope(outgoing)):
            connection.write(command, times.command)
            reply = connection.read(times.command)
            if reply.code == 421:
                results[at] = Deferred(reply.words)
                self._drop()
                return
            if not _is_good(reply, place):
                self._decide(results, at, refused(reply, _PHASES[place]))
                connection.command("RSET")
                return
        wire.begin(outgoing)
        try:
            connection.write(_stuffed(outgoing.payload), times.body)
            reply = connection.read(times.body_end)
        except BrokenError as error:
            results[at] = Unknown(str(error))
            raise
        if not self._body_answer(reply, outgoing, results, at, wire):
            self._drop()

    def _body_answer(self, reply: Reply, outgoing: Outgoing, results: list[Result | None], at: int, wire: Wire) -> bool:
        """Note the answer to the body. False when the connection must not be used any more."""
        if 200 <= reply.code < 300:
            wire.accepted(outgoing)
            results[at] = Sent(detail=reply.words)
            return True
        if 400 <= reply.code < 600:
            self._decide(results, at, refused(reply, "body"))
            return reply.code != 421
        results[at] = Unknown(reply.words)
        return False

    def _decide(self, results: list[Result | None], at: int, outcome: Failed | Deferred | Misconfigured) -> None:
        """A refusal. One that is our own fault stops the batch; the contact's message waits for the repair."""
        if isinstance(outcome, Misconfigured):
            self._drop(politely=True)
            if any(isinstance(result, Sent | Unknown | Failed) for result in results):
                results[at] = Deferred(outcome.detail)
            raise outcome
        results[at] = outcome

    def _drop(self, *, politely: bool = False) -> None:
        if self._connection is not None:
            self._connection.close(politely=politely)
            self._connection = None

    def close(self) -> None:
        self._drop(politely=True)


def _is_good(reply: Reply, place: int) -> bool:
    return reply.code == 354 if place == 2 else 200 <= reply.code < 300


def _next(results: Sequence[Result | None], at: int) -> int:
    """The first message without a result, from `at` on or before it."""
    return next((place for place, result in enumerate(results) if result is None), len(results))


def _path(address: str) -> bytes:
    """An address for the envelope. Characters that could end it are dropped; the channel checked it before."""
    if _PLAIN_PATH.fullmatch(address):
        return address.encode("ascii")
    local, at, domain = address.rpartition("@")
    if not domain.isascii():
        domain = ".".join(label.encode("idna").decode("ascii") for label in domain.split("."))
    return "".join(c for c in local + at + domain if c.isascii() and c.isprintable() and c not in "<> ").encode("ascii")


def _stuffed(payload: bytes) -> bytes:
    """The body as it travels: dots at line starts doubled, the final dot on its line."""
    if b"\n." in payload or payload.startswith(b"."):
        payload = payload.replace(b"\n.", b"\n..")
        if payload.startswith(b"."):
            payload = b"." + payload
    return payload + (b".\r\n" if payload.endswith(b"\r\n") else b"\r\n.\r\n")
