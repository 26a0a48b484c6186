"""Two people, or one impatient one, do the same at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from panel.consent.models import Consent
from panel.consent.operations import opt_out
from panel.contacts import operations
from panel.contacts.models import Contact, FieldValue, Tag
from panel.db import writing
from panel.sdk.context import NewContact
from panel.timeline.models import Event


@pytest.fixture
def together(app):
    def run(do: Callable[[object], object], times: int = 6) -> list[BaseException]:
        failures: list[BaseException] = []
        ready = threading.Barrier(times)

        def one() -> None:
            with app.app_context():
                try:
                    ready.wait(20)
                    with writing() as session:
                        do(session)
                except BaseException as error:
                    failures.append(error)

        threads = [threading.Thread(target=one) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return failures

    return run


def test_one_customer_number_is_one_contact(together, session):
    new = NewContact(name="דנה", reference="1001", emails=["dana@shop.co.il"])
    assert together(lambda writer: operations.create_contact(writer, new, how="api")) == []
    assert session.scalar(select(func.count()).select_from(Contact)) == 1
    assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "contact_created")) == 1


def test_refusing_twice_is_one_refusal(together, session, make_contact):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    session.commit()
    refuse = lambda writer: opt_out(writer, contact_id, "email", how="one_click", address="dana@shop.co.il")  # noqa: E731
    assert together(refuse) == []
    assert session.scalar(select(func.count()).select_from(Consent)) == 1
    assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "opted_out")) == 1


def test_a_new_tag_and_a_value_are_made_once(together, session, make_contact):
    ids = [make_contact(name=f"Person {n}") for n in range(20)]
    operations.create_field(session, "city")
    session.commit()

    def change(writer):
        operations.add_tag_many(writer, ids[::-1], "new")
        operations.set_field(writer, ids[0], "city", "חיפה")
        operations.set_field_many(writer, "city", dict.fromkeys(ids, "חיפה"))
        operations.add_address(writer, ids[0], "email", "dana@shop.co.il")

    assert together(change) == []
    assert session.scalar(select(func.count()).select_from(Tag)) == 1
    assert session.scalar(select(func.count()).select_from(FieldValue)) == 20
    assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "tag_added")) == 20
