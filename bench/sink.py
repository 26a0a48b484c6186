"""A mail sink that costs next to nothing: `python -m bench.sink` prints its port and swallows all it gets.

A bare asyncio protocol: it looks only for line ends and the final dot, so that the sender is what is measured
(aiosmtpd stops at 650 to 980 mails a second).
"""

from __future__ import annotations

import asyncio

ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"HELO": b"250 sink\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    def __init__(self) -> None:
        self.buffer = b""
        self.in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers = []
        while True:
            if self.in_body:
                at = self.buffer.find(END)
                if at < 0:
                    break
                self.buffer = self.buffer[at + len(END) :]
                self.in_body = False
                answers.append(b"250 kept\r\n")
            else:
                at = self.buffer.find(b"\n")
                if at < 0:
                    break
                verb = self.buffer[:4].upper()
                self.buffer = self.buffer[at + 1 :]
                answers.append(ANSWERS.get(verb, b"250 ok\r\n"))
                self.in_body = verb == b"DATA"
        if answers:
            self.transport.write(b"".join(answers))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
