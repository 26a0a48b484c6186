"""Looking at the books as a whole: which contact each customer is, and what the timelines must be told.

It compares and tells what is missing, so it can stop anywhere and start again. It runs after files were read, when the
business's day changes (an invoice becomes overdue by time alone), and when the settings of linking changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TypeVar

from panel.sdk.context import NewContact, PluginContext, Record, Unit
from panel.sdk.errors import UserError
from panel.sdk.i18n import N_
from plugins.accounting.books import Books, Customer, Invoice, Ledger, Progress, Receipt, short
from plugins.accounting.columns import Kind
from plugins.accounting.events import ISSUED, PAID, RECEIVED, Fact, Told, invoice_facts, payment_fact
from plugins.accounting.matching import Decision, decide, find, new_contact
from plugins.accounting.settings import Options

CHUNK = 50  # customers or invoices per writing transaction: others wait for less than a second
T = TypeVar("T")


def is_due(progress: Progress, asked: Record | None, options: Options, today: date) -> bool:
    """Whether anything can have changed since the last look. Before the first file there is nothing to look at."""
    if not progress.read:
        return False
    is_asked = progress.pending or asked is not None
    return is_asked or progress.swept_on != today.isoformat() or progress.stamp != options.linking_stamp()


def sweep(ctx: PluginContext, options: Options, books: Books) -> None:
    """Link customers, tell what is new, and close the first import of each kind that was read."""
    now = ctx.now()
    today = now.astimezone(options.zone).date()
    _forget(ctx, books)
    _link(ctx, options, books)
    stale = _is_stale(options, books, now)
    teller = _Teller(options, books, now, today)
    _tell_invoices(ctx, books, teller, stale)
    _tell_payments(ctx, books, teller)
    began = {kind: today.isoformat() for kind in books.progress.read} | dict(books.progress.began)
    with ctx.unit() as unit:
        books.advance(unit, pending=False, swept_on=today.isoformat(), stamp=options.linking_stamp(), began=began)
        books.answer(unit)
        _report(unit, options, books, stale)


def _forget(ctx: PluginContext, books: Books) -> None:
    """Delete what a run that was under way stored of somebody who was erased in the meantime."""
    if not books.forgotten:
        return
    customers = [one for number, one in books.customers.items() if books.is_forgotten(number)]
    invoices = [one for one in books.invoices.values() if books.is_forgotten(one.document.party)]
    numbers = {one.document.number for one in invoices}
    payments = [
        one
        for one in books.payments.values()
        if books.is_forgotten(one.payment.party) or one.payment.invoice in numbers
    ]
    if customers or invoices or payments:
        with ctx.unit() as unit:
            books.drop(unit, *customers, *invoices, *payments)


# Customers and contacts


def _link(ctx: PluginContext, options: Options, books: Books) -> None:
    waiting = [number for number, one in books.customers.items() if one.link.outcome != "linked" and not one.gone]
    taken = Counter(one.contact_id for one in books.customers.values() if one.contact_id)
    for chunk in _chunks(waiting):
        with ctx.unit() as unit:
            for number in chunk:
                before = books.renew(unit, number)
                if before is None or before.link.outcome == "linked":
                    continue
                after = _linked(unit, options, books, before, taken)
                if after != before:
                    books.put(unit, after)
                    if after.contact_id:
                        taken[after.contact_id] += 1


def _linked(unit: Unit, options: Options, books: Books, customer: Customer, taken: Container[int]) -> Customer:
    hits = find(
        unit,
        customer.party,
        tax_id_field=options.tax_id_field,
        number_is_reference=options.number_is_reference,
    )
    decision = decide(hits, taken)
    problem = ""
    if decision.outcome == "unmatched" and options.creates_contacts:
        decision, problem = _create(unit, options, books, customer)
    return replace(customer, link=decision, problem=problem)


def _create(unit: Unit, options: Options, books: Books, customer: Customer) -> tuple[Decision, str]:
    contact = new_contact(customer.party, number_is_reference=options.number_is_reference)
    if contact is None:
        return Decision("unmatched"), ""
    source = Kind.INVOICES if customer.implicit else Kind.CUSTOMERS
    detail = {"file": customer.origin.rpartition(":")[0], "row": customer.origin.rpartition(":")[2]}
    problem = ""
    # An address that cannot be read must not keep the customer, and with it the invoices, out of the panel.
    for attempt in _attempts(contact):
        try:
            contact_id = unit.create_contact(
                attempt,
                how="plugin:accounting",
                detail=detail,
                starts_journeys=not books.progress.is_first(source),
            )
        except UserError as error:
            problem = problem or error.words(options.language)
        else:
            return Decision("linked", contact_id, "created"), problem
    return Decision("unmatched"), problem


def _attempts(contact: NewContact) -> Iterator[NewContact]:
    yield contact
    if contact.emails and (contact.name or contact.phones):
        yield replace(contact, emails=[])
    if contact.phones and (contact.name or contact.emails):
        yield replace(contact, phones=[])
    if contact.name and contact.emails and contact.phones:
        yield replace(contact, emails=[], phones=[])


# The timelines


@dataclass
class _Teller:
    """Writes facts on a contact's timeline, as history or as news."""

    options: Options
    books: Books
    now: datetime
    today: date

    def __post_init__(self) -> None:
        progress = self.books.progress
        self._silent = {kind for kind in Kind if progress.is_first(kind)}
        self._from = self.options.events_from or progress.first_day or self.today

    def tell(self, unit: Unit, contact_id: int, facts: Iterable[Fact], *, live: bool) -> bool:
        """Record `facts`; `live` when journeys may run on this invoice. Returns whether it is live now."""
        for place, fact in enumerate(facts):
            is_news = self._is_news(fact, live)
            live = live or is_news
            unit.record_event(
                contact_id,
                fact.kind,
                occurred_at=self._moment(fact, is_news, place),
                data={name: value for name, value in fact.data.items() if value != ""},
                external_id=fact.external_id[:200],
                starts_journeys=is_news,
            )
        return live

    def _is_news(self, fact: Fact, live: bool) -> bool:
        """The first file of a kind is history, all of it; so is what the books date before the day of the settings.
        Only a payment of a live invoice is news whatever file it comes in: it must stop the reminders at once."""
        if live and fact.learnt:
            return True
        sources = {Kind.PAYMENTS} if fact.kind == RECEIVED else {Kind.INVOICES}
        if fact.kind == PAID and self.books.payments:
            sources.add(Kind.PAYMENTS)
        if sources & self._silent:
            return False
        on = self.today if fact.learnt or fact.on is None else fact.on
        return on >= self._from

    def _moment(self, fact: Fact, is_news: bool, place: int) -> datetime:
        """History has the day of the books. News has the moment we learnt it, except an invoice's own date.

        A journey that began yesterday looks for what happened since: a payment of Monday that the books tell us on
        Thursday must come after. And an invoice that is overdue again, after a cheque came back, must come after the
        payment that ended its last reminders; `place` keeps the order of what is told together.
        """
        if fact.on is None or (is_news and fact.kind != ISSUED):
            return self.now + timedelta(microseconds=place)
        return min(datetime.combine(fact.on, time(), tzinfo=self.options.zone), self.now)


def _tell_invoices(ctx: PluginContext, books: Books, teller: _Teller, stale: bool) -> None:
    ledger = Ledger(books.invoices.values(), books.payments.values())

    def compare() -> Iterator[tuple[Invoice, list[Fact]]]:
        for invoice in list(books.invoices.values()):
            contact_id = books.contact_of(invoice.document.party)
            facts: list[Fact] = []
            told: Told = invoice.told
            if contact_id is not None:
                facts, told = invoice_facts(
                    invoice.document,
                    ledger.standing(invoice),
                    invoice.told,
                    today=teller.today,
                    gone=invoice.gone,
                    stale=stale,
                )
            after = replace(invoice, told=told, contact_id=contact_id)
            if facts or after != invoice:
                yield after, facts

    for chunk in _chunks(compare()):
        with ctx.unit() as unit:
            for invoice, facts in chunk:
                if invoice.contact_id is not None and facts:
                    live = teller.tell(unit, invoice.contact_id, facts, live=invoice.told.live)
                    invoice = replace(invoice, told=replace(invoice.told, live=live))
                books.put(unit, invoice)


def _tell_payments(ctx: PluginContext, books: Books, teller: _Teller) -> None:
    def compare() -> Iterator[tuple[Receipt, Fact | None]]:
        for receipt in list(books.payments.values()):
            invoice = books.invoices.get(receipt.payment.invoice)
            # Whoever paid, the money is for the invoice's customer.
            contact_id = books.contact_of(invoice.document.party if invoice else receipt.payment.party)
            fact = None
            if contact_id is not None and not receipt.told and not receipt.gone:
                fact = payment_fact(receipt.payment, short(receipt.key))
            after = replace(receipt, contact_id=contact_id, told=receipt.told or fact is not None)
            if after != receipt:
                yield after, fact

    for chunk in _chunks(compare()):
        with ctx.unit() as unit:
            for receipt, fact in chunk:
                if fact is not None and receipt.contact_id is not None:
                    invoice = books.invoices.get(receipt.payment.invoice)
                    teller.tell(unit, receipt.contact_id, [fact], live=invoice is not None and invoice.told.live)
                books.put(unit, receipt)


# What people must know


def _is_stale(options: Options, books: Books, now: datetime) -> bool:
    at = books.progress.read_at(Kind.INVOICES)
    return bool(options.stale_days) and at is not None and now - at > timedelta(days=options.stale_days)


def _report(unit: Unit, options: Options, books: Books, stale: bool) -> None:
    at = books.progress.read_at(Kind.INVOICES)
    if stale and at is not None:
        unit.raise_issue(
            "stale",
            N_(
                "The newest invoices file is of %(day)s. Until a newer one comes, no invoice is called overdue:"
                " it may have been paid."
            ),
            day=at.astimezone(options.zone).date().isoformat(),
        )
    else:
        unit.resolve_issue("stale")
    ambiguous = sum(one.link.outcome == "ambiguous" for one in books.customers.values() if not one.gone)
    if ambiguous:
        unit.raise_issue(
            "ambiguous",
            N_("%(n)s customers of the books may be more than one contact. Choose on the plugin's page."),
            n=ambiguous,
        )
    else:
        unit.resolve_issue("ambiguous")


def _chunks(things: Iterable[T]) -> Iterator[list[T]]:
    source = iter(things)
    while chunk := list(islice(source, CHUNK)):
        yield chunk
