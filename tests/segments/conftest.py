from __future__ import annotations

from tests.journeys.engine.conftest import channels, world

__all__ = ["channels", "world"]
