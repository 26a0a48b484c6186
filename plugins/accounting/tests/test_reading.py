"""Files as accounting software writes them."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from plugins.accounting import columns, rows
from plugins.accounting.columns import Kind
from plugins.accounting.model import Document, DocumentKind, Money, State
from plugins.accounting.reading import FileError, Table, decode, read_table, readings
from plugins.accounting.rows import Habits
from plugins.accounting.tests.conftest import UNHURRIED
from plugins.accounting.values import CellError

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAMPLES = Path(__file__).parent.parent / "samples"
IRAN = Habits("IRR")


def table(raw: bytes, kind: Kind = Kind.INVOICES, writing: str = "", **mapping: str) -> Table:
    return read_table(raw, writing, lambda cells: columns.score(cells, kind, mapping))


def things(raw: bytes, kind: Kind, writing: str = "", habits: Habits | None = None) -> list[Any]:
    """Every row of a file, read; errors as their words."""
    read = table(raw, kind, writing)
    found = columns.guess(read.header, kind, {})
    columns.check_required(found, read.header, kind)
    reader = {Kind.CUSTOMERS: rows.customer, Kind.INVOICES: rows.invoice, Kind.PAYMENTS: rows.payment}[kind]
    result: list[Any] = []
    for row in read.rows:
        cells = {name: row.cells[at] if at < len(row.cells) else "" for name, at in found.items()}
        try:
            result.append(reader(cells, habits or Habits()))
        except CellError as error:
            result.append(str(error))
    return result


def workbook(*lines: list[Any]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "default_date_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet()
    for number, line in enumerate(lines):
        for position, cell in enumerate(line):
            if isinstance(cell, date):
                sheet.write_datetime(number, position, datetime(cell.year, cell.month, cell.day))  # noqa: DTZ001
            else:
                sheet.write(number, position, cell)
    book.close()
    return stream.getvalue()


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_our_sample_files_are_read_without_a_mistake(language: str) -> None:
    habits = IRAN if language == "fa" else Habits()
    kinds = set()
    for path in (SAMPLES / language).iterdir():
        kind = columns.kind_of(path.name, {})
        assert kind is not None, path.name
        kinds.add(kind)
        found = things(path.read_bytes(), kind, habits=habits)
        assert found
        assert not [one for one in found if isinstance(one, str)]
    assert kinds == set(Kind)


def test_a_persian_file_in_the_old_encoding() -> None:
    found = things((FIXTURES / "invoices-cp1256.csv").read_bytes(), Kind.INVOICES, "fa", IRAN)
    assert found[0] == Document(
        "1001", "30001", Money(11_800_000, "IRR"), balance=Money(11_800_000, "IRR"),
        issued_on=date(2026, 11, 1), due_on=date(2026, 11, 15),
    )  # fmt: skip
    [maryam, _] = things((FIXTURES / "customers-cp1256.csv").read_bytes(), Kind.CUSTOMERS, "fa", IRAN)
    assert maryam.name == "مریم کریمی"  # with the Persian letters that the encoding cannot hold


def test_a_hebrew_file_in_the_old_encoding() -> None:
    found = things((FIXTURES / "invoices-cp1255.csv").read_bytes(), Kind.INVOICES, "he")
    assert [one.total.minor for one in found] == [118000, 59000, 23600]
    assert found[2].state is State.PAID


def test_a_report_of_a_dos_program_with_a_title_and_a_line_of_sums() -> None:
    raw = (FIXTURES / "report-cp862.txt").read_bytes()
    first, credit, total = things(raw, Kind.INVOICES, "he_dos")
    assert (first.number, first.party, first.issued_on) == ("2001", "40001", date(2026, 11, 5))
    assert first.total == Money(118000, "ILS")
    assert credit.kind is DocumentKind.CREDIT_NOTE
    assert credit.total == Money(59000, "ILS")
    assert total.number == 'סה"כ'  # `importing` leaves lines of sums out


def test_letters_written_backwards_are_turned() -> None:
    text = 'כ"הס,ןהכ הנד,1001\n'
    raw = "הרתי,חוקל םש,תינובשח רפסמ\n".encode("cp862") + text.encode("cp862")
    read = table(raw, Kind.INVOICES, "he_dos_visual")
    assert list(read.header) == ["יתרה", "שם לקוח", "מספר חשבונית"]
    assert read.rows[0].cells[1] == "דנה כהן"


def test_nothing_guesses_between_hebrew_and_persian() -> None:
    raw = "מספר,סכום\nדנה כהן,5\n".encode("cp1255")
    with pytest.raises(FileError) as refused:
        decode(raw, "")
    assert refused.value.code == "encoding"
    shown = readings(raw)
    assert "דנה כהן" in shown["he"]
    assert "مًن ëنï" in shown["fa"]


def test_a_wrong_declaration_is_noticed_when_it_can_be() -> None:
    with pytest.raises(FileError):
        decode("نام,مبلغ\nمریم,5\n".replace("ی", "ي").encode("cp1256"), "he_dos")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_unicode_is_recognised_whatever_is_declared(encoding: str) -> None:
    text = "מספר,סכום\n1,5\n"
    raw = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    assert decode(raw, "fa")[0].lstrip("\ufeff") == text


def test_one_damaged_byte_does_not_turn_a_file_into_noise() -> None:
    raw = ("מספר,סכום\n" + "דנה כהן,5\n" * 20).encode() + b"\xe9,5\n"
    with pytest.raises(FileError) as refused:
        decode(raw, "he")
    assert refused.value.code == "damaged"


def test_a_workbook_keeps_its_numbers_and_days() -> None:
    raw = workbook(
        ["Invoices", "", ""],
        ["Invoice number", "Customer number", "Invoice date", "Due date", "Total", "Balance"],
        [17, 30001, date(2026, 11, 1), date(2026, 11, 15), 117.99999999999999, 33.333333],
        ["0018", "30001", "۱۴۰۵/۰۸/۱۰", "", "1,234.50", ""],
    )
    first, second = things(raw, Kind.INVOICES)
    assert (first.number, first.party) == ("17", "30001")
    assert (first.total.minor, first.balance.minor) == (11800, 3333)
    assert (first.issued_on, first.due_on) == (date(2026, 11, 1), date(2026, 11, 15))
    assert (second.number, second.issued_on, second.total.minor) == ("0018", date(2026, 11, 1), 123450)


def test_tomans_become_rials_where_they_are_written() -> None:
    text = "شماره فاکتور,مبلغ کل\n1,۱۰۰۰ تومان\n2,1000\n3,۱۰۰۰ ریال\n"
    habits = Habits("IRR", factor=10)
    assert [one.total.minor for one in things(text.encode(), Kind.INVOICES, habits=habits)] == [10000, 10000, 1000]


def test_a_currency_of_its_own_stays_its_own() -> None:
    text = "Invoice number,Total,Balance,Currency\n1,5.00,5.00,USD\n2,€7,7,\n3,5,5,zloty\n4,$5,5,EUR\n"
    found = things(text.encode(), Kind.INVOICES)
    assert [one.total for one in found[:2]] == [Money(500, "USD"), Money(700, "EUR")]
    assert found[1].balance == Money(700, "EUR")
    assert "zloty" in found[2]
    assert found[3].total == Money(500, "USD")  # the sign beside the number is about this number


def test_a_row_says_what_is_wrong_with_it() -> None:
    text = (
        "Invoice number,Total,Due date,Status,Type\n,5,,,\n1,,,,\n2,5,31/02/2026,,\n3,5,,In dispute,\n4,5,,,Voucher\n"
    )
    assert things(text.encode(), Kind.INVOICES) == [
        "the invoice number is missing",
        "the total is missing",
        "“31/02/2026” is not a date; the settings expect day, month, year",
        "the state “In dispute” is not known; say in the settings what it means",
        "the document type “Voucher” is not known",
    ]


def test_the_owner_may_teach_words_and_columns() -> None:
    raw = b"Doc Ref;Sum NIS;Pay until;Mood\n7;5;1/12/2026;In dispute\n"
    read = table(raw, Kind.INVOICES, number="Doc Ref", total="Sum NIS", **{"לתשלום עד": "x"})
    mapping = {"invoice number": "Doc Ref", "total": "Sum NIS", "due_on": "Pay until", "state": "Mood"}
    found = columns.guess(read.header, Kind.INVOICES, mapping)
    assert found == {"number": 0, "total": 1, "due_on": 2, "state": 3}
    cells = {name: read.rows[0].cells[at] for name, at in found.items()}
    assert rows.invoice(cells, Habits(state_words={"In Dispute": "open"})).due_on == date(2026, 12, 1)  # type: ignore[union-attr]
    assert columns.unknown_columns({"nonsense": "x", "total": "y"}, Kind.INVOICES) == ["nonsense"]


def test_every_column_is_found_by_each_of_its_names() -> None:
    from plugins.accounting import words

    for kind, all_of_kind in columns.COLUMNS.items():
        taken: dict[str, str] = {}
        for column in all_of_kind:
            for name in words.headers(kind.value, column.name):
                assert name not in taken, f"{kind}: “{name}” is {taken[name]} and {column.name}"
                taken[name] = column.name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("customers.csv", "customers"),
        ("Customers 2026-11.xlsx", "customers"),
        ("לקוחות.csv", "customers"),
        ("חשבוניות_נובמבר.csv", "invoices"),
        ("فاکتور-آذر.csv", "invoices"),
        ("دریافت‌ها.csv", "payments"),
        ("קבלות.csv", "payments"),
        ("OPENINV_0412.txt", "invoices"),
        ("misc.csv", None),
        ("my customers.csv", None),
    ],
)
def test_a_file_says_by_its_name_what_it_holds(name: str, kind: str | None) -> None:
    found = columns.kind_of(name, {"invoices": "OPENINV, SALESREP"})
    assert (found.value if found else None) == kind


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b"  \n\n", "empty"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "web_page"),
        (b"a\x00b,c\n", "binary"),
        (b"PK\x03\x04 not really", "workbook"),
        (b"\xd0\xcf\x11\xe0 not really", "workbook"),
    ],
)
def test_what_is_no_table_is_set_aside_with_a_reason(raw: bytes, code: str) -> None:
    with pytest.raises(FileError) as refused:
        table(raw)
    assert refused.value.code == code


def test_a_workbook_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.accounting.reading.MAX_UNPACKED", 10_000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "0" * 1_000_000)
    with pytest.raises(FileError) as refused:
        table(stream.getvalue())
    assert refused.value.code == "too_big"


def test_a_missing_column_is_named_with_what_the_file_has() -> None:
    with pytest.raises(FileError) as refused:
        things(b"Foo,Total\n1,2\n", Kind.INVOICES)
    assert refused.value.params == {"missing": ["invoice number"], "header": ["Foo", "Total"]}


def test_a_line_too_long_and_a_quote_never_closed_are_rows_with_a_problem() -> None:
    long = "1,2," + "x" * 200_000
    read = table(f"number,total,name\n{long}\n2,5,a\n".encode())
    assert [bool(row.problem) for row in read.rows] == [True, False]
    unclosed = 'number,total,name\n1,5,"never closed\n' + "2,5,a\n" * 40
    read = table(unclosed.encode())
    assert [row.problem for row in read.rows] == ["a quotation mark that opens here is never closed"]
    assert read.rows[0].number == 2


def test_the_separator_line_of_excel_is_no_row() -> None:
    read = table(b"sep=;\nnumber;total\n1;5\n")
    assert list(read.header) == ["number", "total"]


@UNHURRIED
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    for writing in ("", "he", "fa", "he_dos_visual"):
        with suppress(FileError):
            table(raw, Kind.INVOICES, writing)


@UNHURRIED
@given(st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=8))
def test_no_cells_break_the_reader_of_rows(lines: list[list[str]]) -> None:
    header = ["number", "total", "balance", "date", "due", "status", "type", "paid", "currency"]
    for line in lines:
        cells = dict(zip(header, line, strict=False))
        for reader in (rows.customer, rows.invoice, rows.payment):
            with suppress(CellError):
                reader(cells | {"amount": cells.get("total", "")}, Habits())
