"""What the plugin keeps: customers, invoices, payments, files that were read, and how far it got.

All of it is loaded at the start of a run: a small business has some ten thousand rows, and comparing in memory keeps
the writing transactions short. Only one run works at a time (see `hotfolder.lock`).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

from panel.sdk.context import Record, Unit
from plugins.accounting.columns import Kind
from plugins.accounting.events import Told, told_data, told_of
from plugins.accounting.matching import Decision, link_data, link_of
from plugins.accounting.model import (
    Document,
    DocumentKind,
    Party,
    Payment,
    Standing,
    digest,
    document_of,
    party_of,
    payment_of,
    standing,
    to_data,
)

CUSTOMER, INVOICE, PAYMENT = "customer", "invoice", "payment"
FILE, SIGHTING, STATE = "file", "sighting", "state"
COLLECTION, FORGOTTEN = "collection", "forgotten"  # what went into out/; whose rows are never taken again


def short(key: str) -> str:
    """A key that fits its column; keys come from files and may be long."""
    return key if len(key) <= 150 else f"{key[:100]}…{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"


def fingerprint(number: str) -> str:
    """What is kept of an erased customer's number, which may be an e-mail address."""
    return hashlib.blake2b(number.encode(), digest_size=20).hexdigest()


@dataclass(frozen=True)
class Customer:
    """`implicit`: known only from invoices, no customers file told of it. `gone`: a full list left it out."""

    party: Party
    link: Decision = Decision("unmatched")
    implicit: bool = False
    gone: bool = False
    origin: str = ""  # "customers.csv:17"
    problem: str = ""  # why no contact could be made, in words

    @property
    def contact_id(self) -> int | None:
        return self.link.contact_id

    def record(self) -> Record:
        flags = {name: True for name in ("implicit", "gone") if getattr(self, name)}
        data = {"party": to_data(self.party), "link": link_data(self.link), "origin": self.origin, **flags}
        if self.problem:
            data["problem"] = self.problem
        return Record(CUSTOMER, short(self.party.number), data, digest(self.party), self.contact_id)


def customer_of(record: Record) -> Customer:
    data = record.data
    flags = {name: bool(data.get(name)) for name in ("implicit", "gone")}
    return Customer(
        party_of(data["party"]), link_of(data), origin=data.get("origin", ""), problem=data.get("problem", ""), **flags
    )


@dataclass(frozen=True)
class Invoice:
    """`gone`: what a full list made of it by leaving it out ("cancelled" or "paid"), or empty."""

    document: Document
    told: Told = Told()
    gone: str = ""
    contact_id: int | None = None

    def record(self) -> Record:
        data: dict[str, Any] = {"document": to_data(self.document), "told": told_data(self.told)}
        if self.gone:
            data["gone"] = self.gone
        return Record(INVOICE, short(self.document.key), data, digest(self.document), self.contact_id)


def invoice_of(record: Record) -> Invoice:
    return Invoice(
        document_of(record.data["document"]), told_of(record.data), record.data.get("gone", ""), record.contact_id
    )


@dataclass(frozen=True)
class Receipt:
    """A payment as it is kept; `told` once the timeline has it, `gone` when a full list no longer has it."""

    key: str
    payment: Payment
    told: bool = False
    gone: str = ""
    contact_id: int | None = None

    def record(self) -> Record:
        data = {"payment": to_data(self.payment), "told": self.told, "gone": self.gone}
        return Record(PAYMENT, short(self.key), {"key": self.key} | data, digest(self.payment), self.contact_id)


def receipt_of(record: Record) -> Receipt:
    data = record.data
    return Receipt(
        data["key"], payment_of(data["payment"]), bool(data.get("told")), data.get("gone", ""), record.contact_id
    )


@dataclass(frozen=True)
class Progress:
    """How far the plugin got. `read`, `newest` and `began` hold, by kind, the moment of the newest file, its digest,
    and the first day.

    `pending`: rows were stored and not yet looked at. `swept_on` is the business's day of the last look, `stamp` the
    settings it was made with.
    """

    read: Mapping[str, str] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)
    began: Mapping[str, str] = field(default_factory=dict)
    pending: bool = False
    swept_on: str = ""
    stamp: str = ""

    def is_first(self, kind: Kind) -> bool:
        """Whether the files of this kind are still being read for the first time."""
        return kind.value not in self.began

    @property
    def first_day(self) -> date | None:
        return min((date.fromisoformat(day) for day in self.began.values()), default=None)

    def read_at(self, kind: Kind) -> datetime | None:
        return datetime.fromisoformat(self.read[kind.value]) if kind.value in self.read else None

    def record(self) -> Record:
        return Record(STATE, "progress", asdict(self))


def progress_of(unit: Unit) -> Progress:
    record = unit.get(STATE, "progress")
    return Progress(**record.data) if record else Progress()


class Books:
    """Everything, by key. `put` changes the memory and the database together."""

    def __init__(self, unit: Unit) -> None:
        self.customers = {one.party.number: one for one in map(customer_of, unit.records(CUSTOMER))}
        self.invoices = {one.document.key: one for one in map(invoice_of, unit.records(INVOICE))}
        self.payments = {one.key: one for one in map(receipt_of, unit.records(PAYMENT))}
        self.progress = progress_of(unit)
        self.asked = unit.get(STATE, "asked")
        self.forgotten = {record.key for record in unit.records(FORGOTTEN)}

    def renew(self, unit: Unit, number: str) -> Customer | None:
        """The customer as the database has it now: while we were reading, a person may have linked or erased it."""
        record = unit.get(CUSTOMER, short(number))
        if record is None:
            self.customers.pop(number, None)
            return None
        self.customers[number] = customer_of(record)
        return self.customers[number]

    def put(self, unit: Unit, *things: Customer | Invoice | Receipt) -> None:
        for thing in things:
            unit.put(thing.record())
            if isinstance(thing, Customer):
                self.customers[thing.party.number] = thing
            elif isinstance(thing, Invoice):
                self.invoices[thing.document.key] = thing
            else:
                self.payments[thing.key] = thing

    def drop(self, unit: Unit, *things: Customer | Invoice | Receipt) -> None:
        for thing in things:
            record = thing.record()
            unit.delete(record.kind, record.key)
            if isinstance(thing, Customer):
                del self.customers[thing.party.number]
            elif isinstance(thing, Invoice):
                del self.invoices[thing.document.key]
            else:
                del self.payments[thing.key]

    def advance(self, unit: Unit, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
        unit.put(self.progress.record())

    def ask(self, unit: Unit) -> None:
        """Let the next run look at everything again, whatever the present one does."""
        number = (self.asked.data["number"] if self.asked else 0) + 1
        unit.put(Record(STATE, "asked", {"number": number}))

    def answer(self, unit: Unit) -> None:
        """Take back the wish of the beginning of this run, unless somebody asked again since."""
        if self.asked is not None and unit.get(STATE, "asked") == self.asked:
            unit.delete(STATE, "asked")
        self.asked = None

    def contact_of(self, party: str) -> int | None:
        customer = self.customers.get(party)
        return customer.contact_id if customer else None

    def is_forgotten(self, party: str) -> bool:
        """Whether this customer was erased on request: what files say of it is not taken in."""
        return bool(party) and fingerprint(party) in self.forgotten


class Ledger:
    """Payments and credit notes by the invoice they are for."""

    def __init__(self, invoices: Iterable[Invoice], payments: Iterable[Receipt]) -> None:
        self._payments: dict[str, list[Payment]] = defaultdict(list)
        self._credits: dict[str, list[Document]] = defaultdict(list)
        for one in payments:
            if one.payment.invoice and not one.gone:
                self._payments[one.payment.invoice].append(one.payment)
        for invoice in invoices:
            document = invoice.document
            if document.kind is DocumentKind.CREDIT_NOTE and document.reverses and not invoice.gone:
                self._credits[document.reverses].append(document)

    def standing(self, invoice: Invoice) -> Standing:
        number = invoice.document.number
        return standing(
            invoice.document,
            self._payments.get(number, ()),
            self._credits.get(number, ()),
            paid=invoice.gone == "paid",
        )
