from datetime import date

import pytest

from panel.journeys.language import FieldInfo, TemplateInfo, Vocabulary


@pytest.fixture(scope="session")
def today() -> date:
    return date(2026, 11, 22)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """A small panel: everything that the correct parts of the cases name."""
    both = TemplateInfo(frozenset({"email"}), frozenset({"he", "fa"}))
    return Vocabulary(
        channels=("email", "sms"),
        events={
            "order_paid": ("order_number", "amount"),
            "link_clicked": ("url",),
            "list_joined": ("list",),
            "journey_ended": ("journey",),
            "accounting.invoice_paid": ("invoice_number",),
        },
        history=("journey_ended",),
        lists=("Newsletter",),
        fields={
            "first_name": FieldInfo(("first name", "שם פרטי", "نام")),
            "birthday": FieldInfo(("birthday",), "date"),
            "age": FieldInfo(("age",), "number"),
            "score": FieldInfo(("score",), "number", settable=False),
        },
        templates={
            **dict.fromkeys(("hello", "again", "a", "b"), both),
            "english only": TemplateInfo(frozenset({"email"}), frozenset({"en"})),
        },
        people=("dana", "yossi", "sales"),
        segments=("VIP",),
        forms=("Sign-up",),
        pages=("Spring",),
        checks=("accounting.balance_over",),
        actions=("accounting.mark_for_collection",),
        calendars=("iran",),
        journeys=("win_back",),
        plugins=("accounting",),
        languages=("he", "fa"),
    )
