"""A file's bytes as a table: encodings, delimiters, workbooks. What the cells mean is `rows`' business."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from panel.sdk.i18n import N_

MAX_BYTES = 50 * 1024 * 1024
MAX_UNPACKED = 500 * 1024 * 1024
MAX_ROWS = 200_000
HEADER_WITHIN = 20  # reports begin with a title, a date, an empty line
MAX_LINES_IN_CELL = 30
DELIMITERS = ",;\t|"

# Which single-byte code page a folder's declared writing means. The letters' range tells a wrong declaration.
PAGES = {"he": "cp1255", "fa": "cp1256", "he_dos": "cp862", "he_dos_visual": "cp862", "en": "cp1252"}
_LETTERS = {"cp1255": (0x5D0, 0x5EA), "cp862": (0x5D0, 0x5EA), "cp1256": (0x620, 0x6CC), "cp1252": (0xA0, 0x17F)}
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HEBREW = re.compile("[\u05d0-\u05ea]")
_KEPT_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,:/@%+-]*[A-Za-z0-9]")


class FileError(Exception):
    """A file that cannot be read at all. `code` names the reason, `sentence` is an English msgid with `params`."""

    def __init__(self, code: str, sentence: str, **params: Any) -> None:
        super().__init__(sentence % params if params else sentence)
        self.code = code
        self.sentence = sentence
        self.params = params


@dataclass(frozen=True)
class Row:
    """`number` is the line (or spreadsheet row) a person looks for. `problem` is set when the row itself is broken."""

    number: int
    cells: Sequence[Any]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    header: Sequence[Any]
    rows: Sequence[Row] = field(repr=False)
    encoding: str = ""


def read_table(raw: bytes, writing: str, score: Callable[[Sequence[Any]], int]) -> Table:
    """Read CSV, text or a workbook. `writing` is a key of `PAGES`, or "" when nobody has said.

    `score` says how many known columns a row of cells would give as a header. Raises FileError.
    """
    if len(raw) > MAX_BYTES:
        raise FileError("too_big", N_("the file is larger than %(n)s MB"), n=MAX_BYTES // 1024 // 1024)
    if not raw.strip():
        raise FileError("empty", N_("the file is empty"))
    if raw[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return _with_header(list(_workbook_rows(raw)), "", score)
    if raw.lstrip()[:5].lower() in (b"<html", b"<tabl", b"<!doc", b"<?xml"):
        raise FileError(
            "web_page",
            N_("this is a web page with a spreadsheet's name; open it in a spreadsheet program and save it as XLSX"),
        )
    text, encoding = decode(raw, writing)
    if "\x00" in text:
        raise FileError("binary", N_("this is neither a text file nor a spreadsheet"))
    best: Table | None = None
    for delimiter in _delimiters(text):
        table = _with_header(list(_text_rows(text, delimiter, writing == "he_dos_visual")), encoding, score)
        if best is None or (score(table.header), len(table.header)) > (score(best.header), len(best.header)):
            best = table
    if best is None:
        raise FileError("empty", N_("the file is empty"))
    return best


def decode(raw: bytes, writing: str = "") -> tuple[str, str]:
    """The text and its encoding: a byte order mark, then strict UTF-8, then the declared writing. Never a guess.

    The Hebrew bytes of "דנה כהן" decode without an error as Persian ("مًن ëنï"): only a person can tell them apart.
    """
    for mark, name in _BOMS:
        if raw.startswith(mark):
            try:
                return raw.decode(name), name
            except UnicodeDecodeError:
                raise _damaged(name) from None
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        if _is_nearly_utf8(raw):
            raise _damaged("UTF-8") from None
    page = PAGES.get(writing)
    if page is None:
        raise FileError("encoding", N_("nobody has said yet which writing the old encoding of this file holds"))
    try:
        text = raw.decode(page)
    except UnicodeDecodeError:
        text = ""
    if not text or _share_of_letters(text, page) < 0.5:
        raise FileError("encoding", N_("the file does not look like the writing that the settings declare"))
    return text, page


def readings(raw: bytes, lines: int = 4) -> dict[str, str]:
    """The first lines of `raw` in each possible writing, for a person to choose from."""
    shown = {}
    for writing in ("he", "fa", "he_dos", "en"):
        text = raw[:4000].decode(PAGES[writing], "replace")
        shown[writing] = "\n".join([line for line in text.splitlines() if line.strip()][:lines])
    return shown


def _damaged(name: str) -> FileError:
    return FileError("damaged", N_("the file is %(encoding)s but damaged; save or copy it again"), encoding=name)


def _is_nearly_utf8(raw: bytes) -> bool:
    """One broken byte in a UTF-8 file must not turn the whole of it into an old code page's noise."""
    others = [c for c in raw.decode("utf-8", "replace") if c > "\x7f"]
    return bool(others) and others.count("\ufffd") / len(others) < 0.2


def _share_of_letters(text: str, page: str) -> float:
    low, high = _LETTERS[page]
    others = [c for c in text if c > "\x7f" and not c.isspace()]
    return sum(low <= ord(c) <= high for c in others) / len(others) if others else 1.0


def _delimiters(text: str) -> str:
    """The delimiters worth trying; `sep=;` in the first line decides by itself."""
    first = text.lstrip("\ufeff")[:6].lower()
    if first.startswith("sep=") and first[4:5] in DELIMITERS:
        return first[4]
    head = "\n".join(text.splitlines()[:HEADER_WITHIN])
    return "".join(d for d in DELIMITERS if d in head) or ","


def _text_rows(text: str, delimiter: str, visual: bool) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(start, [], N_("the line is too long or broken"))
            continue
        if start == 1 and len(cells) <= 2 and cells and cells[0].lower().startswith("sep"):
            continue
        if visual:
            cells = [_logical(cell) for cell in cells]
        if any(cell.count("\n") > MAX_LINES_IN_CELL for cell in cells):
            yield Row(start, [cell[:200] for cell in cells], N_("a quotation mark that opens here is never closed"))
        elif any(cell.strip() for cell in cells):
            yield Row(start, cells)


def _logical(cell: str) -> str:
    """A cell in visual order (the last letter first, as old DOS programs wrote Hebrew) in reading order."""
    if not _HEBREW.search(cell):
        return cell
    return _KEPT_RUN.sub(lambda run: run[0][::-1], cell[::-1])


def _workbook_rows(raw: bytes) -> Iterator[Row]:
    try:
        if raw[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                    raise FileError("too_big", N_("the file is larger than %(n)s MB"), n=MAX_UNPACKED // 1024 // 1024)
        with CalamineWorkbook.from_filelike(io.BytesIO(raw)) as book:
            for sheet in book.sheets_metadata:
                if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
                    cells = book.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
                    break
            else:
                raise FileError("empty", N_("the file is empty"))
    except (CalamineError, zipfile.BadZipFile, OSError, ValueError):
        raise FileError("workbook", N_("the spreadsheet is damaged or protected by a password")) from None
    for number, row in enumerate(cells, 1):
        if any(cell not in ("", None) for cell in row):
            yield Row(number, row)


def _with_header(rows: list[Row], encoding: str, score: Callable[[Sequence[Any]], int]) -> Table:
    """Take the row that names most columns for the header, among the first ones."""
    if len(rows) > MAX_ROWS:
        raise FileError("too_many_rows", N_("the file has more than %(n)s rows"), n=MAX_ROWS)
    best, points = 0, -1
    for position, row in enumerate(rows[:HEADER_WITHIN]):
        if not row.problem and (found := score(row.cells)) > points:
            best, points = position, found
    if not rows:
        return Table([], [], encoding)
    return Table(rows[best].cells, rows[best + 1 :], encoding)
