"""What the plugin's page shows: files, customers and their contacts, open invoices. Reads only."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from panel.sdk.context import Unit
from plugins.accounting.books import FILE, Books, Customer, Invoice, Ledger
from plugins.accounting.events import is_overdue
from plugins.accounting.model import DocumentKind, Money, State

FILES, CUSTOMERS, INVOICES = 15, 50, 50  # rows shown of each
_SAMPLES = Path(__file__).with_name("samples")


@dataclass(frozen=True)
class OpenInvoice:
    number: str
    customer: str
    contact_id: int | None
    due_on: date | None
    balance: Money
    is_overdue: bool


@dataclass(frozen=True)
class Sums:
    """Open money by currency, never added together."""

    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True)
class Overview:
    files: Sequence[Mapping[str, Any]]
    linked: int
    unmatched: int
    ambiguous: int
    to_choose: Sequence[Customer]
    to_find: Sequence[Customer]
    open: Sums
    overdue: Sums
    invoices: Sequence[OpenInvoice]


def overview(unit: Unit, today: date) -> Overview:
    books = Books(unit)
    customers = [one for one in books.customers.values() if not one.gone]
    outcomes = Counter(one.link.outcome for one in customers)
    invoices = sorted(_open(books, today), key=lambda one: (not one.is_overdue, one.due_on or date.max, one.number))
    return Overview(
        files=_files(unit),
        linked=outcomes["linked"],
        unmatched=outcomes["unmatched"],
        ambiguous=outcomes["ambiguous"],
        to_choose=[one for one in customers if one.link.outcome == "ambiguous"][:CUSTOMERS],
        to_find=[one for one in customers if one.link.outcome == "unmatched"][:CUSTOMERS],
        open=_sums(invoices),
        overdue=_sums([one for one in invoices if one.is_overdue]),
        invoices=invoices[:INVOICES],
    )


def _files(unit: Unit) -> list[dict[str, Any]]:
    """The newest first; `again_at` counts, so that a file copied back shows on top."""
    found = [{"sha": record.key} | record.data for record in unit.records(FILE)]
    found.sort(key=lambda one: one.get("again_at") or one["at"], reverse=True)
    return found[:FILES]


def _open(books: Books, today: date) -> list[OpenInvoice]:
    ledger = Ledger(books.invoices.values(), books.payments.values())
    found = []
    for invoice in books.invoices.values():
        if not _is_debt(invoice):
            continue
        standing = ledger.standing(invoice)
        if standing.balance.minor == 0:
            continue
        customer = books.customers.get(invoice.document.party)
        found.append(
            OpenInvoice(
                invoice.document.number,
                customer.party.name if customer else "",
                invoice.contact_id,
                invoice.document.due_on,
                standing.balance,
                is_overdue(invoice.document, standing, today),
            )
        )
    return found


def _is_debt(invoice: Invoice) -> bool:
    document = invoice.document
    is_invoice = document.kind in (DocumentKind.INVOICE, DocumentKind.INVOICE_RECEIPT)
    return is_invoice and not invoice.gone and document.state in (State.OPEN, State.PAID)


def _sums(invoices: Sequence[OpenInvoice]) -> Sums:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for one in invoices:
        amounts[one.balance.currency] += one.balance.value
    return Sums(len(invoices), dict(sorted(amounts.items())))


@cache
def samples() -> dict[str, list[tuple[str, str]]]:
    """By language: (file name, data address) of the sample files, which a browser saves without asking a server."""
    return {
        folder.name: [
            (path.name, "data:text/csv;base64," + base64.b64encode(path.read_bytes()).decode())
            for path in sorted(folder.iterdir())
        ]
        for folder in sorted(_SAMPLES.iterdir())
    }
