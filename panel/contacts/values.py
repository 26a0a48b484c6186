"""Values of typed fields: what people and files write becomes text, number or day; or a sentence says why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal
from zoneinfo import available_timezones

from persiantools.jdatetime import JalaliDate

from panel.contacts.fields import FieldInfo
from panel.contacts.search import fold, latin_digits, strip_marks
from panel.errors import UserError
from panel.i18n import N_, current_language

DayOrder = Literal["dmy", "mdy"]
MAX_TEXT = 10_000

_YES = frozenset(["yes", "y", "true", "1", "on", "x", "✓", "v", "כן", "נכון", "1.0", "بله", "بلی", "آری", "درست"])
_NO = frozenset(["no", "n", "false", "0", "off", "לא", "שגוי", "0.0", "خیر", "نه", "نادرست"])
_YES_FOLDED = frozenset(fold(word) for word in _YES)
_NO_FOLDED = frozenset(fold(word) for word in _NO)
_DATE = re.compile(r"(\d{1,4})[\s./\-](\d{1,2})[\s./\-](\d{1,4})(?:[T\s]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?.*)?\Z")
_CURRENCY = re.compile(r"(₪|\$|€|£|ریال|تومان|ש\"ח|שח|[A-Za-z]{3})")
_SPACES = re.compile("[\\s\u00a0\u202f]+")
_LANGUAGES = {
    fold(word): code
    for code, words in {
        "en": "en eng english en-us en-gb אנגלית انگلیسی",
        "he": "he iw heb hebrew he-il עברית عبری",
        "fa": "fa fas per persian farsi fa-ir פרסית فارسی",
        "ar": "ar ara arabic ערבית عربی العربية",
        "ru": "ru rus russian רוסית روسی русский",
        "fr": "fr fra french צרפתית فرانسوی français",
        "es": "es spa spanish ספרדית اسپانیایی español",
        "de": "de deu german גרמנית آلمانی deutsch",
        "am": "am amh amharic אמהרית",
        "yi": "yi yid yiddish יידיש",
        "tr": "tr tur turkish טורקית ترکی",
    }.items()
    for word in words.split()
}


@dataclass(frozen=True)
class Value:
    """A value in the columns of its type; `text` is always the readable form ("" means: empty)."""

    text: str
    number: Decimal | None = None
    day: date | None = None

    def plain(self) -> dict[str, Any]:
        return {"text": self.text, "number": self.number, "day": self.day}


EMPTY = Value("")


def parse(info: FieldInfo, raw: object, *, day_order: DayOrder = "dmy") -> Value:
    """Read a value for a custom field. Raises UserError with a sentence that names the field and the value."""
    if raw is None:
        return EMPTY
    if isinstance(raw, bool):
        raw = "yes" if raw else "no"
    if isinstance(raw, datetime):
        raw = raw.date() if info.type == "date" else raw.isoformat(sep=" ")
    if isinstance(raw, date):
        return Value(raw.isoformat(), day=raw if info.type == "date" else None)
    text = clean(str(raw))
    if not text:
        return EMPTY
    match info.type:
        case "number":
            number = parse_number(text)
            if number is None:
                raise _bad(info, text, N_('"%(value)s" is not a number (field %(field)s)'), "value_not_a_number")
            return Value(_plain_number(number), number=number)
        case "money":
            number = parse_number(_CURRENCY.sub("", text))
            if number is None:
                raise _bad(info, text, N_('"%(value)s" is not an amount (field %(field)s)'), "value_not_an_amount")
            return Value(_plain_number(number), number=number)
        case "date":
            day = parse_day(text, day_order=day_order)
            if day is None:
                raise _bad(
                    info,
                    text,
                    N_('"%(value)s" is not a date (field %(field)s). Write 2026-11-22, 22/11/2026 or 1405/09/01.'),
                    "value_not_a_date",
                )
            return Value(day.isoformat(), day=day)
        case "yes_no":
            folded = fold(text)
            if folded in _YES_FOLDED:
                return Value("yes", number=Decimal(1))
            if folded in _NO_FOLDED:
                return Value("no", number=Decimal(0))
            raise _bad(info, text, N_('"%(value)s" is neither yes nor no (field %(field)s)'), "value_not_yes_no")
        case "choice":
            return Value(_choose(info, text))
    return Value(text)


def clean(text: str) -> str:
    """A text as it is stored: no NULs or direction marks, no spaces around it, at most MAX_TEXT characters."""
    if text.isascii() and text.isprintable():
        return text.strip()[:MAX_TEXT]
    return strip_marks(text).strip()[:MAX_TEXT]


def clean_free(text: str) -> str:
    """A free text (a note, a name) as stored: only what a database cannot hold is dropped."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()[:MAX_TEXT]


def parse_number(text: str) -> Decimal | None:
    """Read 1,234.5 or ۱۲٬۳۴۵٫۶ or 1.234,5 as a number; None when it is not one that can be stored."""
    text = _SPACES.sub("", latin_digits(text)).replace("٬", "").replace("٫", ".").replace("\u2212", "-")
    if "," in text and "." in text:
        # Whichever comes last is the decimal sign.
        text = text.replace(",", "") if text.rfind(".") > text.rfind(",") else text.replace(".", "").replace(",", ".")
    elif text.count(",") == 1 and not re.search(r",\d{3}\Z", text):
        text = text.replace(",", ".")
    else:
        text = text.replace(",", "")
    if not re.fullmatch(r"[+-]?(\d{1,18}(\.\d*)?|\.\d+)", text):
        return None
    try:
        return round(Decimal(text), 6)
    except InvalidOperation:
        return None


def parse_day(text: str, *, day_order: DayOrder = "dmy") -> date | None:
    """Read a day: 2026-11-22, 22/11/2026, 22.11.26, 1405/9/1, ۱۴۰۵/۰۹/۰۱. Years 1200 to 1599 are solar Hijri."""
    match = _DATE.match(latin_digits(strip_marks(text)).strip())
    if not match:
        return None
    first, second, third = match[1], int(match[2]), match[3]
    if len(first) >= 3:
        year, month, day = int(first), second, int(third)
    elif len(third) >= 3 or len(third) == 2:
        year = int(third) if len(third) >= 3 else _century(int(third))
        month, day = (second, int(first)) if day_order == "dmy" else (int(first), second)
    else:
        return None
    try:
        if 1200 <= year < 1600:
            return JalaliDate(year, month, day).to_gregorian()
        return date(year, month, day)
    except ValueError:
        return None


def _century(year: int) -> int:
    return 2000 + year if year < 50 else 1900 + year


def parse_language(text: str) -> str:
    """Read a language by code or name. Raises UserError when it is not one we know."""
    folded = fold(strip_marks(text)).replace("_", "-")
    code = _LANGUAGES.get(folded) or _LANGUAGES.get(folded.partition("-")[0])
    if code is None:
        raise UserError(
            "language_unknown", N_('"%(value)s" is not a language we know. Write he, fa or en.'), value=text[:60]
        )
    return code


def parse_time_zone(text: str) -> str:
    """Read an IANA time zone name. Raises UserError with the nearest one."""
    wanted = strip_marks(text).strip().replace(" ", "_")
    by_lower = _zones()
    if wanted.lower() in by_lower:
        return by_lower[wanted.lower()]
    near = get_close_matches(wanted.lower(), by_lower, n=1, cutoff=0.5)
    raise UserError(
        "time_zone_unknown",
        N_('"%(value)s" is not a time zone. Did you mean %(guess)s?'),
        value=text[:60],
        guess=by_lower[near[0]] if near else "Asia/Jerusalem",
    )


@cache
def _zones() -> dict[str, str]:
    return {zone.lower(): zone for zone in available_timezones()}


def _plain_number(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _choose(info: FieldInfo, text: str) -> str:
    by_fold = {fold(choice): choice for choice in info.choices}
    if fold(text) in by_fold:
        return by_fold[fold(text)]
    near = get_close_matches(fold(text), by_fold, n=1, cutoff=0.5)
    if near:
        raise UserError(
            "value_not_a_choice",
            N_('"%(value)s" is not one of the choices of %(field)s. Did you mean "%(guess)s"?'),
            value=text[:60],
            field=info.label(current_language()),
            guess=by_fold[near[0]],
        )
    raise UserError(
        "value_not_a_choice",
        N_('"%(value)s" is not one of the choices of %(field)s: %(choices)s'),
        value=text[:60],
        field=info.label(current_language()),
        choices=", ".join(info.choices)[:300],
    )


def _bad(info: FieldInfo, text: str, sentence: str, code: str) -> UserError:
    return UserError(code, sentence, value=text[:60], field=info.label(current_language()))
