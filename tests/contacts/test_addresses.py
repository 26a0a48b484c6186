from __future__ import annotations

import email_validator
import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from panel.contacts.addresses import _is_plain, _quick_phone, parse_email, parse_phone, suppression_key
from panel.errors import UserError


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("Dana.Levi@Example.CO.IL", "dana.levi@example.co.il"),
        ("\u200fdana@shop.co.il\u200e", "dana@shop.co.il"),
        ("<dana@shop.co.il>", "dana@shop.co.il"),
        ("דנה לוי <Dana@shop.co.il>", "dana@shop.co.il"),
        ("mailto:dana@shop.co.il", "dana@shop.co.il"),
        ("dana@bücher.de", "dana@xn--bcher-kva.de"),
        ("dana+news@gmail.com", "dana+news@gmail.com"),
        ("דנה@דוגמה.ישראל", "דנה@xn--6dbbec0c.xn--4dbrk0ce"),
    ],
)
def test_an_email_address_has_one_form_for_matching(written, value):
    assert parse_email(written).value == value


@pytest.mark.parametrize(
    "written",
    ["", "dana", "dana@", "@shop.co.il", "dana@shop", "a b@shop.co.il", "dana@shop..co.il", "dana@-shop.co.il",
     "dana\r\nBcc: x@y.com", "dana@shop.co.il, yossi@shop.co.il", "x" * 400 + "@shop.co.il", "dana@localhost"],
)  # fmt: skip
def test_what_is_no_email_address_is_refused_in_words(written):
    with pytest.raises(UserError) as caught:
        parse_email(written)
    assert caught.value.code.startswith("email_")


@given(st.from_regex(r"[a-z0-9._+-]{1,20}@[a-z0-9.-]{1,20}\.[a-z]{2,9}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_accepts_only_what_the_validator_accepts(address):
    if not _is_plain(address):
        return
    try:
        found = validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise AssertionError(address) from error
    assert found.normalized.lower() == address


def test_reserved_names_are_left_to_the_validator():
    for name in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        assert not _is_plain(f"dana@shop.{name}")


@pytest.mark.parametrize(
    ("written", "region", "value"),
    [
        ("052-123-4567", "IL", "+972521234567"),
        ("521234567", "IL", "+972521234567"),
        ("\u2066+972 52-123-0001\u2069", "IR", "+972521230001"),
        ("۰۹۱۲ ۳۴۵ ۶۷۸۹", "IR", "+989123456789"),
        ("٠٩١٢٣٤٥٦٧٨٩", "IR", "+989123456789"),
        ("00972521234567", "IL", "+972521234567"),
        ("03-555-1234", "IL", "+97235551234"),
        ("+1 (202) 555-0123", "IL", "+12025550123"),
        ("tel:+447911123456", "IL", "+447911123456"),
    ],
)
def test_a_telephone_number_is_stored_as_e164_and_shown_as_written(written, region, value):
    found = parse_phone(written, region=region)
    assert found.value == value
    assert not set(found.shown) & set("\u200e\u200f\u2066\u2069")


@pytest.mark.parametrize(
    "written", ["", "12", "0521234", "call me", "=cmd|' /C calc'!A0", "9" * 400, "052-123-4567 x12"]
)
def test_what_is_no_telephone_number_is_refused_in_words(written):
    with pytest.raises(UserError) as caught:
        parse_phone(written)
    assert caught.value.code.startswith("phone_")
    assert caught.value.words("he") != ""


@given(st.from_regex(r"(\+972|0|)[1-9]\d{6,9}", fullmatch=True), st.sampled_from(["IL", "IR", "DE", "FR"]))
@settings(max_examples=500, deadline=None)
def test_the_quick_way_reads_numbers_as_the_library_does(digits, region):
    quick = _quick_phone(digits, region)
    if quick is not None:
        number = phonenumbers.parse(digits, region)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == quick


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("dana+news@shop.co.il", "dana@shop.co.il"),
        ("d.a.n.a+x@googlemail.com", "dana@gmail.com"),
        ("d.ana@shop.co.il", "d.ana@shop.co.il"),
        ("+972521234567", "+972521234567"),
    ],
)
def test_a_refusal_covers_every_spelling_of_a_mailbox(address, key):
    assert suppression_key(address) == key
