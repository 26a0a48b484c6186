"""The neutral accounting model: what every accounting system has, in one shape.

Money is whole minor units and a currency, never a float. Amounts are positive; the kind of the document carries the
sign. Totals and balances are copied from the books: the panel never computes a tax or a total of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Self

EXPONENTS = {"IRR": 0, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3, "IQD": 3}
BIGGEST = 2**63 - 1


class PrecisionError(ValueError):
    """An amount with more decimals than its currency has."""


@dataclass(frozen=True)
class Money:
    """An amount in minor units (agorot, cents; rials have none) and its ISO 4217 code."""

    minor: int
    currency: str

    @classmethod
    def of(cls, value: Decimal | int | str, currency: str, *, rounded: bool = False) -> Self:
        """An amount in the currency's main unit. Raises PrecisionError for 1.234 in a currency of two decimals.

        `rounded` is for numbers that a spreadsheet computed (VAT as 33.3333): half up to the nearest minor unit.
        """
        if isinstance(value, float):
            raise TypeError("money is never a float")
        exact = Decimal(value).scaleb(EXPONENTS.get(currency, 2))
        whole = exact.quantize(Decimal(1), ROUND_HALF_UP)
        if whole != exact and not rounded:
            raise PrecisionError(str(value))
        if abs(whole) > BIGGEST:
            raise PrecisionError(str(value))
        return cls(int(whole), currency)

    @property
    def value(self) -> Decimal:
        return Decimal(self.minor).scaleb(-EXPONENTS.get(self.currency, 2))

    def __str__(self) -> str:
        """The plain decimal number that events carry: "1234.50"."""
        return format(self.value, "f")


class DocumentKind(StrEnum):
    INVOICE = "invoice"
    INVOICE_RECEIPT = "invoice_receipt"
    CREDIT_NOTE = "credit_note"
    RECEIPT = "receipt"


class State(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    CANCELLED = "cancelled"


class PaymentKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True)
class Party:
    """A customer as the books know it. `number` is the books' own, `reference` the panel's number for the contact."""

    number: str
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    tax_id: str = ""
    reference: str = ""
    language: str = ""


@dataclass(frozen=True)
class Document:
    """An invoice or a credit note. `balance` None: the file does not say, and payments decide.

    `reverses` names the invoice that a credit note takes back. Dates are days in the business's own zone.
    """

    number: str
    party: str
    total: Money
    kind: DocumentKind = DocumentKind.INVOICE
    state: State = State.OPEN
    balance: Money | None = None
    issued_on: date | None = None
    due_on: date | None = None
    paid_on: date | None = None
    reverses: str = ""
    link: str = ""

    @property
    def key(self) -> str:
        """Credit notes have a sequence of numbers of their own, invoices share one."""
        shared = (DocumentKind.INVOICE, DocumentKind.INVOICE_RECEIPT)
        return self.number if self.kind in shared else f"{self.kind.value}/{self.number}"


@dataclass(frozen=True)
class Payment:
    """Money that came in (or went back). `invoice` is empty when the books do not say what it was for."""

    number: str
    amount: Money
    kind: PaymentKind = PaymentKind.PAYMENT
    party: str = ""
    invoice: str = ""
    paid_on: date | None = None
    method: str = ""


def to_data(thing: Party | Document | Payment) -> dict[str, Any]:
    """As JSON holds it: money as [minor, currency], days as ISO text, empty values left out."""
    found: dict[str, Any] = {}
    for name, value in asdict(thing).items():
        if isinstance(value, dict):
            value = [value["minor"], value["currency"]]
        elif isinstance(value, date):
            value = value.isoformat()
        elif isinstance(value, StrEnum):
            value = value.value
        if value not in ("", None):
            found[name] = value
    return found


def party_of(data: Mapping[str, Any]) -> Party:
    return Party(**{one.name: data[one.name] for one in fields(Party) if one.name in data})


def document_of(data: Mapping[str, Any]) -> Document:
    return Document(
        number=data["number"],
        party=data.get("party", ""),
        total=Money(*data["total"]),
        kind=DocumentKind(data.get("kind", "invoice")),
        state=State(data.get("state", "open")),
        balance=Money(*data["balance"]) if data.get("balance") else None,
        issued_on=_day(data, "issued_on"),
        due_on=_day(data, "due_on"),
        paid_on=_day(data, "paid_on"),
        reverses=data.get("reverses", ""),
        link=data.get("link", ""),
    )


def payment_of(data: Mapping[str, Any]) -> Payment:
    return Payment(
        number=data["number"],
        amount=Money(*data["amount"]),
        kind=PaymentKind(data.get("kind", "payment")),
        party=data.get("party", ""),
        invoice=data.get("invoice", ""),
        paid_on=_day(data, "paid_on"),
        method=data.get("method", ""),
    )


def _day(data: Mapping[str, Any], name: str) -> date | None:
    return date.fromisoformat(data[name]) if data.get(name) else None


def digest(thing: Party | Document | Payment) -> str:
    """The same for the same facts, whatever file they came in."""
    text = json.dumps(to_data(thing), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Standing:
    """What is known of an invoice's money, from its own row and from payments and credit notes that name it."""

    total: Money
    balance: Money
    credited: bool = False  # credit notes took the whole of it back
    last_payment_on: date | None = None


def standing(
    document: Document, payments: Sequence[Payment] = (), credits: Sequence[Document] = (), *, paid: bool = False
) -> Standing:
    """The lower of what the row says is left, and what is left after the payments and credits known here.

    A payments file is often newer than the invoices file, or the other way round. Taking the lower one may remind
    somebody a day late; taking the higher one asks for money that was paid. `paid`: the list of open invoices no longer
    has it.
    """
    currency = document.total.currency
    received = 0
    for payment in payments:
        if payment.amount.currency == currency:
            received += payment.amount.minor if payment.kind is PaymentKind.PAYMENT else -payment.amount.minor
    credited = sum(credit.total.minor for credit in credits if credit.total.currency == currency)
    left = document.total.minor - received - credited
    if paid or document.state is State.PAID:
        left = 0
    elif document.balance is not None:
        left = min(left, document.balance.minor)
    days = [payment.paid_on for payment in payments if payment.paid_on]
    return Standing(
        total=document.total,
        balance=Money(max(left, 0), currency),
        credited=bool(document.total.minor) and credited >= document.total.minor,
        last_payment_on=max(days) if days else document.paid_on,
    )
