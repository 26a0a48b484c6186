"""Recognising a refusal in a reply, however a telephone keyboard wrote it."""

from __future__ import annotations

import re
import unicodedata

# Whole replies, folded. Short words such as "no" count only when they are all that was said.
WORDS = (
    "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "remove", "remove me",
    "הסר", "הסירו", "הסר אותי", "הסירו אותי", "להסיר", "הסרה", "תסירו", "תסירו אותי", "לא", "די", "עצור",
    "בטל", "ביטול", "חדל",
    "לא מעוניין", "לא מעוניינת", "נא להסיר", "נא להסיר אותי", "אל תשלחו", "אל תשלחו לי",
    "لغو", "لغو اشتراک", "لغو عضویت", "حذف", "نه", "خیر", "توقف", "نفرستید", "نمیخواهم",
    "نمی خواهم", "انصراف", "لغو 11", "off", "11",
    "الغاء", "إلغاء", "ايقاف", "إيقاف", "لا", "توقف",
)  # fmt: skip

# Arabic keyboards and Persian ones write the same letters with different code points.
_LETTERS = str.maketrans(
    {"ك": "ک", "ي": "ی", "ى": "ی", "ئ": "ی", "ة": "ه", "ۀ": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ؤ": "و",
     "ـ": "", "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ"}
)  # fmt: skip
_DIGITS = {ord(a): str(n) for n in range(10) for a in ("۰۱۲۳۴۵۶۷۸۹"[n], "٠١٢٣٤٥٦٧٨٩"[n])}
_NOT_WORDS = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """One spelling for all: no marks, vowels or punctuation, one form of each letter, single spaces, lower case."""
    decomposed = unicodedata.normalize("NFKD", text)
    # Mn: points and vowel signs; Cf: direction marks and zero-width joiners (a ZWNJ parts two words).
    plain = "".join(
        " " if c == "\u200c" else c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf") or c == "\u200c"
    )
    return _NOT_WORDS.sub(" ", plain.translate(_LETTERS).translate(_DIGITS).casefold()).strip()


_FOLDED = frozenset(fold(word) for word in WORDS) | frozenset(fold(word).replace(" ", "") for word in WORDS)


def is_opt_out(text: str, more: str = "") -> bool:
    """Whether a reply asks for no more messages. `more` are further words of this business, separated by commas."""
    folded = fold(text)
    if not folded:
        return False
    own = {fold(word) for word in re.split(r"[,،;\n]", more)} - {""}
    known = _FOLDED | own
    return folded in known or folded.replace(" ", "") in known or bool(_REPEATED.sub(r"\1", folded) in known)


_REPEATED = re.compile(r"\b(\w+)(?: \1)+\b")  # "STOP STOP"
