"""Is everything running? /livez and /readyz for machines, the strip on the home page for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, current_app
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from panel import clock
from panel.config import Config
from panel.db import db
from panel.i18n import N_
from panel.installation.queries import last_beats

blueprint = Blueprint("health", __name__)
# A process beats at least every ten seconds; three missed beats and we say so.
SILENT_AFTER = timedelta(seconds=45)


@dataclass(frozen=True)
class Part:
    """One part of the system: a label and a sentence (msgids), and when it was last seen (None: never)."""

    label: str
    is_well: bool
    sentence: str
    seen_at: datetime | None = None
    count: int = 0


def parts(config: Config) -> list[Part]:
    """The parts of this installation as the home page shows them."""
    now = clock.now()
    beats = last_beats(db.session())
    return [
        Part(N_("Pages"), True, N_("answering")),
        _processes(N_("Workers"), "worker", beats, now),
        _processes(N_("Schedule"), "ticker", beats, now),
        _broker(config),
    ]


def _processes(label: str, kind: str, beats: dict[str, datetime], now: datetime) -> Part:
    seen = [at for name, at in beats.items() if name.split(":")[0] == kind]
    alive = [at for at in seen if now - at < SILENT_AFTER]
    if alive:
        return Part(label, True, N_("running"), max(alive), len(alive))
    return Part(label, False, N_("not running") if not seen else N_("no sign of life"), max(seen, default=None))


def _broker(config: Config) -> Part:
    try:
        client = broker_client(config)
        try:
            client.ping()
        finally:
            client.close()
    except (RedisError, OSError):
        return Part(N_("Queue"), False, N_("not reachable"))
    return Part(N_("Queue"), True, N_("reachable"))


def broker_client(config: Config) -> Redis:
    if config.redis_url:
        return Redis.from_url(config.redis_url, socket_connect_timeout=1, socket_timeout=1)
    return Redis(unix_socket_path=str(config.instance / "broker.sock"), socket_connect_timeout=1, socket_timeout=1)


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> Response:
    """The process can do its work: the database answers. The broker is reported but does not make us unready."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return Response("database: not reachable\n", 503, mimetype="text/plain")
    broker = "ok" if _broker(current_app.config["PANEL"]).is_well else "not reachable"
    return Response(f"database: ok\nbroker: {broker}\n", mimetype="text/plain")
