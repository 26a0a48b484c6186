"""What every page must say in red."""

from __future__ import annotations

from typing import Any

from flask import url_for

from panel.db import db
from panel.installation.queries import get_setting
from panel.journeys.engine.watchdog import ticker_is_silent
from panel.web.access import allowed


def alarm() -> dict[str, Any] | None:
    """What every page must say in red: {"kind": "restored" | "paused" | "ticker"}; None on an ordinary day."""
    session = db.session()
    paused = get_setting(session, "sending_paused")
    if paused.get("why") == "restored":
        return {"kind": "restored", "url": url_for("restore.index") if allowed("journeys.view") else None}
    if paused.get("since"):
        return {"kind": "paused", "url": None}
    return {"kind": "ticker", "url": None} if ticker_is_silent(session) else None
