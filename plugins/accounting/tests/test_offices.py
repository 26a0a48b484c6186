"""Our own samples and fixtures, dropped into the folder of an office in each country."""

from __future__ import annotations

from pathlib import Path

import pytest

from panel.db import writing
from panel.installation.operations import set_setting
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_reading import workbook

pytestmark = pytest.mark.databases("sqlite")
FOLDER = Path(__file__).parent.parent


def settle_in(country: str, zone: str, language: str) -> None:
    with writing() as session:
        company = {"name": "x", "country": country, "time_zone": zone, "language": language}
        set_setting(session, "company", company)


def drop(office: Office, folder: str, *names: str) -> None:
    for path in sorted((FOLDER / folder).iterdir()):
        if path.suffix == ".csv" and (not names or path.name in names):
            office.save(path.name, path.read_bytes())


@pytest.mark.parametrize(
    ("folder", "country", "zone", "currency"),
    [
        ("samples/en", "GB", "Europe/London", "GBP"),
        ("samples/he", "IL", "Asia/Jerusalem", "ILS"),
        ("samples/fa", "IR", "Asia/Tehran", "IRR"),
    ],
)
def test_the_sample_files_give_two_open_invoices_and_a_paid_one(
    office: Office, folder: str, country: str, zone: str, currency: str
) -> None:
    settle_in(country, zone, "en")
    drop(office, folder)
    office.sync()
    assert office.issues() == {}
    assert sorted(office.kinds()) == ["invoice_issued"] * 3 + ["invoice_paid", "payment_received"]
    assert {event.data["currency"] for event in office.events()} == {currency}
    office.sync(days=15)  # the 16th: one is late since the 15th, and no newer file came
    assert office.kinds().count("invoice_overdue") == 0
    office.set(stale_days=0)
    office.sync(days=1)
    assert office.kinds().count("invoice_overdue") == 1


@pytest.mark.parametrize(("writing_", "country", "name"), [("he", "IL", "דנה כהן"), ("fa", "IR", "مریم کریمی")])
def test_files_of_older_programs_in_their_own_encodings(office: Office, writing_: str, country: str, name: str) -> None:
    settle_in(country, "UTC", "en")
    office.set(writing=writing_)
    page = {"he": "1255", "fa": "1256"}[writing_]
    drop(office, "fixtures", f"customers-cp{page}.csv", f"invoices-cp{page}.csv")
    office.sync()
    assert office.issues() == {}
    assert office.contacts()[0].name == name
    assert office.kinds().count("invoice_issued") == 3


def test_tomans_of_a_spreadsheet_are_kept_as_rials(office: Office) -> None:
    settle_in("IR", "Asia/Tehran", "fa")
    office.set(amounts_in="toman")
    office.save("مشتریان.xlsx", workbook(["کد مشتری", "نام مشتری"], [7, "شرکت كاويان"]))
    office.save(
        "فاکتورها.xlsx",
        workbook(
            ["شماره فاکتور", "کد مشتری", "تاریخ", "مهلت پرداخت", "مبلغ کل"],
            [12, 7, "۱۴۰۵/۰۸/۰۱", "۱۴۰۵/۰۸/۰۹", 1_234_000],
        ),
    )
    office.sync()
    [issued, overdue] = office.events()
    assert office.contacts()[0].name == "شرکت کاویان"
    assert issued.data["amount"] == "12340000"
    assert issued.data["invoice_date"] == "2026-10-23"
    assert overdue.data["due_date"] == "2026-10-31"


def test_tehran_is_already_in_tomorrow(office: Office) -> None:
    settle_in("IR", "Asia/Tehran", "fa")
    office.set(create_contacts=True)
    head = "invoice number,customer name,due date,total\n"
    office.save("invoices.csv", head + "1,Old,01/01/2026,5\n")
    office.sync()
    office.go_on(hours=12)  # 1 November, 23:30 in Tehran
    office.save("invoices2.csv", head + "2,New,2026-11-01,5\n")
    office.sync()
    assert len(office.events("invoice_overdue")) == 1
    office.sync(hours=1)  # still 1 November in London, the 2nd in Tehran
    assert [event.data["invoice_number"] for event in office.events("invoice_overdue")] == ["1", "2"]
