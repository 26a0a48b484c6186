"""Our translations for the packages we show: their catalogues lack Hebrew or Persian, or say it badly."""

from __future__ import annotations

from typing import Any

from panel import i18n
from panel.i18n import N_

# Sentences of Flask-Admin that we say differently in every language.
REPLACED = {
    "Record was successfully created.": N_("Saved."),
    "Record was successfully saved.": N_("Saved."),
    "Failed to create record.": N_("It was not saved. Please look at the form again."),
    "Failed to save record.": N_("It was not saved. Please look at the form again."),
    "Record does not exist.": N_("It is not there any more."),
}


class _OursFirst:
    """Looks a message up in the panel's catalogue, then in the package's own."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs

    def ugettext(self, message: str) -> str:
        return self._ours(message) or str(self._theirs.ugettext(message))

    def ungettext(self, one: str, many: str, n: int) -> str:
        return self._ours(one if n == 1 else many) or str(self._theirs.ungettext(one, many, n))

    gettext, ngettext = ugettext, ungettext

    @staticmethod
    def _ours(message: str) -> str | None:
        language = i18n.current_language()
        if message in REPLACED:
            return i18n.gettext(REPLACED[message])
        if language == "en":
            return None
        found = i18n.catalogue(language).gettext(message)
        return found if found != message else None


def ours_first(domain: Any) -> None:
    """Let a Flask-Babel domain ask the panel's catalogue before its own files."""
    theirs = domain.get_translations
    domain.get_translations = lambda: _OursFirst(theirs())
