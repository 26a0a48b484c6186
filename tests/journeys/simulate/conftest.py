from __future__ import annotations

import pytest

from panel.calendars import Reader
from tests.journeys.engine.conftest import channels, world

__all__ = ["channels", "world"]


@pytest.fixture
def reader() -> Reader:
    return Reader("en", time_zone="Asia/Jerusalem", sees_amounts=True)
