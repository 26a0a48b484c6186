"""The engagement number: a closed form over events, the same however it is worked out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.engagement.score import DEFAULT_POINTS, TREND, Doing, Rules, faded, score, value_at

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = sorted(DEFAULT_POINTS)

doings = st.lists(
    st.builds(
        Doing,
        st.sampled_from([*KINDS, "note_added"]),
        st.integers(0, 250 * 48).map(lambda halves: NOW - timedelta(minutes=30) * halves),
        st.integers(1, 5),
    ),
    max_size=40,
)


def test_an_event_counts_half_after_a_half_life() -> None:
    rules = Rules({"link_clicked": 8}, 30)
    assert value_at([Doing("link_clicked", NOW)], rules, NOW) == 8
    assert value_at([Doing("link_clicked", NOW - 30 * DAY)], rules, NOW) == pytest.approx(4)
    assert value_at([Doing("link_clicked", NOW - 60 * DAY, 2)], rules, NOW) == pytest.approx(4)


@given(doings, st.integers(1, 100))
def test_carrying_the_number_on_event_by_event_gives_the_same_as_the_closed_form(some: list[Doing], half: int) -> None:
    rules = Rules(half_life=half)
    held, at = 0.0, NOW - 260 * DAY
    for one in sorted(some, key=lambda one: one.at):
        held = faded(held, one.at - at, half) + rules.points.get(one.kind, 0) * one.count
        at = one.at
    held = faded(held, NOW - at, half)
    forgotten = sum(abs(rules.points.get(one.kind, 0)) * one.count for one in some) * 0.5**10
    assert value_at(some, rules, NOW) == pytest.approx(held, abs=forgotten + 1e-9)


@given(doings)
def test_the_lines_add_up_to_the_number_and_the_trend_is_the_number_of_then(some: list[Doing]) -> None:
    found = score(some, Rules(), NOW)
    assert found.value == pytest.approx(sum(line.points for line in found.lines), abs=1e-9)
    assert found.value == pytest.approx(value_at(some, Rules(), NOW), abs=1e-9)
    then = [one for one in some if one.at <= NOW - TREND]
    assert found.before == pytest.approx(value_at(then, Rules(), NOW - TREND), abs=1e-9)


@given(doings, doings)
def test_the_order_and_the_grouping_of_events_do_not_matter(first: list[Doing], second: list[Doing]) -> None:
    together = value_at(first + second, Rules(), NOW)
    assert together == pytest.approx(value_at(second, Rules(), NOW) + value_at(first, Rules(), NOW), abs=1e-9)


def test_the_explanation_says_how_often_and_when_last() -> None:
    clicks = [Doing("link_clicked", NOW - days * DAY) for days in (3, 20, 40, 41)]
    found = score([*clicks, Doing("message_complained", NOW - 10 * DAY)], Rules(), NOW)
    assert [(line.kind, line.count, line.last_at) for line in found.lines] == [
        ("message_complained", 1, NOW - 10 * DAY),
        ("link_clicked", 4, NOW - 3 * DAY),
    ]
    assert found.lines[1].points == pytest.approx(
        8 * (0.5**0.1 + 0.5 ** (20 / 30) + 0.5 ** (40 / 30) + 0.5 ** (41 / 30))
    )
    assert found.change == round(found.value) - round(found.before)
