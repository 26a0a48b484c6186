"""Files for a spreadsheet: what Excel would show, run or mangle."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from panel.calendars import Reader
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.sdk.context import NewContact
from panel.staff.models import AuditEntry
from panel.web.exports import Column, csv_cell, write_csv, write_xlsx

READER = Reader("he", "gregorian", "latin", "Asia/Jerusalem")


@pytest.mark.parametrize("formula", ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_ever_a_formula_in_csv(formula):
    assert csv_cell(formula, READER).startswith("'")


@pytest.mark.parametrize("phone", ["+972521234567", "+972 52-123-4567"])
def test_a_phone_keeps_its_plus_in_csv(phone):
    assert csv_cell(phone, READER) == phone


def test_csv_begins_with_the_mark_that_excel_needs_and_ends_lines_with_crlf():
    text = "".join(write_csv([Column("שם"), Column("טלפון")], [["יעל", "+972521234567"]], READER))
    assert text == "\ufeffשם,טלפון\r\nיעל,+972521234567\r\n"


def test_times_are_written_in_the_readers_zone():
    assert csv_cell(datetime(2026, 11, 22, 7, 30, tzinfo=UTC), READER) == "2026-11-22 09:30:00"


def test_xlsx_has_real_types_texts_for_phones_and_formulas_and_runs_right_to_left():
    row = ["=1+1", "+972521234567", Decimal("12.5"), date(2026, 11, 22), ["VIP", "חדש"], None, "0501234567"]
    body = write_xlsx([Column(str(i)) for i in range(len(row))], [row], READER, "אנשי קשר")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()
    assert sheet[1][:5] == ["=1+1", "+972521234567", 12.5, date(2026, 11, 22), "VIP, חדש"]
    assert sheet[1][6] == "0501234567"
    inside = zipfile.ZipFile(io.BytesIO(body)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in inside
    assert 'rightToLeft="1"' in inside


@pytest.mark.databases("sqlite")
def test_the_contacts_file_has_what_the_list_shows_and_a_hebrew_name(logged_in):
    with writing() as session:
        create_contact(
            session, NewContact(first_name="=cmd", emails=["a@example.com"], phones=["0521234567"]), how="manual"
        )
    answer = logged_in("owner", language="he").get("/admin/contacts/export/csv/")
    text = answer.data.decode("utf-8-sig")
    assert session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "exported")).all() == ["contacts.csv"]
    assert "'=cmd" in text
    assert "+972521234567" in text
    assert "שם פרטי" in text.splitlines()[0]
    assert "filename*=UTF-8''%D7%90" in answer.headers["Content-Disposition"]
