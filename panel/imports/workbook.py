"""Excel and OpenDocument workbooks, every cell as the text a person would have typed."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from panel.errors import UserError
from panel.i18n import N_

_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
MAX_UNPACKED = 400 * 1024 * 1024
MAX_FILE = 100 * 1024 * 1024


def is_workbook(sample: bytes) -> bool:
    """By its first bytes: a file is what it holds, not what it is called."""
    if sample.startswith(_OLD_EXCEL):
        return True
    return sample.startswith(_ZIP) and any(
        mark in sample for mark in (b"[Content_Types].xml", b"xl/", b"opendocument.spreadsheet")
    )


def sheet_names(path: Path) -> list[str]:
    """Names of the sheets that hold a table, in their order."""
    names = list(_open(path).sheet_names)
    if not names:
        raise _broken()
    return names


def rows(path: Path, sheet: str = "") -> Iterator[list[str]]:
    """All rows of a sheet (of the first one when the name is unknown), from its top left cell on."""
    book = _open(path)
    name = sheet if sheet in book.sheet_names else book.sheet_names[0]
    try:
        for row in book.get_sheet_by_name(name).iter_rows():
            yield [as_text(cell) for cell in row]
    except CalamineError as error:
        raise _broken() from error


def _open(path: Path) -> CalamineWorkbook:
    _refuse_bombs(path)
    try:
        return CalamineWorkbook.from_path(str(path))
    except (CalamineError, OSError, ValueError) as error:
        if "assword" in str(error) or "ncrypted" in str(error):
            raise UserError(
                "workbook_locked", N_("This workbook is protected by a password. Save it without one.")
            ) from error
        raise _broken() from error


def _refuse_bombs(path: Path) -> None:
    """A workbook is a ZIP: a small file may unpack to anything."""
    unpacked = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        pass  # an old .xls, or broken: the reader says so
    if unpacked > MAX_UNPACKED or path.stat().st_size > MAX_FILE:
        raise UserError("workbook_too_big", N_("This workbook is too big. Save the sheet as a CSV file."))


def _broken() -> UserError:
    return UserError("workbook_broken", N_("This workbook cannot be read. Open it in Excel and save it again."))


def as_text(cell: object) -> str:
    """A cell as text: whole numbers without a point, days as 2026-11-22, yes and no as such."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ", "seconds")
    return "" if cell is None else str(cell)
