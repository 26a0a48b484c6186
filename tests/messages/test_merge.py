"""What a name in double brackets means, in any of three languages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from panel.contacts.fields import FieldInfo
from panel.messages.merge import Fields, check_template, given_values, show_value
from panel.sdk.channels import TemplateContent

COUPON = FieldInfo(
    "coupon", labels={"en": "coupon code", "he": "קוד קופון", "fa": "کد تخفیف"}, aliases=("voucher",), id=1
)


@pytest.mark.parametrize(
    ("written", "identity"),
    [
        ("first name", "first_name"),
        ("First_Name", "first_name"),
        ("FIRST-NAME", "first_name"),
        ("שם פרטי", "first_name"),
        ("שם\u200f פרטי", "first_name"),
        ("نام", "first_name"),
        ("full name", "full_name"),
        ("שם מלא", "full_name"),
        ("نام کامل", "full_name"),
        ("نام كامل", "full_name"),  # the Arabic kaf
        ("نام\u200cکامل", "full_name"),  # a joiner for a space
        ("first&nbsp;name", "first_name"),  # what rich editors write
        ("קישור אישי", "personal_link"),
        ("personal link", "personal_link"),
        ("unsubscribe link", "unsubscribe_link"),
        ("קישור הסרה", "unsubscribe_link"),
        ("لغو اشتراك", "unsubscribe_link"),
        ("کد تخفیف", "coupon"),
        ("كد تخفيف", "coupon"),
        ("קוד קופון", "coupon"),
        ("voucher", "coupon"),
        ("event.Invoice Number", "event.invoicenumber"),
        ("run.invoice_number", "run.invoicenumber"),
        ("invoice number", "given.invoicenumber"),
    ],
)
def test_a_field_is_known_by_all_its_names(written, identity):
    assert Fields([COUPON]).canonical_name(written) == identity


def test_names_are_replaced_by_identities_and_defaults_stay_as_written():
    content = TemplateContent("[[نام|دوست عزیز]]", "<p>[[שם פרטי|חבר/ה]] & [[ coupon code ]]</p>", "[[amount due]]")
    assert Fields([COUPON]).canonical(content) == TemplateContent(
        "[[first_name|دوست عزیز]]", "<p>[[first_name|חבר/ה]] & [[coupon]]</p>", "[[given.amountdue]]"
    )


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("[[frist name]]", "first name"),
        ("[[שם פרטיי]]", "שם פרטי"),
        ("[[نامم کامل]]", "نام کامل"),
        ("[[copon code]]", "coupon code"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_right_one(text, guess):
    (problem,) = check_template(TemplateContent(text=text), [COUPON])
    assert (problem.code, problem.where, problem.params["guess"]) == ("merge_field", "text", guess)
    for language in ("en", "he", "fa"):
        assert guess in problem.words(language)


def test_every_problem_is_named_at_once():
    content = TemplateContent("[[zzzzqqq]]", "<p>[[first name]</p> [[xxyyzz]]", "[[first name]] fine")
    assert [(one.where, one.code) for one in check_template(content, [])] == [
        ("subject", "merge_field"),
        ("html", "merge_field"),
        ("html", "merge_field_not_closed"),
    ]


def test_fields_that_an_event_may_bring_and_named_ones_are_no_problem():
    content = TemplateContent(text="[[event.anything]] [[run.x]] [[amount]] [[invoice number]]")
    assert check_template(content, [], given=["invoice_number"]) == []


def test_a_name_without_prefix_is_answered_by_the_run_then_by_the_event():
    given = given_values({"event": {"invoice_number": "E1", "amount_due": "10"}, "run": {"invoice_number": "R1"}}, "en")
    assert given["given.invoicenumber"] == "R1"
    assert given["event.invoicenumber"] == "E1"
    assert given["given.amountdue"] == "10"
    assert given_values({"event.amount_due": "7"}, "en")["given.amountdue"] == "7"


@pytest.mark.parametrize(
    ("value", "language", "shown"),
    [
        ("0501234567", "en", "0501234567"),
        (Decimal("1240.5"), "en", "1,240.5"),
        ({"amount": "1240.50", "currency": "ILS"}, "en", "₪1,240.50"),
        (date(2026, 11, 22), "en", "22 November 2026"),
        (date(2026, 11, 22), "he", "22 בנובמבר 2026"),
        (date(2026, 11, 22), "fa", "1 آذر 1405"),
        (True, "he", "כן"),
        (None, "en", ""),
    ],
)
def test_values_read_as_the_contact_reads(value, language, shown):
    assert show_value(value, language) == shown
