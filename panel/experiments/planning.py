"""Before a test: how many contacts it needs, and what so many can tell. Pure, and without scipy.

`level` is that of the planned look (see `panel.experiments.looks`); `power` is the probability that it finds a
difference of this size. All counts are contacts per variant whose time for the goal is over, in variants of equal size.
"""

from __future__ import annotations

from math import ceil, log, sqrt
from statistics import NormalDist

from panel.experiments.looks import planned_level

POWER = 0.8
_NORMAL = NormalDist()


def _z(level: float, power: float) -> tuple[float, float]:
    return _NORMAL.inv_cdf(1 - planned_level(level) / 2), _NORMAL.inv_cdf(power)


def contacts_for_rate(base: float, wanted: float, *, level: float = 0.05, power: float = POWER) -> int:
    """How many contacts per variant show that one reaches `wanted` where the other reaches `base` (both 0 to 1)."""
    z_level, z_power = _z(level, power)
    middle = (base + wanted) / 2
    spread = z_level * sqrt(2 * middle * (1 - middle)) + z_power * sqrt(base * (1 - base) + wanted * (1 - wanted))
    return ceil((spread / (wanted - base)) ** 2)


def contacts_for_sum(deviation: float, difference: float, *, level: float = 0.05, power: float = POWER) -> int:
    """The same for a mean per contact with this standard deviation (those who bring nothing included)."""
    return ceil(2 * (sum(_z(level, power)) * deviation / difference) ** 2)


def goals_for_time(ratio: float, *, level: float = 0.05, power: float = POWER) -> int:
    """How many goals in both variants together show that one reaches them `ratio` times as fast (Schoenfeld 1981)."""
    return ceil(4 * (sum(_z(level, power)) / log(ratio)) ** 2)


def smallest_rate_seen(base: float, contacts: int, *, level: float = 0.05, power: float = POWER) -> float | None:
    """The smallest higher rate that so many contacts per variant show; None when not even 100 % would do."""
    if contacts < 1 or contacts_for_rate(base, 1.0, level=level, power=power) > contacts:
        return None
    low, high = base, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if middle > base and contacts_for_rate(base, middle, level=level, power=power) <= contacts:
            high = middle
        else:
            low = middle
    return high


def smallest_sum_seen(deviation: float, contacts: int, *, level: float = 0.05, power: float = POWER) -> float:
    """The smallest difference of means that so many contacts per variant show."""
    return sum(_z(level, power)) * deviation * sqrt(2 / contacts)
