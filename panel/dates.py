"""Reading dates as people write them: three calendars, local digits, and words like "tomorrow 9:00" or "+3 days"."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel.calendars import Reader, to_latin_digits
from panel.errors import UserError
from panel.i18n import N_
from panel.named_days import named_day

_DAY = re.compile(r"^(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})$")
_SHORT_DAY = re.compile(r"^(\d{1,2})[/.](\d{1,2})\.?$")
_CLOCK = re.compile(r"^(\d{1,2})[:.](\d{2})$|^(\d{1,2})\s*(am|pm)$")
_LATER = re.compile(r"^(?:\+|in\s+|בעוד\s+)?\s*(\d{1,4})\s*([^\d\s]+)(?:\s+(?:later|بعد|دیگر))?$")
# "at 9", "ב־9", "בשעה 9:30", "ساعت ۹": an hour by its word, at the end; the hour alone is enough then.
_AT = re.compile(r"(?:^|[\s,،])(?:at\s+|ב?שעה\s+|ב[-־\u2011]?\s?|(?:در\s+)?ساعت\s+)(\d{1,2})(?:[:.](\d{2}))?$")
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_NEAR_DAYS = {
    **dict.fromkeys(("today", "היום", "امروز"), 0),
    **dict.fromkeys(("tomorrow", "מחר", "فردا"), 1),
    **dict.fromkeys(("yesterday", "אתמול", "دیروز"), -1),
    **dict.fromkeys(("the day after tomorrow", "מחרתיים", "پس‌فردا", "پس فردا"), 2),
}
_UNITS = {
    **dict.fromkeys(("minute", "minutes", "min", "דקה", "דקות", "دقیقه"), timedelta(minutes=1)),
    **dict.fromkeys(("hour", "hours", "h", "שעה", "שעות", "ساعت"), timedelta(hours=1)),
    **dict.fromkeys(("day", "days", "d", "יום", "ימים", "روز"), timedelta(days=1)),
    **dict.fromkeys(("week", "weeks", "w", "שבוע", "שבועות", "هفته"), timedelta(weeks=1)),
}


def read_day(text: str, reader: Reader, today: date) -> date:
    """Read a date: 2026-11-22, 22.11.2026, 1405/9/1, ۱۴۰۵/۰۹/۰۱, 22/11, tomorrow, +3 days; "Sunday" (the next one),
    "26 November", "ט״ז בכסלו", "۳ آذر" (without a year the nearest).

    A year from 1300 to 1500 is solar Hijri, one above 5000 is Hebrew; otherwise day and month in the order of most of
    the world (22/11). A two-digit year is of this century. UserError says what can be written.
    """
    words = _plain(text)
    if words in _NEAR_DAYS:
        return today + timedelta(days=_NEAR_DAYS[words])
    if found := _LATER.match(words):
        unit = _UNITS.get(found[2])
        if unit is not None and unit >= timedelta(days=1):
            return today + int(found[1]) * unit
    try:
        if found := _DAY.match(words):
            return _from_numbers(found[1], found[2], found[3])
        if found := _SHORT_DAY.match(words):
            return _this_year(int(found[1]), int(found[2]), reader, today)
        if (day := named_day(words, today)) is not None:
            return day
    except ValueError:
        raise _unreadable(text) from None
    raise _unreadable(text)


def read_moment(text: str, reader: Reader, now: datetime, *, default_time: time = time(9)) -> datetime:
    """Read a date with a time of day, in the reader's zone; the answer is UTC.

    "tomorrow 9:00", "מחר ב־9", "فردا ساعت ۹", "22.11.2026 14:30", "14:30" (the next time the clock shows it),
    "+2 hours", "1405/9/1" (at `default_time`). A time that the clocks skip in spring is the first one after the gap.
    """
    words = _plain(text)
    local = now.astimezone(reader.zone)
    if (found := _LATER.match(words)) and found[2] in _UNITS:
        return now + int(found[1]) * _UNITS[found[2]]
    if found := _AT.search(words):
        words = f"{words[: found.start()]} {found[1]}:{found[2] or '00'}".strip()
    elif (before := words.rpartition(" "))[0] in _NEAR_DAYS and before[2].isdecimal():  # "tomorrow 9"
        words += ":00"
    if (clock := _read_clock(words)) is not None:
        day = local.date() if clock > local.time().replace(tzinfo=None) else local.date() + timedelta(days=1)
        return _in_zone(day, clock, reader)
    first, _, last = words.rpartition(" ")
    clock = _read_clock(last) if first else None
    if clock is not None:
        return _in_zone(read_day(first.removesuffix(" at").rstrip(" ,،"), reader, local.date()), clock, reader)
    return _in_zone(read_day(words, reader, local.date()), default_time, reader)


def _plain(text: str) -> str:
    return " ".join(to_latin_digits(text.translate(_MARKS)).casefold().replace("ي", "ی").replace("ك", "ک").split())


def _read_clock(words: str) -> time | None:
    found = _CLOCK.match(words)
    if not found:
        return None
    try:
        if found[3]:
            return time(int(found[3]) % 12 + (12 if found[4] == "pm" else 0))
        return time(int(found[1]), int(found[2]))
    except ValueError:
        return None


def _from_numbers(first: str, second: str, third: str) -> date:
    if len(first) > 2:
        return _of_calendar(int(first), int(second), int(third))
    year = int(third) if len(third) > 2 else 2000 + int(third)
    return _of_calendar(year, int(second), int(first))


def _of_calendar(year: int, month: int, day: int) -> date:
    if 1300 <= year <= 1500:
        return JalaliDate(year, month, day).to_gregorian()
    if year > 5000:
        return HebrewDate(year, month, day).to_pydate()
    return date(year, month, day)


def _this_year(first: int, second: int, reader: Reader, today: date) -> date:
    if reader.calendar == "solar_hijri":
        return JalaliDate(JalaliDate(today).year, first, second).to_gregorian()
    return date(today.year, second, first)


def _in_zone(day: date, clock: time, reader: Reader) -> datetime:
    # A time the clocks skip in spring has no moment of its own; the offset of before the gap gives one just after it.
    return datetime.combine(day, clock, tzinfo=reader.zone).astimezone(UTC)


def _unreadable(text: str) -> UserError:
    return UserError(
        "date_unreadable",
        N_("“%(text)s” is not a date we can read. Write it like 22.11.2026, 1405/9/1, tomorrow 9:00 or +3 days."),
        text=text[:60],
    )
