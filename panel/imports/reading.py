"""Reading a contact file as it is: letters, separator, rows. Nothing here is loaded whole, whatever the file holds."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any

from panel.errors import Problem, UserError
from panel.i18n import N_
from panel.imports import workbook

# What a file from an older Windows is written in, by the language of the person who brings it.
LEGACY = {"he": "cp1255", "fa": "cp1256"}
ENCODINGS = ("utf-8", "utf-16", "cp1255", "cp1256", "cp1252", "iso-8859-8", "mac_roman")
SEPARATORS = (",", ";", "\t", "|")
PREVIEW_ROWS = 20
SAMPLE_BYTES = 256 * 1024
CHUNK = 64 * 1024
MAX_LINE = 1_000_000  # characters; a longer line is one bad row, whatever comes after it is read
MAX_CELLS = 1000
MAX_SPAN = 500  # lines that one row may run over, inside quotes
UNREADABLE = "\ufffd"
_PERSIAN = {ord("ي"): "ی", ord("ى"): "ی", ord("ك"): "ک"}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Reading:
    """How a file is read. `encoding` None: nobody knows, a person must choose. `sheet` only for workbooks.

    `header_row` is the row (1 is the first) that names the columns; 0 when there is none. `persian_letters`: the file's
    encoding has only the Arabic ي and ك, and its people write ی and ک.
    """

    format: str = "csv"  # csv | workbook
    encoding: str | None = "utf-8"
    separator: str = ","
    sheet: str = ""
    header_row: int = 1
    persian_letters: bool = False

    def plain(self) -> dict[str, Any]:
        return {"format": self.format, "encoding": self.encoding, "separator": self.separator, "sheet": self.sheet,
                "header_row": self.header_row, "persian_letters": self.persian_letters}  # fmt: skip

    @classmethod
    def of(cls, data: dict[str, Any]) -> Reading:
        """Read what `plain` wrote, or a person's choices; unknown values raise UserError."""
        found = cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})
        if found.encoding is not None:
            try:
                codecs.lookup(found.encoding)
            except LookupError:
                raise UserError(
                    "encoding_unknown", N_('"%(encoding)s" is not an encoding'), encoding=found.encoding[:40]
                ) from None
        if len(found.separator) != 1:
            raise UserError("separator_not_one", N_("The separator is one character, like a comma"))
        return found


@dataclass(frozen=True)
class Row:
    """One row: `number` as a spreadsheet counts (the first line is 1), its cells, or what is wrong with it."""

    number: int
    cells: list[str]
    problem: Problem | None = None


@dataclass(frozen=True)
class Preview:
    """The first rows for a person to judge. `headers` are unique (a second "Phone" is "Phone (2)")."""

    reading: Reading
    headers: list[str]
    rows: list[Row]
    sheets: list[str]
    guessed_encoding: str = ""


def examine(path: Path, language: str = "en") -> Reading:
    """Guess how a file is to be read. Raises UserError for an empty file and for one that is no table."""
    if path.stat().st_size == 0:
        raise UserError("file_empty", N_("The file is empty"))
    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    if workbook.is_workbook(sample):
        sheets = workbook.sheet_names(path)
        return Reading("workbook", None, ",", sheets[0])
    _refuse_other_kinds(sample)
    encoding = _encoding(path, sample, language)
    text = _decode_sample(sample, encoding or "cp1252")
    if not text.strip("\ufeff\x00 \t\r\n,;"):
        raise UserError("file_empty", N_("The file is empty"))
    return Reading("csv", encoding, _separator(text), persian_letters=_writes_persian(encoding, language))


def _writes_persian(encoding: str | None, language: str) -> bool:
    return encoding == "cp1256" and language == "fa"


def _refuse_other_kinds(sample: bytes) -> None:
    for magic, kind in ((b"%PDF", "PDF"), (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"Rar!", "RAR"),
                        (b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf", "7z"), (b"PK\x03\x04", "ZIP")):  # fmt: skip
        if sample.startswith(magic):
            raise UserError(
                "file_not_a_table",
                N_("This is a %(kind)s file. Bring a CSV file or an Excel workbook (.xlsx)."),
                kind=kind,
            )


def _encoding(path: Path, sample: bytes, language: str) -> str | None:
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # UTF-16 without a mark shows by its zero bytes: at odd places little-endian, at even ones big-endian.
    if len(sample) >= 8 and sample.count(0) > len(sample) // 5:
        odd, even = sample[1::2].count(0), sample[0::2].count(0)
        if max(odd, even) > 4 * min(odd, even) + 4:
            return "utf-16-le" if odd > even else "utf-16-be"
    if _is_all(path, "utf-8"):
        return "utf-8"
    legacy = LEGACY.get(language)
    return legacy if legacy and _is_all(path, legacy) else None


def _is_all(path: Path, encoding: str) -> bool:
    """Whether every byte of the file means something in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with path.open("rb") as stream:
        try:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _decode_sample(sample: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _separator(text: str) -> str:
    """The separator that cuts the first lines into the same number of cells, the more the better."""
    text = text.removeprefix("\ufeff")
    if text[:5].lower().startswith("sep=") and len(text) > 4 and text[4] not in "\r\n":
        return text[4]
    lines = [line for line in text[:CHUNK].splitlines()[:PREVIEW_ROWS] if line.strip()]
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        except csv.Error:
            continue
        usual = median_low(counts) if counts else 0
        if usual > 1:
            score = (sum(count == usual for count in counts) / len(counts), usual)
            if score > best_score:
                best, best_score = separator, score
    return best


class Rows:
    """The data rows of a file, one after the other, in bounded memory. `headers` are known after construction."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.reading = reading
        self._rows = _workbook_rows(path, reading) if reading.format == "workbook" else _csv_rows(path, reading)
        self.written_headers: list[str] = []
        first: list[str] = []
        for _ in range(reading.header_row):
            row = next(self._rows, None)
            first = row.cells if row else []
            if row is not None and row.problem is not None and not first:
                raise UserError(
                    "headers_unreadable",
                    N_("The first row should name the columns, but it is too long to be read. Is this a table?"),
                )
        if reading.header_row:
            while first and not first[-1].strip():
                first.pop()
            self.written_headers = first
        else:
            row = next(self._rows, None)
            if row is not None:
                self.written_headers = [""] * len(row.cells)
                self._rows = _chain(row, self._rows)
        self.headers = unique_headers(self.written_headers)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        while True:
            row = next(self._rows)
            if row.problem is not None or any(cell and not cell.isspace() for cell in row.cells):
                return row


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def unique_headers(written: list[str]) -> list[str]:
    """Header names to choose by: none empty, none twice."""
    seen: dict[str, int] = {}
    names = []
    for at, name in enumerate(written, start=1):
        name = " ".join(name.replace("\x00", "").strip("\ufeff").split())[:100] or f"{at}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def preview(path: Path, reading: Reading) -> Preview:
    """The first rows as this reading shows them. A missing encoding is shown as Windows Western, to be judged."""
    shown = replace(reading, encoding=reading.encoding or "cp1252")
    rows = Rows(path, shown)
    first: list[Row] = []
    for row in rows:
        first.append(row)
        if len(first) == PREVIEW_ROWS:
            break
    sheets = workbook.sheet_names(path) if reading.format == "workbook" else []
    return Preview(reading, rows.headers, first, sheets)


def _workbook_rows(path: Path, reading: Reading) -> Iterator[Row]:
    for number, cells in enumerate(workbook.rows(path, reading.sheet), start=1):
        yield Row(number, cells)


class _Line(str):
    """A line that is too long to be read; only its beginning is kept."""

    __slots__ = ()


def _lines(path: Path, encoding: str | None, letters: dict[int, str] | None = None) -> Iterator[str]:
    """Lines with their ends (any of the three kinds), never more of one in memory than MAX_LINE."""
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")("replace")
    rest, skipping = "", False
    with path.open("rb") as stream:
        first = True
        while True:
            chunk = stream.read(CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            if letters is not None:
                text = text.translate(letters)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            # A lone CR at the end may be half of CRLF: it waits for the next chunk.
            text = rest + text
            rest = ""
            if chunk and text.endswith("\r"):
                text, rest = text[:-1], "\r"
            lines = text.splitlines(keepends=True) if "\x0b" not in text and "\x0c" not in text else _split(text)
            if any(len(line) and line[-1] in "\x1c\x1d\x1e\x85\u2028\u2029" for line in lines):
                lines = _split(text)
            if lines and not lines[-1].endswith(("\n", "\r")):
                rest = lines.pop() + rest
            for line in lines:
                if skipping:
                    skipping = False
                    continue
                yield line if len(line) <= MAX_LINE else _Line(line[:200])
            if len(rest) > MAX_LINE:
                if not skipping:
                    yield _Line(rest[:200])
                skipping, rest = True, ""
            if not chunk:
                if rest and not skipping:
                    yield rest
                return


def _split(text: str) -> list[str]:
    """Lines by CR, LF and CRLF only (str.splitlines knows more kinds, which may stand inside a cell)."""
    return [part for part in _LINE.findall(text) if part]


class _Source:
    """Lines for the CSV reader that can be given back when a quote was opened and never closed."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0  # of the last line given out

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAX_SPAN:
            raise csv.Error("a row over too many lines")
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.taken.append(line)
        if isinstance(line, _Line):
            raise _TooLongError
        return line

    def give_back_after_first(self) -> str:
        """Take the first line of the present row for bad; everything after it is read again."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        self.taken = []
        return first


class _TooLongError(Exception):
    pass


def _csv_rows(path: Path, reading: Reading) -> Iterator[Row]:
    source = _Source(_lines(path, reading.encoding, _PERSIAN if reading.persian_letters else None))
    parse: dict[str, Any] = {"delimiter": reading.separator, "strict": True}
    reader = csv.reader(source, **parse)
    at_start = True
    while True:
        source.taken.clear()
        began = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            reader = csv.reader(source, **parse)
            source.give_back_after_first() if len(source.taken) > 1 else source.taken.clear()
            yield Row(began, [], Problem("row_too_long", N_("This row is too long to be a contact")))
            continue
        except csv.Error:
            reader = csv.reader(source, **parse)
            yield _mended(source.give_back_after_first(), began, reading)
            continue
        if at_start:
            at_start = False
            if len(cells) <= 2 and cells and cells[0].lower().startswith("sep="):
                continue  # Excel's own note about the separator
        if len(cells) > MAX_CELLS:
            yield Row(began, cells[:MAX_CELLS], Problem("row_too_many_cells", N_("This row has more than 1,000 cells")))
        else:
            yield Row(began, cells)


def _mended(line: str, number: int, reading: Reading) -> Row:
    """A row with a stray quote, read by itself and without strictness; an open quote is a problem for a person."""
    if line.count('"') % 2 == 0:
        try:
            return Row(number, next(csv.reader([line], delimiter=reading.separator), []))
        except csv.Error:
            pass
    try:
        cells = next(csv.reader([line.rstrip("\r\n").replace('"', "")], delimiter=reading.separator), [])
    except csv.Error:
        cells = [line[:200]]
    sentence = N_("A quotation mark is opened in this row and not closed")
    return Row(number, cells[:MAX_CELLS], Problem("row_quotes", sentence))
