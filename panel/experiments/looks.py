"""Two looks and no more: how much error each may spend. Pure.

A test is judged once when it is planned (`after` and `at_least`) and, if that found nothing, once more at the end
(`at_latest`). Looking twice at the full level would call a difference that is none in some 8 of 100 tests instead of 5.
The planned look spends four fifths of the level. What the last look may spend then follows from how much both looks
share: of all contacts that it judges, the part that the first one saw already (the square of the correlation of the two
test statistics). So the two together spend the level exactly, whatever that part turns out to be.
"""

from __future__ import annotations

from math import erf, exp, pi, sqrt
from statistics import NormalDist

PLANNED_PART = 0.8
_NORMAL = NormalDist()
_STEPS = 400  # of Simpson's rule; the error is far below what is shown


def planned_level(level: float) -> float:
    """The level of the planned look."""
    return level * PLANNED_PART


def last_level(level: float, seen_part: float | None) -> float:
    """The level of the last look. `seen_part` is None when there was no planned look: then all of it is left."""
    if seen_part is None:
        return level
    first = _NORMAL.inv_cdf(1 - planned_level(level) / 2)
    correlation = sqrt(min(max(seen_part, 0.0), 0.9999))
    low, high = level - planned_level(level), level
    for _ in range(40):
        middle = (low + high) / 2
        if _both_quiet(first, _NORMAL.inv_cdf(1 - middle / 2), correlation) > 1 - level:
            low = middle
        else:
            high = middle
    return low


def _both_quiet(first: float, last: float, correlation: float) -> float:
    """The probability that neither of two correlated standard normals leaves its bounds."""
    width = 2 * first / _STEPS
    spread = sqrt(1 - correlation * correlation)
    total = 0.0
    for step in range(_STEPS + 1):
        x = -first + step * width
        weight = 1 if step in (0, _STEPS) else 4 if step % 2 else 2
        inside = _cdf((last - correlation * x) / spread) - _cdf((-last - correlation * x) / spread)
        total += weight * exp(-x * x / 2) * inside
    return total * width / 3 / sqrt(2 * pi)


def _cdf(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))
