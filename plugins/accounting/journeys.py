"""What journeys may ask of the books and do with them: a condition, an action, a ready-made journey."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from panel.sdk.context import PluginContext, Record, Unit
from panel.sdk.declarations import ActionType, Blueprint, ConditionType
from panel.sdk.i18n import N_
from panel.sdk.settings import SettingField
from plugins.accounting.books import COLLECTION, INVOICE, PAYMENT, Ledger, invoice_of, receipt_of
from plugins.accounting.hotfolder import harmless
from plugins.accounting.model import DocumentKind, State
from plugins.accounting.rows import amount_of
from plugins.accounting.settings import options

_BLUEPRINT = Path(__file__).with_name("overdue_invoice.yaml")
_HEADER = ("key", "day", "invoice", "contact", "note")

_CURRENCY = SettingField("currency", N_("Currency"), help=N_("Empty: the currency of the plugin's settings."), ltr=True)


def conditions(ctx: PluginContext) -> list[ConditionType]:
    def over(unit: Unit, contact_ids: Sequence[int], settings: Mapping[str, Any]) -> set[int]:
        found = options(ctx)
        currency = str(settings.get("currency") or found.habits.currency).upper()
        least = amount_of(str(settings.get("amount") or "0"))
        return {one for one in contact_ids if open_balance(unit, one).get(currency, Decimal(0)) > least}

    return [
        ConditionType(
            "accounting.balance_over",
            N_("Owes more than"),
            N_("owes us more than %(amount)s"),
            over,
            (SettingField("amount", N_("Amount"), required=True, default="0", ltr=True), _CURRENCY),
        )
    ]


def open_balance(unit: Unit, contact_id: int) -> dict[str, Decimal]:
    """What a contact still has to pay, by currency. Sums of different currencies are never added."""
    invoices = [invoice_of(record) for record in unit.records(INVOICE, contact_id=contact_id)]
    ledger = Ledger(invoices, (receipt_of(record) for record in unit.records(PAYMENT, contact_id=contact_id)))
    found: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        document = invoice.document
        is_debt = document.kind in (DocumentKind.INVOICE, DocumentKind.INVOICE_RECEIPT) and not invoice.gone
        if is_debt and document.state not in (State.CANCELLED, State.DRAFT):
            found[document.total.currency] += ledger.standing(invoice).balance.value
    return dict(found)


def actions(ctx: PluginContext) -> list[ActionType]:
    def mark(key: str, contact_id: int, settings: Mapping[str, Any]) -> None:
        mark_for_collection(ctx, key, contact_id, settings)

    return [
        ActionType(
            "accounting.mark_for_collection",
            N_("Mark for collection"),
            N_("marks invoice %(invoice)s for collection"),
            mark,
            (
                SettingField("invoice", N_("Invoice number"), required=True, ltr=True),
                SettingField("note", N_("Note")),
            ),
            idempotent=True,
        )
    ]


def mark_for_collection(ctx: PluginContext, key: str, contact_id: int, settings: Mapping[str, Any]) -> None:
    """Add a line to out/collection.csv, once per `key`, for the accounting software or the bookkeeper to take.

    The file may be taken away at any time: then a new one begins. The record is written first and the line before the
    transaction ends, so a crash between the two can repeat the line, never lose it; the key in it tells.
    """
    found = options(ctx)
    day = ctx.now().astimezone(found.zone).date().isoformat()
    line = (key, day, settings.get("invoice", ""), contact_id, settings.get("note", ""))
    with ctx.unit() as unit:
        if unit.get(COLLECTION, key[:200]) is not None:
            return
        data = {"invoice": str(settings.get("invoice", "")), "day": day}
        unit.put(Record(COLLECTION, key[:200], data, contact_id=contact_id))
        out = found.root / "out"
        out.mkdir(parents=True, exist_ok=True)
        path = out / "collection.csv"
        is_new = not path.exists()
        with path.open("a", encoding="utf-8-sig" if is_new else "utf-8", newline="") as stream:
            writer = csv.writer(stream)
            if is_new:
                writer.writerow(_HEADER)
            writer.writerow([harmless(cell) for cell in line])


def blueprints() -> list[Blueprint]:
    return [Blueprint("accounting.overdue_invoice", _BLUEPRINT.read_text(encoding="utf-8"))]
