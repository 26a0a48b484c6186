"""Which column of a file is which: names in English, Hebrew and Persian, and the business's own mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from panel.sdk.i18n import N_, translate
from plugins.accounting import words
from plugins.accounting.reading import FileError
from plugins.accounting.values import fold


class Kind(StrEnum):
    """What a file holds. The order is the order of reading: invoices need their customers, payments their invoices."""

    CUSTOMERS = "customers"
    INVOICES = "invoices"
    PAYMENTS = "payments"


@dataclass(frozen=True)
class Column:
    """One thing a row may say. What files call it is in `words.yaml`."""

    name: str
    label: str
    required: bool = False


COLUMNS: dict[Kind, tuple[Column, ...]] = {
    Kind.CUSTOMERS: (
        Column("number", N_("customer number"), True),
        Column("name", N_("name")),
        Column("first_name", N_("first name")),
        Column("last_name", N_("last name")),
        Column("email", N_("e-mail")),
        Column("mobile", N_("mobile phone")),
        Column("phone", N_("phone")),
        Column("tax_id", N_("tax id")),
        Column("reference", N_("number of the contact in the panel")),
        Column("language", N_("language")),
    ),
    Kind.INVOICES: (
        Column("number", N_("invoice number"), True),
        Column("customer", N_("customer number")),
        Column("customer_name", N_("customer name")),
        Column("email", N_("e-mail")),
        Column("mobile", N_("mobile phone")),
        Column("phone", N_("phone")),
        Column("tax_id", N_("tax id")),
        Column("kind", N_("document type")),
        Column("state", N_("state")),
        Column("issued_on", N_("invoice date")),
        Column("due_on", N_("due date")),
        Column("total", N_("total"), True),
        Column("balance", N_("still to pay")),
        Column("paid", N_("already paid")),
        Column("paid_on", N_("payment date")),
        Column("currency", N_("currency")),
        Column("reverses", N_("invoice taken back")),
        Column("link", N_("link to the invoice")),
    ),
    Kind.PAYMENTS: (
        Column("number", N_("payment number")),
        Column("invoice", N_("invoice number")),
        Column("customer", N_("customer number")),
        Column("amount", N_("amount"), True),
        Column("kind", N_("payment type")),
        Column("paid_on", N_("payment date")),
        Column("method", N_("means of payment")),
        Column("currency", N_("currency")),
    ),
}
_IN_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")


def kind_of(file_name: str, own_names: Mapping[str, str]) -> Kind | None:
    """What a file holds, by how its name begins. `own_names` maps a kind to the business's own beginnings, by comma."""
    folded = fold(file_name)
    best: tuple[int, Kind] | None = None
    for kind in Kind:
        for name in [*words.split(own_names.get(kind.value, "")), *words.file_names(kind.value)]:
            if folded.startswith(name) and (best is None or len(name) > best[0]):
                best = (len(name), kind)
    return best[1] if best else None


def guess(header: Sequence[Any], kind: Kind, mapping: Mapping[str, str]) -> dict[str, int]:
    """Positions by column name. `mapping` (our name -> the file's header) goes before every guess.

    A header that means two of our columns goes to the one that is declared first and still free.
    """
    folded = [fold(cell) for cell in header]
    found: dict[str, int] = {}
    taken: set[int] = set()
    for said, written in mapping.items():
        name = _column_called(said, kind)
        if name and (wanted := fold(written)) in folded:
            found[name] = folded.index(wanted)
            taken.add(folded.index(wanted))
    bare = [fold(_IN_BRACKETS.sub("", str(cell))) or folded[i] for i, cell in enumerate(header)]
    for column in COLUMNS[kind]:
        if column.name in found:
            continue
        names = words.headers(kind.value, column.name)
        for position, (whole, short) in enumerate(zip(folded, bare, strict=True)):
            if position not in taken and (whole in names or short in names):
                found[column.name] = position
                taken.add(position)
                break
    return found


def _column_called(said: str, kind: Kind) -> str | None:
    """Our column by its name or its label in any of the panel's languages; None when there is no such column."""
    wanted = fold(said)
    for column in COLUMNS[kind]:
        labels = {fold(column.name), *(fold(translate(language, column.label)) for language in ("en", "he", "fa"))}
        if wanted in labels:
            return column.name
    return None


def unknown_columns(mapping: Mapping[str, str], kind: Kind) -> list[str]:
    """What the business's own mapping names and no column is called."""
    return [said for said in mapping if _column_called(said, kind) is None]


def score(cells: Sequence[Any], kind: Kind, mapping: Mapping[str, str]) -> int:
    """How many columns a row would name as a header; rows of numbers name none."""
    return len(guess([cell if isinstance(cell, str) else "" for cell in cells], kind, mapping))


def check_required(found: Mapping[str, int], header: Sequence[Any], kind: Kind) -> None:
    """Raise FileError when a column is missing without which the file says nothing."""
    missing = [column.label for column in COLUMNS[kind] if column.required and column.name not in found]
    if kind is Kind.CUSTOMERS and not {"name", "email", "phone", "mobile"} & set(found):
        missing.append(N_("name"))
    if kind is Kind.PAYMENTS and not {"invoice", "customer"} & set(found):
        missing.append(N_("invoice number"))
    if missing:
        raise FileError(
            "columns",
            N_("no column for: %(missing)s. The file has: %(header)s"),
            missing=missing,
            header=[str(cell).strip()[:40] for cell in header if str(cell).strip()][:30],
        )
