"""The year in weeks, the comparison with one's own past, and the best time: claimed only when there is enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.engagement.hours import ENOUGH, best_time
from panel.engagement.picture import WEEKS, Compared, busiest, lately, weeks
from panel.engagement.score import Doing

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ZONE = ZoneInfo("Asia/Jerusalem")
TEHRAN = ZoneInfo("Asia/Tehran")
LONG_AGO = NOW - 1000 * DAY

doings = st.lists(
    st.builds(
        Doing,
        st.sampled_from(["link_clicked", "message_opened", "order_paid"]),
        st.integers(0, 360 * 48).map(lambda halves: NOW - timedelta(minutes=30) * halves),
        st.integers(1, 4),
    ),
    max_size=30,
)


@given(doings)
def test_every_week_is_there_once_and_nothing_of_the_year_is_lost(some: list[Doing]) -> None:
    found = weeks(some, NOW, ZONE)
    assert len(found) == WEEKS
    assert [later.first - week.first for week, later in zip(found, found[1:], strict=False)] == [7 * DAY] * (WEEKS - 1)
    assert found[-1].last == NOW.astimezone(ZONE).date()
    assert sum(week.answers + week.opens for week in found) == sum(one.count for one in some)


def test_the_busiest_week_is_named_when_there_is_one() -> None:
    few = [Doing("link_clicked", NOW - 20 * DAY, 2)]
    assert busiest(weeks(few, NOW, ZONE)) is None
    peak = busiest(weeks([*few, Doing("order_paid", NOW - 20 * DAY)], NOW, ZONE))
    assert peak is not None
    assert (peak.answers, peak.first <= (NOW - 20 * DAY).date() <= peak.last) == (3, True)


@pytest.mark.parametrize(
    ("recent", "monthly", "said"),
    [
        (1, 4, Compared.LESS),
        (0, 2, Compared.LESS),
        (4, 4, Compared.USUAL),
        (8, 4, Compared.MORE),
        (2, 1, Compared.USUAL),
    ],
)
def test_a_month_is_compared_with_the_own_months_before(recent: int, monthly: int, said: Compared) -> None:
    before = [Doing("link_clicked", NOW - (31 + 30 * month) * DAY, monthly) for month in range(11)]
    now = [Doing("link_clicked", NOW - DAY, recent)] if recent else []
    assert lately([*before, *now], NOW, LONG_AGO).compared == said


@pytest.mark.parametrize("since", [NOW - 100 * DAY, LONG_AGO])
def test_a_short_or_empty_past_is_compared_with_nothing(since: datetime) -> None:
    assert lately([Doing("link_clicked", NOW - DAY, 5)], NOW, since).compared == Compared.UNKNOWN


def at(days: int, hour: float) -> Doing:
    local = (NOW - days * DAY).astimezone(TEHRAN).replace(hour=int(hour), minute=int(hour % 1 * 60))
    return Doing("link_clicked", local.astimezone(UTC))


def test_the_best_time_is_on_the_contacts_own_clock() -> None:
    evenings = [at(7 * week, 19.5) for week in range(6)]
    found = best_time([*evenings, at(3, 9), at(12, 11)], TEHRAN)
    assert found is not None
    assert (found.weekday, found.hits, found.of) == (6, 6, 8)
    assert found.start in (18, 19)


def test_any_day_when_the_hours_are_the_same_on_all_of_them() -> None:
    found = best_time([at(days, 20) for days in range(0, 24, 3)], TEHRAN)
    assert found is not None
    assert (found.weekday, found.hits) == (None, 8)


def test_little_or_scattered_gives_no_best_time() -> None:
    assert best_time([at(7 * week, 20) for week in range(ENOUGH - 1)], TEHRAN) is None
    assert best_time([at(days, 8 + days * 5 % 14) for days in range(28)], TEHRAN) is None
    assert best_time([Doing("link_clicked", NOW, 50)], TEHRAN) is None
