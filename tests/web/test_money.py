"""Amounts are for those who have the right: no page of a contact tells a supporter what she paid or owes."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact
from panel.db import writing
from panel.timeline.operations import record
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")
AMOUNT = "7319"


@pytest.fixture
def contact(app) -> tuple[int, str]:
    now = clock.now()
    with writing() as session:
        id_ = make_contact(session, now, "en")
        operations.create_field(session, "balance", "money", labels={"en": "Balance"}, now=now)
        operations.set_field(session, id_, "balance", "7319.40", now=now)
        for kind, data in (
            ("order_paid", {"amount": "7319.50", "currency": "ILS"}),
            ("accounting.invoice_issued", {"invoice_number": "44", "amount": "7319.60", "amount_due": "7319.60"}),
            ("somebody.elses", {"amount": 7319.7, "deep": {"total": "7319.80"}}),
        ):
            record(session, contact_id=id_, kind=kind, occurred_at=now, data=data, source="test")
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


@pytest.mark.parametrize(
    ("role", "sees"), [("owner", True), ("marketing", True), ("support", False), ("viewer", False)]
)
def test_amounts_are_on_the_pages_of_those_who_may_see_them_only(logged_in, contact, role, sees):
    person = logged_in(role)
    id_, public_id = contact
    pages = [f"/admin/contact/{public_id}", f"/admin/contact/{public_id}/why"]
    pages += [f"/admin/contacts/edit/?id={id_}"] if role != "viewer" else []
    for url in pages:
        text = person.text(url).replace(",", "")
        if url == pages[0]:
            places = [text[one.start() - 150 : one.end() + 20] for one in re.finditer(AMOUNT, text)]
            assert bool(places) is sees, places
            assert ("does not see amounts" in text) is not sees
        elif not sees:
            assert AMOUNT not in text, url
    if role == "support":
        assert person.get(f"/admin/card-edit/{public_id}/field/balance").status_code == 403
        token = person.token(f"/admin/contact/{public_id}")
        answer = person.client.post(
            f"/admin/card-edit/{public_id}/field/balance", data={"csrf_token": token, "value": "1", "was": "7319.40"}
        )
        assert answer.status_code == 403
