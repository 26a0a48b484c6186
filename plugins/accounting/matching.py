"""Which contact a customer of the books is. Exactly one, or a person decides; names alone never link."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from panel.sdk.context import NewContact, Unit
from panel.sdk.i18n import N_
from plugins.accounting.model import Party

Outcome = Literal["linked", "ambiguous", "unmatched"]

RULES = {
    "reference": N_("by the panel's number"),
    "tax_id": N_("by tax id"),
    "email": N_("by e-mail"),
    "phone": N_("by phone"),
    "created": N_("contact made from the books"),
    "person": N_("linked by hand"),
}


@dataclass(frozen=True)
class Hit:
    rule: str
    contacts: Sequence[int]


@dataclass(frozen=True)
class Decision:
    """`rule` says what found the contact; `candidates` are those a person must choose from."""

    outcome: Outcome
    contact_id: int | None = None
    rule: str = ""
    candidates: tuple[int, ...] = ()


def decide(hits: Sequence[Hit], linked_elsewhere: Container[int] = ()) -> Decision:
    """Choose from what each rule found, in the order of the rules.

    The reference is the panel's own number and was written down on purpose: it decides alone. Otherwise all rules
    must point at the same contact. An address shared by a family, or an office's info@, must not put two customers'
    invoices on one card: when only e-mail or phone found a contact that has a customer already (`linked_elsewhere`),
    a person is asked.
    """
    for hit in hits:
        if hit.rule == "reference" and len(set(hit.contacts)) == 1:
            return Decision("linked", hit.contacts[0], "reference")
    found: dict[int, str] = {}
    for hit in hits:
        for contact_id in hit.contacts:
            found.setdefault(contact_id, hit.rule)
    if not found:
        return Decision("unmatched")
    if len(found) > 1:
        return Decision("ambiguous", candidates=tuple(found))
    contact_id, rule = next(iter(found.items()))
    if rule in ("email", "phone") and contact_id in linked_elsewhere:
        return Decision("ambiguous", candidates=(contact_id,))
    return Decision("linked", contact_id, rule)


def find(unit: Unit, party: Party, *, tax_id_field: str, number_is_reference: bool) -> list[Hit]:
    """Ask the panel by each rule, in order."""
    hits = []
    reference = party.reference or (party.number if number_is_reference else "")
    if reference:
        hits.append(Hit("reference", unit.find_contacts(reference=reference)))
    if party.tax_id and tax_id_field:
        digits = "".join(c for c in party.tax_id if c.isdigit())
        writings = dict.fromkeys(one for one in (party.tax_id, digits) if one)
        hits.append(Hit("tax_id", [id_ for one in writings for id_ in unit.find_contacts(field=(tax_id_field, one))]))
    if party.email:
        hits.append(Hit("email", unit.find_contacts(email=party.email)))
    if party.phone:
        hits.append(Hit("phone", unit.find_contacts(phone=party.phone)))
    return hits


def new_contact(party: Party, *, number_is_reference: bool) -> NewContact | None:
    """The contact to make of a customer, without any consent; None when there is nothing to call or reach it by."""
    if not (party.name or party.email or party.phone):
        return None
    return NewContact(
        name=party.name,
        first_name=party.first_name,
        last_name=party.last_name,
        emails=[party.email] if party.email else [],
        phones=[party.phone] if party.phone else [],
        reference=party.reference or (party.number if number_is_reference else None),
        language=party.language or None,
    )


def link_of(data: Mapping[str, Any]) -> Decision:
    """A decision as it is kept in a customer's record."""
    link = data.get("link") or {}
    return Decision(
        link.get("outcome", "unmatched"), link.get("contact"), link.get("rule", ""), tuple(link.get("candidates", ()))
    )


def link_data(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = {"outcome": decision.outcome}
    if decision.contact_id is not None:
        found |= {"contact": decision.contact_id, "rule": decision.rule}
    if decision.candidates:
        found["candidates"] = list(decision.candidates)
    return found
