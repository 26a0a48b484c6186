"""Cells of accounting files as values: text, amounts and days in Hebrew, Persian and English habits.

What can be read in two ways is refused, with the setting to look at; nothing here guesses.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from persiantools.jdatetime import JalaliDate

from panel.sdk.i18n import N_

Order = Literal["dmy", "mdy", "ymd"]
Calendar = Literal["auto", "gregorian", "solar_hijri"]
DecimalMark = Literal[".", ",", "/"]

JALALI_YEARS = range(1250, 1500)
GREGORIAN_YEARS = range(1900, 2200)
MAX_DIGITS = 17  # minor units stay below 2**63

_DIGITS = {ord(c): str(i) for digits in ("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩") for i, c in enumerate(digits)}
_INVISIBLE = {
    ord(c): None for c in "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad"
}
# cp1256 cannot hold the Persian yeh and keheh: every file in it carries the Arabic ones.
_LETTERS = {ord("ي"): "ی", ord("ى"): "ی", ord("ك"): "ک", ord("ۀ"): "ه", ord("ـ"): None}
_FOLD_ONLY = {ord(c): None for c in "'\"`.׳״’‘“”´:*#"}
_SPACES = re.compile(r"[\s\u200c_\-/\\]+")
_GROUP = " ',’\u066c"  # a narrow or no-break space has become a space by then
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")


class CellError(ValueError):
    """A cell that cannot be read. `sentence` is an English msgid with `params`."""

    def __init__(self, sentence: str, **params: Any) -> None:
        super().__init__(sentence % params if params else sentence)
        self.sentence = sentence
        self.params = params


def clean(value: Any) -> str:
    """A cell as text: no direction marks, ordinary spaces, Persian letters; what a person wrote stays otherwise.

    A number of a spreadsheet loses its `.0`, so that invoice 17 is "17".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format(tidy(value), "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    text = unicodedata.normalize("NFC", str(value)).translate(_INVISIBLE).translate(_LETTERS)
    return " ".join(text.split()) if not text.isascii() or "  " in text else text.strip()


def code(value: Any) -> str:
    """A number that names something (invoice, customer, tax): ASCII digits, no spaces around."""
    return clean(value).translate(_DIGITS)


def fold(value: Any) -> str:
    """A header or a status word as it is compared: no case, accents, quotes, or kinds of space."""
    text = unicodedata.normalize("NFKD", clean(value)).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c)).translate(_FOLD_ONLY).translate(_DIGITS)
    return _SPACES.sub(" ", text).strip()


def tidy(value: float) -> Decimal:
    """A spreadsheet's number without the noise of binary fractions: 117.99999999999999 is 118."""
    number = Decimal(repr(value))
    if not number.is_finite():
        raise CellError(N_("%(value)s is not a number"), value=value)
    rounded = round(number, 6)
    return rounded.normalize() if rounded % 1 else rounded.to_integral_value()


def number(value: Any, mark: DecimalMark = ".") -> Decimal:
    """Read an amount. `mark` is the file's decimal mark; the Arabic marks ٫ and ٬ always mean what they are.

    Accepts local digits, thousands separators, currency words at either end, (1,234.50), 1,234.50- and -1,234.50.
    A separator in the wrong place ("1234,50" in a file whose decimal mark is the point) is refused: taking it out
    would ask somebody for a hundred times the sum. Raises CellError.
    """
    if isinstance(value, float):
        return tidy(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    written = clean(value)
    text = unicodedata.normalize("NFKC", written).translate(_DIGITS).replace("\u2212", "-").replace("،", ",")
    text, negative = _sign(text)
    digits = _plain(text, mark)
    if not _NUMBER.fullmatch(digits):
        raise CellError(
            N_("“%(value)s” is not an amount; is the decimal mark “%(mark)s” of the settings right?"),
            value=written,
            mark=mark,
        )
    try:
        result = Decimal(digits)
    except InvalidOperation:  # pragma: no cover - the pattern above lets nothing else through
        raise CellError(N_("“%(value)s” is not an amount"), value=written) from None
    if len(digits) > MAX_DIGITS + 3:
        raise CellError(N_("“%(value)s” is too large for an amount"), value=written)
    return -result if negative else result


def _sign(text: str) -> tuple[str, bool]:
    """Take currency words and the sign off both ends."""
    text = _strip_words(text)
    if text.startswith("(") and text.endswith(")"):
        return _strip_words(text[1:-1]), True
    if text.endswith("-") and not text.startswith("-"):
        return _strip_words(text[:-1]), True
    if text.startswith("-"):
        return _strip_words(text[1:]), True
    return _strip_words(text.removeprefix("+")), False


def _strip_words(text: str) -> str:
    """Letters and currency signs may stand before and after the digits, never between them."""
    start, end = 0, len(text)
    while start < end and _is_word(text[start]):
        start += 1
    while end > start and _is_word(text[end - 1]):
        end -= 1
    # "ש"ח 1,234" and "1,234 ر.ل" leave a quote or a point of the word behind; a number neither begins nor ends so.
    return text[start:end].strip(" \"'״׳")


def _is_word(character: str) -> bool:
    return character in " \"'״׳" or unicodedata.category(character) in ("Lu", "Ll", "Lo", "Lt", "Lm", "Sc")


def _plain(text: str, mark: DecimalMark) -> str:
    """The digits with at most a point; groups of three are checked. "" when the text is no number."""
    point = "\u066b" if "\u066b" in text else mark
    whole, found, part = text.partition(point)
    if found and (not part.isascii() or not part.isdigit()):
        return ""
    groups = _GROUP.replace(point, "") + ("." if point == "," or (point == "\u066b" and mark == ",") else "")
    pieces = re.split("[" + re.escape(groups) + "]", whole)
    used = {c for c in whole if c in groups}
    if len(pieces) > 1:
        if len(used) > 1 or not 1 <= len(pieces[0]) <= 3 or any(len(piece) != 3 for piece in pieces[1:]):
            return ""
        whole = "".join(pieces)
    if not whole.isascii() or not (whole.isdigit() or (whole == "" and part)):
        return ""
    return f"{whole or 0}.{part}" if part else whole


def day(value: Any, order: Order = "dmy", calendar: Calendar = "auto") -> date:
    """Read a date. Years 1250-1499 are solar Hijri, 1900-2199 Gregorian, whatever `calendar` says of short years.

    `order` is used when the year does not come first. A time after the date is dropped. Raises CellError.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    written = clean(value)
    text = re.sub(r"[T ]\d{1,2}:\d\d.*$", "", code(value))
    if re.fullmatch(r"\d{8}", text):
        parts = [text[:4], text[4:6], text[6:]]
    else:
        parts = re.split(r"\s*[/.\-\u066b ,]\s*", text)
    if len(parts) != 3 or not all(re.fullmatch(r"\d{1,4}", part) for part in parts):
        raise CellError(N_("“%(value)s” is not a date"), value=written)
    if len(parts[0]) == 4 or order == "ymd":
        year, month, day_ = parts
    elif order == "mdy":
        month, day_, year = parts
    else:
        day_, month, year = parts
    try:
        return _make(_year(year, calendar), int(month), int(day_))
    except ValueError:
        raise CellError(_NO_DAY[order], value=written) from None


_NO_DAY = {
    "dmy": N_("“%(value)s” is not a date; the settings expect day, month, year"),
    "mdy": N_("“%(value)s” is not a date; the settings expect month, day, year"),
    "ymd": N_("“%(value)s” is not a date; the settings expect year, month, day"),
}


def _year(text: str, calendar: Calendar) -> int:
    if len(text) not in (2, 4):
        raise ValueError(text)
    year = int(text)
    if len(text) == 4:
        return year
    if calendar == "solar_hijri":
        return year + (1400 if year < 70 else 1300)
    if year > 79:  # 99 is more likely 1399 than 2099; whoever means it can say so in the settings
        raise ValueError(text)
    return year + 2000


def _make(year: int, month: int, day_: int) -> date:
    if year in JALALI_YEARS:
        return JalaliDate(year, month, day_).to_gregorian()
    if year in GREGORIAN_YEARS:
        return date(year, month, day_)
    raise ValueError(year)
