"""Comparing two variants: three measures, each with a test, and the intervals that are shown. Pure.

Which test and why is in docs/decisions/0009-experiments.md, with the false-positive rates that were measured. Levels
are probabilities (0.05), money is in the units of the field that is added up, times are in days.

This module loads scipy, which costs a process some 100 MB and a second or two; import it only where numbers are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]
SMALLEST_EXPECTED = 5.0  # below it the chi-square distribution is no good approximation, and the exact test is used
SHUFFLES = 9_999
_CELLS = 4_000_000  # random numbers drawn at once: 32 MB


def normal_quantile(probability: float) -> float:
    return float(special.ndtri(probability))


# --- rate: how many reach the goal -----------------------------------------------------------------------------------


def rate_p(goals_a: ArrayLike, n_a: ArrayLike, goals_b: ArrayLike, n_b: ArrayLike) -> Floats:
    """Two-sided p of "both variants have the same rate".

    Campbell's (2007) rule: the "N - 1" chi-square test while every expected count is 5 or more, Fisher's exact test
    below, which never promises more than few contacts can tell.
    """
    x, n, y, m = np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in (goals_a, n_a, goals_b, n_b)))
    total = n + m
    pooled = (x + y) / np.maximum(total, 1)
    smallest = np.minimum(n, m) * np.minimum(pooled, 1 - pooled)
    spread = pooled * (1 - pooled) * total / np.maximum(n * m, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = (x / n - y / m) ** 2 / spread * (total - 1) / total
    p = np.atleast_1d(np.where(spread > 0, special.chdtrc(1, square), 1.0))
    for at in np.argwhere(np.atleast_1d(smallest < SMALLEST_EXPECTED)):
        place = tuple(at)
        a, b, c, d = (np.atleast_1d(one)[place] for one in (x, n, y, m))
        p[place] = stats.fisher_exact([[a, b - a], [c, d - c]]).pvalue if b and d else 1.0
    return p.reshape(x.shape)


def rate_interval(goals: int, n: int, level: float) -> tuple[float, float]:
    """Wilson's interval of one rate; (0, 1) of nobody."""
    if not n:
        return 0.0, 1.0
    z = normal_quantile(1 - level / 2)
    middle = (goals + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(goals * (n - goals) / n + z * z / 4)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def rate_difference_interval(goals_a: int, n_a: int, goals_b: int, n_b: int, level: float) -> tuple[float, float]:
    """Newcombe's (1998) interval of rate A minus rate B, made of the two Wilson intervals."""
    a, b = goals_a / max(n_a, 1), goals_b / max(n_b, 1)
    low_a, high_a = rate_interval(goals_a, n_a, level)
    low_b, high_b = rate_interval(goals_b, n_b, level)
    down = np.hypot(a - low_a, high_b - b)
    up = np.hypot(high_a - a, b - low_b)
    return float(a - b - down), float(a - b + up)


# --- sum_per_contact: money of everybody who entered -----------------------------------------------------------------


@dataclass(frozen=True)
class Money:
    """What the contacts of a variant brought: how many they are, and the amounts of those who brought anything."""

    n: int
    amounts: Floats

    @property
    def total(self) -> float:
        return float(self.amounts.sum())

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        if self.n < 2:
            return 0.0
        squares = float((self.amounts**2).sum()) - self.n * self.mean**2
        return float(np.sqrt(max(squares, 0.0) / (self.n - 1) / self.n))


@dataclass(frozen=True)
class Difference:
    """A minus B, with the p of "no difference" and the interval that says the same."""

    value: float
    p: float
    low: float
    high: float


def money_difference(a: Money, b: Money, level: float, *, seed: int = 0, shuffles: int = SHUFFLES) -> Difference:
    """The difference of the means per contact, judged by shuffling who is in which variant.

    Most contacts bring nothing and few bring much. There Welch's test reports a difference that is none in 13 to 21 of
    100 tests with shares of 90 and 10; shuffling the studentised difference (Janssen 1997) stays within its level, for
    any shares, and asymptotically also when the variants differ in everything but the mean. Both tails count alike.
    """
    value = a.mean - b.mean
    error = float(np.hypot(a.error, b.error))
    drawn = np.sort(_shuffled(a, b, np.random.default_rng(seed), shuffles))
    if error == 0 or not len(drawn):
        return Difference(value, 1.0, min(value, 0.0), max(value, 0.0))
    seen = value / error
    slack = 1e-9 * max(1.0, abs(seen))
    below = np.searchsorted(drawn, seen + slack, side="right")
    above = shuffles - np.searchsorted(drawn, seen - slack, side="left")
    p = min(1.0, 2 * (1 + min(below, above)) / (shuffles + 1))
    low, high = np.quantile(drawn, [1 - level / 2, level / 2])
    return Difference(value, float(p), float(value - low * error), float(value - high * error))


def _shuffled(a: Money, b: Money, rng: np.random.Generator, shuffles: int) -> Floats:
    """The studentised difference under `shuffles` random divisions of the same contacts.

    Those who brought nothing need no number of their own: how many of the others fall into A is hypergeometric, and
    which of them is a random choice.
    """
    amounts = np.concatenate([a.amounts, b.amounts])
    m, n = len(amounts), a.n + b.n
    if not m or a.n < 2 or b.n < 2:
        return np.empty(0)
    squares = amounts**2
    all_sum, all_squares = amounts.sum(), squares.sum()
    parts = []
    for start in range(0, shuffles, max(1, _CELLS // m)):
        size = min(shuffles - start, max(1, _CELLS // m))
        in_a = rng.hypergeometric(m, n - m, a.n, size)
        keys = rng.random((size, m), dtype=np.float32)
        edge = np.take_along_axis(np.sort(keys, axis=1), np.maximum(in_a - 1, 0)[:, None], axis=1)
        chosen = (keys <= edge) & (in_a > 0)[:, None]
        parts.append(_studentised(chosen @ amounts, chosen @ squares, a.n, all_sum, all_squares, b.n))
    return np.concatenate(parts)


def _studentised(sums: Floats, squares: Floats, n_a: int, all_sum: float, all_squares: float, n_b: int) -> Floats:
    mean_a, mean_b = sums / n_a, (all_sum - sums) / n_b
    variance_a = np.maximum(squares - n_a * mean_a**2, 0) / (n_a - 1) / n_a
    variance_b = np.maximum(all_squares - squares - n_b * mean_b**2, 0) / (n_b - 1) / n_b
    error = np.sqrt(variance_a + variance_b)
    result: Floats = np.divide(mean_a - mean_b, error, out=np.zeros_like(error), where=error > 0)
    return result


def money_interval(one: Money, level: float) -> tuple[float, float]:
    """A rough interval of one mean, for the picture; the difference is what is judged."""
    if one.n < 2:
        return one.mean, one.mean
    half = float(special.stdtrit(one.n - 1, 1 - level / 2)) * one.error
    low = one.mean - half
    return (max(0.0, low) if one.amounts.size and one.amounts.min() >= 0 else low), one.mean + half


# --- days_to_goal: how soon ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """Days until the goal of those who reached it, and days under watch of those who did not (yet)."""

    reached: Floats
    watched: Floats

    @property
    def censored(self) -> stats.CensoredData:
        return stats.CensoredData(uncensored=self.reached, right=self.watched)


def time_p(a: Times, b: Times) -> tuple[float, float]:
    """(p, z) of the logrank test: those who have not reached the goal count for as long as they were watched. z is
    positive when A reaches the goal more often in the same time."""
    if not a.reached.size + b.reached.size or not (a.reached.size + a.watched.size) * (b.reached.size + b.watched.size):
        return 1.0, 0.0
    with np.errstate(divide="ignore", invalid="ignore"):  # all of them at one moment: nothing to compare
        found = stats.logrank(a.censored, b.censored)
    if not np.isfinite(found.statistic):
        return 1.0, 0.0
    return float(found.pvalue), float(found.statistic)


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier: the share that has reached the goal `by` the end of the window, the mean days until then (at most
    the window) with its standard error, and the day by which half have reached it (None: fewer than half)."""

    reached: float
    mean_days: float
    error: float
    half_days: float | None


def time_curve(times: Times, window: float) -> Curve:
    if not times.reached.size:
        return Curve(0.0, window, 0.0, None)
    found = stats.ecdf(times.censored).sf
    inside = found.quantiles <= window
    days, left = found.quantiles[inside], found.probabilities[inside]
    steps = np.diff(np.concatenate([[0.0], days, [window]]))
    heights = np.concatenate([[1.0], left])
    areas = steps * heights
    after = areas[::-1].cumsum()[::-1][1:]  # the area beyond each day, for Greenwood's formula
    reached, at_risk = found._d[inside], found._n[inside]
    weights = np.divide(reached, at_risk * (at_risk - reached), out=np.zeros(len(days)), where=at_risk > reached)
    half = days[left <= 0.5]
    return Curve(
        reached=float(1 - left[-1]) if len(left) else 0.0,
        mean_days=float(areas.sum()),
        error=float(np.sqrt((after**2 * weights).sum())),
        half_days=float(half[0]) if len(half) else None,
    )
