"""What an invoice's state means for the timeline: a pure comparison of what is known with what was told already.

Nothing is derived from the order in which files arrive. Each run compares the books with what the timeline has been
told, so a run that was cut short is simply repeated, and a customer linked a month later still gets the whole story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from panel.sdk.events import EventField, EventType
from panel.sdk.i18n import N_
from plugins.accounting.model import Document, DocumentKind, Payment, PaymentKind, Standing, State

# Journeys that look for the absence of a payment must not trust books that nobody has read for a week.
FRESH = timedelta(days=7)

_NUMBER = EventField("invoice_number", N_("invoice number"))
_AMOUNT = EventField("amount", N_("amount"), "money")
_DUE_AMOUNT = EventField("amount_due", N_("amount due"), "money")
_CURRENCY = EventField("currency", N_("currency"), personal=False)
_ISSUED = EventField("invoice_date", N_("invoice date"), "date", personal=False)
_DUE = EventField("due_date", N_("due date"), "date", personal=False)
_LINK = EventField("link", N_("link to the invoice"))
_INVOICE = (_NUMBER, _AMOUNT, _DUE_AMOUNT, _CURRENCY, _ISSUED, _DUE, _LINK)

ISSUED, OVERDUE, PAID = "accounting.invoice_issued", "accounting.invoice_overdue", "accounting.invoice_paid"
CANCELLED, DUE_CHANGED = "accounting.invoice_cancelled", "accounting.invoice_due_date_changed"
RECEIVED = "accounting.payment_received"

EVENT_TYPES = (
    EventType(
        ISSUED,
        N_("Invoice issued"),
        N_("Invoice %(invoice_number)s was issued: %(amount)s"),
        "file-invoice",
        "money",
        _INVOICE,
        fresh_within=FRESH,
    ),
    EventType(
        OVERDUE,
        N_("Invoice overdue"),
        N_("Invoice %(invoice_number)s is overdue since %(due_date)s: %(amount_due)s"),
        "alarm",
        "money",
        (*_INVOICE, EventField("days_overdue", N_("days overdue"), "number", personal=False)),
        tone="attention",
        fresh_within=FRESH,
    ),
    EventType(
        PAID,
        N_("Invoice paid"),
        N_("Invoice %(invoice_number)s was paid: %(amount)s"),
        "circle-check",
        "money",
        (*_INVOICE, EventField("payment_date", N_("payment date"), "date", personal=False)),
        tone="good",
        fresh_within=FRESH,
    ),
    EventType(
        CANCELLED,
        N_("Invoice cancelled"),
        N_("Invoice %(invoice_number)s was cancelled: %(amount)s"),
        "file-x",
        "money",
        (*_INVOICE, EventField("why", N_("reason"), personal=False)),
        fresh_within=FRESH,
    ),
    EventType(
        DUE_CHANGED,
        N_("Due date changed"),
        N_("Invoice %(invoice_number)s is now due on %(due_date)s instead of %(previous_due_date)s"),
        "calendar-due",
        "money",
        (*_INVOICE, EventField("previous_due_date", N_("previous due date"), "date", personal=False)),
        fresh_within=FRESH,
    ),
    EventType(
        RECEIVED,
        N_("Payment received"),
        N_("Paid %(amount)s"),
        "cash",
        "money",
        (
            EventField("payment_number", N_("payment number")),
            _NUMBER,
            _AMOUNT,
            _CURRENCY,
            EventField("payment_date", N_("payment date"), "date", personal=False),
            EventField("method", N_("means of payment"), personal=False),
        ),
        tone="good",
        fresh_within=FRESH,
    ),
)


@dataclass(frozen=True)
class Told:
    """What the timeline knows of an invoice. `overdue` is the due date it was told of (ISO, or empty).

    `round` counts up when a paid or cancelled invoice comes back to life: then it may become overdue once more.
    `live`: journeys may have started from it, so what ends it must reach them.
    """

    issued: bool = False
    overdue: str = ""
    due: str = ""
    paid: bool = False
    cancelled: bool = False
    round: int = 0
    moves: int = 0
    live: bool = False


def told_of(data: Mapping[str, Any]) -> Told:
    return Told(**data.get("told", {}))


def told_data(told: Told) -> dict[str, Any]:
    blank = asdict(Told())
    return {name: value for name, value in asdict(told).items() if value != blank[name]}


@dataclass(frozen=True)
class Fact:
    """Something to tell. `on` is its day in the books (None: unknown). `learnt`: it is news whenever it comes to light,
    as a payment is, whatever day the books give it."""

    kind: str
    external_id: str
    on: date | None
    data: Mapping[str, Any]
    learnt: bool = False


def is_overdue(document: Document, standing: Standing, today: date) -> bool:
    """A day later than due, with money still to pay, counted in the business's own time zone."""
    return document.due_on is not None and document.due_on < today and standing.balance.minor > 0


def invoice_facts(
    document: Document, standing: Standing, told: Told, *, today: date, gone: str = "", stale: bool = False
) -> tuple[list[Fact], Told]:
    """What must be told of an invoice now, and what will have been told then.

    `gone`: a full list left it out, so it was "cancelled" or "paid". `stale`: the books are too old to call anybody
    overdue.
    """
    if document.kind not in (DocumentKind.INVOICE, DocumentKind.INVOICE_RECEIPT) or document.state is State.DRAFT:
        return [], told
    off = gone == "cancelled" or document.state is State.CANCELLED or standing.credited
    if off and not told.issued:
        return [], told
    facts: list[Fact] = []

    def tell(kind: str, what: str, on: date | None, learnt: bool = False, **more: Any) -> None:
        data = _invoice_data(document, standing) | more
        facts.append(Fact(kind, f"invoice:{document.key}:{what}", on, data, learnt))

    due = document.due_on.isoformat() if document.due_on else ""
    if not told.issued:
        tell(ISSUED, "issued", document.issued_on)
        told = replace(told, issued=True, due=due)
    if off:
        if not told.cancelled:
            why = "missing" if gone == "cancelled" else "credited" if standing.credited else "cancelled"
            tell(CANCELLED, f"cancelled:{told.round}", None, True, why=why)
        return facts, replace(told, cancelled=True)
    if told.cancelled:
        told = replace(told, cancelled=False, paid=False, overdue="", round=told.round + 1)
    if standing.balance.minor == 0:
        if not told.paid and document.total.minor:
            on = standing.last_payment_on
            tell(PAID, f"paid:{told.round}", on, True, payment_date=on.isoformat() if on else "")
        return facts, replace(told, paid=True, due=due)
    if told.paid:  # a returned cheque
        told = replace(told, paid=False, overdue="", round=told.round + 1)
    if due != told.due:
        # Reminders may be on their way, and speak of a date that is no longer agreed. Moved to another day that is
        # gone, the invoice is as overdue as before, and they go on.
        if told.overdue and not is_overdue(document, standing, today):
            moves = told.moves + 1
            tell(DUE_CHANGED, f"due:{due}:{moves}", None, True, previous_due_date=told.due)
            told = replace(told, moves=moves)
        told = replace(told, due=due)
    if is_overdue(document, standing, today) and told.overdue != due and not stale:
        assert document.due_on is not None
        days = (today - document.due_on).days
        again = f":{told.round}" if told.round else ""
        tell(OVERDUE, f"overdue:{due}{again}", document.due_on + timedelta(days=1), days_overdue=days)
        told = replace(told, overdue=due)
    return facts, told


def payment_fact(payment: Payment, key: str) -> Fact | None:
    """A payment as a line of the timeline; money that went back is only seen in the invoice's balance."""
    if payment.kind is not PaymentKind.PAYMENT:
        return None
    data = {
        "payment_number": payment.number,
        "invoice_number": payment.invoice,
        "amount": str(payment.amount),
        "currency": payment.amount.currency,
        "payment_date": payment.paid_on.isoformat() if payment.paid_on else "",
        "method": payment.method,
    }
    return Fact(RECEIVED, f"payment:{key}", payment.paid_on, data, learnt=True)


def _invoice_data(document: Document, standing: Standing) -> dict[str, Any]:
    return {
        "invoice_number": document.number,
        "amount": str(document.total),
        "amount_due": str(standing.balance),
        "currency": document.total.currency,
        "invoice_date": document.issued_on.isoformat() if document.issued_on else "",
        "due_date": document.due_on.isoformat() if document.due_on else "",
        "link": document.link,
    }
