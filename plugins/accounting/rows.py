"""One row of a file as a customer, an invoice or a payment."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from panel.sdk.i18n import N_
from plugins.accounting import words
from plugins.accounting.model import Document, DocumentKind, Money, Party, Payment, PaymentKind, PrecisionError, State
from plugins.accounting.values import Calendar, CellError, DecimalMark, Order, clean, code, day, fold, number

MAX_KEY = 120


@dataclass(frozen=True)
class Habits:
    """How this business's files are written. `factor` 10: amounts without a word are in tomans, kept as rials."""

    currency: str = "ILS"
    factor: int = 1
    mark: DecimalMark = "."
    order: Order = "dmy"
    calendar: Calendar = "auto"
    state_words: Mapping[str, str] = field(default_factory=dict)


Cells = Mapping[str, Any]


def customer(cells: Cells, habits: Habits) -> Party:
    """A row of a customers file. Raises CellError when there is nothing to know the customer by."""
    key = _key(cells, "number", N_("the customer number is missing"))
    name, last = clean(cells.get("name")), clean(cells.get("last_name"))
    first = clean(cells.get("first_name"))
    if last and not first:  # a file with a name and a family name means the given name by "name"
        first, name = name, ""
    return Party(
        number=key,
        name=(name or f"{first} {last}".strip())[:300],
        first_name=first[:150],
        last_name=last[:150],
        email=_email(cells),
        phone=_phone(cells),
        tax_id=code(cells.get("tax_id"))[:60],
        reference=code(cells.get("reference"))[:120],
        language=_language(cells.get("language")),
    )


def customer_of_invoice(cells: Cells) -> Party | None:
    """The customer that an invoice's row describes, when there is no customers file. None when it describes nobody."""
    name = clean(cells.get("customer_name"))
    email, phone, tax_id = _email(cells), _phone(cells), code(cells.get("tax_id"))[:60]
    key = code(cells.get("customer")) or tax_id or email or phone or name
    if not key:
        return None
    if not name and not key.isascii():
        name = key
    return Party(number=key[:MAX_KEY], name=name[:300], email=email, phone=phone, tax_id=tax_id)


def invoice(cells: Cells, habits: Habits) -> Document | None:
    """A row of an invoices file; None for a document that is no invoice (a receipt). Raises CellError."""
    key = _key(cells, "number", N_("the invoice number is missing"))
    kind, state = _kind(cells.get("kind"))
    if kind is DocumentKind.RECEIPT:
        return None
    unit = _unit_beside(cells.get("total")) or _unit(cells, habits)
    total = _money(cells, "total", habits, unit)
    if total is None:
        raise CellError(N_("the total is missing"))
    if total.minor < 0 and kind in (DocumentKind.INVOICE, DocumentKind.INVOICE_RECEIPT):
        kind = DocumentKind.CREDIT_NOTE
    balance = _money(cells, "balance", habits, unit)
    if balance is None and (paid := _paid(cells, habits, unit)) is not None:
        _same_currency(total, paid)
        balance = Money(max(abs(total.minor) - abs(paid.minor), 0), total.currency)
    if balance is not None:
        _same_currency(total, balance)
    found = _state(cells.get("state"), habits)
    if state is State.DRAFT or found is None:
        found = state
    if found is State.OPEN and balance is None and _is_paid_word(cells.get("paid"), habits):
        found = State.PAID
    party = customer_of_invoice(cells)
    return Document(
        number=key,
        party=party.number if party else "",
        total=Money(abs(total.minor), total.currency),
        kind=kind,
        state=found,
        # A negative balance is a credit of the customer's, not a debt.
        balance=None if balance is None else Money(max(balance.minor, 0), total.currency),
        issued_on=_day(cells, "issued_on", habits),
        due_on=_day(cells, "due_on", habits),
        paid_on=_day(cells, "paid_on", habits),
        reverses=code(cells.get("reverses"))[:MAX_KEY],
        link=_link(cells.get("link")),
    )


def payment(cells: Cells, habits: Habits) -> Payment:
    """A row of a payments file. Without a number of its own the caller must give it one. Raises CellError."""
    amount = _money(cells, "amount", habits, _unit(cells, habits))
    if amount is None:
        raise CellError(N_("the amount is missing"))
    is_refund = fold(cells.get("kind")) in words.refunds() or amount.minor < 0
    invoice_number, party = code(cells.get("invoice")), code(cells.get("customer"))
    if not invoice_number and not party:
        raise CellError(N_("neither an invoice number nor a customer number"))
    return Payment(
        number=code(cells.get("number"))[:MAX_KEY],
        amount=Money(abs(amount.minor), amount.currency),
        kind=PaymentKind.REFUND if is_refund else PaymentKind.PAYMENT,
        party=party[:MAX_KEY],
        invoice=invoice_number[:MAX_KEY],
        paid_on=_day(cells, "paid_on", habits),
        method=clean(cells.get("method"))[:60],
    )


def _key(cells: Cells, name: str, missing: str) -> str:
    key = code(cells.get(name))
    if not key:
        raise CellError(missing)
    if len(key) > MAX_KEY:
        raise CellError(N_("“%(value)s…” is too long for a number"), value=key[:30])
    return key


def _email(cells: Cells) -> str:
    text = clean(cells.get("email")).removeprefix("mailto:").split(";")[0].split(",")[0].strip()
    return text[:320] if "@" in text else ""


def _phone(cells: Cells) -> str:
    text = clean(cells.get("mobile")) or clean(cells.get("phone"))
    return text[:60] if sum(c.isdigit() for c in text) >= 6 else ""


def _language(value: Any) -> str:
    return words.languages().get(fold(value).split(" ")[0], "") if value else ""


def _link(value: Any) -> str:
    text = clean(value)
    return text[:500] if re.match(r"https?://[^\s<>\"]+$", text) else ""


def _day(cells: Cells, name: str, habits: Habits) -> date | None:
    value = cells.get(name)
    if isinstance(value, str) and not value.strip(" -/.0"):  # some programs write 00/00/0000 for "none"
        return None
    return None if value in ("", None) else day(value, habits.order, habits.calendar)


Unit = tuple[str, int]  # the currency, and how many of its main unit one of the written amount makes


def _money(cells: Cells, name: str, habits: Habits, unit: Unit) -> Money | None:
    """An amount; a currency word beside the number goes before `unit`."""
    value = cells.get(name)
    if _is_blank(value):
        return None
    amount = number(value, habits.mark)
    currency, factor = _unit_beside(value) or unit
    try:
        return Money.of(amount * factor, currency, rounded=isinstance(value, float))
    except PrecisionError:
        raise CellError(
            N_("“%(value)s” does not fit %(currency)s; is the decimal mark “%(mark)s” of the settings right?"),
            value=clean(value),
            currency=currency,
            mark=habits.mark,
        ) from None


def _is_blank(value: Any) -> bool:
    return value in ("", None) or (isinstance(value, str) and not clean(value).strip("-– "))


def _unit(cells: Cells, habits: Habits) -> Unit:
    """What the row's amounts are in: its currency column, else the settings."""
    return _currency_word(clean(cells.get("currency"))) or (habits.currency, habits.factor)


def _unit_beside(value: Any) -> Unit | None:
    if not isinstance(value, str):
        return None
    # A word or a sign; digits, marks and whatever else is wrong with the cell are `number`'s business.
    word = "".join(c for c in clean(value) if c in " \"'״׳" or unicodedata.category(c)[0] == "L" or _is_sign(c))
    return _currency_word(word.strip(" \"'״׳"))


def _is_sign(character: str) -> bool:
    return unicodedata.category(character) == "Sc"


def _same_currency(one: Money, other: Money) -> None:
    if one.currency != other.currency:
        raise CellError(N_("two currencies in one row: %(one)s and %(other)s"), one=one.currency, other=other.currency)


def _currency_word(word: str) -> Unit | None:
    if not word:
        return None
    folded = fold(word)
    if folded in words.currencies():
        return words.currencies()[folded]
    if re.fullmatch(r"[a-z]{3}", folded):
        return folded.upper(), 1
    raise CellError(N_("“%(word)s” is not a currency known here; write its three letters, such as EUR"), word=word[:40])


def _paid(cells: Cells, habits: Habits, unit: Unit) -> Money | None:
    """The sum in the "paid" column; None when it holds a word or a tick instead."""
    value = cells.get("paid")
    if isinstance(value, bool) or (isinstance(value, str) and fold(value) in words.meanings("states")):
        return None
    return _money(cells, "paid", habits, unit)


def _is_paid_word(value: Any, habits: Habits) -> bool:
    if isinstance(value, bool):
        return value
    return isinstance(value, str) and _state(value, habits) is State.PAID


def _state(value: Any, habits: Habits) -> State | None:
    folded = fold(value)
    if not folded:
        return None
    for word, meaning in habits.state_words.items():
        if fold(word) == folded:
            return State(meaning)
    if folded not in words.meanings("states"):
        raise CellError(
            N_("the state “%(word)s” is not known; say in the settings what it means"), word=clean(value)[:40]
        )
    return State(words.meanings("states")[folded])


def _kind(value: Any) -> tuple[DocumentKind, State]:
    folded = fold(value)
    if not folded:
        return DocumentKind.INVOICE, State.OPEN
    found = words.meanings("documents").get(folded)
    if found is None:
        raise CellError(N_("the document type “%(word)s” is not known"), word=clean(value)[:40])
    if found == State.DRAFT:
        return DocumentKind.INVOICE, State.DRAFT
    return DocumentKind(found), State.OPEN


def amount_of(value: str) -> Decimal:
    """An amount written in a journey ("50", "۱۲۰۰"): always with a point."""
    return number(value, ".")
