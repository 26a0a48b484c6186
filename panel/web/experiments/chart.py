"""The intervals of the variants as positions on a line; the template draws them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any


@dataclass(frozen=True)
class Bar:
    """Positions in percent of the width, from the side where reading begins."""

    key: str
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, float], ...]  # (position, value)
    decimals: int


def chart(arms: Sequence[Mapping[str, Any]], *, is_rtl: bool) -> Chart | None:
    """None when there is nothing to draw. The scale begins at nought and ends at a round number."""
    shown = [one for one in arms if one["matured"] or one["value"]]
    top = max((one["high"] for one in shown), default=0.0)
    bottom = min((one["low"] for one in shown), default=0.0)
    if top <= bottom:
        return None
    step = _round_step((top - min(bottom, 0.0)) / 4)
    start = step * floor(min(bottom, 0.0) / step)
    count = floor((top - start) / step) + 1
    end = start + step * count

    def place(value: float) -> float:
        part = 100 * (min(max(value, start), end) - start) / (end - start)
        return round(100 - part if is_rtl else part, 2)

    return Chart(
        tuple(Bar(one["key"], place(one["low"]), place(one["value"]), place(one["high"])) for one in shown),
        tuple((place(start + step * one), start + step * one) for one in range(count + 1)),
        max(0, -floor(log10(step))),
    )


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least as large."""
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
