"""Signs of life of the background processes, in SQL, where the doctor and the pages can see them."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from panel import clock
from panel.db import writing
from panel.installation.models import Heartbeat

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
# A process that was silent for so long is taken for dead.
DEAD_AFTER = timedelta(seconds=60)
FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Sign:
    """`name` is `<kind>:<host>:<number>`; `age` is since the last sign."""

    name: str
    kind: str
    age: timedelta
    data: dict[str, Any]

    @property
    def alive(self) -> bool:
        return abs(self.age) < DEAD_AFTER  # a sign of the future is one of a clock that was set back since


class Heart:
    """Beats for one process. A database that is down is left alone: work has its own complaints about that."""

    def __init__(self, kind: str, number: str, around: Callable[[], AbstractContextManager[Any]]) -> None:
        self.name = f"{kind}:{socket.gethostname()}:{number}"
        self.around = around
        self.last = float("-inf")

    def beat(self, **data: Any) -> None:
        if time.monotonic() - self.last < EVERY_SECONDS:
            return
        self.last = time.monotonic()
        try:
            with self.around(), writing() as session:
                session.merge(Heartbeat(name=self.name, at=clock.now(), data={"pid": os.getpid(), **data}))
        except SQLAlchemyError as error:
            log.warning("no heartbeat could be written: %s", type(error).__name__)

    def stop(self) -> None:
        """Take the sign away: this process ends on purpose."""
        try:
            with self.around(), writing() as session:
                session.execute(delete(Heartbeat).where(Heartbeat.name == self.name))
        except SQLAlchemyError:
            log.warning("the heartbeat could not be taken away")


def signs(session: Session, now: datetime) -> list[Sign]:
    """All processes that gave a sign within a day, by name."""
    rows = session.scalars(select(Heartbeat).where(Heartbeat.at > now - FORGET_AFTER).order_by(Heartbeat.name))
    return [Sign(row.name, row.name.partition(":")[0], now - row.at, row.data) for row in rows]


def last_sign_query(kind: str, now: datetime) -> Select[datetime]:
    """When a process of this kind last gave a sign within a day (NULL: none did), as a query of one value."""
    mine = Heartbeat.name.startswith(f"{kind}:", autoescape=True)
    return select(func.max(Heartbeat.at)).where(Heartbeat.at > now - FORGET_AFTER, mine)


def is_silent(last: datetime | None, now: datetime) -> bool:
    """Whether what once gave a sign gives none any more. What never gave one is only young."""
    return last is not None and abs(now - last) > DEAD_AFTER


def forget_old(session: Session, now: datetime) -> None:
    # Also what a clock that ran ahead left: whoever lives signs anew within seconds, the dead would hide that all are.
    session.execute(delete(Heartbeat).where((Heartbeat.at < now - FORGET_AFTER) | (Heartbeat.at > now + DEAD_AFTER)))
