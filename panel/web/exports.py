"""Files for a spreadsheet: CSV that Excel reads as Unicode, XLSX with real types. No cell is ever a live formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import xlsxwriter
from flask import Response

from panel.calendars import Reader
from panel.i18n import direction

_PHONE = re.compile(r"^\+\d[\d\s-]+$")
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Column:
    """One column of a file: its heading in the reader's language and how wide it stands in a sheet (characters)."""

    heading: str
    width: int = 18


def csv_cell(value: Any, reader: Reader) -> str:
    """A value as CSV text. Times are in the reader's zone; a text that a spreadsheet would run gets a leading quote."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return f"{value.astimezone(reader.zone):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, (list, tuple, set)):
        value = ", ".join(str(v) for v in value)
    text = str(value).translate(_MARKS).replace("\x00", "")
    if text.startswith(_RISKY) and not _PHONE.match(text):
        return "'" + text
    return text


def write_csv(columns: Sequence[Column], rows: Iterable[Sequence[Any]], reader: Reader) -> Iterator[str]:
    """The file piece by piece: byte order mark, headings, rows, each ended by CRLF."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow([csv_cell(c.heading, reader) for c in columns])
    for row in rows:
        writer.writerow([csv_cell(value, reader) for value in row])
        if buffer.tell() > 32_000:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def write_xlsx(columns: Sequence[Column], rows: Iterable[Sequence[Any]], reader: Reader, title: str) -> bytes:
    """A workbook of one sheet: right-to-left where the language is, numbers and dates as such, phones as text.

    Each row is put aside on disk when the next one begins; only the finished file, which is compressed, is in memory.
    """
    target = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    with xlsxwriter.Workbook(target, options) as book:
        sheet = book.add_worksheet(re.sub(r"[\[\]:*?/\\']", " ", title)[:31].strip() or "Sheet")
        if direction(reader.language) == "rtl":
            sheet.right_to_left()
        bold = book.add_format({"bold": True, "bottom": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        as_text = book.add_format({"num_format": "@"})
        for at, column in enumerate(columns):
            sheet.write_string(0, at, column.heading, bold)
            sheet.set_column(at, at, column.width)
        sheet.freeze_panes(1, 0)
        for line, row in enumerate(rows, start=1):
            for at, value in enumerate(row):
                if value is None or value == "":
                    continue
                if isinstance(value, bool):
                    sheet.write_boolean(line, at, value)
                elif isinstance(value, datetime):
                    sheet.write_datetime(line, at, value.astimezone(reader.zone).replace(tzinfo=None), moment)
                elif isinstance(value, date):
                    sheet.write_datetime(line, at, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
                elif isinstance(value, (int, float, Decimal)):
                    sheet.write_number(line, at, float(value))
                else:
                    if isinstance(value, (list, tuple, set)):
                        value = ", ".join(str(v) for v in value)
                    sheet.write_string(line, at, str(value).translate(_MARKS)[:32_767], as_text)
    return target.getvalue()


def download(body: Any, name: str, kind: str) -> Response:
    """An answer that saves as `name`, which may be Hebrew or Persian (RFC 5987)."""
    ascii_name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "export"
    response = Response(body, content_type=kind)
    response.headers["Content-Disposition"] = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name)}"
    response.headers["Cache-Control"] = "no-store"
    return response
