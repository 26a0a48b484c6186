"""Finding contacts whichever way their name is typed: letters, digits and marks are folded on both sides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactTag, Tag
from panel.contacts.sets import among

# Arabic letters that Persian keyboards write differently, and the digits of both scripts.
_LETTERS = {
    "ي": "ی", "ى": "ی", "ئ": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ؤ": "و",
    "\u200c": " ", "\u00a0": " ", "ـ": "", "׳": "'", "״": '"', "־": " ", "’": "'",
}  # fmt: skip
_DIGITS = {c: str(i) for digits in ("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩") for i, c in enumerate(digits)}
_TABLE = str.maketrans(_LETTERS | _DIGITS)
_DIGITS_TABLE = str.maketrans(_DIGITS)
_INVISIBLE = re.compile("[\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u061c\x00-\x08\x0e-\x1f\x7f]")
_SPACES = re.compile(r"\s+")
_PHONE_LIKE = re.compile(r"^[+(]?[\d\s().\-/]{4,}$")
_NOT_DIGITS = re.compile(r"\D")
MAX_WORDS = 8


def latin_digits(text: str) -> str:
    """Persian and Arabic digits as ASCII."""
    return text.translate(_DIGITS_TABLE)


def strip_marks(text: str) -> str:
    """Drop direction marks and other invisible characters, but keep the joiner of Persian words (U+200C)."""
    return _INVISIBLE.sub("", text)


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """The form in which texts are compared: case, Arabic/Persian letters, digits, vowel marks, spaces."""
    if text.isascii():
        return _SPACES.sub(" ", text.casefold()).strip() if not text.isalnum() else text.casefold()
    text = unicodedata.normalize("NFKC", text).casefold().translate(_TABLE)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()


def search_text(names: Iterable[str | None], addresses: Iterable[str]) -> str:
    """What is stored for searching: the names and addresses of one contact, folded."""
    words = dict.fromkeys(fold(part) for part in (*names, *addresses) if part)
    return " ".join(word for word in words if word)[:4000]


def search(session: Session, text: str, limit: int = 50) -> list[Contact]:
    """Contacts whose names, addresses, reference or tags contain every word of `text`, latest changed first.

    A telephone number is found in any of its forms: +972-52-123-0001, 0521230001, ۰۹۱۲ ۳۴۵ ۶۷۸۹.
    """
    query = select(Contact).where(*matching(session, text))
    return list(session.scalars(query.order_by(Contact.updated_at.desc(), Contact.id.desc()).limit(limit)))


def matching(session: Session, text: str) -> list[ColumnElement[bool]]:
    """The conditions on `Contact` that `search` uses, for lists that order and page in their own way."""
    words = _words(text)
    if not words:
        return [false()]
    conditions: list[ColumnElement[bool]] = [Contact.merged_into_id.is_(None), Contact.erased_at.is_(None)]
    for word in words:
        matches = Contact.search_text.contains(word, autoescape=True)
        tags = _tags_like(session, word)
        if tags:
            tagged = select(ContactTag.contact_id).where(among(session, ContactTag.tag_id, tags))
            conditions.append(or_(matches, Contact.id.in_(tagged)))
        else:
            conditions.append(matches)
    return conditions


def _words(text: str) -> list[str]:
    folded = fold(strip_marks(text))[:200]
    if _PHONE_LIKE.match(folded):
        # The national zero and the 00 of international calls are not part of the number that is stored.
        digits = _NOT_DIGITS.sub("", folded).lstrip("0")
        return [digits] if digits else []
    return folded.split(" ")[:MAX_WORDS] if folded else []


def _tags_like(session: Session, word: str) -> list[int]:
    return [id_ for id_, name in session.execute(select(Tag.id, Tag.name)) if word in fold(name)]
