"""Who may see what contacts paid, owe and bring in: the one place where an amount is hidden from a reader.

The right travels with the `Reader` (`sees_amounts`) and is off unless somebody said otherwise, so that a page, a file
or a mail that nobody thought of shows none. Three doors lead to an amount, and all of them ask here:
`calendars.show_money` for numbers with a currency, `is_amount` for a stored value of a field or an event, `veiled` for
running text. What people wrote (messages as they were sent, replies, notes, tasks) is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from panel.calendars import HIDDEN_AMOUNT, Reader
from panel.i18n import N_

WHY_HIDDEN = N_("Your role does not see amounts")

_CURRENCY = (
    r"(?:[₪$€£¥﷼]|(?<![^\W\d_])(?:ILS|NIS|USD|EUR|GBP|IRR|IRT|שקלים|שקל|ש[\"״'׳]ח|תומן|ריאל|ریال|تومان|شِکِل|شکل|دلار|یورو)"
    r"(?![^\W\d_]))"
)
_DIGITS = r"\d(?:[\d.,٬٫'’ \u00a0\u202f\u200e\u200f]*\d)?"  # noqa: RUF001
_BETWEEN = r"[\s\u200e\u200f\u2066-\u2069]*"
_NUMBER = rf"[-+\u2212]?{_DIGITS}"
_WITH_CURRENCY = re.compile(
    rf"{_CURRENCY}{_BETWEEN}{_NUMBER}(?:{_BETWEEN}{_CURRENCY})?|{_NUMBER}{_BETWEEN}{_CURRENCY}", re.IGNORECASE
)
_A_NUMBER = re.compile(rf"[-+\u2212]?\s*{_DIGITS}")
_NOT_LONE = re.compile(rf"(?<!\w){_DIGITS}(?!\w)")
_A_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}:\d\d(?::\d\d)?")
# What amounts are called, in events and forms that nobody declared; a name is cut into its words.
_NAMES = re.compile(
    r"amount|balance|total|\bsum\b|price|revenue|\bdebt|credit|\bpaid\b|payment|\bowe[sd]?\b|\bdue\b(?! (?:date|on|at))"
    r"|\bcost|turnover|income|salary"
    r"|סכום|יתרה|סה.?כ|מחיר|הכנסה|הכנסות|חוב|זיכוי|תשלום|עלות|מחזור|שולם"
    r"|مبلغ|مانده|جمع|قیمت|بها|درآمد|بدهی|اعتبار|پرداخت|هزینه|گردش",
    re.IGNORECASE,
)


def is_amount(value: Any, reader: Reader, *, kind: str = "", name: str = "", is_nameless: bool = False) -> bool:
    """Whether `value` is, or may be, an amount that this reader does not see.

    `kind` is its declared type ("money" is always hidden), `name` what it is called where nothing was declared;
    `is_nameless`: nobody knows what it is (the two values of a changed field), so that every number counts.
    """
    if reader.sees_amounts or value in (None, "") or isinstance(value, bool):
        return False
    if kind == "money":
        return True
    if kind not in ("", "text", "number"):
        return False
    if isinstance(value, (int, float, Decimal)) or _may_be(str(value)):
        return is_nameless or bool(_NAMES.search(name.replace("_", " ").replace("-", " ")))
    return False


def seen(value: Any, reader: Reader) -> bool:
    """Whether what a condition saw (a field's value, of no known type) may be an amount hidden from this reader."""
    if isinstance(value, Mapping):
        if "count" in value or "status" in value:
            return False
        return any(seen(one, reader) for one in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(seen(one, reader) for one in value)
    return is_amount(value, reader, is_nameless=True)


def veiled(text: str, reader: Reader) -> str:
    """Running text without its amounts: every number that stands beside a currency."""
    return text if reader.sees_amounts else _WITH_CURRENCY.sub(HIDDEN_AMOUNT, text)


def without_numbers(text: str, reader: Reader) -> str:
    """A made-up text, such as a simulated message, without any number: in it nobody knows which are amounts."""
    return text if reader.sees_amounts else _NOT_LONE.sub(HIDDEN_AMOUNT, veiled(text, reader))


def _may_be(text: str) -> bool:
    text = text.strip()
    if text.startswith("+") or _A_DAY.fullmatch(text):  # a telephone, a date, a time
        return False
    return _A_NUMBER.fullmatch(text) is not None or _WITH_CURRENCY.search(text) is not None
