"""What an invoice's state means for the timeline, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.accounting.events import Told, invoice_facts, told_data, told_of
from plugins.accounting.model import (
    Document,
    DocumentKind,
    Money,
    Payment,
    PaymentKind,
    State,
    digest,
    document_of,
    standing,
    to_data,
)
from plugins.accounting.tests.conftest import UNHURRIED

TODAY = date(2026, 11, 22)
INVOICE = Document(
    "17",
    "30001",
    Money(10000, "ILS"),
    issued_on=date(2026, 11, 1),
    due_on=date(2026, 11, 20),
    balance=Money(10000, "ILS"),
)
ISSUED = Told(issued=True, due="2026-11-20")
LATE = replace(ISSUED, overdue="2026-11-20")


def kinds(document: Document, told: Told, **more: object) -> list[str]:
    facts, _ = invoice_facts(document, standing(document), told, today=TODAY, **more)  # type: ignore[arg-type]
    return [fact.kind.removeprefix("accounting.invoice_") for fact in facts]


def changed(**values: object) -> Document:
    return replace(INVOICE, **values)  # type: ignore[arg-type]


PAID = changed(balance=Money(0, "ILS"))


@pytest.mark.parametrize(
    ("document", "told", "expected"),
    [
        (INVOICE, Told(), ["issued", "overdue"]),
        (INVOICE, LATE, []),
        (changed(due_on=TODAY), ISSUED, []),  # due today is not late
        (changed(due_on=None), ISSUED, []),
        (PAID, LATE, ["paid"]),
        (PAID, Told(), ["issued", "paid"]),
        (PAID, replace(LATE, paid=True), []),
        (changed(state=State.PAID), LATE, ["paid"]),
        (changed(state=State.CANCELLED), LATE, ["cancelled"]),
        (changed(state=State.CANCELLED), Told(), []),  # it never was news
        (changed(state=State.DRAFT), Told(), []),
        (changed(kind=DocumentKind.CREDIT_NOTE), Told(), []),
        (changed(due_on=date(2026, 12, 20)), LATE, ["due_date_changed"]),
        (changed(due_on=date(2026, 12, 20)), ISSUED, []),  # nobody was reminded yet
        (changed(due_on=date(2026, 11, 21)), LATE, ["overdue"]),  # as late as before, by another date
        (INVOICE, replace(LATE, paid=True), ["overdue"]),  # a returned cheque
        (INVOICE, replace(LATE, cancelled=True), ["overdue"]),
        (changed(total=Money(0, "ILS"), balance=Money(0, "ILS")), ISSUED, []),  # nothing to pay is not "paid"
    ],
)
def test_what_is_told(document: Document, told: Told, expected: list[str]) -> None:
    assert kinds(document, told) == expected


def test_a_full_list_may_say_paid_or_cancelled_by_leaving_out() -> None:
    assert kinds(INVOICE, LATE, gone="cancelled") == ["cancelled"]
    facts, _ = invoice_facts(INVOICE, standing(INVOICE, paid=True), LATE, today=TODAY, gone="paid")
    assert [fact.kind for fact in facts] == ["accounting.invoice_paid"]


def test_old_books_call_nobody_overdue_and_still_say_who_paid() -> None:
    assert kinds(INVOICE, ISSUED, stale=True) == []
    assert kinds(PAID, ISSUED, stale=True) == ["paid"]


documents = st.builds(
    Document,
    number=st.just("17"),
    party=st.just("1"),
    total=st.just(Money(10000, "ILS")),
    kind=st.sampled_from(list(DocumentKind)),
    state=st.sampled_from(list(State)),
    balance=st.one_of(st.none(), st.integers(0, 10000).map(lambda minor: Money(minor, "ILS"))),
    issued_on=st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 1)),
    due_on=st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31)),
)


@UNHURRIED
@given(st.lists(st.tuples(documents, st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.booleans()), max_size=12))
def test_telling_is_finished_after_one_time_and_no_fact_has_the_number_of_another(
    history: list[tuple[Document, date, bool]],
) -> None:
    told, seen = Told(), set()
    for document, today, stale in history:
        facts, told = invoice_facts(document, standing(document), told, today=today, stale=stale)
        for fact in facts:
            assert fact.external_id not in seen or fact.kind != "accounting.invoice_paid"
            seen.add(fact.external_id)
        assert invoice_facts(document, standing(document), told, today=today, stale=stale) == ([], told)
        assert told_of({"told": told_data(told)}) == told
        assert document_of(to_data(document)) == document
        assert digest(document) == digest(document_of(to_data(document)))


def test_the_lower_of_two_balances_counts() -> None:
    def paid(minor: int, kind: PaymentKind = PaymentKind.PAYMENT, currency: str = "ILS") -> Payment:
        return Payment("1", Money(minor, currency), kind, invoice="17")

    assert standing(INVOICE, [paid(4000)]).balance.minor == 6000  # the payments file is newer
    assert standing(changed(balance=Money(2000, "ILS")), [paid(4000)]).balance.minor == 2000  # the invoices file is
    assert standing(changed(balance=None), [paid(4000), paid(7000)]).balance.minor == 0
    assert standing(changed(balance=None), [paid(4000), paid(4000, PaymentKind.REFUND)]).balance.minor == 10000
    assert standing(INVOICE, [paid(4000, currency="USD")]).balance.minor == 10000  # never across currencies


def test_a_credit_note_settles_or_takes_back() -> None:
    def credit(minor: int) -> Document:
        return Document("5", "30001", Money(minor, "ILS"), DocumentKind.CREDIT_NOTE, reverses="17")

    part, whole = standing(INVOICE, [], [credit(4000)]), standing(INVOICE, [], [credit(4000), credit(6000)])
    assert (part.balance.minor, part.credited) == (6000, False)
    assert (whole.balance.minor, whole.credited) == (0, True)
