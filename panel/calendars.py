"""Dates, times and numbers as a reader wants them: Gregorian, Hebrew or solar Hijri, Latin or local digits.

Everything is stored in UTC; a `Reader` says how to show it. Nothing here prints HTML, see `panel.web.filters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date as babel_date
from babel.numbers import format_currency, format_decimal
from persiantools.jdatetime import JalaliDate
from pyluach.dates import HebrewDate

from panel.i18n import LOCALES, translate

Style = Literal["short", "long", "full"]
HIDDEN_AMOUNT = "•••"  # stands where this reader may not see an amount
CALENDARS = ("gregorian", "hebrew", "solar_hijri")

_LOCAL_DIGITS = {"fa": "۰۱۲۳۴۵۶۷۸۹"}
_TO_LATIN = {ord(c): str(i) for digits in ("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩") for i, c in enumerate(digits)} | {
    ord("٫"): ".",
    ord("٬"): ",",
}
JALALI_MONTHS = {
    "fa": "فروردین اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند",
    "he": "פרוורדין אורדיבהשת ח'ורדאד תיר מורדאד שהריוור מהר אבאן אזר דיי בהמן אספנד",
    "en": "Farvardin Ordibehesht Khordad Tir Mordad Shahrivar Mehr Aban Azar Dey Bahman Esfand",
}
HEBREW_MONTHS = {  # in Hebrew the names come from pyluach, with the day in letters
    "en": "Nisan Iyar Sivan Tammuz Av Elul Tishrei Cheshvan Kislev Tevet Shevat Adar Adar-II",
    "fa": "نیسان ایار سیوان تموز آو الول تشری حشوان کیسلو طوت شواط آدار آدار-دوم",
}


@dataclass(frozen=True)
class Reader:
    """How one person reads: interface language, calendar, digits ("latin" or "local"), IANA time zone.

    `sees_amounts`: whether they may see what contacts paid, owe and bring in (see `panel.amounts`); not unless told.
    """

    language: str = "en"
    calendar: str = "gregorian"
    digits: str = "latin"
    time_zone: str = "UTC"
    sees_amounts: bool = False

    @property
    def locale(self) -> Locale:
        return Locale.parse(LOCALES[self.language])

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.time_zone)

    @property
    def first_weekday(self) -> int:
        """Monday is 0: Sunday for Hebrew, Saturday for Persian."""
        return self.locale.first_week_day


@cache
def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name; UTC when no such zone is known (an old import, a typing error)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def to_latin_digits(text: str) -> str:
    """Persian and Arabic digits and separators as ASCII: what parsers expect."""
    return text.translate(_TO_LATIN)


def in_digits(text: str, reader: Reader) -> str:
    """ASCII digits as this reader wants them."""
    local = _LOCAL_DIGITS.get(reader.language)
    if reader.digits != "local" or local is None:
        return text
    return text.translate({ord(str(i)): c for i, c in enumerate(local)})


def show_number(value: int | float | Decimal, reader: Reader, decimals: int | None = None) -> str:
    """A number with the separators of the language: 12,345.6. `decimals` fixes the digits after the point."""
    pattern = None if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    return _local_number(format_decimal(value, format=pattern, locale=reader.locale, numbering_system="latn"), reader)


def show_money(amount: Decimal | float | int, currency: str, reader: Reader) -> str:
    """What a contact paid, owes or brought in, with its currency: ₪1,240.50; dots for who may not see amounts.

    Unknown currencies keep their three letters. Babel's own direction marks are dropped: the page isolates the amount.
    """
    return show_price(amount, currency, reader) if reader.sees_amounts else HIDDEN_AMOUNT


def show_price(amount: Decimal | float | int, currency: str, reader: Reader) -> str:
    """What something costs ourselves, such as sending a message: written like money, and no secret of a contact."""
    words = format_currency(amount, currency, locale=reader.locale, numbering_system="latn")
    return _local_number("".join(c for c in words if c not in "\u200e\u200f\u061c").replace("\xa0", " "), reader)


def show_percent(share: float, reader: Reader, decimals: int = 0) -> str:
    """A share of one as percent: 0.184 is 18%."""
    sign = "٪" if reader.digits == "local" and reader.language == "fa" else "%"
    return show_number(share * 100, reader, decimals) + sign


def show_day(day: date, reader: Reader, style: Style = "long") -> str:
    """A date in the reader's calendar. short: 22/11/2026; long: 22 November 2026; full: with the weekday.

    The Hebrew calendar is shown beside the Gregorian one, because nobody dates an invoice in it.
    """
    if reader.calendar == "solar_hijri":
        return in_digits(_jalali(day, reader, style), reader)
    if style == "short":
        words = f"{day.day:02}/{day.month:02}/{day.year}" if reader.language != "fa" else f"{day:%Y/%m/%d}"
    else:
        words = to_latin_digits(babel_date(day, format="full" if style == "full" else "long", locale=reader.locale))
    if reader.calendar == "hebrew" and style != "short":
        words += " · " + _hebrew(day, reader)
    return in_digits(words, reader)


def show_time(moment: datetime | time, reader: Reader) -> str:
    """Hours and minutes on the reader's clock, 24 hours: 09:30."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(reader.zone).time()
    return in_digits(f"{moment:%H:%M}", reader)


def show_moment(moment: datetime, reader: Reader, style: Style = "long") -> str:
    """Date and time: 22 November 2026, 09:30. `moment` must be aware."""
    local = moment.astimezone(reader.zone)
    comma = "، " if reader.language == "fa" else ", "
    return show_day(local.date(), reader, style) + comma + show_time(local, reader)


def show_ago(moment: datetime, now: datetime, reader: Reader) -> str:
    """How long ago, or how soon, in words of today and yesterday; older things by their date.

    "5 minutes ago", "today 09:30", "yesterday 17:05", "tomorrow 09:00", "12 March 2026".
    """
    seconds = (now - moment).total_seconds()
    if 0 <= seconds < 60:
        return translate(reader.language, "just now")
    if 0 <= seconds < 3600:
        minutes = int(seconds // 60)
        return translate(reader.language, "%(n)s min ago", n=show_number(minutes, reader))
    day = moment.astimezone(reader.zone).date()
    apart = (day - now.astimezone(reader.zone).date()).days
    clock_words = show_time(moment, reader)
    if apart == 0:
        return translate(reader.language, "today %(time)s", time=clock_words)
    if apart == -1:
        return translate(reader.language, "yesterday %(time)s", time=clock_words)
    if apart == 1:
        return translate(reader.language, "tomorrow %(time)s", time=clock_words)
    return show_day(day, reader)


def _local_number(words: str, reader: Reader) -> str:
    if reader.digits == "local" and reader.language == "fa":
        words = words.replace(",", "٬").replace(".", "٫")
    return in_digits(words, reader)


def weekday_name(weekday: int, reader: Reader, width: Literal["wide", "abbreviated", "narrow"] = "wide") -> str:
    """The name of a weekday, Monday is 0."""
    return str(reader.locale.days["stand-alone"][width][weekday])


def start_of_day(day: date, reader: Reader) -> datetime:
    """Midnight of this day in the reader's zone, as UTC."""
    return datetime.combine(day, time(), tzinfo=reader.zone).astimezone(UTC)


def days_of_week(reader: Reader) -> list[int]:
    """The weekdays in the order this reader's calendar shows them."""
    return [(reader.first_weekday + i) % 7 for i in range(7)]


@dataclass(frozen=True)
class MonthDay:
    day: date
    words: str
    is_this_month: bool


def month_grid(day: date, reader: Reader) -> tuple[str, list[list[MonthDay]], date, date]:
    """The month around `day`, for a picker: its title, its weeks, a day of the month before and of the one after."""
    first, title = _first_of_month(day, reader)
    following, _ = _first_of_month(first + timedelta(days=32), reader)
    if following <= first:  # cannot happen with months of 29 to 31 days; guards an endless grid
        following = first + timedelta(days=31)
    start = first - timedelta(days=(first.weekday() - reader.first_weekday) % 7)
    weeks = []
    while start < following:
        week = [start + timedelta(days=i) for i in range(7)]
        weeks.append(
            [MonthDay(d, in_digits(str(_day_number(d, reader)), reader), first <= d < following) for d in week]
        )
        start += timedelta(days=7)
    return title, weeks, first - timedelta(days=1), following


def _first_of_month(day: date, reader: Reader) -> tuple[date, str]:
    if reader.calendar == "solar_hijri":
        jalali = JalaliDate(day)
        first = day - timedelta(days=jalali.day - 1)
        months = JALALI_MONTHS[reader.language].split()
        return first, in_digits(f"{months[jalali.month - 1]} {jalali.year}", reader)
    first = day.replace(day=1)
    return first, in_digits(to_latin_digits(babel_date(first, format="LLLL yyyy", locale=reader.locale)), reader)


def _day_number(day: date, reader: Reader) -> int:
    return JalaliDate(day).day if reader.calendar == "solar_hijri" else day.day


def _jalali(day: date, reader: Reader, style: Style) -> str:
    jalali = JalaliDate(day)
    if style == "short":
        return f"{jalali.year}/{jalali.month:02}/{jalali.day:02}"
    words = f"{jalali.day} {JALALI_MONTHS[reader.language].split()[jalali.month - 1]} {jalali.year}"
    if style != "full":
        return words
    return weekday_name(day.weekday(), reader) + (" " if reader.language == "fa" else ", ") + words


def _hebrew(day: date, reader: Reader) -> str:
    hebrew = HebrewDate.from_pydate(day)
    if reader.language == "he":
        return hebrew.hebrew_date_string()
    return f"{hebrew.day} {HEBREW_MONTHS[reader.language].split()[hebrew.month - 1].replace('-', ' ')} {hebrew.year}"
