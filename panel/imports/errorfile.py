"""The rows that could not be taken, as they were, with the reason: a file to mend and bring again.

It is written while the import runs. What a killed worker wrote beyond its last commit is cut off when the import goes
on, so no row is in it twice.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from panel.errors import Problem
from panel.i18n import N_, translate

_RISKY = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069]*[=+\-@＝－＋＠|]|[\t\r\n]")
_PHONE = re.compile(r"\+\d[\d\s\-()]+\Z")
REASON = N_("Reason")


def start(path: Path, headers: Sequence[str], language: str) -> int:
    """Begin the file with its headings; how many bytes it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\ufeff" + _line([*headers, translate(language, REASON)])).encode())
    return path.stat().st_size


def append(
    path: Path, size: int, rows: Iterable[tuple[Sequence[str], Sequence[Problem]]], width: int, language: str
) -> int:
    """Add rows (cells, problems) after the first `size` bytes; what lies behind them is dropped. The new size."""
    with path.open("r+b") as stream:
        stream.truncate(size)
        stream.seek(size)
        for cells, problems in rows:
            padded = [*cells[:width], *[""] * (width - len(cells))]
            stream.write(_line([*padded, reasons(problems, language)]).encode("utf-8", "replace"))
        stream.flush()
        return stream.tell()


def reasons(problems: Sequence[Problem], language: str) -> str:
    """All reasons of one row in the reader's language."""
    return "; ".join(dict.fromkeys(problem.words(language) for problem in problems))


def safe(text: str) -> str:
    """A cell that no spreadsheet runs as a formula; the importer takes the quote away again."""
    if _RISKY.match(text) and not _PHONE.match(text):
        return "'" + text
    return text


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([safe(cell.replace("\x00", "")) for cell in cells])
    return buffer.getvalue()
