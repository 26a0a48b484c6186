"""Where the broker is, and how to talk to it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path

import redis

from panel.config import Config

# The kernel's limit for the address of a unix socket, without the closing zero byte.
LONGEST_SOCKET_PATH = 107


def embedded_socket(instance: Path) -> Path:
    """The embedded broker's socket: in the instance folder, or, where that path is too long for a socket, in a private
    folder under the temporary one whose name follows from the instance, so that every process finds the same."""
    socket = instance / "broker" / "broker.sock"
    if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    digest = hashlib.sha256(os.fsencode(instance)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"panel-{os.getuid()}-{digest}" / "broker.sock"


def redis_url(config: Config) -> str:
    """The broker's address: PANEL_REDIS_URL, else the embedded broker's socket."""
    return config.redis_url or f"unix://{embedded_socket(config.instance)}"


@lru_cache(maxsize=8)
def connect(url: str) -> redis.Redis:
    """A client for this address; nothing is opened before the first command. One pool per process and address.

    Short timeouts: whoever rings must never wait long for a broker that is gone.
    """
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=30)


def connect_waiting(url: str) -> redis.Redis:
    """A client for a worker, which waits for rings longer than `connect` would allow; RQ sets the time."""
    return redis.Redis.from_url(url, socket_connect_timeout=2, health_check_interval=30)
