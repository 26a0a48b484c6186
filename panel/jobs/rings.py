"""RQ's job and queue, narrowed to the one function that a worker may run.

A job in the broker names a Python function, so whoever can write there could run anything (`os.system` too, JSON or
not). Here the job must name our function, and callbacks, webhooks, repeats and retries that it asks for are ignored.
"""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

from panel.jobs.drains import DRAINS

QUEUE = "panel"


class ForeignJobError(Exception):
    """A job that we did not write."""


class Ring(Job):
    """One ring of the bell: {"name": a drain's name, "argument": text, "slot": number}."""

    FUNCTION: ClassVar[str] = "panel.jobs.work.answer"

    def restore(self, raw_data: Any) -> None:
        super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self._success_callback = self._failure_callback = self._stopped_callback = None  # type: ignore[assignment]
        self.webhooks = []
        self.retries_left = self.repeats_left = None

    @property
    def is_ours(self) -> bool:
        with contextlib.suppress(DeserializationError, TypeError, AttributeError, ValueError):
            return (
                self.func_name == self.FUNCTION
                and self.instance is None
                and not self.args
                and set(self.kwargs) == {"name", "argument", "slot"}
                and self.kwargs["name"] in DRAINS
                and isinstance(self.kwargs["argument"], str)
            )
        return False

    @property
    def func(self) -> Any:
        if not self.is_ours:
            raise ForeignJobError(self.id)
        return super().func


class RingQueue(Queue):
    job_class = Ring

    def __init__(self, name: str = QUEUE, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        options["job_class"] = Ring
        super().__init__(name, **options)
