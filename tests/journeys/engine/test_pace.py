"""A batch is what goes out in a moment."""

from __future__ import annotations

import pytest

from panel.journeys.engine.claiming import BATCH
from panel.journeys.engine.pace import FEWEST, MOMENT, MOST, Pace

pytestmark = pytest.mark.databases("sqlite")


def test_a_quick_provider_gets_bigger_batches_and_a_slow_one_smaller_ones() -> None:
    pace = Pace()
    assert pace.size == BATCH
    pace.took(BATCH, MOMENT / 2)
    assert pace.size == BATCH * 2
    pace.took(BATCH * 2, MOMENT * 4)
    assert pace.size == BATCH / 2


def test_batches_stay_within_bounds_whatever_happens() -> None:
    pace = Pace()
    pace.took(BATCH, 0.0)
    assert pace.size == MOST
    pace.took(MOST, 600.0)
    assert pace.size == FEWEST


def test_a_few_messages_that_went_quickly_say_little() -> None:
    pace = Pace()
    pace.took(1, MOMENT / 10_000)
    assert pace.size == BATCH
    pace.took(1, MOMENT)
    assert pace.size == FEWEST
