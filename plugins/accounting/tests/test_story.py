"""From files dropped into the folder to lines on the timeline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.timeline.models import Event
from plugins.accounting.tests.conftest import START, Office

CUSTOMERS = 'מספר לקוח,שם,דוא"ל,נייד\n30001,דנה כהן,dana@example.com,052-123-4567\n30002,שרה לוי,sara@example.com,\n'
HEAD = "מספר חשבונית,מספר לקוח,תאריך,תאריך פירעון,סכום,יתרה,סטטוס\n"


def invoices(*rows: str) -> str:
    return HEAD + "".join(row + "\n" for row in rows)


def begun(office: Office) -> Office:
    """An office whose first files were read yesterday: from now on, things are news."""
    office.save("לקוחות.csv", CUSTOMERS)
    office.save("חשבוניות.csv", invoices("900,30001,01/09/2026,01/10/2026,100,100,פתוח"))
    office.sync()
    office.go_on(days=1)
    return office


def news(events: list[Event]) -> list[str]:
    return [event.kind.removeprefix("accounting.") for event in events if event.starts_journeys]


def test_the_first_import_is_history_and_starts_nothing(office: Office) -> None:
    office.save("customers.csv", CUSTOMERS)
    office.save("invoices.csv", invoices("1,30001,01/09/2026,01/10/2026,100,100,פתוח", "2,30002,02/09/2026,,50,0,שולם"))
    office.save("payments.csv", "קבלה,חשבונית,סכום,תאריך\n71,2,50,05/09/2026\n")
    office.sync()
    assert sorted(office.kinds()) == [
        "invoice_issued", "invoice_issued", "invoice_overdue", "invoice_paid", "payment_received",
    ]  # fmt: skip
    assert not any(event.starts_journeys for event in office.events())
    assert office.files("in") == []
    assert len(office.files("done")) == 3


def test_history_keeps_the_days_of_the_books(office: Office) -> None:
    office.save("customers.csv", CUSTOMERS)
    office.save("invoices.csv", invoices("2,30002,02/09/2026,,50,0,שולם"))
    office.save("payments.csv", "קבלה,חשבונית,סכום,תאריך\n71,2,50,05/09/2026\n")
    office.sync()
    days = {event.kind.rpartition(".")[2]: event.occurred_at.isoformat() for event in office.events()}
    assert days["invoice_issued"] == "2026-09-01T21:00:00+00:00"  # midnight in Jerusalem
    assert days["invoice_paid"] == days["payment_received"] == "2026-09-04T21:00:00+00:00"


def test_a_new_invoice_becomes_overdue_by_time_alone_and_is_paid(office: Office) -> None:
    begun(office)
    row = '901,30001,02/11/2026,05/11/2026,"1,180.00","{}",{}'
    office.save("חשבוניות 02.csv", invoices(row.format("1,180.00", "פתוח")))
    office.sync()
    assert news(office.events()) == ["invoice_issued"]
    office.sync(days=3)  # the 5th: due today, not overdue
    assert news(office.events()) == ["invoice_issued"]
    office.sync(days=1)
    assert news(office.events()) == ["invoice_issued", "invoice_overdue"]
    overdue = office.events("invoice_overdue")[-1]
    assert overdue.data == {
        "invoice_number": "901", "amount": "1180.00", "amount_due": "1180.00", "currency": "ILS",
        "invoice_date": "2026-11-02", "due_date": "2026-11-05", "days_overdue": 1,
    }  # fmt: skip
    assert overdue.occurred_at == office.now
    office.sync(hours=1)
    office.sync(days=1)
    assert news(office.events()) == ["invoice_issued", "invoice_overdue"]  # once per invoice and due date
    office.save("חשבוניות 07.csv", invoices(row.format("0", "שולם")))
    office.sync()
    assert news(office.events()) == ["invoice_issued", "invoice_overdue", "invoice_paid"]
    paid = office.events("invoice_paid")[-1]
    assert paid.occurred_at == office.now  # a journey that began yesterday looks for what happened since
    assert paid.data["amount_due"] == "0.00"


def test_a_payments_file_alone_stops_the_reminders(office: Office) -> None:
    begun(office)
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,03/11/2026,300,300,פתוח"))
    office.save("payments0.csv", "receipt,invoice,amount,date\n1,900,10,01/10/2026\n")
    office.sync()
    office.sync(days=2)
    assert news(office.events())[-1] == "invoice_overdue"
    office.save("payments.csv", "receipt,invoice,amount,date\n2,901,100,03/11/2026\n")
    office.sync(hours=1)
    assert news(office.events())[-1] == "payment_received"
    office.save("payments2.csv", "receipt,invoice,amount,date\n2,901,100,03/11/2026\n3,901,200,04/11/2026\n")
    office.sync(hours=1)
    assert news(office.events())[-2:] == ["invoice_paid", "payment_received"]


def test_reading_the_same_rows_again_tells_nothing_twice(office: Office) -> None:
    begun(office)
    office.save("invoices1.csv", invoices("901,30001,02/11/2026,,300,300,פתוח"))
    office.sync()
    before = office.kinds()
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,,300,300,פתוח", ""))  # other bytes, same rows
    office.sync(hours=1)
    office.save("invoices1.csv", invoices("901,30001,02/11/2026,,300,300,פתוח"))  # the same bytes
    office.sync(hours=1)
    assert office.kinds() == before
    assert office.files("in") == []


def test_an_old_file_copied_back_does_not_undo_what_newer_ones_said(office: Office) -> None:
    begun(office)
    old = invoices("901,30001,02/11/2026,03/11/2026,300,300,פתוח")
    office.save("invoices1.csv", old)
    office.sync()
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,03/11/2026,300,0,שולם"))
    office.sync(hours=1)
    before = office.kinds()
    office.save("invoices1 (copy).csv", old)
    office.sync(hours=1)
    assert "again:invoices" in office.issues()
    office.sync(days=5)
    assert office.kinds() == before


def test_a_half_written_file_waits(office: Office) -> None:
    office.set(quiet_seconds=10)
    path = office.save("customers.csv", CUSTOMERS[:40])
    office.sync()
    path.write_text(CUSTOMERS)  # the export goes on
    office.sync(seconds=30)
    assert office.files("in") == ["customers.csv"]
    office.sync(seconds=5)
    assert office.files("in") == ["customers.csv"]
    office.sync(seconds=5)
    assert office.files("in") == []
    assert [contact.name for contact in office.contacts()] == ["דנה כהן", "שרה לוי"]


@pytest.mark.parametrize("name", ["~$customers.xlsx", "customers.csv.tmp", "customers.csv.part", ".customers.csv"])
def test_unfinished_files_are_not_looked_at(office: Office, name: str) -> None:
    office.save(name, CUSTOMERS)
    office.sync()
    assert office.files("in") == [name]
    assert office.issues() == {}


def test_files_of_one_round_are_read_customers_first(office: Office) -> None:
    begun(office)
    office.save("a-payments.csv", "x")  # its name says nothing known, so it is set aside
    office.save("invoices.csv", invoices("902,30003,02/11/2026,,10,10,"))
    office.save("לקוחות חדשים.csv", "מספר לקוח,שם\n30003,רות אבני\n")
    office.sync()
    [ruth] = [contact for contact in office.contacts() if contact.name == "רות אבני"]
    assert office.kinds(ruth.id) == ["invoice_issued"]
    assert "file:unknown" in office.issues()


def test_an_invoice_before_its_customer_waits_and_is_told_later(office: Office) -> None:
    begun(office)
    office.set(create_contacts=False)
    office.save("invoices.csv", invoices("902,30003,02/11/2026,,10,10,"))
    office.sync()
    assert news(office.events()) == []
    ruth = office.contact(name="רות אבני", emails=["ruth@example.com"])
    office.save("customers2.csv", "מספר לקוח,שם,מייל\n30003,רות אבני,RUTH@example.com\n")
    office.sync(hours=1)
    assert office.kinds(ruth) == ["invoice_issued"]


def test_what_the_books_date_before_the_first_day_stays_history(office: Office) -> None:
    begun(office)
    office.save("invoices.csv", invoices("800,30001,01/08/2026,15/08/2026,10,10,", "903,30001,02/11/2026,,10,10,"))
    office.sync()
    told = {event.data["invoice_number"]: event.starts_journeys for event in office.events("invoice_issued")}
    assert told == {"900": False, "800": False, "903": True}
    assert news(office.events("invoice_overdue")) == []


def test_the_owner_can_choose_from_which_day_invoices_start_journeys(office: Office) -> None:
    begun(office)
    office.set(events_from="01/08/2026")
    office.save("invoices.csv", invoices("800,30001,01/08/2026,15/08/2026,10,10,", "799,30001,31/07/2026,,10,10,"))
    office.sync()
    assert news(office.events()) == ["invoice_issued", "invoice_overdue"]


def test_a_returned_cheque_opens_the_invoice_again(office: Office) -> None:
    begun(office)
    row = "901,30001,02/11/2026,03/11/2026,300,{},"
    for name, left in (("1", "300"), ("2", "0"), ("3", "300")):
        # A time of export in the file, so that the third one is not the first one copied back.
        office.save(f"invoices{name}.csv", f"Exported,{office.now}\n" + invoices(row.format(left)))
        office.sync(days=2)
    assert news(office.events()) == ["invoice_issued", "invoice_overdue", "invoice_paid", "invoice_overdue"]
    paid, again = office.events()[-2:]
    assert again.occurred_at > paid.occurred_at  # or a journey would think that the payment came after it


def test_a_new_due_date_stops_the_reminders_and_arms_them_again(office: Office) -> None:
    begun(office)
    office.save("invoices1.csv", invoices("901,30001,02/11/2026,03/11/2026,300,300,"))
    office.sync(days=2)
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,10/11/2026,300,300,"))
    office.sync(hours=1)
    assert news(office.events())[-1] == "invoice_due_date_changed"
    assert office.events()[-1].data["previous_due_date"] == "2026-11-03"
    office.sync(days=7)
    assert news(office.events())[-1] == "invoice_overdue"


def test_a_cancelled_invoice_is_told_once_and_never_overdue(office: Office) -> None:
    begun(office)
    office.save("invoices1.csv", invoices("901,30001,02/11/2026,03/11/2026,300,300,"))
    office.sync()
    office.save("invoices2.csv", invoices("901,30001,02/11/2026,03/11/2026,300,300,מבוטל"))
    office.sync(hours=1)
    office.sync(days=4)
    assert news(office.events()) == ["invoice_issued", "invoice_cancelled"]


def test_a_credit_note_takes_the_invoice_back(office: Office) -> None:
    begun(office)
    head = "מספר מסמך,סוג מסמך,מספר לקוח,תאריך,תאריך פירעון,סכום,מסמך מקור\n"
    office.save("documents1.csv", head + "901,חשבונית מס,30001,02/11/2026,03/11/2026,300,\n")
    office.sync()
    office.save("documents2.csv", head + "901,זיכוי,30001,02/11/2026,,-300,901\n")  # a sequence of its own
    office.sync(hours=1)
    office.sync(days=4)
    assert news(office.events()) == ["invoice_issued", "invoice_cancelled"]


def test_an_invoice_missing_from_a_full_list_was_cancelled(office: Office) -> None:
    begun(office)
    office.set(missing_invoices="cancelled")
    kept = "900,30001,01/09/2026,01/10/2026,100,100,פתוח"
    office.save("invoices1.csv", invoices(kept, "901,30001,02/11/2026,03/11/2026,300,300,"))
    office.sync()
    office.save("invoices2.csv", invoices(kept))
    office.sync(hours=1)
    assert news(office.events()) == ["invoice_issued", "invoice_cancelled"]


def test_an_invoice_missing_from_the_list_of_open_ones_was_paid(office: Office) -> None:
    begun(office)
    office.set(missing_invoices="paid")
    kept = "900,30001,01/09/2026,01/10/2026,100,100,פתוח"
    office.save("invoices1.csv", invoices(kept, "901,30001,02/11/2026,03/11/2026,300,300,"))
    office.sync()
    office.save("invoices2.csv", invoices(kept))
    office.sync(hours=1)
    assert news(office.events()) == ["invoice_issued", "invoice_paid"]
    assert office.events()[-1].data["amount_due"] == "0.00"


def test_a_full_list_that_lost_half_of_itself_cancels_nothing(office: Office) -> None:
    begun(office)
    office.set(missing_invoices="cancelled")
    first = "900,30001,01/09/2026,01/10/2026,100,100,פתוח"
    rows = [first, *(f"{number},30001,02/11/2026,,10,10," for number in range(1001, 1060))]
    office.save("invoices1.csv", invoices(*rows))
    office.sync()
    office.save("invoices2.csv", invoices(*rows[:20]))
    office.sync(hours=1)
    assert office.events("invoice_cancelled") == []
    assert "shrunk:invoices" in office.issues()
    office.save("invoices3.csv", invoices(*rows[:58]))
    office.sync(hours=1)
    assert "shrunk:invoices" not in office.issues()
    assert {event.data["invoice_number"] for event in office.events("invoice_cancelled")} == {"1058", "1059"}


def test_nobody_is_called_overdue_from_books_that_nobody_read_for_a_week(office: Office) -> None:
    begun(office)
    open_ = invoices("901,30001,02/11/2026,20/11/2026,300,300,")
    office.save("invoices1.csv", open_)
    office.sync()
    office.sync(days=20)
    assert news(office.events()) == ["invoice_issued"]
    assert "2026-11-02" in office.issues()["stale"]
    office.save("invoices1.csv", open_)  # the very same export: nothing changed in the books, and they are fresh
    office.sync(hours=1)
    assert news(office.events()) == ["invoice_issued", "invoice_overdue"]
    assert "stale" not in office.issues()


def test_drafts_and_receipts_are_no_invoices(office: Office) -> None:
    begun(office)
    office.save(
        "documents.csv",
        "מספר מסמך,סוג מסמך,מספר לקוח,סכום,תאריך\n5,קבלה,30001,10,02/11/2026\n6,הצעת מחיר,30001,10,02/11/2026\n",
    )
    office.sync()
    assert news(office.events()) == []


def test_the_contact_says_from_which_file_and_row_it_came(office: Office) -> None:
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    dana = office.contacts()[0]
    from sqlalchemy import select

    from panel.db import reading

    with reading() as session:
        event = session.scalars(select(Event).where(Event.contact_id == dana.id)).one()
        assert event.kind == "contact_created"
        assert event.data == {"how": "plugin:accounting", "detail": {"file": "customers.csv", "row": "2"}}
        assert not event.starts_journeys
    assert [(a.kind, a.value) for a in dana.addresses] == [("email", "dana@example.com"), ("phone", "+972521234567")]


def test_time_moves(office: Office) -> None:
    office.go_on(days=1)
    assert office.ctx.now() == START + timedelta(days=1)
