"""The small forms: lengths of time, limits, times of day, days, percentages, identities.

Every reader takes the text as it was written and returns a JSON-able value, or raises `ScalarError` with the problem's
code and the nearest correct text. Persian and Arabic digits are digits everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from persiantools.jdatetime import JalaliDate

from panel.journeys.language.problems import nearest
from panel.journeys.language.reading import clean, normalise

Length = dict[str, int]  # {"months": int, "days": int, "seconds": int}

LONGEST_NAME = 200
LONGEST_TEXT = 20_000
_MOST_YEARS = 100
_DIGITS = {ord(c): str(i) for s in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹") for i, c in enumerate(s)}
_DIGITS |= {ord("٫"): ".", ord("٬"): "", ord("−"): "-", ord("–"): "-", ord("،"): ",", ord("٪"): "%", ord("："): ":"}


class ScalarError(ValueError):
    """The text is not of this form. `guess` is the nearest correct text."""

    def __init__(self, code: str, guess: str | None = None, **params: Any) -> None:
        super().__init__(code)
        self.code, self.guess, self.params = code, guess, params


def latin(text: str) -> str:
    """Digits and signs as ASCII, one space between words, lower case."""
    return " ".join(text.translate(_DIGITS).casefold().split())


# --- time ------------------------------------------------------------------------------------------------------------

_UNITS: dict[str, tuple[str, int]] = {
    "minute": ("seconds", 60),
    "hour": ("seconds", 3600),
    "day": ("days", 1),
    "week": ("days", 7),
    "month": ("months", 1),
    "year": ("months", 12),
}
_PART = re.compile(r"(\d{1,6}) ?([^\W\d_]+)")
# What people write instead; used only to guess.
_OTHER_UNITS = {
    "minute": ("min", "mins", "m", "דקה", "דקות", "دقیقه"),
    "hour": ("h", "hr", "hrs", "שעה", "שעות", "ساعت"),
    "day": ("d", "יום", "ימים", "روز"),
    "week": ("w", "wk", "wks", "שבוע", "שבועות", "هفته"),
    "month": ("mo", "mon", "חודש", "חודשים", "ماه"),
    "year": ("y", "yr", "yrs", "שנה", "שנים", "سال"),
}
_UNIT_OF = {word: unit for unit, words in _OTHER_UNITS.items() for word in words}


def length(text: str) -> Length:
    """`3 days`, `2 weeks and 1 day`, `90 minutes`. Weeks are 7 days, years 12 months, hours and minutes seconds:
    days and months move on the contact's calendar, seconds are exact."""
    total = {"months": 0, "days": 0, "seconds": 0}
    for part in re.split(r" and | ?, ?", latin(text)):
        match = _PART.fullmatch(part)
        unit = _unit(match[2]) if match else None
        if match is None or unit is None:
            raise ScalarError("not_a_length", _length_guess(text), value=text)
        name, factor = _UNITS[unit]
        total[name] += int(match[1]) * factor
    if total["months"] / 12 + total["days"] / 365 + total["seconds"] / 31_536_000 > _MOST_YEARS:
        raise ScalarError("length_too_long", value=text)
    return total


def some_length(text: str) -> Length:
    """A length of time that is not nothing."""
    value = length(text)
    if not any(value.values()):
        raise ScalarError("length_is_zero", value=text)
    return value


def _unit(word: str) -> str | None:
    one = word[:-1] if word.endswith("s") else word
    return one if one in _UNITS else None


def _length_guess(text: str) -> str | None:
    """`3 dais` -> `3 days`, `a week` -> `1 week`, `۳ روز` -> `3 days`, `3` -> `3 days`."""
    parts = []
    for part in re.split(r" and | ?, ?| و ", re.sub(r"^(an?|one) ", "1 ", latin(text)[:100])):
        match = re.fullmatch(r"(\d{1,6})(?:\.0)? ?(\D*)", part)
        if not match:
            return None
        word = match[2].strip()
        known = [*_UNITS, *(unit + "s" for unit in _UNITS)]
        near = _UNIT_OF.get(word) or _unit(word) or (nearest(word, known) if word else "day")
        if near is None:
            return None
        parts.append(f"{match[1]} {near.rstrip('s')}{'' if match[1] == '1' else 's'}")
    return " and ".join(parts)


def offset(text: str) -> dict[str, Any]:
    """`3 days before` -> {"sign": -1, "length": {...}}; without a word it is after."""
    written = latin(text)
    sign = -1 if written.startswith("-") or written.endswith(" before") else 1
    bare = re.sub(r" (before|after)$", "", written.lstrip("+- "))
    try:
        return {"sign": sign, "length": length(bare)}
    except ScalarError as wrong:
        if wrong.code != "not_a_length":
            raise
        guess = _length_guess(bare)
        direction = "before" if sign < 0 else "after"
        raise ScalarError("not_an_offset", f"{guess} {direction}" if guess else None, value=text) from None


def clock(text: str) -> str:
    """A time of day as `HH:MM`."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", latin(text))
    if match and int(match[1]) < 24 and int(match[2]) < 60:
        return f"{int(match[1]):02d}:{match[2]}"
    raise ScalarError("not_a_time", _clock_guess(text), value=text)


def closing(text: str) -> str:
    """The end of the allowed hours: a time of day, or 24:00 for midnight."""
    return "24:00" if latin(text) == "24:00" else clock(text)


def _clock_guess(text: str) -> str | None:
    match = re.fullmatch(r"(\d{1,2})(?:[:.h]?(\d{2}))? ?(am|pm|a\.m\.|p\.m\.)?", latin(text))
    if not match:
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        hour = hour % 12 + (12 if match[3].startswith("p") else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def day(text: str) -> str:
    """An ISO date."""
    written = latin(text)
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
            raise ValueError(written)
        value = date.fromisoformat(written)
    except ValueError:
        raise ScalarError("not_a_date", _date_guess(written), value=text) from None
    # A year of the solar calendar is a valid Gregorian year of the Middle Ages; nobody means that.
    if not 1900 <= value.year <= 2200:
        raise ScalarError("not_a_date", _date_guess(written), value=text)
    return value.isoformat()


def _date_guess(written: str) -> str | None:
    for pattern, order in (
        (r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", (1, 2, 3)),
        (r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", (3, 2, 1)),
    ):
        match = re.fullmatch(pattern, written)
        if not match:
            continue
        year, month, number = (int(match[i]) for i in order)
        try:
            if 1300 <= year < 1500:
                return str(JalaliDate(year, month, number).to_gregorian().isoformat())
            return date(year, month, number).isoformat() if 1900 <= year <= 2200 else None
        except ValueError:
            return None
    return None


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY = {word: number for number, name in enumerate(WEEKDAYS) for word in (name, name[:3])}
_OTHER_WEEKDAYS = {
    **{
        word: number
        for number, word in zip(
            (6, 0, 1, 2, 3, 4, 5), ("ראשון", "שני", "שלישי", "רביעי", "חמישי", "שישי", "שבת"), strict=True
        )
    },
    **{
        word: n
        for n, word in zip(
            (6, 0, 1, 2, 3, 4, 5), ("יכשنبه", "دوشنبه", "سهشنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه"), strict=True
        )
    },
    "یکشنبه": 6,
}


def weekday(text: str) -> int:
    """A day of the week; Monday is 0."""
    written = latin(text)
    if written in _WEEKDAY:
        return _WEEKDAY[written]
    bare = re.sub(r"[\s\u200c]|^יום ", "", written)
    known = _OTHER_WEEKDAYS.get(bare)
    guess = WEEKDAYS[known][:3] if known is not None else nearest(written, _WEEKDAY)
    raise ScalarError("not_a_day", guess, value=text)


@cache
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones()}


def time_zones() -> list[str]:
    """The names of all time zones."""
    return sorted(_zones().values())


def time_zone(text: str) -> str:
    """`contact`, `company`, or the name of a zone."""
    written = clean(text).replace(" ", "_")
    if written.casefold() in ("contact", "company"):
        return written.casefold()
    zone = _zones().get(written.casefold())
    if zone:
        return zone
    cities = {name.rsplit("/", 1)[-1]: name for name in _zones()}
    near = nearest(written.casefold(), [*_zones(), *cities, "contact", "company"])
    guess = _zones().get(cities.get(near or "", near or ""), near)
    raise ScalarError("not_a_time_zone", guess, value=text)


# --- numbers ---------------------------------------------------------------------------------------------------------


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers between `least` and `most`."""

    def read(text: str) -> int:
        written = latin(text).replace(" ", "")
        if not re.fullmatch(r"[+-]?\d{1,9}", written):
            raise ScalarError("not_a_whole_number", value=text)
        number = int(written)
        if not least <= number <= most:
            raise ScalarError("number_out_of_range", value=text, least=least, most=most)
        return number

    return read


def number_text(text: str) -> str:
    """A number as plain decimal text, without separators."""
    written = latin(text).replace(",", "").replace(" ", "")
    if not re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,9})?", written):
        raise ScalarError("not_a_number", value=text)
    return written.lstrip("+")


def percent(text: str) -> int:
    """A percentage in basis points: 45% is 4500."""
    match = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,2}))? ?%?", latin(text))
    if not match:
        raise ScalarError("not_a_percent", value=text)
    points = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    if points > 10_000:
        raise ScalarError("not_a_percent", value=text)
    return points


def yes_no(text: str) -> bool:
    written = latin(clean(text))
    if written in ("yes", "true", "on", "כן", "بله"):
        return True
    if written in ("no", "false", "off", "לא", "خیر", "نه"):
        return False
    raise ScalarError("not_yes_or_no", nearest(written, ("yes", "no")), value=text)


_LIMIT = re.compile(
    r"(\d{1,9}) ?(?:per|in|every|a|an|/|times per|times a) ?(?:(\d{1,4}) ?)?(minute|hour|day|week|month|year)s?"
)
_LIMIT_OF = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks", "month": "months", "year": "years"}


def limit(text: str) -> dict[str, Any]:
    """`3 per week`, `1 per 3 days` -> {"count", "per", "calendar", "unit", "every"}.

    Days, weeks, months and years are calendar units on the contact's clock (`calendar` is true: a message at 11 p.m.
    does not forbid one at 9 a.m. under `1 per day`); hours and minutes are exact.
    """
    written = latin(text)
    match = _LIMIT.fullmatch(written)
    if not match:
        raise ScalarError("not_a_limit", _limit_guess(written), value=text)
    count, every, unit = int(match[1]), int(match[2] or 1), match[3]
    if every == 0 or count == 0:  # a limit that lets nothing through is a journey that should be paused
        raise ScalarError("not_a_limit", f"{count or 1} per {unit}", value=text)
    return {
        "count": count,
        "per": length(f"{every} {unit}s"),
        "calendar": unit not in ("minute", "hour"),
        "unit": unit,
        "every": every,
    }


def _limit_guess(written: str) -> str | None:
    match = re.match(r"(\d{1,6}) ?([^\W\d]*) ?(?:(\d{1,4}) ?)?([^\W\d]*)$", written[:100])
    if not match:
        return None
    words = [word for word in (match[4], match[2]) if word]
    for word in words:
        near = _UNIT_OF.get(word) or nearest(word.removesuffix("ly"), [*_UNITS, *_LIMIT_OF.values()])
        if near:
            unit = near.rstrip("s")
            return f"{match[1]} per {match[3] + ' ' + _LIMIT_OF[unit] if match[3] else unit}"
    return None


_COUNTS = {
    "at least": "at_least",
    "at most": "at_most",
    "exactly": "is",
    "more than": "more_than",
    "less than": "less_than",
}


def count(text: str) -> dict[str, Any]:
    """`at least 2` -> {"op": "at_least", "n": 2}."""
    match = re.fullmatch(
        r"(at least|at most|exactly|more than|less than) (\d{1,6})(?: times?)?", latin(text).replace("_", " ")
    )
    if not match:
        digits = re.search(r"\d{1,6}", latin(text))
        raise ScalarError("not_a_count", f"at least {digits[0]}" if digits else None, value=text)
    return {"op": _COUNTS[match[1]], "n": int(match[2])}


# --- words -----------------------------------------------------------------------------------------------------------


def identity(text: str) -> str:
    """A lower-case ASCII identity: it appears in links and in the ledger, and never changes."""
    written = clean(text)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", written):
        raise ScalarError("not_an_identity", ascii_identity(written) or None, value=text)
    return written


def ascii_identity(text: str) -> str:
    """The ASCII letters and digits of a title as an identity; empty when there are none."""
    plain = unicodedata.normalize("NFKD", text.translate(_DIGITS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.casefold()).strip("_").lstrip("_0123456789")[:60].rstrip("_")


def name(text: str) -> str:
    """The name of something: invisible marks removed, spaces trimmed."""
    written = " ".join(clean(text).split())
    if len(written) > LONGEST_NAME:
        raise ScalarError("text_too_long", length=len(written), most=LONGEST_NAME)
    return written


def words(text: str) -> str:
    """Free text, kept as it is (direction marks and all)."""
    if len(text) > LONGEST_TEXT:
        raise ScalarError("text_too_long", length=len(text), most=LONGEST_TEXT)
    return unicodedata.normalize("NFC", text)


def re_enter(text: str) -> dict[str, Any]:
    """`never`, `after_exit`, `always`, `after 30 days` -> {"mode", "after"}."""
    written = normalise(text)
    if written in ("never", "after_exit", "always"):
        return {"mode": written, "after": None}
    match = re.fullmatch(r"after (.+)", latin(text).replace("_", " "))
    if match:
        try:
            return {"mode": "after", "after": some_length(match[1])}
        except ScalarError as wrong:
            guess = f"after {wrong.guess}" if wrong.guess else nearest(written, ("after_exit",))
            raise ScalarError("not_a_re_enter", guess, value=text) from None
    guess = nearest(written, ("never", "after_exit", "always"))
    if guess is None and (time := _length_guess(text)):
        guess = f"after {time}"
    raise ScalarError("not_a_re_enter", guess, value=text)


def review(text: str) -> dict[str, Any]:
    """`6 months` or `2027-01-31` -> {"on": iso or None, "after": length or None}."""
    try:
        return {"on": day(text), "after": None}
    except ScalarError as as_date:
        try:
            return {"on": None, "after": some_length(text)}
        except ScalarError as as_length:
            raise ScalarError("not_a_review", as_date.guess or as_length.guess, value=text) from None


def rhythm(text: str) -> dict[str, Any]:
    """How often a condition is looked at: `hourly` or `daily at 06:00` -> {"every": "hour" or "day", "at"}."""
    written = latin(text)
    if written in ("hourly", "every hour"):
        return {"every": "hour", "at": None}
    match = re.fullmatch(r"(?:daily|every day)(?: at (.+))?", written)
    if match:
        try:
            return {"every": "day", "at": clock(match[1] or "06:00")}
        except ScalarError as wrong:
            raise ScalarError("not_a_rhythm", f"daily at {wrong.guess}" if wrong.guess else None, value=text) from None
    guess = nearest(written, ("hourly", "daily at 06:00")) or (f"daily at {at}" if (at := _clock_guess(text)) else None)
    raise ScalarError("not_a_rhythm", guess, value=text)
