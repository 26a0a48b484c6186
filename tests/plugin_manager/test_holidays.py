"""Holiday calendars of plugins, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from panel.journeys.engine.holidays import UnknownCalendarError, calendar_for, calendars
from panel.journeys.language import Vocabulary, check
from tests.journeys.engine.world import HEADER

MARKET = """
from panel.sdk.holidays import HolidayCalendar

@hookimpl
def register_holidays():
    return [HolidayCalendar("market", "Market days", lambda day: "Fair" if day.day == 1 else None)]
"""


@pytest.mark.databases("sqlite")
def test_a_plugin_brings_a_calendar_that_journeys_may_name(
    write_plugin: Callable[..., Any], make_manager: Callable[[], Any]
) -> None:
    write_plugin("fairs", MARKET)
    make_manager()
    assert set(calendars()) == {"market", "israel", "israel_with_eves", "iran"}
    assert calendar_for("market").holiday(date(2026, 12, 1)) == "Fair"
    assert not calendar_for("market").is_holiday(date(2026, 12, 2))


@pytest.mark.databases("sqlite")
def test_a_calendar_that_is_no_calendar_sets_the_plugin_aside(
    write_plugin: Callable[..., Any], make_manager: Callable[[], Any]
) -> None:
    write_plugin("fairs", "@hookimpl\ndef register_holidays():\n    return ['market']\n")
    manager = make_manager()
    assert manager.get("fairs").problem is not None
    assert manager.holiday_calendars() == {}
    with pytest.raises(UnknownCalendarError):
        calendar_for("market")


@pytest.mark.databases("sqlite")
def test_without_a_name_it_is_that_of_the_country_and_never_none_at_all(make_manager: Callable[[], Any]) -> None:
    make_manager()
    assert calendar_for(None, "IR", "Asia/Jerusalem").name == "iran"
    assert calendar_for(None, "", "Asia/Jerusalem").name == "israel"
    with pytest.raises(UnknownCalendarError, match="GB"):
        calendar_for(None, "GB", "Europe/London")


@pytest.mark.parametrize(
    ("day", "holiday"),
    [
        (date(2026, 9, 21), "Yom Kippur"),
        (date(2027, 4, 22), "Passover"),
        (date(2027, 5, 12), "Independence Day"),  # 5 Iyar
        (date(2026, 4, 22), "Independence Day"),
        (date(2028, 5, 2), "Independence Day"),  # 5 Iyar is a Monday: the law moves it to Tuesday
        (date(2025, 5, 1), "Independence Day"),  # 5 Iyar is Shabbat: Thursday
        (date(2026, 12, 6), None),  # Hanukkah
    ],
)
def test_israeli_holidays_by_name(day: date, holiday: str | None) -> None:
    assert calendar_for("israel").holiday(day) == holiday


def test_eves_are_a_calendar_of_their_own() -> None:
    eve = date(2026, 9, 20)
    assert calendar_for("israel").holiday(eve) is None
    assert calendar_for("israel_with_eves").holiday(eve) == "the eve of Yom Kippur"
    assert calendar_for("israel_with_eves").holiday(date(2026, 9, 21)) == "Yom Kippur"


def test_iranian_holidays_of_the_solar_calendar_by_name() -> None:
    assert calendar_for("iran").holiday(date(2027, 3, 21)) == "Nowruz"
    assert calendar_for("iran").holiday(date(2027, 3, 26)) is None


def test_a_journey_with_an_unknown_calendar_is_not_published() -> None:
    text = HEADER + (
        "  x:\n    name: X\n    purpose: marketing\n    review_after: 1 year\n    start_when: {tag_added: go}\n"
        "    send_hours: {holidays: skip, calendar: isreal}\n    steps:\n      - tag: y\n"
    )
    problems = check(text, Vocabulary(calendars=("israel", "iran"))).problems
    assert "unknown_calendar" in [one.code for one in problems]
