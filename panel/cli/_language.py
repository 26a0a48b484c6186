"""The language of the command line: PANEL_LANGUAGE, else what the terminal says, else English."""

from __future__ import annotations

import os
from collections.abc import Mapping

from panel.i18n import LANGUAGES, translate


def language(environ: Mapping[str, str] | None = None) -> str:
    env = os.environ if environ is None else environ
    for name in ("PANEL_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := env.get(name):
            code = value[:2].lower()
            return {"iw": "he"}.get(code, code if code in LANGUAGES else "en")
    return "en"


def say(message: str) -> str:
    """The message in the reader's language, its `%(name)s` slots not yet filled."""
    return translate(language(), message)
