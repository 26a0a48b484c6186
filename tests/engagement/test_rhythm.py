"""Quiet and woken up: measured against a contact's own past, and never said with too little to go by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.engagement.rhythm import AT_LEAST, AWAKE, ENOUGH, State, quiet_after, rhythm, visits

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
moments = st.lists(st.integers(0, 20_000).map(lambda hours: NOW - HOUR * hours), max_size=30)


def every(days: int, times: int, until: datetime = NOW) -> list[datetime]:
    return [until - days * number * DAY for number in range(times)]


@pytest.mark.parametrize(("times", "state"), [(0, State.UNKNOWN), (3, State.UNKNOWN), (4, State.QUIET)])
def test_with_fewer_than_four_visits_nothing_is_said(times: int, state: State) -> None:
    assert rhythm(every(5, times, NOW - 100 * DAY)).state(NOW) == state


@pytest.mark.parametrize(
    ("gap", "silent", "state"),
    [(2, 29, State.USUAL), (2, 30, State.QUIET), (20, 59, State.USUAL), (20, 60, State.QUIET), (90, 200, State.USUAL)],
)
def test_quiet_is_three_times_the_own_gap_and_thirty_days_at_least(gap: int, silent: int, state: State) -> None:
    assert rhythm(every(gap, 8, NOW - silent * DAY)).state(NOW) == state


def test_a_burst_of_clicks_is_one_visit() -> None:
    burst = [NOW - timedelta(minutes=n) for n in range(50)]
    assert visits(burst) == [NOW]
    assert rhythm(burst).state(NOW + 100 * DAY) == State.UNKNOWN


def test_who_comes_back_after_a_quiet_time_has_woken_up_for_thirty_days() -> None:
    past = every(7, 6, NOW - 80 * DAY)
    back = rhythm([*past, NOW])
    assert (back.woke_at, back.silent_since) == (NOW, NOW - 80 * DAY)
    assert back.state(NOW) == State.WOKE_UP
    assert back.state(NOW + AWAKE - HOUR) == State.WOKE_UP
    assert back.state(NOW + AWAKE) in (State.USUAL, State.QUIET)
    assert rhythm([*past, NOW - 55 * DAY, NOW - 50 * DAY]).woke_at is None


def test_the_usual_gap_is_of_the_newest_visits() -> None:
    slow, quick = every(60, 5, NOW - 30 * DAY), every(2, 13, NOW)
    assert quiet_after(visits([*slow, *quick])) == (2 * DAY, AT_LEAST)


@given(moments, st.integers(0, 400))
def test_the_answer_holds_until_the_moment_that_was_foretold(some: list[datetime], later: int) -> None:
    found = rhythm(some)
    at, until = NOW, found.next_change(NOW)
    while until is not None:
        assert until > at
        assert found.state(until - timedelta(microseconds=1)) == found.state(at)
        at, until = until, found.next_change(until)
    assert found.state(at) == found.state(at + later * DAY)


@given(moments)
def test_quiet_and_woken_up_never_come_together_and_need_enough(some: list[datetime]) -> None:
    found = rhythm(some)
    if found.state(NOW) in (State.QUIET, State.WOKE_UP):
        assert len(visits(some)) >= ENOUGH
    if found.woke_at is not None:
        assert found.quiet_from is not None
        assert found.quiet_from >= found.woke_at + AWAKE
