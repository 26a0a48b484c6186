"""Forgetting a contact. The books themselves are kept elsewhere, by law; here only the copy goes."""

from __future__ import annotations

from panel.sdk.context import Record, Unit
from plugins.accounting.books import COLLECTION, CUSTOMER, FORGOTTEN, INVOICE, PAYMENT, Books, customer_of, fingerprint


def erase(unit: Unit, contact_id: int) -> None:
    """Delete the contact's invoices and payments; of the customer only a fingerprint of the number stays, so
    that the next file does not bring the person back. Files in done/ are deleted by their age (setting `keep_days`)."""
    for kind in (INVOICE, PAYMENT, COLLECTION):
        for record in list(unit.records(kind, contact_id=contact_id)):
            unit.delete(kind, record.key)
    for record in list(unit.records(CUSTOMER, contact_id=contact_id)):
        unit.put(Record(FORGOTTEN, fingerprint(customer_of(record).party.number), {}))
        unit.delete(CUSTOMER, record.key)
    # A run under way may be about to store what it read before; the next one then deletes it.
    Books(unit).ask(unit)
