"""The development mailbox's SMTP server: loopback only, takes everything, delivers to nobody.

`python -m plugins.email.mailbox_server --folder FOLDER --port PORT`; the supervisor runs it beside the workers.
A mail is on disk before it is answered with 250.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path

from plugins.email.mailbox_store import Store

MAX_MAIL = 50 * 1024 * 1024
MAX_LINE = 4096
IDLE = 300
_PATH = re.compile(r"<([^<>]*)>")
_OFFERS = (b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES", b"SIZE %d" % MAX_MAIL)


class Server:
    """Listens on 127.0.0.1. `port` 0 takes a free one, readable after `start`."""

    def __init__(self, store: Store, port: int) -> None:
        self._store = store
        self.port = port
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=MAX_MAIL + 65536)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
        try:
            await _Talk(self._store, reader, writer).run()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            if task is not None:
                self._talks.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()


class _Talk:
    """One conversation."""

    def __init__(self, store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._store, self._reader, self._writer = store, reader, writer
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def run(self) -> None:
        self._say(b"220 nava.localhost development mailbox")
        while True:
            await self._writer.drain()
            line = await self._line()
            if line is None:
                return
            verb, _, rest = line.partition(b" ")
            if not await self._command(verb.upper(), rest.decode("utf-8", "replace")):
                await self._writer.drain()
                return

    async def _line(self) -> bytes | None:
        try:
            line = await asyncio.wait_for(self._reader.readuntil(b"\n"), IDLE)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        if len(line) > MAX_LINE:
            self._say(b"500 5.5.6 line too long")
            return b"NOOP"
        return line.rstrip(b"\r\n")

    def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")

    async def _command(self, verb: bytes, rest: str) -> bool:
        match verb:
            case b"EHLO":
                self._reset()
                self._say(b"250-nava.localhost")
                for offer in _OFFERS[:-1]:
                    self._say(b"250-" + offer)
                self._say(b"250 " + _OFFERS[-1])
            case b"HELO":
                self._reset()
                self._say(b"250 nava.localhost")
            case b"MAIL":
                self._reset()
                self._sender = _path(rest)
                self._say(b"250 2.1.0 ok")
            case b"RCPT" if self._sender is None:
                self._say(b"503 5.5.1 MAIL first")
            case b"RCPT" if not _path(rest):
                self._say(b"501 5.1.3 no address")
            case b"RCPT":
                self._recipients.append(_path(rest))
                self._say(b"250 2.1.5 ok")
            case b"DATA" if not self._recipients:
                self._say(b"503 5.5.1 RCPT first")
            case b"DATA":
                return await self._data()
            case b"RSET":
                self._reset()
                self._say(b"250 2.0.0 ok")
            case b"NOOP":
                self._say(b"250 2.0.0 ok")
            case b"VRFY":
                self._say(b"252 2.1.5 it would be taken")
            case b"QUIT":
                self._say(b"221 2.0.0 bye")
                return False
            case _:
                self._say(b"500 5.5.2 not understood")
        return True

    async def _data(self) -> bool:
        self._say(b"354 end with a dot on its own line")
        await self._writer.drain()
        try:
            raw = await asyncio.wait_for(self._content(), IDLE)
        except asyncio.LimitOverrunError:
            self._say(b"552 5.3.4 too big")
            return False
        content = raw.replace(b"\n..", b"\n.")
        if content.startswith(b".."):
            content = content[1:]
        sender, recipients = self._sender or "", self._recipients
        self._reset()
        try:
            mail_id = await asyncio.to_thread(self._store.add, sender, recipients, content)
        except OSError as error:
            self._say(f"452 4.3.1 cannot be kept: {error.strerror}".encode())
            return True
        self._say(b"250 2.0.0 kept as %d" % mail_id)
        return True

    async def _content(self) -> bytes:
        """Everything up to the final dot, which is not part of it."""
        first = await self._reader.readuntil(b"\n")
        if first in (b".\r\n", b".\n"):
            return b""
        rest = await self._reader.readuntil(b"\r\n.\r\n")
        return first + rest[:-3]

    def _reset(self) -> None:
        self._sender, self._recipients = None, []


def _path(rest: str) -> str:
    found = _PATH.search(rest)
    return found[1].strip() if found else ""


async def serve(folder: Path, port: int) -> int:
    server = Server(Store(folder), port)
    try:
        await server.start()
    except OSError as error:
        sys.stderr.write(f"development mailbox: port {port} cannot be opened: {os.strerror(error.errno or 0)}\n")
        return 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sys.stdout.write(f"development mailbox on 127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    return asyncio.run(serve(given.folder, given.port))


if __name__ == "__main__":
    raise SystemExit(main())
