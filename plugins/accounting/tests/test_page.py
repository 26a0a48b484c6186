"""The plugin's page and its connection test."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser

import pytest

from panel.sdk.web import Request
from plugins.accounting import check, page
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import CUSTOMERS, begun, invoices, news

pytestmark = pytest.mark.databases("sqlite")


def shown(office: Office, language: str = "en") -> str:
    return page.render(office.ctx, Request("GET", "/", {}, {}, b"", {}, language))


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def send(office: Office, language: str = "en", **form: str) -> str:
    return page.post(office.ctx, Request("POST", "/", {}, {}, b"", form, language))


def sha_of(office: Office) -> str:
    from plugins.accounting.books import FILE

    with office.ctx.unit() as unit:
        return next(iter(unit.records(FILE))).key


def test_before_the_first_file_it_says_what_to_do(office: Office) -> None:
    words = text(shown(office))
    assert f"{office.root}/in" in words
    assert "No file was read yet. Customers come first" in words
    assert "samples" not in words
    assert shown(office).count('download="') == 9  # three files in three languages


@pytest.mark.parametrize(
    ("language", "word", "day"),
    [
        ("en", "Overdue invoices", "01/10/2026"),
        ("he", "חשבוניות באיחור", "01/10/2026"),
        ("fa", "فاکتورهای سررسیدگذشته", "1405/07/09"),
    ],
)
def test_it_shows_files_customers_and_open_invoices(office: Office, language: str, word: str, day: str) -> None:
    begun(office)
    html = shown(office, language)
    assert word in text(html)
    assert day in html
    assert "100.00 ILS" in html
    dana = office.contacts()[0]
    assert f'<a href="/admin/contact/id/{dana.id}"><bdi>דנה כהן</bdi></a>' in html
    assert "חשבוניות.csv" in html


def test_the_html_is_well_formed_and_nothing_from_files_is_markup(office: Office) -> None:
    evil = '"<script>alert(1)</script>"'
    office.save("customers.csv", f"number,name,email\n1,{evil},a@example.com\n2,{evil},a@example.com\n")
    office.save("invoices.csv", f"number,customer number,total\n{evil},1,5\n")
    office.save("<img src=x>.csv", "x")
    office.sync()
    html = shown(office)
    assert "<script" not in html
    assert "<img" not in html

    class Balance(HTMLParser):
        open_: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in ("input", "br", "img"):
                self.open_.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open_.pop() == tag

    parser = Balance()
    parser.feed(html)
    assert parser.open_ == []


def test_a_person_chooses_the_contact_and_the_story_is_told(office: Office) -> None:
    begun(office)
    first = office.contact(name="רות", emails=["home@example.com"])
    office.contact(name="רפי", emails=["home@example.com"])
    office.save("customers2.csv", "מספר לקוח,שם,מייל\n40001,רות אבני,home@example.com\n")
    office.save("invoices2.csv", invoices("901,40001,02/11/2026,,10,10,"))
    office.sync()
    assert "Who is this customer?" in shown(office)
    dana = office.contacts()[0].id
    assert "settled" in send(office, action="link", customer="40001", contact=str(dana))  # was not offered
    assert "Linked" in send(office, action="link", customer="40001", contact=str(first))
    office.sync(minutes=1)
    assert news(office.events(contact_id=first)) == ["invoice_issued"]
    assert office.issues() == {}
    assert "Who is this customer?" not in shown(office)


def test_a_customer_without_a_contact_is_connected_by_an_address(office: Office) -> None:
    office.set(create_contacts=False)
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    known = office.contact(name="Someone", emails=["other@example.com"], reference="77")
    assert "Not one contact" in send(office, action="find", customer="30001", text="nobody@example.com")
    assert "Linked" in send(office, action="find", customer="30001", text="other@example.com")
    assert "Linked" in send(office, action="find", customer="30002", text="77")
    office.sync(minutes=1)
    assert shown(office).count(f"/admin/contact/id/{known}") == 0  # no open invoices yet
    assert "Customers without a contact" in text(shown(office))


def test_a_person_says_which_writing_an_old_file_holds_once_for_all(office: Office) -> None:
    office.save("customers.csv", CUSTOMERS, "cp1255")
    office.sync()
    html = shown(office)
    assert "דנה כהן" in html  # one of the readings
    assert "Hebrew (Windows-1255)" in html
    assert "again in a minute" in send(office, action="writing", file=sha_of(office), writing="he")
    office.sync(minutes=1)
    assert office.contacts()[0].name == "דנה כהן"
    office.save("customers2.csv", CUSTOMERS + "30003,רות,,\n", "cp1255")
    office.sync(minutes=1)
    assert len(office.contacts()) == 3
    assert office.issues() == {}


def test_an_older_file_copied_back_can_be_read_after_all(office: Office) -> None:
    begun(office)
    row = "901,30001,02/11/2026,03/11/2026,300,{},"
    old = invoices(row.format("300"))
    office.save("invoices1.csv", old)
    office.sync()
    office.save("invoices2.csv", invoices(row.format("0")))
    office.sync()
    office.save("invoices3.csv", old)
    office.sync(days=2)
    assert "Read it once more" in shown(office)
    from plugins.accounting.books import FILE

    with office.ctx.unit() as unit:
        sha = next(record.key for record in unit.records(FILE) if "again_at" in record.data)
    assert "again in a minute" in send(office, action="again", file=sha)
    office.sync(minutes=1)
    assert news(office.events())[-1] == "invoice_overdue"
    assert "again:invoices" not in office.issues()


def test_posts_that_make_no_sense_do_nothing(office: Office) -> None:
    assert send(office, action="link", customer="x", contact="²") == "This was settled in the meantime."
    assert send(office, action="writing", file="x", writing="he") == "This was settled in the meantime."
    assert send(office, action="writing", file="x", writing="klingon") == "This was settled in the meantime."
    assert send(office, action="again", file="x", language="he") == "הדבר כבר סודר בינתיים."
    assert send(office) == ""


def test_wrong_settings_are_said_on_the_page(office: Office) -> None:
    office.set(currency="shekel")
    assert "A currency is three letters" in shown(office)


def tried(office: Office, **settings: object) -> list[tuple[str, bool, str]]:
    values = dict(office.ctx.settings()) | settings
    return [
        (step.name, step.good, (step.detail % (step.params or {})).translate({0x2068: None, 0x2069: None}))
        for step in check.steps(office.ctx, values)
    ]


def test_the_connection_test_reads_the_newest_files(office: Office) -> None:
    begun(office)
    steps = tried(office)
    assert [good for _, good, _ in steps] == [True] * 5
    assert steps[0][2] == "Amounts in ILS, days as in Asia/Jerusalem."
    assert "2 rows. Understood: customer number, name, e-mail, mobile phone." in steps[2][2]
    office.save("invoices9.csv", invoices("1,2,31/31/2026,,5,5,"))
    os.utime(office.root / "in" / "invoices9.csv", (4e9, 4e9))
    name, good, words = tried(office)[3]
    assert (name, good) == ("The newest invoices file", False)
    assert "invoices9.csv: 0 rows are readable, 1 are not. Row 2: “31/31/2026” is not a date" in words
    assert office.files("in") == ["invoices9.csv"]  # nothing is moved by trying


def test_the_connection_test_names_the_step_that_fails(office: Office, tmp_path: os.PathLike[str]) -> None:
    assert tried(office, folder=f"{tmp_path}/nowhere")[1][:2] == ("The folder", False)
    assert tried(office, currency="x")[0] == ("Settings", False, "A currency is three letters, such as ILS.")
    assert ("Names of columns", False, "“nonsense” is none of our words.") in tried(
        office, invoice_columns={"nonsense": "x"}
    )
    empty = tried(office)
    assert empty[-2] == ("The newest invoices file", False, "There is none yet.")


def test_the_page_is_in_the_panel(office: Office) -> None:
    from panel.plugin_manager.manager import current

    assert ("accounting", "books") in current().pages()
    info = current().get("accounting")
    assert info is not None
    assert info.problem is None
