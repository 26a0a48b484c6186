"""The promise of a test: where there is no difference, one is reported as seldom as was asked for, both looks together;
where there is one of the planned size, it is found as often as was planned. Checked on made-up customers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from panel.experiments import planning
from panel.experiments.judging import judge
from panel.experiments.looks import last_level, planned_level
from panel.experiments.results import Observed
from panel.experiments.statistics import Money, Times, money_difference, rate_p, time_p

TESTS = 2_000
LEVEL = 0.05
# 2,000 tests at a level of 5 %: more false alarms than this come once in a thousand such series.
MOST_FALSE = int(stats.binom.ppf(0.999, TESTS, LEVEL))


def alarms(first: np.ndarray, last: np.ndarray, seen_part: float) -> int:
    """In how many tests the planned look or the last one reported a difference."""
    return int(((first <= planned_level(LEVEL)) | (last <= last_level(LEVEL, seen_part))).sum())


@pytest.mark.parametrize(("base", "n", "m"), [(0.1, 300, 300), (0.02, 300, 300), (0.3, 900, 100), (0.08, 100, 100)])
def test_equal_rates_are_called_different_no_more_often_than_asked(base: float, n: int, m: int) -> None:
    rng = np.random.default_rng(11)
    a1, a2 = rng.binomial(n, base, TESTS), rng.binomial(n, base, TESTS)
    b1, b2 = rng.binomial(m, base, TESTS), rng.binomial(m, base, TESTS)
    first = rate_p(a1, n, b1, m)
    last = rate_p(a1 + a2, 2 * n, b1 + b2, 2 * m)
    assert alarms(first, last, 0.5) <= MOST_FALSE


def customers(rng: np.random.Generator, n: int, buys: float = 0.08) -> np.ndarray:
    """Money of n contacts as shops see it: most bring nothing, few bring much."""
    return np.where(rng.random(n) < buys, rng.lognormal(4, 1.2, n), 0.0)


def money(amounts: np.ndarray) -> Money:
    return Money(len(amounts), amounts[amounts > 0])


@pytest.mark.parametrize(("n", "m"), [(300, 300), (540, 60)])
def test_equal_revenue_is_called_different_no_more_often_than_asked_whatever_the_shares(n: int, m: int) -> None:
    rng = np.random.default_rng(12)
    first, last, welch = np.empty(TESTS), np.empty(TESTS), np.empty(TESTS)
    for one in range(TESTS):
        a, b = customers(rng, 2 * n), customers(rng, 2 * m)
        first[one] = money_difference(money(a[:n]), money(b[:m]), LEVEL, seed=one, shuffles=399).p
        last[one] = money_difference(money(a), money(b), LEVEL, seed=one, shuffles=399).p
        welch[one] = stats.ttest_ind(a[:n], b[:m], equal_var=False).pvalue
    assert alarms(first, last, 0.5) <= MOST_FALSE
    if n != m:  # why it is not Welch's test
        assert (welch <= LEVEL).mean() > 0.12


def times(rng: np.random.Generator, entered: np.ndarray, now: float, mean: float, window: float = 45.0) -> Times:
    """Days to the goal of contacts who came on these days, as known on day `now`."""
    watched = np.minimum(now - entered, window)
    reached = rng.exponential(mean, len(entered))
    return Times(reached[reached <= watched], watched[reached > watched])


def test_equal_speed_is_called_different_no_more_often_than_asked() -> None:
    first, last, part = np.empty(TESTS), np.empty(TESTS), np.empty(TESTS)
    for one in range(TESTS):
        rng = np.random.default_rng(one)
        entered = np.sort(rng.random(300) * 120)
        looks = []
        for now in (60.0, 120.0):
            both = []
            for arm in (0, 1):
                # The same lives at both looks: only more of them, and longer.
                came = entered[arm::2]
                both.append(times(np.random.default_rng(one * 2 + arm), came[came < now], now, 60.0))
            looks.append((time_p(*both)[0], sum(part_.reached.size for part_ in both)))
        (first[one], early), (last[one], late) = looks
        part[one] = early / late
    assert alarms(first, last, float(part.mean())) <= MOST_FALSE


def test_two_looks_at_the_full_level_would_break_the_promise() -> None:
    rng = np.random.default_rng(14)
    z1, more = rng.standard_normal((2, 200_000))
    z2 = (z1 + more) / np.sqrt(2)
    twice = (np.abs(z1) > 1.96) | (np.abs(z2) > 1.96)
    assert twice.mean() > 0.08
    ours = (stats.norm.sf(np.abs(z1)) * 2 <= planned_level(LEVEL)) | (
        stats.norm.sf(np.abs(z2)) * 2 <= last_level(LEVEL, 0.5)
    )
    assert abs(ours.mean() - LEVEL) < 0.002  # spent, and no more


@pytest.mark.parametrize("variants", [3, 4])
def test_among_several_equal_variants_a_winner_is_crowned_no_more_often_than_asked(variants: int) -> None:
    rng = np.random.default_rng(15)
    names = [str(one) for one in range(variants)]
    crowned = 0
    for _ in range(TESTS):
        seen = {name: Observed(entered=200, matured=200, goals=int(rng.binomial(200, 0.2))) for name in names}
        verdict = judge(seen, names, has_hold_out=False, measure="rate", window=45, level=LEVEL)
        crowned += verdict.winner is not None
    assert crowned <= MOST_FALSE


def close(found: float, wanted: float = 0.8) -> bool:
    """Within the noise of 2,000 tests (three and a half standard deviations), and a point for the planner's formula."""
    return abs(found - wanted) < 3.5 * (wanted * (1 - wanted) / TESTS) ** 0.5 + 0.01


def test_a_difference_of_rates_of_the_planned_size_is_found_as_often_as_planned() -> None:
    rng = np.random.default_rng(16)
    n = planning.contacts_for_rate(0.10, 0.14)
    p = rate_p(rng.binomial(n, 0.10, TESTS), n, rng.binomial(n, 0.14, TESTS), n)
    assert close((p <= planned_level(LEVEL)).mean())


def test_a_difference_of_revenue_of_the_planned_size_is_found_as_often_as_planned() -> None:
    rng = np.random.default_rng(17)

    def mean(buys: float) -> float:
        return float(buys * np.exp(4.5))  # of a lognormal(4, 1), bought by this part of the contacts

    def variance(buys: float) -> float:
        return float(buys * np.exp(10.0) - mean(buys) ** 2)

    deviation = ((variance(0.2) + variance(0.28)) / 2) ** 0.5
    n = planning.contacts_for_sum(deviation, mean(0.28) - mean(0.2))
    found = 0
    for one in range(TESTS):
        a = np.where(rng.random(n) < 0.2, rng.lognormal(4, 1, n), 0.0)
        b = np.where(rng.random(n) < 0.28, rng.lognormal(4, 1, n), 0.0)
        found += money_difference(money(a), money(b), LEVEL, seed=one, shuffles=149).p <= planned_level(LEVEL)
    assert close(found / TESTS)


def test_a_difference_of_speed_of_the_planned_size_is_found_as_often_as_planned() -> None:
    rng = np.random.default_rng(18)
    slow, fast = 40.0 * 1.28, 40.0
    share = 1 - (np.exp(-45 / slow) + np.exp(-45 / fast)) / 2  # who reaches the goal within the window
    n = round(planning.goals_for_time(1.28) / share / 2)
    found = 0
    for _ in range(TESTS):
        a, b = times(rng, np.zeros(n), 45.0, fast), times(rng, np.zeros(n), 45.0, slow)
        found += time_p(a, b)[0] <= planned_level(LEVEL)
    assert close(found / TESTS)
