"""Days by their names, in three languages and calendars, as a colleague writes them when a task is put off."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from panel.calendars import Reader, show_day
from panel.dates import read_day, read_moment
from panel.errors import UserError

SUNDAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Sunday", date(2026, 11, 29)), ("on Monday", date(2026, 11, 23)), ("sat", date(2026, 11, 28)),
        ("יום ראשון", date(2026, 11, 29)), ("ביום שני", date(2026, 11, 23)), ("יום ג׳", date(2026, 11, 24)),
        ("בשבת", date(2026, 11, 28)), ("חמישי", date(2026, 11, 26)),
        ("یکشنبه", date(2026, 11, 29)), ("سه‌شنبه", date(2026, 11, 24)), ("پنج شنبه", date(2026, 11, 26)),
        ("شنبه", date(2026, 11, 28)), ("جمعه", date(2026, 11, 27)),
        ("26 November", date(2026, 11, 26)), ("November 26, 2027", date(2027, 11, 26)), ("3 Jan", date(2027, 1, 3)),
        ("26 בנובמבר", date(2026, 11, 26)), ("ב־26 בנובמבר 2027", date(2027, 11, 26)),
        ("۲۶ نوامبر", date(2026, 11, 26)),
        ("ט״ז בכסלו", date(2026, 11, 26)), ("16 כסלו", date(2026, 11, 26)), ("ט״ז כסלו תשפ״ז", date(2026, 11, 26)),
        ("טו בשבט תשפ״ח", date(2028, 2, 12)), ("16 Kislev 5787", date(2026, 11, 26)),
        ("י״ד באדר", date(2026, 3, 3)), ("י״ד אדר ב׳ תשפ״ז", date(2027, 3, 23)), ("1 אדר א 5787", date(2027, 2, 8)),
        ("۳ آذر", date(2026, 11, 24)), ("۳ آذر ۱۴۰۶", date(2027, 11, 24)), ("3 Azar 1405", date(2026, 11, 24)),
        ("22.11.", SUNDAY), ("26.11", date(2026, 11, 26)),
    ],
)  # fmt: skip
def test_a_day_is_read_by_its_name(text: str, day: date) -> None:
    assert read_day(text, Reader(), SUNDAY) == day


@pytest.mark.parametrize(
    "text", ["32 November", "30 February", "ל״א בכסלו", "۳۲ آذر", "second of May", "26 Foo", "יום", "ב"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a date we can read"):
        read_day(text, Reader(), SUNDAY)


@pytest.mark.parametrize(
    ("language", "calendar", "text"),
    [("he", "hebrew", "יום ראשון 14:30"), ("he", "hebrew", "י״ט בכסלו ב־14:30"),
     ("fa", "solar_hijri", "یکشنبه ساعت ۱۴:۳۰"),
     ("fa", "solar_hijri", "۸ آذر ۱۴:۳۰"), ("en", "gregorian", "Sunday at 14:30"), ("en", "gregorian", "29.11. 14:30")],
)  # fmt: skip
def test_with_a_time_of_day(language: str, calendar: str, text: str) -> None:
    reader = Reader(language, calendar, "local", "UTC")
    at = read_moment(text, reader, datetime(2026, 11, 22, 20, tzinfo=UTC))
    assert at == datetime(2026, 11, 29, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(("language", "calendar"), [("fa", "solar_hijri"), ("en", "gregorian"), ("he", "gregorian")])
def test_what_we_write_can_be_read_again(language: str, calendar: str) -> None:
    reader = Reader(language, calendar, "local")
    for number in range(0, 400, 7):
        day = date.fromordinal(SUNDAY.toordinal() + number)
        assert read_day(show_day(day, reader), reader, SUNDAY) == day
