"""What the development mailbox keeps: one .eml file per mail, and an index that can be searched. Newest 2,000."""

from __future__ import annotations

import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.utils import getaddresses
from pathlib import Path

from plugins.email.reading import header_text, read_shown

KEPT = 2000
_TABLE = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL,
    shown_from TEXT NOT NULL, subject TEXT NOT NULL, search TEXT NOT NULL, size INTEGER NOT NULL
)"""


@dataclass(frozen=True)
class Mail:
    """One line of the list. `recipients` are the addresses of the envelope."""

    id: int
    at: datetime
    sender: str
    recipients: str
    shown_from: str
    subject: str
    size: int


def fold(text: str) -> str:
    """For searching: without case, marks, and the Arabic forms of Persian letters."""
    text = unicodedata.normalize("NFKD", text.replace("ي", "ی").replace("ك", "ک")).casefold()
    return "".join(c for c in text if not unicodedata.combining(c))


class Store:
    """A mailbox in a folder. Every call opens the index anew: the server writes it, the web only reads."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept

    def _open(self) -> sqlite3.Connection:
        self._folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._folder / "index.sqlite", timeout=10, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
        return connection

    def path(self, mail_id: int) -> Path:
        return self._folder / f"{mail_id:08}.eml"

    def add(self, sender: str, recipients: list[str], content: bytes, now: datetime | None = None) -> int:
        """Keep a mail; the oldest beyond the limit goes. Returns its id."""
        return self.add_many([(sender, recipients, content)], now)[0]

    def add_many(self, mails: list[tuple[str, list[str], bytes]], now: datetime | None = None) -> list[int]:
        at = (now or datetime.now(UTC)).isoformat()
        ids = []
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for sender, recipients, content in mails:
                subject, shown_from, text = _summary(content)
                searched = fold(" ".join([sender, *recipients, shown_from, subject, text]))[:20_000]
                row = connection.execute(
                    "INSERT INTO mails(at, sender, recipients, shown_from, subject, search, size)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (at, sender, ", ".join(recipients), shown_from, subject, searched, len(content)),
                )
                mail_id = int(row.lastrowid or 0)
                self.path(mail_id).write_bytes(content)
                ids.append(mail_id)
            old = [
                row[0]
                for row in connection.execute(
                    "SELECT id FROM mails WHERE id <= (SELECT max(id) FROM mails) - ?", (self._kept,)
                )
            ]
            connection.execute("DELETE FROM mails WHERE id <= (SELECT max(id) FROM mails) - ?", (self._kept,))
            connection.execute("COMMIT")
        for mail_id in old:
            self.path(mail_id).unlink(missing_ok=True)
        return ids

    def find(self, words: str = "", *, before: int | None = None, limit: int = 50) -> list[Mail]:
        """The newest mails that contain every word, older than mail `before` when given."""
        query = (
            "SELECT id, at, sender, recipients, shown_from, subject, size FROM mails WHERE 1=1"  # noqa: S608
            + " AND search LIKE ? ESCAPE '\\'" * len(words.split())
            + (" AND id < ?" if before is not None else "")
            + " ORDER BY id DESC LIMIT ?"
        )
        escaped = (word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for word in fold(words).split())
        values: list[object] = [f"%{word}%" for word in escaped]
        if before is not None:
            values.append(before)
        with closing(self._open()) as connection:
            rows = connection.execute(query, [*values, limit]).fetchall()
        return [Mail(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in rows]

    def get(self, mail_id: int) -> tuple[Mail, bytes] | None:
        with closing(self._open()) as connection:
            row = connection.execute(
                "SELECT id, at, sender, recipients, shown_from, subject, size FROM mails WHERE id = ?", (mail_id,)
            ).fetchone()
        if row is None:
            return None
        try:
            content = self.path(mail_id).read_bytes()
        except FileNotFoundError:
            return None
        return Mail(row[0], datetime.fromisoformat(row[1]), *row[2:]), content

    def count(self) -> int:
        with closing(self._open()) as connection:
            return int(connection.execute("SELECT count(*) FROM mails").fetchone()[0])

    def clear(self) -> int:
        """Throw everything away; returns how many mails there were."""
        with closing(self._open()) as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM mails")]
            connection.execute("DELETE FROM mails")
        for mail_id in ids:
            self.path(mail_id).unlink(missing_ok=True)
        return len(ids)


def _summary(content: bytes) -> tuple[str, str, str]:
    """Subject, sender as shown, and the text to search in. No mail makes it fail."""
    try:
        shown = read_shown(content)
        mail = message_from_bytes(content)
        senders = getaddresses([header_text(str(mail.get("From", "")))])
        shown_from = " ".join(part for part in senders[0] if part) if senders else ""
        return shown.subject, shown_from, shown.text
    except Exception:  # noqa: BLE001 - whatever a broken mail does to the parser, it is kept and listed
        return "", "", content[:2000].decode("utf-8", "replace")
