"""What every page must say in red."""

from __future__ import annotations

from typing import Any

from flask import url_for

from panel import clock
from panel.jobs.heartbeats import is_silent
from panel.web.access import allowed
from panel.web.frame import frame


def alarm() -> dict[str, Any] | None:
    """What every page must say in red: {"kind": "restored" | "paused" | "ticker"}; None on an ordinary day."""
    paused = frame().sending_paused
    if paused.get("why") == "restored":
        return {"kind": "restored", "url": url_for("restore.index") if allowed("journeys.view") else None}
    if paused.get("since"):
        return {"kind": "paused", "url": None}
    return {"kind": "ticker", "url": None} if is_silent(frame().ticker_at, clock.now()) else None
