"""Where the broker is, and how to talk to it."""

from __future__ import annotations

from functools import lru_cache

import redis

from panel.config import Config
from panel.processes.embedded import embedded_socket


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
