"""Settings of one installation, read from the environment and the instance folder. Nothing is opened here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8400
DEFAULT_MAILBOX_PORT = 8425


@dataclass(frozen=True)
class Config:
    """Where an installation keeps its things.

    `redis_url` None means: use the embedded broker's socket in the instance folder.
    `public_url` is how contacts reach us: the base of tracking and unsubscribe links, without a trailing slash.
    """

    instance: Path
    database_url: str
    redis_url: str | None
    host: str
    port: int
    public_url: str
    mailbox_port: int
    workers: int
    journeys_file: Path


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read PANEL_INSTANCE, PANEL_DATABASE_URL, PANEL_REDIS_URL, PANEL_HOST, PANEL_PORT, PANEL_PUBLIC_URL,
    PANEL_MAILBOX_PORT, PANEL_WORKERS and PANEL_JOURNEYS. A number that is not one raises ValueError with its name.
    """
    env = os.environ if environ is None else environ
    instance = Path(env.get("PANEL_INSTANCE") or "instance").resolve()
    port = _number(env, "PANEL_PORT", DEFAULT_PORT)
    host = env.get("PANEL_HOST") or "127.0.0.1"
    return Config(
        instance=instance,
        database_url=env.get("PANEL_DATABASE_URL") or f"sqlite:///{instance / 'panel.sqlite'}",
        redis_url=env.get("PANEL_REDIS_URL") or None,
        host=host,
        port=port,
        public_url=(env.get("PANEL_PUBLIC_URL") or f"http://{host}:{port}").rstrip("/"),
        mailbox_port=_number(env, "PANEL_MAILBOX_PORT", DEFAULT_MAILBOX_PORT),
        workers=_number(env, "PANEL_WORKERS", 2),
        journeys_file=Path(env.get("PANEL_JOURNEYS") or "journeys.yaml").resolve(),
    )


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None
