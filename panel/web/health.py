"""Is everything running? /livez and /readyz for machines, the strip on the home page for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, current_app
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from panel import clock
from panel.config import Config
from panel.db import db
from panel.i18n import N_
from panel.jobs.broker import connect, redis_url
from panel.jobs.heartbeats import Sign, signs

blueprint = Blueprint("health", __name__)


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
    seen = signs(db.session(), now)
    return [
        Part(N_("Pages"), True, N_("answering")),
        _processes(N_("Workers"), [sign for sign in seen if sign.kind == "worker"], now),
        _processes(N_("Schedule"), [sign for sign in seen if sign.kind == "ticker"], now),
        _broker(config),
    ]


def _processes(label: str, seen: list[Sign], now: datetime) -> Part:
    last = now - min(sign.age for sign in seen) if seen else None
    alive = sum(sign.alive for sign in seen)
    if alive:
        return Part(label, True, N_("running"), last, alive)
    return Part(label, False, N_("not running") if last is None else N_("no sign of life"), last)


def _broker(config: Config) -> Part:
    try:
        connect(redis_url(config)).ping()
    except (RedisError, OSError):
        return Part(N_("Queue"), False, N_("not reachable"))
    return Part(N_("Queue"), True, N_("reachable"))


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
