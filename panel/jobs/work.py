"""The worker: answers rings by draining what is due, in this very process, and stops between two slices."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker.base import StopRequested, WorkerStatus

from panel.jobs import bells, drains, versions
from panel.jobs.broker import connect_waiting
from panel.jobs.heartbeats import Heart
from panel.jobs.rings import QUEUE, Ring, RingQueue

log = logging.getLogger(__name__)

# RQ waits for a ring this long before it shows a sign of life again (its own arithmetic: minus 15).
WORKER_TTL = 30
_stopping = threading.Event()


def stopping() -> bool:
    """True once this process was asked to stop; long work should end after its present batch."""
    return _stopping.is_set()


def answer(name: str, argument: str = "", slot: int = 0) -> int:
    """The one function that a job may name: work off what is due, for at most a turn. Returns the slices worked."""
    return turn(drains.drain(name), argument)


def turn(drain: drains.Drain, argument: str = "", *, seconds: float = drains.TURN_SECONDS) -> int:
    function = drain.function()
    arguments = (argument,) if argument else ()
    end = time.monotonic() + seconds
    slices = 0
    while not stopping() and not versions.have_moved():
        more = function(min(drains.SLICE_SECONDS, max(0.1, end - time.monotonic())), *arguments)
        slices += 1
        if not more or time.monotonic() >= end:
            break
    return slices


class Worker(SimpleWorker):
    """RQ's in-process worker without its remote control (a channel in the broker) and with our way of stopping.

    In-process because a forked one costs 16 to 20 ms per job; a crash here ends the worker, the supervisor starts it
    again, and every drain may be killed at any instant.
    """

    max_connection_wait_time = 5.0
    log_result_lifespan = False

    def __init__(
        self,
        connection: redis.Redis,
        *,
        heart: Heart | None = None,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        super().__init__(
            [RingQueue(QUEUE, connection=connection)],
            connection=connection,
            job_class=Ring,
            queue_class=RingQueue,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            log_job_description=False,
        )
        self.heart, self.around = heart, around

    def subscribe(self) -> None:
        """Nobody commands a worker through the broker."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        super().heartbeat(timeout, pipeline)
        if self.heart is not None:
            self.heart.beat(jobs=self.successful_job_count, failed=self.failed_job_count)
        if self._state != WorkerStatus.BUSY:
            with self.around():
                if versions.have_moved():
                    _stopping.set()
            # Also when the request came in a place that loses exceptions (a connection on its way back to its pool).
            if stopping():
                raise StopRequested

    def execute_job(self, job: Any, queue: Any) -> None:
        if not job.is_ours:
            log.error("a job that is not ours was dropped: %s", str(job.description)[:200])
            job.delete()
            return
        # The mark goes before the work begins: a ring from now on tells of something this turn may not see.
        self.connection.delete(bells.mark_key(job.kwargs["name"], job.kwargs["argument"], job.kwargs["slot"]))
        with self.around():
            super().execute_job(job, queue)
        if versions.code():
            _stopping.set()
        if stopping():
            self._stop_requested = True

    def request_stop(self, signum: int, frame: Any) -> None:
        _stopping.set()
        if self._state == WorkerStatus.BUSY:
            self._stop_requested = True
        else:
            raise StopRequested

    request_force_stop = request_stop


def run(
    url: str, *, heart: Heart | None = None, around: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> None:
    """Work until SIGTERM or SIGINT. A broker that is down is waited for, however long."""
    wait = 0.2

    def stop(*_: Any) -> None:
        _stopping.set()
        raise StopRequested

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    told = False
    try:
        while not stopping():
            try:
                Worker(connect_waiting(url), heart=heart, around=around).work(logging_level="WARNING")
                wait, told = 0.2, False
            except (redis.RedisError, OSError) as error:
                if not told:
                    log.warning("waiting for the broker: %s", error)
                told = True
            if heart is not None:
                heart.beat()
            if _stopping.wait(wait):
                break
            wait = min(wait * 2, 5.0)
    except StopRequested:
        pass
    finally:
        if heart is not None:
            heart.stop()
