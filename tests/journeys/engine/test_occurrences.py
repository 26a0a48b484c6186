"""On which days dates and schedules come round, in three calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel.journeys.engine.occurrences import anniversary, days_around, moment_of, occurrences, rule_of, sources

JERUSALEM = ZoneInfo("Asia/Jerusalem")
CALENDARS = ["gregorian", "hebrew", "solar_hijri"]
days = st.dates(date(1900, 1, 1), date(2030, 12, 31))


def rule(**said: Any) -> Any:
    return rule_of({"every": "year", "at": "09:00", **said})


def come_round(source: date | None, first: date, last: date, **said: Any) -> list[date]:
    return list(occurrences(rule(**said), source, first, last))


def hebrew(year: int, month: int, day: int) -> date:
    return HebrewDate(year, month, day).to_pydate()


def solar(year: int, month: int, day: int) -> date:
    return JalaliDate(year, month, day).to_gregorian()


@pytest.mark.parametrize(
    ("feb_29", "found"),
    [("feb_28", date(2027, 2, 28)), ("mar_1", date(2027, 3, 1)), ("skip", None)],
)
def test_t06_the_29th_of_february_in_an_ordinary_year(feb_29: str, found: date | None) -> None:
    assert anniversary("gregorian", feb_29, date(2000, 2, 29), 2027) == found
    assert anniversary("gregorian", feb_29, date(2000, 2, 29), 2028) == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("feb_29", "found"), [("feb_28", solar(1404, 12, 29)), ("mar_1", solar(1405, 1, 1)), ("skip", None)]
)
def test_t06_the_30th_of_esfand_in_an_ordinary_year(feb_29: str, found: date | None) -> None:
    born = solar(1399, 12, 30)
    assert anniversary("solar_hijri", feb_29, born, 1404) == found
    assert anniversary("solar_hijri", feb_29, born, 1403) == solar(1403, 12, 30)


def test_a_persian_birthday_follows_the_sun_calendar_not_the_gregorian_one() -> None:
    born = solar(1370, 1, 1)  # 21 March 1991
    assert born == date(1991, 3, 21)
    assert come_round(born, date(2028, 1, 1), date(2028, 12, 31), calendar="solar_hijri") == [date(2028, 3, 20)]


@pytest.mark.parametrize(
    ("born", "year", "kept"),
    [
        # 5784 and 5787 are leap years, 5785 and 5786 are not; months are counted from Nisan.
        (hebrew(5785, 12, 10), 5787, hebrew(5787, 13, 10)),  # Adar of an ordinary year: Adar II of a leap year
        (hebrew(5785, 12, 10), 5786, hebrew(5786, 12, 10)),
        (hebrew(5784, 12, 10), 5785, hebrew(5785, 12, 10)),  # Adar I: the only Adar
        (hebrew(5784, 12, 10), 5787, hebrew(5787, 12, 10)),  # ... and Adar I again
        (hebrew(5784, 13, 10), 5785, hebrew(5785, 12, 10)),  # Adar II: the only Adar
        (hebrew(5784, 13, 10), 5787, hebrew(5787, 13, 10)),
        (hebrew(5784, 12, 30), 5785, hebrew(5785, 1, 1)),  # 30 Adar I: 1 Nisan
        (hebrew(5783, 8, 30), 5784, hebrew(5784, 9, 1)),  # 30 Cheshvan: 1 Kislev when Cheshvan is short
        (hebrew(5785, 9, 30), 5784, hebrew(5784, 10, 1)),  # 30 Kislev: 1 Tevet when Kislev is short
        (hebrew(5785, 7, 1), 5786, hebrew(5786, 7, 1)),
    ],
)
def test_t06_hebrew_birthdays_by_the_rules_of_the_calendar(born: date, year: int, kept: date) -> None:
    assert anniversary("hebrew", "skip", born, year) == kept


def test_hebrew_month_lengths_that_the_cases_above_rest_on() -> None:
    assert (hebrew(5784, 9, 1) - hebrew(5784, 8, 1)).days == 29
    assert (hebrew(5784, 10, 1) - hebrew(5784, 9, 1)).days == 29
    assert (hebrew(5783, 9, 1) - hebrew(5783, 8, 1)).days == 30


@pytest.mark.parametrize("number", [29, 30, 31])
def test_t06_monthly_on_the_last_days_never_skips_a_month(number: int) -> None:
    found = come_round(None, date(2027, 1, 1), date(2028, 12, 31), every="month", day=number)
    assert [day.month for day in found] == [*range(1, 13), *range(1, 13)]
    assert date(2027, 2, 28) in found
    assert date(2028, 2, 29) in found
    assert all(day.day == number or (day + timedelta(days=1)).day == 1 for day in found)


@pytest.mark.parametrize(("said", "weekday"), [({"day": 6}, 6), ({"day": 5}, 5), ({}, 6)])
def test_t06_a_week_begins_where_it_is_said_to(said: dict[str, Any], weekday: int) -> None:
    found = come_round(None, date(2026, 11, 1), date(2026, 12, 31), every="week", **said)
    assert {day.weekday() for day in found} == {weekday}
    assert len(found) in (8, 9)


def test_nothing_comes_round_before_the_date_itself() -> None:
    since = date(2026, 11, 22)
    assert come_round(since, date(2020, 1, 1), date(2028, 12, 1)) == [since, date(2027, 11, 22), date(2028, 11, 22)]
    assert come_round(since, date(2020, 1, 1), date(2028, 12, 1), every=None) == [since]
    assert come_round(since, date(2026, 11, 1), date(2026, 12, 31), every="month") == [since, date(2026, 12, 22)]


def test_the_first_of_the_persian_month() -> None:
    found = come_round(None, date(2027, 3, 1), date(2027, 6, 30), every="month", day=1, calendar="solar_hijri")
    assert found == [solar(1406, 1, 1), solar(1406, 2, 1), solar(1406, 3, 1), solar(1406, 4, 1)]


def test_the_offset_moves_on_the_calendar_and_then_the_clock() -> None:
    three_days = rule(offset={"days": 3}, sign=-1)
    assert moment_of(three_days, date(2027, 3, 28), JERUSALEM) == datetime(2027, 3, 25, 7, 0, tzinfo=UTC)
    # 24 hours before 09:00 of the day after the clocks went forward is 08:00 of the day before.
    exact = rule(offset={"seconds": 86_400}, sign=-1)
    assert moment_of(exact, date(2027, 3, 26), JERUSALEM).astimezone(JERUSALEM).strftime("%d %H:%M") == "25 08:00"
    month = rule(offset={"months": 1}, sign=-1)
    assert moment_of(month, date(2027, 3, 31), JERUSALEM).astimezone(JERUSALEM).date() == date(2027, 2, 28)


@given(source=days, calendar=st.sampled_from(CALENDARS), feb_29=st.sampled_from(["feb_28", "mar_1", "skip"]))
def test_t06_every_year_has_each_day_once_unless_it_is_left_out(source: date, calendar: str, feb_29: str) -> None:
    found = come_round(source, source, source + timedelta(days=366 * 12), calendar=calendar, feb_29=feb_29)
    assert found[0] == source
    assert found == sorted(set(found))
    assert all(1 <= (later - sooner).days <= 386 * (4 if feb_29 == "skip" else 1) + 386 for sooner, later in
               zip(found, found[1:], strict=False))  # fmt: skip


@settings(deadline=None)  # the first day of a rule lists two centuries of dates
@given(
    source=days,
    calendar=st.sampled_from(CALENDARS),
    feb_29=st.sampled_from(["feb_28", "mar_1", "skip"]),
    every=st.sampled_from([None, "year", "month"]),
    ahead=st.integers(0, 6000),
)
def test_the_dates_of_a_day_are_those_that_come_round_on_it(
    source: date, calendar: str, feb_29: str, every: str | None, ahead: int
) -> None:
    said = {"calendar": calendar, "feb_29": feb_29, "every": every}
    day = source + timedelta(days=ahead)
    listed = sources(rule(**said), day, day)
    assert listed is not None
    assert (source in listed) == (come_round(source, day, day, **said) == [day])
    for found in come_round(source, day, day + timedelta(days=500), **said)[:2]:
        assert source in (sources(rule(**said), found, found) or ())


@given(
    source=days,
    months=st.integers(0, 14),
    extra=st.integers(0, 40),
    sign=st.sampled_from([1, -1]),
    zone=st.sampled_from(["Pacific/Kiritimati", "Pacific/Niue", "Asia/Jerusalem"]),
)
def test_the_days_around_hold_every_occurrence_whose_moment_falls_between(
    source: date, months: int, extra: int, sign: int, zone: str
) -> None:
    moved = rule(offset={"months": months, "days": extra}, sign=sign)
    moment = moment_of(moved, source, ZoneInfo(zone)).date()
    first, last = days_around(moved, moment, moment)
    assert first <= source <= last
