"""Forgetting a contact. The books themselves are kept elsewhere, by law; here only the copy goes."""

from __future__ import annotations

from dataclasses import replace

from panel.sdk.context import Unit
from plugins.accounting.books import COLLECTION, CUSTOMER, INVOICE, PAYMENT, customer_of
from plugins.accounting.matching import Decision
from plugins.accounting.model import Party


def erase(unit: Unit, contact_id: int) -> None:
    """Delete the contact's invoices and payments; of the customer only the number stays, so that the next full list
    does not bring the person back. Files in done/ are deleted by their age (see the setting `keep_days`)."""
    for kind in (INVOICE, PAYMENT, COLLECTION):
        for record in list(unit.records(kind, contact_id=contact_id)):
            unit.delete(kind, record.key)
    for record in list(unit.records(CUSTOMER, contact_id=contact_id)):
        customer = customer_of(record)
        bare = replace(
            customer, party=Party(customer.party.number), link=Decision("unmatched"), erased=True, origin="", problem=""
        )
        unit.put(bare.record())
