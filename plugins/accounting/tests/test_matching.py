"""Who a customer of the books is: exactly one contact, or a person decides."""

from __future__ import annotations

import pytest

from panel.contacts.operations import create_field, set_field
from panel.db import writing
from panel.sync.erasing import erase_everywhere
from plugins.accounting.books import Books
from plugins.accounting.matching import Decision, Hit, decide
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import CUSTOMERS, begun, invoices, news


@pytest.mark.parametrize(
    ("hits", "taken", "expected"),
    [
        ([], (), Decision("unmatched")),
        ([Hit("email", [])], (), Decision("unmatched")),
        ([Hit("email", [7])], (), Decision("linked", 7, "email")),
        ([Hit("tax_id", [7]), Hit("email", [7]), Hit("phone", [7])], (), Decision("linked", 7, "tax_id")),
        ([Hit("email", [7, 8])], (), Decision("ambiguous", candidates=(7, 8))),
        ([Hit("tax_id", [7]), Hit("phone", [8])], (), Decision("ambiguous", candidates=(7, 8))),
        # The panel's own number was written down on purpose.
        ([Hit("reference", [7]), Hit("email", [8, 9])], (), Decision("linked", 7, "reference")),
        # An office's info@ belongs to another customer already; the tax id of a firm may serve its branches.
        ([Hit("email", [7])], (7,), Decision("ambiguous", candidates=(7,))),
        ([Hit("tax_id", [7]), Hit("email", [7])], (7,), Decision("linked", 7, "tax_id")),
    ],
)
def test_one_contact_or_none_or_a_question(hits: list[Hit], taken: tuple[int, ...], expected: Decision) -> None:
    assert decide(hits, taken) == expected


def links(office: Office) -> dict[str, tuple[str, int | None, str]]:
    with office.ctx.unit() as unit:
        books = Books(unit)
    return {number: (one.link.outcome, one.link.contact_id, one.link.rule) for number, one in books.customers.items()}


def test_a_customer_finds_its_contact_by_each_rule(office: Office) -> None:
    by_reference = office.contact(name="א", reference="C-17")
    by_email = office.contact(name="ב", emails=["beth@example.com"])
    by_phone = office.contact(name="ג", phones=["+972 52-555-0177"])
    by_tax = office.contact(name="ד")
    with writing() as session:
        create_field(session, "tax_id", labels={"en": "Tax id"})
        set_field(session, by_tax, "tax_id", "514000001")
    office.save(
        "customers.csv",
        "customer number,name,email,mobile,tax id,reference\n"
        "1,א,,,,C-17\n2,ב,BETH@Example.com,,,\n3,ג,,052-5550177,,\n4,ד,,,51-4000001,\n5,ה,,,,\n",
    )
    office.sync()
    created = office.contacts()[-1].id
    assert links(office) == {
        "1": ("linked", by_reference, "reference"),
        "2": ("linked", by_email, "email"),
        "3": ("linked", by_phone, "phone"),
        "4": ("linked", by_tax, "tax_id"),
        "5": ("linked", created, "created"),
    }


def test_an_ambiguous_customer_is_asked_about_and_nothing_is_told(office: Office) -> None:
    begun(office)
    first = office.contact(name="רות", emails=["home@example.com"])
    second = office.contact(name="רפי", emails=["home@example.com"])
    office.save("customers2.csv", "מספר לקוח,שם,מייל\n40001,רות אבני,home@example.com\n")
    office.save("invoices2.csv", invoices("901,40001,02/11/2026,,10,10,"))
    office.sync()
    assert links(office)["40001"][0] == "ambiguous"
    assert office.kinds(first) == office.kinds(second) == []
    assert office.issues()["ambiguous"].startswith("1 customers of the books")


def test_two_customers_with_one_address_do_not_share_a_card_unasked(office: Office) -> None:
    office.save("customers.csv", "number,name,email\n1,Dana,info@example.com\n2,Blue Door,info@example.com\n")
    office.sync()
    assert [outcome for outcome, _, _ in links(office).values()] == ["linked", "ambiguous"]
    assert len(office.contacts()) == 1


def test_without_permission_no_contact_is_made(office: Office) -> None:
    office.set(create_contacts=False)
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    assert office.contacts() == []
    assert {outcome for outcome, _, _ in links(office).values()} == {"unmatched"}
    office.set(create_contacts=True)
    office.sync(minutes=1)  # the owner changed their mind: no new file is needed
    assert len(office.contacts()) == 2


def test_a_contact_made_later_is_found_the_next_day(office: Office) -> None:
    office.set(create_contacts=False)
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    dana = office.contact(name="Dana", emails=["dana@example.com"])
    office.sync(days=1)
    assert links(office)["30001"] == ("linked", dana, "email")


def test_an_address_that_cannot_be_read_keeps_nobody_out(office: Office) -> None:
    office.save("customers.csv", "number,name,email,phone\n1,Dana,dana@@example,052-555-0101\n2,Sara,,999999\n")
    office.sync()
    dana, sara = office.contacts()
    assert [address.value for address in dana.addresses] == ["+972525550101"]
    assert sara.addresses == []
    with office.ctx.unit() as unit:
        assert Books(unit).customers["1"].problem


def test_customers_known_only_from_invoices(office: Office) -> None:
    office.save(
        "invoices.csv",
        "invoice number,customer name,email,total\n1,Dana,dana@example.com,10\n2,Dana,dana@example.com,20\n",
    )
    office.sync()
    [dana] = office.contacts()
    assert dana.name == "Dana"
    assert office.kinds(dana.id) == ["invoice_issued", "invoice_issued"]


def test_numbers_may_be_the_panels_own_references(office: Office) -> None:
    office.set(number_is_reference=True)
    known = office.contact(name="דנה", reference="30001")
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    assert links(office)["30001"] == ("linked", known, "reference")
    assert office.contacts()[-1].reference == "30002"


def test_a_merged_contact_gets_the_later_invoices(office: Office) -> None:
    from panel.contacts.operations import merge

    begun(office)
    dana = office.contacts()[0].id
    other = office.contact(name="Dana C")
    with writing() as session:
        merge(session, other, dana)
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,,10,10,"))
    office.sync()
    assert news(office.events(contact_id=other)) == ["invoice_issued"]


def test_an_erased_contact_stays_forgotten(office: Office) -> None:
    begun(office)
    dana = office.contacts()[0].id
    assert erase_everywhere(dana)
    office.save("customers2.csv", CUSTOMERS + "30009,New,,\n")
    office.save("invoices2.csv", invoices("900,30001,01/09/2026,01/10/2026,100,100,", "904,30001,02/11/2026,,5,5,"))
    office.save("payments.csv", "receipt,customer number,invoice,amount\n1,30001,900,100\n")
    office.sync()
    with office.ctx.unit() as unit:
        books = Books(unit)
        assert set(books.customers) == {"30002", "30009"}
        assert books.invoices == {}
        assert books.payments == {}
    assert [contact.name for contact in office.contacts() if contact.erased_at is None] == ["שרה לוי", "New"]
    assert news(office.events()) == []
