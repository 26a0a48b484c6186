"""What the settings make of the channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.email.channel import EmailChannel
from plugins.email.tests.conftest import FakeContext


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"delivery": "smtp", "per_minute": 30}, 0.5),
        ({"delivery": "smtp", "per_minute": None}, None),
        ({"delivery": "mailbox", "per_minute": 30}, None),
        ({}, None),
    ],
)
def test_a_provider_that_takes_so_many_a_minute_gets_no_more(
    tmp_path: Path, settings: dict[str, Any], rate: float | None
) -> None:
    channel = EmailChannel(FakeContext(tmp_path, settings))  # type: ignore[arg-type]
    assert channel.facts.rate == rate
    assert EmailChannel.facts.rate is None
