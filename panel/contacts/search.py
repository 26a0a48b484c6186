"""Finding contacts whichever way their name is typed: letters, digits and marks are folded on both sides.

The words of `Contact.search_text` stand in `contact_words`, which triggers keep (migration 0011): FTS5 on SQLite, a
tsvector on PostgreSQL. A word is found by how it begins; a telephone number also by how it ends, since it stands there
backwards too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from sqlalchemy import ColumnElement, bindparam, false, or_, select, text
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactTag, Tag
from panel.contacts.sets import among
from panel.db import connection_of

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
MIN_ENDING = 4  # digits by whose end a telephone number is found
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\+(\d{7,15})")

# One word looked for: the word, and whether it may go on. A telephone number may be meant in several ways.
Part = tuple[str, bool]


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
    """What is stored for searching: the names and addresses of one contact, folded; telephone numbers in each form in
    which somebody begins to type them, and backwards."""
    addresses = list(addresses)
    words = dict.fromkeys(fold(part) for part in (*names, *addresses) if part)
    numbers = [found[1] for found in map(_NUMBER.fullmatch, addresses) if found]
    forms = [form for number in numbers for form in (national(number), backwards(number))]
    return " ".join(word for word in (*words, *forms) if word)[:4000]


def national(number: str) -> str:
    """The digits of an international number without its country's: 972521230001 -> 521230001."""
    for length in (1, 2, 3):
        if int(number[:length]) in COUNTRY_CODE_TO_REGION_CODE:
            return number[length:]
    return number


def backwards(digits: str) -> str:
    """A number as a word by whose beginning its end is found; the letter keeps it apart from real numbers."""
    return f"z{digits[::-1]}"


def search(session: Session, text: str, limit: int = 50) -> list[Contact]:
    """Contacts whose names, addresses, reference or tags contain words that begin like every word of `text`, latest
    changed first.

    A telephone number is found in any of its forms: +972-52-123-0001, 0521230001, ۰۹۱۲ ۳۴۵ ۶۷۸۹, or by its last digits.
    """
    query = select(Contact).where(*matching(session, text))
    return list(session.scalars(query.order_by(Contact.updated_at.desc(), Contact.id.desc()).limit(limit)))


def matching(session: Session, text: str) -> list[ColumnElement[bool]]:
    """The conditions on `Contact` that `search` uses, for lists that order and page in their own way."""
    ways = ways_of(text)
    if not ways:
        return [false()]
    conditions: list[ColumnElement[bool]] = [Contact.merged_into_id.is_(None), Contact.erased_at.is_(None)]
    if len(ways) > 1 or not (tags := _tags_of(session, ways[0])):
        whole = tags_like(session, fold(strip_marks(text))) if len(ways) > 1 else ()
        found = with_words(session, ways)
        return [*conditions, or_(found, _tagged(session, whole)) if whole else found]
    for part in ways[0]:
        found = with_words(session, [[part]])
        conditions.append(or_(found, _tagged(session, tags[part[0]])) if tags.get(part[0]) else found)
    return conditions


def ways_of(text: str) -> list[list[Part]]:
    """What `text` may mean: all parts of any one of these must be there. Empty: there is nothing to look for."""
    folded = fold(strip_marks(text))[:200]
    parts: list[Part] = [(word, True) for word in _WORD.findall(folded)[:MAX_WORDS]]
    if not parts:
        return []
    if not _PHONE_LIKE.match(folded):
        return [parts]
    # The national zero and the 00 of international calls are not part of the number that is stored.
    digits = _NOT_DIGITS.sub("", folded)
    number = digits.lstrip("0")
    ways = [parts]
    ways += [[(form, True)] for form in dict.fromkeys((digits, number)) if form and [(form, True)] not in ways]
    if len(number) >= MIN_ENDING:
        # Of a number that begins with zeros the end is meant only when it is whole.
        ways.append([(backwards(number), True)])
    if len(digits) >= MIN_ENDING and digits != number and not digits.startswith("00"):
        ways.append([(backwards(digits), True)])
    return ways


def with_words(session: Session, ways: Sequence[Sequence[Part]]) -> ColumnElement[bool]:
    """The condition that a contact has all words of one of `ways`."""
    if connection_of(session).dialect.name == "postgresql":
        said = " | ".join(
            "(" + " & ".join(f"'{word}':*" if goes_on else f"'{word}'" for word, goes_on in way) + ")" for way in ways
        )
        found = text("SELECT contact_id FROM contact_words WHERE words @@ CAST(:words_said AS tsquery)")
    else:
        said = " OR ".join(
            "(" + " AND ".join(f'"{word}"*' if goes_on else f'"{word}"' for word, goes_on in way) + ")" for way in ways
        )
        found = text("SELECT rowid FROM contact_words WHERE contact_words MATCH :words_said")
    name = f"words_{abs(hash(said))}"  # several conditions stand in one statement
    asked = text(str(found).replace(":words_said", f":{name}")).bindparams(bindparam(name, said))
    return Contact.id.in_(asked.columns(Contact.id).scalar_subquery())


def tags_like(session: Session, word: str) -> list[int]:
    """Tags whose name has a word that begins like `word`, or begins so itself."""
    found = session.execute(select(Tag.id, Tag.name)).all() if word else []
    return [id_ for id_, name in found if f" {word}" in f" {fold(name)}"]


def _tags_of(session: Session, parts: Sequence[Part]) -> dict[str, list[int]]:
    known = [(id_, f" {fold(name)}") for id_, name in session.execute(select(Tag.id, Tag.name))]
    found = {word: [id_ for id_, name in known if f" {word}" in name] for word, _ in parts}
    return found if any(found.values()) else {}


def _tagged(session: Session, tags: Sequence[int]) -> ColumnElement[bool]:
    return Contact.id.in_(select(ContactTag.contact_id).where(among(session, ContactTag.tag_id, tags)))
