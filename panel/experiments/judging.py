"""From what was observed to what is said and decided. Pure; loads scipy by way of `statistics`.

The winner is the variant that is better than every other one, each comparison within the level of this look after
Holm's correction for their number. With two or more variants the hold-out does not compete (it shows what all of it is
worth); with one variant it is the other side. A winner that does worse than the hold-out is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from panel.experiments import statistics
from panel.experiments.results import Observed
from panel.experiments.rules import HOLD_OUT

Measure = Literal["rate", "sum_per_contact", "days_to_goal"]


@dataclass(frozen=True)
class Shown:
    """One variant as it is shown. `value` is what the measure compares: a rate, money per contact, or the mean days to
    the goal within the window; `low` and `high` its interval."""

    key: str
    entered: int
    matured: int
    goals: int
    rate: float
    totals: dict[str, str]
    value: float
    low: float
    high: float
    half_days: float | None = None


@dataclass(frozen=True)
class Comparison:
    """`one` against `other`: the difference of their values with its interval, the p of "no difference" after the
    correction. `is_better`: `one` is ahead."""

    one: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    is_sure: bool


@dataclass(frozen=True)
class Verdict:
    """What one look says. `leader` is ahead, surely or not; `winner` surely. `information` is how much was known, for
    the share that the next look has in common with this one."""

    arms: tuple[Shown, ...]
    comparisons: tuple[Comparison, ...]
    leader: str | None
    winner: str | None
    below_hold_out: bool
    level: float
    information: float

    def as_numbers(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    observed: Mapping[str, Observed],
    variants: Sequence[str],
    *,
    has_hold_out: bool,
    measure: Measure,
    window: float,
    level: float,
    seed: int = 0,
    shuffles: int = statistics.SHUFFLES,
) -> Verdict:
    """Judge what was observed at this level. `variants` in the order of the text; `window` in days."""
    arms = {key: observed.get(key, Observed()) for key in (*variants, *((HOLD_OUT,) if has_hold_out else ()))}
    shown = {key: _shown(key, one, measure, window, level) for key, one in arms.items()}
    rivals = list(variants) if len(variants) > 1 else list(arms)
    sign = -1 if measure == "days_to_goal" else 1
    leader = max(rivals, key=lambda key: (sign * shown[key].value, -rivals.index(key)))
    others = [key for key in arms if key != leader]
    competing = [key for key in others if key in rivals]
    raw = {}
    for key in others:
        part = level / max(1, len(competing))
        raw[key] = _compare(arms[leader], arms[key], shown[leader], shown[key], measure, window, part, seed, shuffles)
    adjusted = _holm({key: raw[key].p for key in competing}) | {key: raw[key].p for key in others if key not in rivals}
    comparisons = [
        Comparison(leader, key, one.value, one.low, one.high, adjusted[key], bool(adjusted[key] <= level))
        for key, one in raw.items()
    ]
    wins = bool(competing) and all(one.is_sure for one in comparisons if one.other in competing)
    below = HOLD_OUT in others and HOLD_OUT not in rivals and sign * shown[HOLD_OUT].value > sign * shown[leader].value
    any_outcome = any(one.goals or one.reached for one in arms.values())
    return Verdict(
        arms=tuple(shown.values()),
        comparisons=tuple(comparisons),
        leader=leader if any_outcome else None,
        winner=leader if wins and any_outcome else None,
        below_hold_out=bool(below),
        level=level,
        information=float(sum(_information(arms[key], measure) for key in rivals)),
    )


def _information(one: Observed, measure: Measure) -> int:
    return len(one.reached) if measure == "days_to_goal" else one.matured


def _money(one: Observed) -> statistics.Money:
    return statistics.Money(one.matured, np.asarray(one.amounts, dtype=float))


def _times(one: Observed) -> statistics.Times:
    return statistics.Times(np.asarray(one.reached, dtype=float), np.asarray(one.watched, dtype=float))


def _shown(key: str, one: Observed, measure: Measure, window: float, level: float) -> Shown:
    rate = one.goals / one.matured if one.matured else 0.0
    half = None
    if measure == "rate":
        value, (low, high) = rate, statistics.rate_interval(one.goals, one.matured, level)
    elif measure == "sum_per_contact":
        money = _money(one)
        value, (low, high) = money.mean, statistics.money_interval(money, level)
    else:
        curve = statistics.time_curve(_times(one), window)
        reach = -statistics.normal_quantile(level / 2) * curve.error
        value, half = curve.mean_days, curve.half_days
        low, high = max(0.0, value - reach), min(window, value + reach)
    totals = {currency: str(total) for currency, total in sorted(one.totals.items())}
    return Shown(key, one.entered, one.matured, one.goals, rate, totals, value, low, high, half)


def _compare(
    a: Observed,
    b: Observed,
    shown_a: Shown,
    shown_b: Shown,
    measure: Measure,
    window: float,
    level: float,
    seed: int,
    shuffles: int,
) -> statistics.Difference:
    value = shown_a.value - shown_b.value
    if measure == "rate":
        p = float(statistics.rate_p(a.goals, a.matured, b.goals, b.matured))
        return statistics.Difference(
            value, p, *statistics.rate_difference_interval(a.goals, a.matured, b.goals, b.matured, level)
        )
    if measure == "sum_per_contact":
        return statistics.money_difference(_money(a), _money(b), level, seed=seed, shuffles=shuffles)
    p, z = statistics.time_p(_times(a), _times(b))
    if z < 0:
        p = 1.0  # the curves cross: faster in the mean, slower on the whole; nobody can call that better
    error = np.hypot(statistics.time_curve(_times(a), window).error, statistics.time_curve(_times(b), window).error)
    half = -statistics.normal_quantile(level / 2) * float(error)
    return statistics.Difference(value, p, value - half, value + half)


def _holm(raw: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction: the smallest p counts as often as there are comparisons, the next one less ..."""
    found: dict[str, float] = {}
    highest = 0.0
    for rank, (key, p) in enumerate(sorted(raw.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, p * (len(raw) - rank)))
        found[key] = highest
    return found


def deviation(observed: Mapping[str, Observed], variants: Sequence[str]) -> float:
    """The standard deviation of the money per contact, over these variants together: for planning."""
    together = [_money(observed[key]) for key in variants if key in observed]
    money = statistics.Money(
        sum(one.n for one in together), np.concatenate([np.empty(0), *(m.amounts for m in together)])
    )
    return money.error * float(np.sqrt(money.n)) if money.n > 1 else 0.0
