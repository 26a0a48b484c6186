"""A blocked address stays blocked, whichever way and in whichever spelling it comes back."""

from __future__ import annotations

import random

from sqlalchemy import select

from panel.consent import operations, queries
from panel.contacts.addresses import parse_email
from panel.contacts.models import Contact
from panel.contacts.operations import add_address, create_contact, merge, remove_address
from panel.db import writing
from panel.sdk.context import NewContact
from tests.imports.conftest import csv_of

DOMAINS = ("gmail.com", "googlemail.com", "shop.co.il", "bücher.de", "חברה.co.il")
CONSENT = {"channels": "email", "source": "form", "date": "2026-01-01", "wording": "yes"}


def respelt(address: str, chance: random.Random) -> str:
    """The same mailbox, written in another way."""
    local, _, domain = address.partition("@")
    if domain in ("gmail.com", "googlemail.com"):
        at = chance.randint(1, len(local) - 1)
        local = f"{local[:at]}.{local[at:]}" if local[at] != "." and local[at - 1] != "." else local
        domain = chance.choice(("gmail.com", "googlemail.com"))
    else:
        domain = chance.choice((domain, domain.encode("idna").decode(), domain.upper()))
    if chance.random() < 0.5:
        local += f"+tag{chance.randint(1, 99)}"
    return f"{local.upper() if chance.random() < 0.5 else local}@{domain}"


def test_not_one_of_a_thousand_is_reached_again(run, session):
    chance = random.Random(7)
    addresses = [f"person.{n}@{DOMAINS[n % len(DOMAINS)]}" for n in range(1000)]
    with writing() as writer:
        for n, address in enumerate(addresses):
            reason = ("unsubscribed", "complained", "manual", "legal")[n % 4]
            operations.suppress(writer, ("email", "*")[n % 2], parse_email(address).value, reason)
    rows = [["name", "email"], *[[f"Person {n}", respelt(address, chance)] for n, address in enumerate(addresses)]]
    task = run(csv_of(rows), rules={"consent": CONSENT})
    assert (task.created_count, task.error_count) == (1000, 0)
    ids = list(session.scalars(select(Contact.id)))
    assert len(ids) == 1000
    assert queries.can_reach_many(session, ids, "email", "email", "marketing") == set()
    bounded = [one for n, one in enumerate(ids) if n % 4]
    assert queries.can_reach_many(session, bounded, "email", "email", "service") == set()


def test_neither_a_merge_nor_taking_it_off_and_adding_it_again_helps(app, session):
    with writing() as writer:
        first = create_contact(writer, NewContact(name="דנה", emails=["dana@shop.co.il"]), how="manual")
        second = create_contact(writer, NewContact(name="Dana", phones=["0521234567"]), how="manual")
        operations.opt_in(writer, first, "email", how="form")
        operations.opt_in(writer, second, "email", how="form")
        operations.suppress(writer, "email", "dana@shop.co.il", "complained", contact_id=first)
        merge(writer, second, first)
        remove_address(writer, second, "email", "dana@shop.co.il")
        add_address(writer, second, "email", "Dana+new@Shop.co.il")
    assert queries.can_reach_many(session, [second], "email", "email", "service") == set()
