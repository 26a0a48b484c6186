"""A gateway of our own on loopback, and the plugin in a real application."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from panel.db import reading, writing
from panel.plugin_manager import manager
from panel.plugin_manager.operations import save_settings
from panel.sdk.channels import Outgoing


@dataclass
class Gateway:
    """What arrived, and how to behave: `answer(handler)` takes the place of a friendly yes."""

    address: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None

    def say(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        raw = body.encode() if isinstance(body, str) else body

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(raw)))
            handler.end_headers()
            handler.wfile.write(raw)

        self.answer = answer

    def drop(self) -> None:
        """Take the request, then cut the connection without a word."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

        self.answer = answer


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.requests.append(
                {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
            )
            if state.answer is None:
                state.say(200, json.dumps({"status": "ok", "messages": [{"id": f"g{len(state.requests)}"}]}))
            assert state.answer is not None
            with contextlib.suppress(OSError, ValueError):
                state.answer(self)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

        def shutdown_request(self, request: Any) -> None:
            with contextlib.suppress(OSError):
                super().shutdown_request(request)

    server = Server(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/send"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def plugins(app: Any) -> manager.PluginManager:
    return manager.current()


Configure = Callable[..., Any]


@pytest.fixture
def configure(plugins: manager.PluginManager, gateway: Gateway) -> Configure:
    """Set the plugin up for the gateway on loopback (allowed, unless told otherwise); returns its channel."""

    def configure(**changes: Any) -> Any:
        values: dict[str, Any] = {field.name: field.default for field in plugins.settings_fields("sms")} | {
            "provider": "http",
            "address": gateway.address,
            "local_network": True,
            "id_place": "messages.0.id",
            "error_place": "error",
            "timeout": 2,
        }
        with writing() as session:
            save_settings(session, "sms", plugins.settings_fields("sms"), values | changes, plugins.secrets)
        with reading() as session:
            plugins.refresh_if_changed(session)
        return plugins.channels()["sms"]

    return configure


class NotedWire:
    """A wire that remembers what was begun and what was accepted."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.yes: list[tuple[str, str | None]] = []

    def begin(self, outgoing: Outgoing) -> None:
        self.begun.append(outgoing.key)

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None:
        self.yes.append((outgoing.key, provider_id))


@pytest.fixture
def wire() -> NotedWire:
    return NotedWire()


def outgoing(key: str = "k1", text: str = "שלום", to: str = "+972521234567") -> Outgoing:
    return Outgoing(1, key, to, text.encode())
