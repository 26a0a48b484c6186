from __future__ import annotations

import tracemalloc

import pytest

from panel.errors import UserError
from panel.imports.reading import MAX_LINE, Reading, Rows, examine, preview
from panel.imports.rules import guess_columns
from tests.imports.conftest import PEOPLE, PERSIANS, csv_of, xlsx_of

ARABIC = str.maketrans("یک", "يك")


def rows_of(path, reading=None):
    rows = Rows(path, reading or examine(path, "he"))
    return rows.headers, list(rows)


@pytest.mark.parametrize(
    ("encoding", "language", "rows", "found"),
    [
        ("utf-8", "en", PEOPLE, "utf-8"),
        ("utf-8-sig", "en", PEOPLE, "utf-8"),
        ("utf-16", "en", PERSIANS, "utf-16"),
        ("utf-16-le", "en", PEOPLE, "utf-16-le"),
        ("cp1255", "he", PEOPLE, "cp1255"),
        ("cp1256", "fa", PERSIANS, "cp1256"),
        ("cp1255", "en", PEOPLE, None),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_letters_and_separators_are_found(tmp_path, encoding, language, rows, found, separator):
    path = tmp_path / "people.csv"
    path.write_bytes(csv_of(rows, separator).translate(ARABIC if encoding == "cp1256" else {}).encode(encoding))
    reading = examine(path, language)
    assert (reading.encoding, reading.separator) == (found, separator)
    if found:
        headers, read = rows_of(path, reading)
        assert headers == rows[0]
        assert [row.cells for row in read] == rows[1:]


def test_a_wrong_encoding_shows_in_the_preview_and_can_be_changed(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(csv_of(PEOPLE).encode("cp1255"))
    shown = preview(path, examine(path, "en"))
    assert shown.reading.encoding is None
    assert "דנה" not in str(shown.rows)
    assert "דנה" in str(preview(path, Reading(encoding="cp1255")).rows)


def test_headers_are_unique_and_none_is_empty(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("Phone,,Phone,Name,,\n1,2,3,4,5,6\n")
    headers, _ = rows_of(path)
    assert headers == ["Phone", "2", "Phone (2)", "Name"]


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b",,,\n"])
def test_an_empty_file_says_so(tmp_path, body):
    path = tmp_path / "people.csv"
    path.write_bytes(body)
    with pytest.raises(UserError) as caught:
        examine(path)
    assert caught.value.code == "file_empty"


@pytest.mark.parametrize(
    "body",
    [b"%PDF-1.7 x", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04 not a workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 broken"],
)
def test_what_is_no_table_says_so(tmp_path, body):
    path = tmp_path / "people.xlsx"
    path.write_bytes(body)
    with pytest.raises(UserError) as caught:
        examine(path)
    assert caught.value.words("he")


def test_a_line_of_many_megabytes_is_one_bad_row_in_little_memory(tmp_path):
    path = tmp_path / "people.csv"
    with path.open("w") as stream:
        stream.write("name,email\nDana,dana@shop.co.il\n")
        for _ in range(64):
            stream.write("x" * 1_000_000)
        stream.write("\nYossi,yossi@shop.co.il\n")
    tracemalloc.start()
    _, read = rows_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(row.number, row.problem.code if row.problem else "") for row in read] == [
        (2, ""), (3, "row_too_long"), (4, ""),
    ]  # fmt: skip
    assert peak < 8 * MAX_LINE


def test_a_file_of_one_endless_line_says_so(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name," * 1_000_000)
    with pytest.raises(UserError) as caught:
        preview(path, examine(path))
    assert caught.value.code == "headers_unreadable"


def test_an_open_quote_costs_one_row_and_not_the_file(tmp_path):
    path = tmp_path / "people.csv"
    rest = "".join(f'"Person {n}",p{n}@shop.co.il\n' for n in range(2000))
    path.write_text('name,email\n"Dana,dana@shop.co.il\n' + rest)
    _, read = rows_of(path)
    assert [row.number for row in read if row.problem] == [2]
    assert len(read) == 2001
    assert read[-1].cells == ["Person 1999", "p1999@shop.co.il"]


def test_an_open_quote_at_the_very_end_costs_one_row(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text('name,email\nDana,dana@shop.co.il\n"Yossi,yossi@shop.co.il\nSara,sara@shop.co.il\n')
    _, read = rows_of(path)
    assert [(row.number, bool(row.problem)) for row in read] == [(2, False), (3, True), (4, False)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_and_line_breaks_inside_cells(tmp_path, end):
    path = tmp_path / "people.csv"
    path.write_bytes(end.join(["name,note", '"Dana","two', 'lines"', "Yossi,\u2028 x\x85y", ""]).encode())
    _, read = rows_of(path)
    assert [row.cells[0] for row in read] == ["Dana", "Yossi"]
    assert read[0].cells[1].split() == ["two", "lines"]
    assert [row.number for row in read] == [2, 4]


def test_excels_note_about_the_separator_is_not_a_row(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("sep=;\r\nname;email\r\nDana;dana@shop.co.il\r\n")
    headers, read = rows_of(path)
    assert headers == ["name", "email"]
    assert read[0].cells == ["Dana", "dana@shop.co.il"]


def test_a_workbook_gives_the_same_texts(tmp_path):
    path = tmp_path / "people.xlsx"
    path.write_bytes(xlsx_of(PEOPLE))
    reading = examine(path, "he")
    assert (reading.format, reading.sheet) == ("workbook", "לקוחות")
    headers, read = rows_of(path, reading)
    assert headers == PEOPLE[0]
    assert [row.cells for row in read] == PEOPLE[1:]


def test_columns_are_guessed_in_three_languages():
    assert guess_columns(PEOPLE[0], PEOPLE[1:], []) == {"0": "first_name", "1": "last_name", "2": "phone", "3": "email"}
    assert guess_columns(PERSIANS[0], [], []) == {"0": "first_name", "1": "last_name", "2": "phone", "3": "email"}
    assert guess_columns(["نام", "تلفن همراه"], [], []) == {"0": "full_name", "1": "phone"}
    assert guess_columns(["שם", "משפחה", "טלפון 1", "טלפון 2"], [], []) == {
        "0": "first_name", "1": "last_name", "2": "phone", "3": "phone",
    }  # fmt: skip
    assert guess_columns(["Customer E-mail", "Client ID", "Tags", "Remarks"], [], []) == {
        "0": "email", "1": "reference", "2": "tags", "3": "note",
    }  # fmt: skip
    unnamed = [["dana@shop.co.il", "052-123-4567"], ["yossi@shop.co.il", "054-111-2233"]]
    assert guess_columns(["a", "b"], unnamed, []) == {"0": "email", "1": "phone"}
