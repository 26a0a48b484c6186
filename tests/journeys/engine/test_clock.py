"""Hours, waits and limits as pure decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.journeys.engine.holidays import calendar_for
from panel.journeys.engine.hours import hours_for, is_open, next_open
from panel.journeys.engine.lengths import add
from panel.journeys.engine.limits import first_over
from panel.journeys.engine.waits import wait_end

JERUSALEM, TEHRAN, NEW_YORK = ZoneInfo("Asia/Jerusalem"), ZoneInfo("Asia/Tehran"), ZoneInfo("America/New_York")
WORK = {"days": [6, 0, 1, 2, 3], "from": "09:00", "to": "20:00", "holidays": "ignore", "calendar": None}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_three_days_keep_the_clock_and_72_hours_do_not() -> None:
    before = datetime(2026, 3, 25, 10, 0, tzinfo=JERUSALEM)  # clocks go forward on the 27th
    assert add(before, {"days": 3}, JERUSALEM).astimezone(JERUSALEM).hour == 10
    assert add(before, {"seconds": 72 * 3600}, JERUSALEM).astimezone(JERUSALEM).hour == 11


def test_a_time_that_does_not_exist_moves_on_by_the_gap() -> None:
    before = datetime(2026, 3, 26, 2, 30, tzinfo=JERUSALEM)
    assert add(before, {"days": 1}, JERUSALEM).astimezone(JERUSALEM).strftime("%H:%M") == "03:30"


def test_the_31st_plus_a_month_is_the_last_of_february() -> None:
    assert add(utc(2026, 1, 31, 12), {"months": 1}, ZoneInfo("UTC")).date() == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        ({"for": {"days": 7}, "at": "10:00"}, utc(2026, 11, 29, 8, 0)),
        ({"until": {"day": 6}, "at": "10:00"}, utc(2026, 11, 22, 8, 0)),
        ({"until": {"day": 6}, "at": "09:00"}, utc(2026, 11, 29, 7, 0)),
        ({"until": {"date": "2026-12-01"}}, utc(2026, 11, 30, 22, 0)),
        ({"until": {"month_day": 31}, "at": "09:00"}, utc(2026, 11, 30, 7, 0)),
        ({"for": {"seconds": 5400}}, utc(2026, 11, 22, 9, 20)),
    ],
)
def test_waits_end_on_the_clock_of_the_contact(step: dict[str, Any], end: datetime) -> None:
    assert wait_end(step, utc(2026, 11, 22, 7, 50), JERUSALEM).at == end


def test_a_date_field_with_an_offset_and_a_date_that_has_passed() -> None:
    step = {"until": {"field": "birthday", "offset": {"days": 3}, "sign": -1}, "at": "09:00"}
    ahead = wait_end(step, utc(2026, 11, 22, 8), TEHRAN, date(2026, 12, 1))
    assert ahead.at == datetime(2026, 11, 28, 9, 0, tzinfo=TEHRAN)
    assert wait_end(step, utc(2026, 11, 22, 8), TEHRAN, date(2026, 11, 1)).is_past
    assert wait_end(step, utc(2026, 11, 22, 8), TEHRAN, None).at is None


def test_hours_before_or_after_a_date_move_the_moment_and_not_the_day() -> None:
    step: dict[str, Any] = {"until": {"field": "visit", "offset": {"seconds": 3 * 3600}, "sign": -1}, "at": "09:00"}
    began = utc(2026, 11, 22, 8)
    assert wait_end(step, began, TEHRAN, date(2026, 12, 1)).at == datetime(2026, 12, 1, 6, 0, tzinfo=TEHRAN)
    step["until"]["sign"] = 1
    assert wait_end(step, began, TEHRAN, date(2026, 12, 1)).at == datetime(2026, 12, 1, 12, 0, tzinfo=TEHRAN)


@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 2, 5)),  # noqa: DTZ001 - hypothesis wants naive bounds
    zone=st.sampled_from(["Asia/Jerusalem", "Asia/Tehran", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland",
                          "America/St_Johns", "Europe/London", "Pacific/Kiritimati"]),
    calendar=st.sampled_from([None, "israel", "iran"]),
)  # fmt: skip
def test_the_next_allowed_moment_is_allowed_and_none_before_it_was(
    moment: datetime, zone: str, calendar: str | None
) -> None:
    hours = {**WORK, "holidays": "skip", "calendar": calendar}
    holiday = calendar_for(calendar, time_zone="Asia/Jerusalem").is_holiday
    start, tz = moment.replace(tzinfo=UTC), ZoneInfo(zone)
    found = next_open(hours, start, tz, holiday)
    assert found is not None
    assert is_open(hours, found, tz, holiday)
    assert found == start or not is_open(hours, found - timedelta(minutes=1), tz, holiday)


def test_hours_that_never_open_are_said_to() -> None:
    assert next_open({**WORK, "days": []}, utc(2026, 11, 22), JERUSALEM) is None


def test_the_channels_own_hours_stay_unless_the_step_names_hours() -> None:
    settings = {"send_hours": {"any": WORK, "sms": {**WORK, "from": "10:00"}}}
    assert hours_for(settings, "sms")["from"] == "10:00"  # type: ignore[index]
    assert hours_for(settings, "email")["from"] == "09:00"  # type: ignore[index]
    assert hours_for(settings, "sms", "any") is None
    own = {**WORK, "from": "12:00", "channels": {"sms": {**WORK, "from": "13:00"}}}
    assert hours_for(settings, "sms", own)["from"] == "13:00"  # type: ignore[index]
    assert hours_for(settings, "email", own)["from"] == "12:00"  # type: ignore[index]


def test_a_calendar_day_ends_at_midnight_and_24_hours_do_not() -> None:
    late = datetime(2026, 11, 22, 23, 0, tzinfo=JERUSALEM)
    morning = datetime(2026, 11, 23, 9, 0, tzinfo=JERUSALEM)
    day = {"count": 1, "per": {"months": 0, "days": 1, "seconds": 0}, "calendar": True}
    exact = {"count": 1, "per": {"months": 0, "days": 0, "seconds": 86_400}, "calendar": False}
    assert first_over([(day, False)], [("email", late)], "email", morning, JERUSALEM) is None
    over = first_over([(exact, False)], [("email", late)], "email", morning, JERUSALEM)
    assert over is not None
    assert over.free_at.astimezone(JERUSALEM).strftime("%d %H:%M") == "23 23:00"


def test_the_limit_that_frees_latest_decides() -> None:
    now = datetime(2026, 11, 24, 10, 0, tzinfo=JERUSALEM)  # a Tuesday
    sent = [("email", datetime(2026, 11, 22, 10, 0, tzinfo=JERUSALEM)), ("sms", now - timedelta(hours=1))]
    day = {"count": 1, "per": {"days": 1}, "calendar": True}
    week = {"count": 2, "per": {"days": 7}, "calendar": True}
    over = first_over([(day, False), (week, False)], sent, "email", now, JERUSALEM)
    assert over is not None
    assert over.free_at == datetime(2026, 11, 29, 0, 0, tzinfo=JERUSALEM)
    assert first_over([(day, True)], sent, "email", now, JERUSALEM) is None


@pytest.mark.parametrize(
    ("name", "day", "closed"),
    [
        ("israel", date(2026, 9, 12), True),  # Rosh HaShana 5787
        ("israel", date(2026, 9, 21), True),  # Yom Kippur
        ("israel", date(2026, 12, 6), False),  # Hanukkah is a working day
        ("iran", date(2027, 3, 21), True),  # Nowruz 1406
        ("iran", date(2027, 4, 2), True),  # 13 Farvardin
        ("iran", date(2026, 9, 21), False),
    ],
)
def test_holidays(name: str, day: date, closed: bool) -> None:
    assert calendar_for(name).is_holiday(day) is closed
