"""Named points at which tests kill the process for real.

`PANEL_CRASH_AT=after_claim` dies at that point; `PANEL_CRASH_AT=after_claim:0.05,...` dies there with that probability.
Nothing is read after the first call, and nothing happens without the variable.
"""

from __future__ import annotations

import os
import random
import signal
from datetime import timedelta
from functools import cache

POINTS = (
    "before_route_commit",
    "after_route_commit",
    "before_advance_commit",
    "after_advance_commit",
    "before_claim",
    "after_claim",
    "before_on_wire_commit",
    "after_on_wire_commit",
    "mid_body",
    "after_answer",
    "before_result_commit",
    "after_result_commit",
)


@cache
def _armed() -> dict[str, float]:
    armed: dict[str, float] = {}
    for one in (os.environ.get("PANEL_CRASH_AT") or "").split(","):
        name, _, chance = one.strip().partition(":")
        if name:
            armed[name] = float(chance or 1)
    return armed


def lease(production: timedelta) -> timedelta:
    """A lease's length: `PANEL_CRASH_LEASE` (seconds) instead of minutes, for tests that let a worker outlive it."""
    seconds = os.environ.get("PANEL_CRASH_LEASE")
    return timedelta(seconds=float(seconds)) if seconds else production


def forget() -> None:
    """Read the environment anew: a child that was forked from a process that had read it."""
    _armed.cache_clear()


def point(name: str) -> None:
    """Die here by SIGKILL if the environment asks for it."""
    chance = _armed().get(name)
    if chance is not None and random.random() < chance:  # noqa: S311 - not a secret
        os.kill(os.getpid(), signal.SIGKILL)
