"""The watched folder: `in/` to `done/` or `bad/`. Which files are finished, and moving them so that nothing is lost."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: there one worker does the regular work
    fcntl = None  # type: ignore[assignment]

FOLDERS = ("in", "done", "bad", "out")
ERRORS = ".errors.csv"
SUFFIXES = (".csv", ".txt", ".tsv", ".xlsx", ".xlsm", ".xls", ".ods")
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")
_FORMULA = re.compile(r"^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20|]")
_PLAIN_NUMBER = re.compile(r"[+-]?\d[\d .,/-]*")


@dataclass(frozen=True)
class Sighting:
    """A file as it was seen; the same size and time later means that nobody writes to it any more."""

    name: str
    size: int
    mtime_ns: int

    def data(self, at: datetime) -> dict[str, Any]:
        return {"size": self.size, "mtime_ns": self.mtime_ns, "at": at.isoformat()}

    def is_quiet(self, before: Mapping[str, Any] | None, now: datetime, quiet: timedelta) -> bool:
        """Whether it was seen exactly so at least `quiet` ago. A file seen for the first time never is, unless 0."""
        if not quiet:
            return True
        if before is None or (before["size"], before["mtime_ns"]) != (self.size, self.mtime_ns):
            return False
        return now - datetime.fromisoformat(before["at"]) >= quiet


class HotFolder:
    """`root` holds in/, done/, bad/ and out/. All methods raise OSError when the disk or the share refuses."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """True inside the block for one process at a time; False when another one is reading the folder now."""
        with (self.root / ".lock").open("w") as handle:
            if fcntl is not None:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    yield False
                    return
            yield True

    def waiting(self) -> list[Sighting]:
        """What lies in in/, by name. Links, folders, hidden and unfinished files are not looked at."""
        found = []
        for entry in sorted((self.root / "in").iterdir()):
            name = entry.name
            if name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED):
                continue
            try:
                facts = entry.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(facts.st_mode) and name.lower() not in ("thumbs.db", "desktop.ini"):
                found.append(Sighting(name, facts.st_size, facts.st_mtime_ns))
        return found

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file in in/, at most one more than `limit`."""
        with (self.root / "in" / name).open("rb") as stream:
            return stream.read(limit + 1)

    def move(self, name: str, where: str, sha: str = "") -> Path:
        """Move a file out of in/. Repeating it after a crash gives the same name, so nothing is kept twice."""
        target = self.root / where / (f"{sha[:8]}-{name}" if sha else name)
        os.replace(self.root / "in" / name, target)
        return target

    def back(self, where: str, name: str, as_name: str) -> None:
        """Let a file in bad/ or done/ be read once more."""
        os.replace(self.root / where / name, self.root / "in" / as_name)

    def write_errors(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """bad/<file>.errors.csv: the rows that could not be read, as they were, with the reason in front."""
        self.write_csv(self.root / "bad" / f"{name}{ERRORS}", header, rows)

    def write_csv(self, path: Path, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> None:
        """A file for Excel: UTF-8 with its mark, and no cell that would run as a formula. Complete or not at all."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        for row in (header, *rows):
            writer.writerow([harmless(cell) for cell in row])
        part = path.with_name(path.name + ".part")
        part.write_bytes(text.getvalue().encode("utf-8-sig", "replace"))
        os.replace(part, path)

    def tidy(self, now: datetime, keep: timedelta) -> int:
        """Delete what was read longer ago than `keep`; they are copies of the books with people's data in them."""
        deleted = 0
        oldest = (now - keep).timestamp()
        for folder in ("done", "bad"):
            for entry in (self.root / folder).iterdir():
                facts = entry.lstat()
                if stat.S_ISREG(facts.st_mode) and max(facts.st_mtime, facts.st_ctime) < oldest:
                    entry.unlink()
                    deleted += 1
        return deleted


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def harmless(cell: Any) -> str:
    """A cell that a spreadsheet program shows and does not run; numbers and telephone numbers stay as they are."""
    text = str(cell if cell is not None else "")
    if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text
