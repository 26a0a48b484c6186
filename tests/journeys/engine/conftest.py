from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask

from panel.plugin_manager import manager
from panel.sdk.testing import RecordingChannel
from tests.journeys.engine.world import World

# A Sunday, 10:00 in Jerusalem: inside everybody's working hours.
SUNDAY = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def channels(app: Flask, monkeypatch: pytest.MonkeyPatch) -> dict[str, RecordingChannel]:
    offered = {
        "email": RecordingChannel(),
        "sms": RecordingChannel(name="sms", label="SMS", icon="message", address_kind="phone"),
    }
    monkeypatch.setattr(type(manager.current()), "channels", lambda _self: offered)
    return offered


@pytest.fixture
def world(app: Flask, channels: dict[str, RecordingChannel]) -> World:
    return World(SUNDAY, channels)
