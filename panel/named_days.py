"""Days by their names, in three languages and calendars: "Sunday", "26 November", "ט״ז בכסלו תשפ״ז", "۳ آذر"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from babel import Locale
from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel.calendars import HEBREW_MONTHS, JALALI_MONTHS
from panel.i18n import LOCALES

_WEEKDAYS = (  # Monday first, as Python counts
    "monday mon שני ב دوشنبه",
    "tuesday tue שלישי ג سهشنبه",
    "wednesday wed רביעי ד چهارشنبه",
    "thursday thu חמישי ה پنجشنبه",
    "friday fri שישי ו جمعه",
    "saturday sat שבת ש شنبه",
    "sunday sun ראשון א یکشنبه",
)
_HEBREW = (  # Nisan first, as the calendar counts; the thirteenth is the second Adar
    "ניסן nisan", "אייר iyar", "סיון סיוון sivan", "תמוז tammuz", "אב av", "אלול elul", "תשרי tishrei",
    "חשון חשוון מרחשוון cheshvan", "כסלו kislev", "טבת tevet", "שבט shvat", "אדר adar",
)  # fmt: skip
_LETTERS = dict(zip("אבגדהוזחטיכלמנסעפצקרשת", (*range(1, 10), *range(10, 100, 10), *range(100, 500, 100)), strict=True))
_QUOTES = re.compile("[׳״'\"’”]")
_PREFIX = re.compile(r"^(?:on\s+|ב?יום\s+|ב[-־])")


def named_day(words: str, today: date) -> date | None:
    """The day that is meant; None when no name of a day or a month is in it. `words`: lower case, Latin digits.

    A day of the week is the next one after today. Without a year it is the nearest such day, before or after.
    Raises ValueError for a day that no calendar has.
    """
    plain = _PREFIX.sub("", _QUOTES.sub("", words.strip()))
    one_word = plain.replace("\u200c", "").replace(" ", "")
    weekday = _weekdays().get(one_word, _weekdays().get(one_word.removeprefix("ב") if len(one_word) > 2 else ""))
    if weekday is not None and (words.strip() != plain or len(plain) > 1):
        return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
    tokens = plain.replace(",", " ").replace("،", " ").split()
    if not 2 <= len(tokens) <= 4:
        return None
    if not _is_number(tokens[0]):  # "november 26"
        tokens[0], tokens[1] = tokens[1], tokens[0]
    name, rest = tokens[1], tokens[2:]
    if rest and name.removeprefix("ב") in ("אדר", "adar") and rest[0] in ("א", "ב", "i", "ii"):
        name, rest = f"{name} {'2' if rest[0] in ('ב', 'ii') else '1'}", rest[1:]
    found = _months().get(name) or _months().get(name.removeprefix("ב"))
    day, year = _number(tokens[0]), _number(rest[0]) if rest else None
    if found is None or day is None or len(rest) > 1 or (rest and year is None):
        return None
    calendar, month = found
    if year is not None:
        return _day(calendar, year + 5000 if calendar == "hebrew" and year < 1000 else year, month, day)
    this = {"hebrew": HebrewDate.from_pydate(today).year, "solar_hijri": JalaliDate(today).year}.get(
        calendar, today.year
    )
    possible = []
    for one in (this - 1, this, this + 1):
        try:
            possible.append(_day(calendar, one, month, day))
        except ValueError:  # 30 Adar, 29 February: not every year has them
            continue
    if not possible:
        raise ValueError(words)
    return min(possible, key=lambda one: abs(one - today))


def _day(calendar: str, year: int, month: int, day: int) -> date:
    if calendar == "solar_hijri":
        return JalaliDate(year, month, day).to_gregorian()
    if calendar == "hebrew":
        if month == 12 and _is_leap(year):
            raise ValueError("which Adar?")
        if month in (14, 13):  # the first and the second Adar, said so
            month = (12 if month == 14 else 13) if _is_leap(year) else 12
        return HebrewDate(year, month, day).to_pydate()
    return date(year, month, day)


def _is_leap(year: int) -> bool:
    return (7 * year + 1) % 19 < 7


def _is_number(token: str) -> bool:
    return _number(token) is not None and token not in _months()


def _number(token: str) -> int | None:
    """In digits, or in Hebrew letters as days and years are written: ט״ז, תשפ״ז."""
    if token.isdecimal():
        return int(token)
    values = [_LETTERS.get(letter, 0) for letter in token]
    # Letters of a number stand from great to small, except 15 and 16.
    ordered = values == sorted(values, reverse=True) or token in ("טו", "טז")
    return sum(values) if all(values) and ordered else None


@cache
def _weekdays() -> Mapping[str, int]:
    return {word: number for number, words in enumerate(_WEEKDAYS) for word in words.split()}


@cache
def _months() -> Mapping[str, tuple[str, int]]:
    """The calendar and the number of a month by each of its names."""
    found: dict[str, tuple[str, int]] = {}
    for language in LOCALES.values():
        names = Locale.parse(language).months["format"]
        for width in ("wide", "abbreviated"):
            for number, name in names[width].items():
                found[_QUOTES.sub("", name.casefold().rstrip("."))] = ("gregorian", number)
    for line in JALALI_MONTHS.values():
        for number, name in enumerate(line.split(), 1):
            found.setdefault(name.casefold(), ("solar_hijri", number))
    for number, name in enumerate(HEBREW_MONTHS["fa"].split()[:12], 1):
        found.setdefault(name, ("hebrew", number))
    for number, line in enumerate(_HEBREW, 1):
        for name in line.split():
            found[name] = ("hebrew", number)
    for name in ("אדר", "adar"):
        found |= {f"{name} 1": ("hebrew", 14), f"{name} 2": ("hebrew", 13)}
    return found
