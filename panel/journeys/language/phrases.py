"""The words that sentences about journeys are made of: lengths of time, days, hours, limits, lists, channels.

Everything takes the language as an argument and returns finished text in it. Whole phrases are translated, never glued
out of single words, because each language orders them differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from typing import Any

from babel.dates import format_date, format_time, get_day_names

from panel.calendars import to_latin_digits
from panel.i18n import LOCALES, N_, translate, wants_latin_digits
from panel.journeys.language.problems import isolate
from panel.journeys.language.scalars import Length

_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_LONGEST_QUOTE = 60

# One, two (Hebrew has a dual), many.
_COUNTED: dict[str, tuple[str, str, str]] = {
    "minute": (N_("1 minute"), N_("2 minutes"), N_("%(n)s minutes")),
    "hour": (N_("1 hour"), N_("2 hours"), N_("%(n)s hours")),
    "day": (N_("1 day"), N_("2 days"), N_("%(n)s days")),
    "week": (N_("1 week"), N_("2 weeks"), N_("%(n)s weeks")),
    "month": (N_("1 month"), N_("2 months"), N_("%(n)s months")),
    "year": (N_("1 year"), N_("2 years"), N_("%(n)s years")),
}
_PER: dict[str, str] = {
    "minute": N_("%(n)s per minute"),
    "hour": N_("%(n)s per hour"),
    "day": N_("%(n)s per day"),
    "week": N_("%(n)s per week"),
    "month": N_("%(n)s per month"),
    "year": N_("%(n)s per year"),
}
_CHANNELS: dict[str, str] = {
    "email": N_("email"),
    "sms": N_("SMS"),
    "whatsapp": N_("WhatsApp"),
    "letter": N_("letter"),
    "in_app": N_("in-app message"),
    "call": N_("phone call"),
    "preferred": N_("the channel that this contact prefers"),
}


def number(value: int | str, language: str) -> str:
    """Digits as this language writes them, or as the reader has chosen."""
    if wants_latin_digits():
        return to_latin_digits(str(value))
    return str(value).translate(_PERSIAN_DIGITS) if language == "fa" else str(value)


def quoted(text: str, language: str) -> str:
    """Somebody's own words inside a sentence: shortened, on one line, in this language's quotation marks."""
    line = " ".join(text.split())
    if len(line) > _LONGEST_QUOTE:
        line = line[: _LONGEST_QUOTE - 1] + "…"
    return translate(language, N_("“%(text)s”"), text=isolate(line, language))


def channel(name: str, language: str) -> str:
    msgid = _CHANNELS.get(name)
    return translate(language, msgid) if msgid else isolate(name, language)


def counted(unit: str, n: int, language: str) -> str:
    one, two, many = _COUNTED[unit]
    if n in (1, 2):
        return translate(language, one if n == 1 else two)
    return translate(language, many, n=number(n, language))


def length(value: Length, language: str) -> str:
    """`{"months": 0, "days": 14, "seconds": 0}` as "2 weeks"; days that make no whole weeks stay days."""
    parts = []
    years, months = divmod(value["months"], 12)
    weeks, days = divmod(value["days"], 7)
    if days or weeks > 8:
        weeks, days = 0, value["days"]
    hours, minutes = divmod(value["seconds"] // 60, 60)
    for unit, n in (("year", years), ("month", months), ("week", weeks), ("day", days), ("hour", hours)):
        if n:
            parts.append(counted(unit, n, language))
    if minutes or not parts:
        parts.append(counted("minute", minutes, language))
    return both(parts, language)


def listed(parts: Sequence[str], language: str) -> str:
    """`a, b, c`."""
    return translate(language, N_(", ")).join(parts)


def both(parts: Sequence[str], language: str) -> str:
    """`a, b and c`."""
    return _joined(parts, language, N_("%(first)s and %(last)s"))


def either(parts: Sequence[str], language: str) -> str:
    """`a, b or c`."""
    return _joined(parts, language, N_("%(first)s or %(last)s"))


def _joined(parts: Sequence[str], language: str, pattern: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return translate(language, pattern, first=listed(parts[:-1], language), last=parts[-1])


def day_of_week(day: int, language: str) -> str:
    """Monday is 0."""
    return str(get_day_names("wide", locale=LOCALES[language])[day])


def days(values: Sequence[int], language: str) -> str:
    """`[0, 1, 2, 3, 6]` as "Sunday to Thursday"; the week begins where this language begins it."""
    if len(values) == 7:
        return translate(language, N_("every day"))
    first = {"he": 6, "fa": 5}.get(language, 0)
    # A stretch may run over the end of the week: Saturday to Thursday is one stretch.
    starts = sorted((day for day in values if (day - 1) % 7 not in values), key=lambda day: (day - first) % 7)
    runs: list[list[int]] = []
    for start in starts:
        run = [start]
        while (run[-1] + 1) % 7 in values:
            run.append((run[-1] + 1) % 7)
        runs.append(run)
    parts = []
    for run in runs:
        names = [day_of_week(day, language) for day in run]
        if len(run) > 2:
            parts.append(translate(language, N_("%(first)s to %(last)s"), first=names[0], last=names[-1]))
        else:
            parts += names
    return both(parts, language)


def clock(value: str, language: str) -> str:
    if value == "24:00":
        return translate(language, N_("midnight"))
    hour, minute = value.split(":")
    shown = format_time(time(int(hour), int(minute)), "HH:mm", locale=LOCALES[language])
    return number(shown, language)


def day(iso: str, language: str) -> str:
    return number(format_date(date.fromisoformat(iso), "long", locale=LOCALES[language]), language)


def hours(value: dict[str, Any], language: str) -> str:
    """`Sunday to Thursday, 09:00 to 20:00`."""
    allowed = days(value["days"], language)
    if value["from"] == "00:00" and value["to"] == "24:00":
        return allowed
    opens, closes = clock(value["from"], language), clock(value["to"], language)
    if len(value["days"]) == 7:
        return translate(language, N_("from %(opens)s to %(closes)s"), opens=opens, closes=closes)
    pattern = N_("%(days)s, from %(opens)s to %(closes)s")
    return translate(language, pattern, days=allowed, opens=opens, closes=closes)


def limit(value: dict[str, Any], language: str) -> str:
    n = number(value["count"], language)
    if value["every"] == 1:
        return translate(language, _PER[value["unit"]], n=n)
    every = counted(value["unit"], value["every"], language)
    return translate(language, N_("%(n)s in every %(length)s"), n=n, length=every)


def percent(basis_points: int, language: str) -> str:
    return translate(language, N_("%(n)s%%"), n=number(f"{basis_points / 100:g}", language))
