"""Dates and numbers as three kinds of readers see and write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from panel.calendars import (
    Reader,
    days_of_week,
    month_grid,
    show_ago,
    show_day,
    show_moment,
    show_money,
    show_number,
    start_of_day,
)
from panel.dates import read_day, read_moment
from panel.errors import UserError

ISRAELI = Reader("he", "gregorian", "latin", "Asia/Jerusalem", sees_amounts=True)
PERSIAN = Reader("fa", "solar_hijri", "local", "Asia/Tehran", sees_amounts=True)
BRITISH = Reader("en", "gregorian", "latin", "Europe/London", sees_amounts=True)
TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("gregorian", "solar", "hebrew"),
    [
        (date(2026, 11, 22), "1405/09/01", "י״ב כסלו תשפ״ז"),
        (date(2025, 3, 20), "1403/12/30", "כ׳ אדר תשפ״ה"),  # the last day of a solar leap year
        (date(2025, 3, 21), "1404/01/01", "כ״א אדר תשפ״ה"),
        (date(2024, 3, 20), "1403/01/01", "י׳ אדר ב׳ תשפ״ד"),  # a Hebrew leap year has two Adars
        (date(2024, 2, 29), "1402/12/10", "כ׳ אדר א׳ תשפ״ד"),
        (date(2026, 9, 12), "1405/06/21", "א׳ תשרי תשפ״ז"),
    ],
)
def test_a_day_in_three_calendars(gregorian, solar, hebrew):
    assert show_day(gregorian, Reader("en", "solar_hijri"), "short") == solar
    assert hebrew in show_day(gregorian, Reader("he", "hebrew"))


def test_what_readers_see():
    assert show_day(TODAY, PERSIAN, "full") == "یکشنبه ۱ آذر ۱۴۰۵"
    assert show_day(TODAY, ISRAELI, "full") == "יום ראשון, 22 בנובמבר 2026"
    assert show_moment(NOW, ISRAELI) == "22 בנובמבר 2026, 10:00"
    assert show_moment(NOW, PERSIAN, "short") == "۱۴۰۵/۰۹/۰۱، ۱۱:۳۰"
    assert show_number(12345.6, PERSIAN) == "۱۲٬۳۴۵٫۶"
    assert show_money(1240, "ILS", BRITISH) == "₪1,240.00"


@pytest.mark.parametrize(
    ("ago", "words"),
    [(timedelta(seconds=20), "just now"), (timedelta(minutes=5), "5 min ago"), (timedelta(hours=2), "today 06:00"),
     (timedelta(days=1), "yesterday 08:00"), (timedelta(days=-1), "tomorrow 08:00"),
     (timedelta(days=40), "13 October 2026")],
)  # fmt: skip
def test_how_long_ago(ago, words):
    assert show_ago(NOW - ago, NOW, BRITISH) == words


def test_the_week_begins_on_sunday_in_hebrew_and_on_saturday_in_persian():
    assert days_of_week(ISRAELI)[0] == 6
    assert days_of_week(PERSIAN)[0] == 5
    assert days_of_week(BRITISH)[0] == 0


def test_a_month_of_each_calendar_begins_with_its_first_day_and_has_whole_weeks():
    for reader, title, length in ((PERSIAN, "آذر ۱۴۰۵", 30), (BRITISH, "November 2026", 30)):
        heading, weeks, before, after = month_grid(TODAY, reader)
        inside = [d for week in weeks for d in week if d.is_this_month]
        assert heading == title
        assert all(len(week) == 7 for week in weeks)
        assert len(inside) == length
        assert before < inside[0].day <= inside[-1].day < after
    assert month_grid(date(2025, 3, 5), PERSIAN)[1][0][0].day.weekday() == 5


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-22", TODAY), ("22.11.2026", TODAY), ("22/11/26", TODAY), ("22.11", TODAY), ("1405/9/1", TODAY),
        ("۱۴۰۵/۰۹/۰۱", TODAY), ("۱۴۰۵-۹-۱", TODAY), ("\u200f1.9.1405", TODAY), ("5787/9/12", TODAY),
        ("today", TODAY), ("מחר", date(2026, 11, 23)), ("دیروز", date(2026, 11, 21)), ("+3 days", date(2026, 11, 25)),
        ("בעוד 2 שבועות", date(2026, 12, 6)), ("۳ روز دیگر", date(2026, 11, 25)),
    ],
)  # fmt: skip
def test_dates_are_read_as_people_write_them(text, day):
    assert read_day(text, ISRAELI, TODAY) == day


@pytest.mark.parametrize(
    "text", ["", "soon", "31.2.2026", "1405/13/1", "99/99/9999", "2026", "12:00", "+5 hours", "x" * 500]
)
def test_what_cannot_be_read_is_said_with_examples(text):
    with pytest.raises(UserError) as refusal:
        read_day(text, ISRAELI, TODAY)
    assert "22.11.2026" in refusal.value.words("he")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("tomorrow 9:00", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        ("22.11.2026 14:30", datetime(2026, 11, 22, 12, 30, tzinfo=UTC)),
        ("14:30", datetime(2026, 11, 22, 12, 30, tzinfo=UTC)),
        ("9:30", datetime(2026, 11, 23, 7, 30, tzinfo=UTC)),  # already past today
        ("+2 hours", datetime(2026, 11, 22, 10, 0, tzinfo=UTC)),
        ("1405/9/2", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        ("מחר, 9:00", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        *(
            (text, datetime(2026, 11, 23, 7, 0, tzinfo=UTC))
            for text in (
                "tomorrow at 9",
                "tomorrow 9",
                "מחר ב־9",
                "מחר ב-9",
                "מחר בשעה 9:00",
                "فردا ساعت ۹",
                "فردا در ساعت ۹:۰۰",
                "at 9",
            )
        ),
        ("tomorrow ב9:15", datetime(2026, 11, 23, 7, 15, tzinfo=UTC)),
        ("2 ساعت بعد", datetime(2026, 11, 22, 10, 0, tzinfo=UTC)),
        ("27.3.2026 02:30", datetime(2026, 3, 27, 0, 30, tzinfo=UTC)),  # skipped that night in Israel
    ],
)
def test_moments_are_read_in_the_readers_zone(text, moment):
    assert read_moment(text, ISRAELI, NOW) == moment


def test_a_day_begins_at_midnight_of_the_readers_zone():
    assert start_of_day(TODAY, ISRAELI) == datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
    assert start_of_day(TODAY, Reader(time_zone="Nowhere/Land")) == datetime(2026, 11, 22, tzinfo=UTC)
