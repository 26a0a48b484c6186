"""Ring for a worker. A lost ring costs a few seconds, never work: the ticker looks at the truth in SQL."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis

from panel.jobs.broker import connect
from panel.jobs.drains import drain
from panel.jobs.rings import QUEUE, Ring, RingQueue

log = logging.getLogger(__name__)

# A ring that nobody answered within a minute is stale: the ticker has rung again since.
RING_TTL = 60
# RQ breaks into a job that takes longer, wherever it stands. Longer than any hand-over may take (a mail server has ten
# minutes to answer, RFC 5321) and than the wait for a database that is away: only what hangs is broken into.
JOB_TIMEOUT = 1800
FAILURE_TTL = 86_400
# While this mark stands, a ring of the same name waits in the queue and another would tell nothing new. The worker
# takes it away before it starts to look; it also goes by itself, in case that worker was killed in between.
MARK_TTL = 10
# After a failure do not try the broker again for this long: a page must not wait two seconds for each ring.
REST_SECONDS = 5.0

_resting_until: dict[str, float] = {}
_bell: list[str] = []


def use(url: str) -> None:
    """Name the broker of this process; the application does it when it is made."""
    _bell[:] = [url]


def wake(name: str, argument: str = "", *, url: str | None = None) -> bool:
    """Tell the workers that `name` has something due. Call it after the commit.

    Never raises for a broker that is down or full, and says whether the ring was delivered (or is waiting already).
    Raises KeyError for a name that is not in `DRAINS`. `url` defaults to the broker given to `use`.
    """
    return ring(name, argument, url=url) is not None


def ring(name: str, argument: str = "", *, rings: int = 1, url: str | None = None) -> int | None:
    """Ring up to `rings` times for the same name, so that as many workers look. Returns how many rings were added,
    None when the broker did not take them."""
    drain(name)
    url = url or next(iter(_bell), None)
    if url is None:
        return None
    if time.monotonic() < _resting_until.get(url, 0.0):
        return None
    try:
        return _ring(connect(url), name, argument, rings)
    except (redis.RedisError, OSError) as error:
        _resting_until[url] = time.monotonic() + REST_SECONDS
        log.warning("the broker did not take the ring for %s (%s); the ticker will ring again", name, error)
        return None


def _ring(connection: redis.Redis, name: str, argument: str, rings: int) -> int:
    queue = RingQueue(QUEUE, connection=connection)
    added = 0
    for slot in range(rings):
        mark = mark_key(name, argument, slot)
        if not connection.set(mark, 1, nx=True, ex=MARK_TTL):
            continue
        arguments: dict[str, Any] = {"name": name, "argument": argument, "slot": slot}
        queue.enqueue_call(
            Ring.FUNCTION,
            kwargs=arguments,
            timeout=JOB_TIMEOUT,
            result_ttl=0,
            ttl=RING_TTL,
            failure_ttl=FAILURE_TTL,
            description=f"{name} {argument}".strip(),
        )
        added += 1
    return added


def mark_key(name: str, argument: str, slot: int) -> str:
    return f"panel:rung:{name}:{argument}:{slot}"
