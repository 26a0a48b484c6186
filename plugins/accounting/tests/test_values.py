"""Amounts and days in the habits of three languages; and nothing read that could be read otherwise."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from plugins.accounting.model import Money, PrecisionError
from plugins.accounting.tests.conftest import UNHURRIED
from plugins.accounting.values import CellError, clean, code, day, fold, number

PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize(
    ("written", "mark", "expected"),
    [
        ("۱٬۲۳۴٫۵۰", ".", "1234.50"),
        ("١٬٢٣٤٫٥٠", ".", "1234.50"),
        ("1,234.50", ".", "1234.50"),
        ("1.234,50", ",", "1234.50"),
        ("1 234,50", ",", "1234.50"),
        ("1\u00a0234\u202f567,5", ",", "1234567.5"),
        ("1'234.50", ".", "1234.50"),
        ("(1,234.50)", ".", "-1234.50"),
        ("1,234.50-", ".", "-1234.50"),
        ("-₪5", ".", "-5"),
        ("₪ -5", ".", "-5"),
        ("\u200e-1,234.50", ".", "-1234.50"),
        ("\u22121,234", ".", "-1234"),
        ("₪1,234.50", ".", "1234.50"),
        ('1,234.50 ש"ח', ".", "1234.50"),
        ("1,234.50 NIS-", ".", "-1234.50"),
        ("۱۲۳۴/۵۰", "/", "1234.50"),
        ("۱۲۳۴۰۰۰ ریال", ".", "1234000"),
        ("۱٬۲۳۴٬۰۰۰ تومان", "/", "1234000"),
        (".5", ".", "0.5"),
        ("0", ".", "0"),
        (1234.5, ",", "1234.5"),
        (117.99999999999999, ".", "118"),
        (7, ".", "7"),
    ],
)
def test_an_amount_is_read(written: object, mark: str, expected: str) -> None:
    assert number(written, mark) == Decimal(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "mark"),
    [
        ("1234,50", "."),  # the comma is a decimal mark here: without it this would be a hundred times the sum
        ("1,23", "."),
        ("1.234.567", "."),
        ("1,2345", "."),
        ("1,,234", "."),
        ("1,234 567", "."),
        ("12a3", "."),
        ("--5", "."),
        ("1e5", "."),
        ("5.", "."),
        ("", "."),
        ("שקל", "."),
        ("۱۲۳۴/۵۰", "."),
        ("1234567890123456789012", "."),
        (float("nan"), "."),
        (float("inf"), "."),
    ],
)
def test_an_amount_that_could_be_read_otherwise_is_refused(written: object, mark: str) -> None:
    with pytest.raises(CellError):
        number(written, mark)  # type: ignore[arg-type]


def written_forms(minor: int, mark: str, group: str, digits: str, negative: str) -> str:
    whole, part = divmod(abs(minor), 100)
    text = f"{whole:,}".replace(",", group) + mark + f"{part:02}"
    text = {"ascii": text, "fa": text.translate(PERSIAN), "ar": text.translate(ARABIC)}[digits]
    return {"plain": text, "brackets": f"({text})", "after": f"{text}-", "before": f"-{text}"}[negative]


@UNHURRIED
@given(
    minor=st.integers(0, 10**13),
    style=st.sampled_from([(".", ","), (",", "."), (",", " "), ("/", ","), (".", ""), (".", "'")]),
    digits=st.sampled_from(["ascii", "fa", "ar"]),
    negative=st.sampled_from(["plain", "brackets", "after", "before"]),
    word=st.sampled_from(["", " ₪", " ریال", ' ש"ח', " EUR"]),
)
def test_every_way_of_writing_an_amount_gives_the_same_amount(
    minor: int, style: tuple[str, str], digits: str, negative: str, word: str
) -> None:
    mark, group = style
    read = number(written_forms(minor, mark, group, digits, negative) + word, mark)  # type: ignore[arg-type]
    assert read * 100 == (minor if negative == "plain" else -minor)


@UNHURRIED
@given(st.text(max_size=30))
def test_no_text_breaks_the_reader_of_amounts(text: str) -> None:
    with suppress(CellError):
        assert number(text).is_finite()


@pytest.mark.parametrize(
    ("written", "order", "calendar", "expected"),
    [
        ("۱۴۰۵/۰۹/۰۱", "dmy", "auto", "2026-11-22"),
        ("1405-9-1", "dmy", "auto", "2026-11-22"),
        ("14050901", "dmy", "auto", "2026-11-22"),
        ("۰۱/۰۹/۱۴۰۵", "dmy", "auto", "2026-11-22"),
        ("05/09/01", "ymd", "solar_hijri", "2026-11-22"),
        ("99/12/30", "ymd", "solar_hijri", "2021-03-20"),
        ("1403/12/30", "dmy", "auto", "2025-03-20"),  # a leap year
        ("22/11/2026", "dmy", "auto", "2026-11-22"),
        ("11/22/2026", "mdy", "auto", "2026-11-22"),
        ("22.11.26", "dmy", "auto", "2026-11-22"),
        ("2026-11-22", "dmy", "auto", "2026-11-22"),
        ("20261122", "dmy", "auto", "2026-11-22"),
        ("2026-11-22T00:00:00", "dmy", "auto", "2026-11-22"),
        ("22/11/2026 14:05", "dmy", "auto", "2026-11-22"),
        ("\u200f22/11/2026\u200f", "dmy", "auto", "2026-11-22"),
        (datetime(2026, 11, 22, 3), "mdy", "auto", "2026-11-22"),  # noqa: DTZ001 - as a spreadsheet gives it
        (date(2026, 11, 22), "mdy", "auto", "2026-11-22"),
    ],
)
def test_a_day_is_read(written: object, order: str, calendar: str, expected: str) -> None:
    assert day(written, order, calendar) == date.fromisoformat(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ("22/11/2026", "mdy"),  # no silent swap of day and month
        ("11/22/2026", "dmy"),
        ("31/02/2026", "dmy"),
        ("1404/12/30", "dmy"),  # not a leap year
        ("99/01/15", "ymd"),  # 1399 or 2099?
        ("22/11/1726", "dmy"),
        ("22/11", "dmy"),
        ("tomorrow", "dmy"),
        ("00/00/0000", "dmy"),
        (46000, "dmy"),
    ],
)
def test_a_day_that_could_be_another_is_refused(written: object, order: str) -> None:
    with pytest.raises(CellError):
        day(written, order)  # type: ignore[arg-type]


@UNHURRIED
@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.sampled_from(["/", "-", "."]))
def test_every_day_is_read_back_in_both_calendars(one: date, mark: str) -> None:
    jalali = JalaliDate(one)
    assert day(f"{one.day}{mark}{one.month}{mark}{one.year}", "dmy") == one
    assert day(f"{one.month}{mark}{one.day}{mark}{one.year}", "mdy") == one
    assert day(f"{jalali.year}{mark}{jalali.month}{mark}{jalali.day}".translate(PERSIAN)) == one


@UNHURRIED
@given(st.text(max_size=20))
def test_no_text_breaks_the_reader_of_days(text: str) -> None:
    with suppress(CellError):
        assert isinstance(day(text), date)


def test_numbers_of_a_spreadsheet_name_things_without_a_decimal_part() -> None:
    assert (code(17.0), code(" ۱۷ "), clean(12.5)) == ("17", "17", "12.5")


def test_headers_compare_across_quotes_letters_and_spaces() -> None:
    assert fold("מס' חשבונית") == fold("מס חשבונית")
    assert fold('סה"כ') == fold("סה״כ") == "סהכ"
    assert fold("شماره‌ی فاكتور") == fold("شماره ی فاکتور")
    assert fold("E-Mail") == "e mail"


def test_money_is_exact_and_knows_its_currency() -> None:
    assert Money.of(Decimal("1234.5"), "ILS") == Money(123450, "ILS")
    assert Money.of(Decimal("1234000"), "IRR") == Money(1234000, "IRR")
    assert str(Money(123450, "ILS")) == "1234.50"
    assert str(Money(5, "KWD")) == "0.005"
    with pytest.raises(PrecisionError):  # 1.234 shekels is a thousand misread
        Money.of(Decimal("1.234"), "ILS")
    assert Money.of(Decimal("33.3333"), "ILS", rounded=True) == Money(3333, "ILS")
    with pytest.raises(TypeError):
        Money.of(1.5, "ILS")  # type: ignore[arg-type]
