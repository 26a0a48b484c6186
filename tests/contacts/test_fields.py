from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from panel.contacts.fields import BUILT_IN, FieldInfo, find, identity, nearest
from panel.contacts.values import parse, parse_day, parse_number
from panel.errors import UserError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first name", "first_name"), ("שם פרטי", "first_name"), ("نام", "first_name"), ("First_Name", "first_name"),
        ("שם מלא", "full_name"), ("نام کامل", "full_name"), ("name", "full_name"), ("E-Mail", "email"),
        ('דוא"ל', "email"), ("דואל", "email"), ("موبايل", "phone"), ("נייד", "phone"), ("קישור אישי", "personal_link"),
        ("customer reference", "reference"), ("nothing of ours", None), ("", None),
    ],
)  # fmt: skip
def test_a_field_answers_to_all_its_names(name, expected):
    assert identity(name) == expected


def test_no_two_built_in_fields_share_a_name():
    owners: dict[str, str] = {}
    for one in BUILT_IN.values():
        for name in one.names():
            assert identity(name) == one.name, (name, owners.get(name))


def test_a_custom_field_answers_to_its_labels_and_aliases():
    birthday = FieldInfo(
        "birthday", "date", {"en": "birthday", "he": "יום הולדת", "fa": "تاریخ تولد"}, ("born",), (), 1
    )
    assert find("تاریخ تولد", [birthday]) is birthday
    assert find("Born", [birthday]) is birthday
    assert nearest("brithday", [birthday]) == "birthday"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-22", date(2026, 11, 22)), ("22/11/2026", date(2026, 11, 22)), ("22.11.26", date(2026, 11, 22)),
        ("1405/9/1", date(2026, 11, 22)), ("۱۴۰۵/۰۹/۰۱", date(2026, 11, 22)), ("۱۴۰۵-۰۹-۰۱", date(2026, 11, 22)),
        ("01/09/1405", date(2026, 11, 22)), ("2026-11-22 10:30:00", date(2026, 11, 22)), ("31/02/2026", None),
        ("tomorrow", None), ("1403/12/30", date(2025, 3, 20)), ("1404/12/30", None), ("99/99/99", None),
    ],
)  # fmt: skip
def test_days_are_read_in_two_calendars_and_any_digits(written, day):
    assert parse_day(written) == day


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,234.5", Decimal("1234.5")), ("1.234,5", Decimal("1234.5")), ("۱۲٬۳۴۵٫۶", Decimal("12345.6")),
        ("12,5", Decimal("12.5")), ("1,250", Decimal(1250)), ("-7", Decimal(-7)), ("abc", None), ("1e999", None),
        ("9" * 30, None), ("NaN", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(written, number):
    assert parse_number(written) == number


def test_typed_values_say_what_is_wrong_and_where():
    size = FieldInfo("size", "choice", {"en": "size", "he": "מידה"}, (), ("small", "large"), 1)
    assert parse(size, "Large").text == "large"
    with pytest.raises(UserError) as caught:
        parse(size, "lrage")
    assert '"large"' in caught.value.words("en")
    paid = FieldInfo("paid", "yes_no", {"en": "paid"}, (), (), 2)
    assert [parse(paid, word).text for word in ("כן", "خیر", "1", True)] == ["yes", "no", "yes", "yes"]
    total = FieldInfo("total", "money", {"en": "total"}, (), (), 3)
    assert parse(total, "₪1,240.50").number == Decimal("1240.5")
    assert parse(total, "۱۲۰۰۰ تومان").number == Decimal(12000)
    with pytest.raises(UserError):
        parse(total, "a lot")
