"""Translations: English source strings, .po files per area, merged and compiled in memory.

No compiled files are kept: a catalogue of this size parses in a fraction of a second, once per process and language.
"""

from __future__ import annotations

import gettext as _gettext
import io
from collections import UserString
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "he": "עברית", "fa": "فارسی"}
RIGHT_TO_LEFT = frozenset({"he", "fa"})
# Babel's bare "he" and "fa" start the week on Monday; only the full locales know Sunday and Saturday.
LOCALES = {"en": "en_GB", "he": "he_IL", "fa": "fa_IR"}

_HERE = Path(__file__).parent / "translations"
_current: ContextVar[str] = ContextVar("panel_language", default="en")
_latin_digits: ContextVar[bool] = ContextVar("panel_latin_digits", default=False)
_folders: list[Path] = []
_LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789")


def N_(message: str) -> str:  # noqa: N802 - the field's usual name for a marker
    """Mark a string for translation and return it unchanged."""
    return message


def add_catalogue_folder(folder: Path) -> None:
    """Let `folder/<language>.po` (a plugin's translations) join the catalogue."""
    if folder not in _folders:
        _folders.append(folder)
        catalogue.cache_clear()


def catalogue_files(language: str) -> list[Path]:
    """All .po files of a language: the panel's areas first, plugins after them."""
    return sorted((_HERE / language).glob("*.po")) + [p for f in _folders if (p := f / f"{language}.po").exists()]


@cache
def catalogue(language: str) -> _gettext.NullTranslations:
    merged = Catalog(locale=LOCALES.get(language, language), fuzzy=False)
    for path in catalogue_files(language):
        with path.open("rb") as stream:
            for message in read_po(stream, locale=merged.locale):
                if message.id and message.string and not message.fuzzy and message.id not in merged:
                    merged.add(message.id, message.string, context=message.context, flags=message.flags)
    buffer = io.BytesIO()
    write_mo(buffer, merged)
    buffer.seek(0)
    return _gettext.GNUTranslations(buffer)


def translate(language: str, message: str, /, **params: Any) -> str:
    """Return `message` in `language`, its `%(name)s` slots filled from `params`.

    A parameter may be a mapping of languages to words: something that was said in all of them when it was stored.
    """
    text = digits_chosen(catalogue(language).gettext(message)) if language != "en" and message else message
    if not params:
        return text
    return text % {k: v.get(language, v.get("en", "")) if isinstance(v, dict) else v for k, v in params.items()}


def digits_chosen(text: str) -> str:
    """A translation's own digits, in the writing that the reader has chosen; what fills its slots is left as it is."""
    return text.translate(_LATIN) if _latin_digits.get() else text


def current_language() -> str:
    return _current.get()


def set_language(language: str) -> None:
    """Set the language of this context (the web sets it at the start of every request)."""
    _current.set(language if language in LANGUAGES else "en")


def wants_latin_digits() -> bool:
    """Whether whoever reads in this context has chosen 123 where the language writes digits of its own."""
    return _latin_digits.get()


def set_latin_digits(wanted: bool) -> None:
    """Set it for this context (the web does, with the language)."""
    _latin_digits.set(wanted)


@contextmanager
def use_language(language: str) -> Iterator[None]:
    token = _current.set(language if language in LANGUAGES else "en")
    try:
        yield
    finally:
        _current.reset(token)


def direction(language: str) -> str:
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def gettext(message: str, /, **params: Any) -> str:
    """Translate into the current language."""
    return translate(_current.get(), message, **params)


def ngettext(one: str, many: str, n: int, /, **params: Any) -> str:
    """Translate with a plural form; `%(n)s` is filled with `n`."""
    language = _current.get()
    text = digits_chosen(catalogue(language).ngettext(one, many, n)) if language != "en" else (one if n == 1 else many)
    return text % {"n": n, **params}


class LazyText(UserString):
    """A string translated when it is shown, for labels that exist before any request."""

    def __init__(self, message: str, **params: Any) -> None:
        self._message, self._params = message, params

    @property
    def data(self) -> str:  # type: ignore[override]
        return gettext(self._message, **self._params)

    def __html__(self) -> str:
        from markupsafe import escape

        return str(escape(self.data))


def lazy_gettext(message: str, /, **params: Any) -> LazyText:
    return LazyText(message, **params)


_ = gettext
