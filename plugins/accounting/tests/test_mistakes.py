"""Files with mistakes: the good rows go on, the bad ones come back with reasons, the owner is told."""

from __future__ import annotations

import csv
import os

import pytest

from panel.sdk.errors import Misconfigured
from plugins.accounting.hotfolder import harmless
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import CUSTOMERS, begun, invoices

pytestmark = pytest.mark.databases("sqlite")


def rows_of(office: Office, name: str) -> list[list[str]]:
    with (office.root / "bad" / name).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


def test_rows_with_mistakes_come_back_with_the_reason_and_the_rest_goes_on(office: Office) -> None:
    begun(office)
    office.save("invoices.csv", invoices("901,30001,02/11/2026,,10,10,", "902,30001,32/11/2026,,=5,10,", ",x,,,1,,"))
    office.sync()
    assert [event.data["invoice_number"] for event in office.events("invoice_issued")][1:] == ["901"]
    header, first, second = rows_of(office, "invoices.csv.errors.csv")
    assert header == [
        "reason",
        "row number",
        "מספר חשבונית",
        "מספר לקוח",
        "תאריך",
        "תאריך פירעון",
        "סכום",
        "יתרה",
        "סטטוס",
    ]
    assert first[0].startswith("“=5” is not an amount")
    assert first[1:5] == ["3", "902", "30001", "32/11/2026"]
    assert first[6] == "'=5"  # no formula runs when the owner opens the file
    assert second[:2] == ["the invoice number is missing", "4"]
    assert office.issues()["rows:invoices"].startswith("2 rows of invoices.csv could not be read")
    assert len(office.files("done")) == 3


def test_reasons_are_in_the_language_of_the_company(office: Office) -> None:
    from panel.db import writing
    from panel.installation.operations import set_setting

    with writing() as session:
        company = {"name": "ל", "country": "IL", "time_zone": "Asia/Jerusalem", "language": "he"}
        set_setting(session, "company", company)
    office.save("customers.csv", CUSTOMERS + ",בלי מספר,,\n")
    office.sync()
    header, row = rows_of(office, "customers.csv.errors.csv")
    assert header[:2] == ["סיבה", "מספר השורה"]
    assert row[0] == "חסר מספר לקוח"


def test_a_corrected_list_of_mistakes_may_be_dropped_in_again(office: Office) -> None:
    begun(office)
    office.set(missing_invoices="cancelled")
    office.save("invoices.csv", invoices("900,30001,01/09/2026,01/10/2026,100,100,", "902,30001,02/11/2026,,1,,Hm"))
    office.sync()
    path = office.root / "bad" / "invoices.csv.errors.csv"
    text = path.read_text(encoding="utf-8-sig").replace("Hm", "Open")
    office.save("invoices.csv.errors.csv", text, "utf-8-sig")
    office.sync(hours=1)
    assert [event.data["invoice_number"] for event in office.events("invoice_issued")] == ["900", "902"]
    assert office.events("invoice_cancelled") == []  # it is no full list, whatever the settings say
    assert "rows:invoices" not in office.issues()


def test_the_same_number_twice_with_other_values_is_a_mistake(office: Office) -> None:
    begun(office)
    office.save("invoices.csv", invoices("901,30001,,,10,,", "901,30001,,,10,,", "901,30001,,,20,,"))
    office.sync()
    assert [row[0] for row in rows_of(office, "invoices.csv.errors.csv")[1:]] == [
        "the number 901 stands in row 2 too, with other values"
    ]


def test_a_file_whose_name_says_nothing_is_set_aside(office: Office) -> None:
    office.save("export.csv", CUSTOMERS)
    office.sync()
    assert office.files("bad") == ["export.csv"]
    assert "begin it with customers, invoices or payments" in office.issues()["file:unknown"]
    office.set(file_names={"customers": "export"})
    os.replace(office.root / "bad" / "export.csv", office.root / "in" / "export.csv")
    office.sync(hours=1)
    assert len(office.contacts()) == 2
    assert office.issues() == {}


def test_an_old_encoding_waits_for_a_person(office: Office) -> None:
    office.save("customers.csv", CUSTOMERS, "cp1255")
    office.sync()
    assert office.files("bad") == ["customers.csv"]
    assert "nobody has said yet which writing" in office.issues()["file:customers"]
    office.set(writing="he")
    os.replace(office.root / "bad" / "customers.csv", office.root / "in" / "customers.csv")
    office.sync(hours=1)
    assert office.contacts()[0].name == "דנה כהן"
    assert office.issues() == {}


def test_a_file_without_the_needed_columns_names_them(office: Office) -> None:
    office.save("invoices.csv", "Foo,Bar\n1,2\n")
    office.sync()
    words = office.issues()["file:invoices"]
    assert "no column for: invoice number, total. The file has: Foo, Bar" in words


def test_a_file_of_nothing_but_mistakes_changes_nothing(office: Office) -> None:
    begun(office)
    office.set(missing_invoices="cancelled", decimal_mark=",")
    office.save("invoices.csv", invoices("900,30001,01/09/2026,01/10/2026,100.55,100,"))
    office.sync()
    assert office.files("bad") == ["invoices.csv", "invoices.csv.errors.csv"]
    assert "not one of its rows could be read" in office.issues()["file:invoices"]
    assert office.events("invoice_cancelled") == []


def test_other_settings_let_the_same_bytes_be_read_again(office: Office) -> None:
    begun(office)
    text = invoices("901,30001,03/04/2026,,10,10,", "902,30001,13/04/2026,,10,10,")
    office.save("invoices.csv", text)
    office.set(date_order="mdy")
    office.sync()
    assert len(rows_of(office, "invoices.csv.errors.csv")) == 2
    office.set(date_order="dmy")
    office.save("invoices.csv", text)
    office.sync(hours=1)
    issued = {event.data["invoice_number"]: event.data["invoice_date"] for event in office.events("invoice_issued")}
    assert issued["902"] == "2026-04-13"


def test_a_folder_out_of_reach_is_an_issue_that_goes_away_by_itself(office: Office, tmp_path: os.PathLike[str]) -> None:
    share = f"{tmp_path}/share"
    office.set(folder=share)
    office.sync()
    assert share in office.issues()["folder"]
    assert not os.path.exists(share)  # making it would hide a drive that is not mounted
    os.mkdir(share)
    office.sync(minutes=1)
    assert office.issues() == {}
    assert sorted(name for name in os.listdir(share) if name != ".lock") == ["bad", "done", "in", "out"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"folder": "books"}, "folder"),
        ({"currency": "shekel"}, "currency"),
        ({"currency": "IRT"}, "currency"),
        ({"state_words": {"In dispute": "maybe"}}, "state_words"),
        ({"events_from": "soon"}, "events_from"),
    ],
)
def test_a_wrong_setting_is_named(office: Office, settings: dict[str, object], field: str) -> None:
    office.set(**settings)
    with pytest.raises(Misconfigured) as wrong:
        office.sync()
    assert wrong.value.field == field
    assert wrong.value.detail


def test_links_and_folders_in_the_folder_are_not_followed(office: Office) -> None:
    office.sync()
    os.symlink("/etc/passwd", office.root / "in" / "customers.csv")
    (office.root / "in" / "customers").mkdir()
    office.sync()
    assert office.files("in") == ["customers", "customers.csv"]
    assert office.issues() == {}


def test_files_that_were_read_are_deleted_by_their_age(office: Office) -> None:
    office.set(keep_days=30)
    office.save("customers.csv", CUSTOMERS)
    office.sync()
    [name] = office.files("done")
    assert len(office.files("done")) == 1
    office.now = office.now.replace(year=office.now.year + 1)  # file times are the machine's own
    office.sync()
    assert office.files("done") == []
    assert name.endswith("customers.csv")


@pytest.mark.parametrize("text", ["=1+1", "\t=1", "＝1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "-2+3+cmd|x", "|cmd"])
def test_no_cell_runs_as_a_formula(text: str) -> None:
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("text", ["+972521234567", "-12.50", "-5", "+98 912 345 6789", "דנה", "2026-11-22", "007", ""])
def test_numbers_and_telephones_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
