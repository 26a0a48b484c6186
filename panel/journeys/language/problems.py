"""What is wrong in a journeys file: a place, a code, words in three languages, the nearest correct word.

Every code is declared once in `kinds.py` with its severity, its sentence and what to do about it; the code is also
the anchor in the help pages.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from panel.i18n import N_, RIGHT_TO_LEFT, translate
from panel.journeys.language.kinds import KINDS

ERROR, WARNING = "error", "warning"
HELP_PAGE = "journeys-problems"

# Foreign words inside a right-to-left sentence keep their own direction between these two marks.
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_FOREIGN = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")  # letters that run from right to left
_LONGEST_SHOWN = 80


class Message(str):
    """A parameter that is itself an English msgid and is translated with the sentence it stands in."""

    __slots__ = ()


@dataclass(frozen=True)
class Problem:
    """One problem. Lines and columns count from 1; `end_column` is exclusive. `path` is like
    `journeys/win_back/steps/3/wait`, steps counted from 1. `guess` is the nearest correct text, or None."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    path: str = ""
    guess: str | None = None

    @property
    def severity(self) -> str:
        return KINDS[self.code].severity

    @property
    def sentence(self) -> str:
        """The English msgid; fill it from `params`."""
        return KINDS[self.code].sentence

    def words(self, language: str = "en") -> str:
        """The sentence in `language`, with "Did you mean ...?" when there is a guess."""
        said = translate(language, self.sentence, **shown(self.params, language))
        if self.guess is not None:
            said += " " + translate(language, N_("Did you mean %(guess)s?"), **shown({"guess": self.guess}, language))
        return said

    def advice(self, language: str = "en") -> str:
        """What to do about it, as a sentence."""
        return translate(language, KINDS[self.code].advice, **shown(self.params, language))

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The problem as JSON-able data, its words in `language`; `help` is the page and anchor that explain it."""
        return {
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "severity": self.severity,
            "code": self.code,
            "words": self.words(language),
            "advice": self.advice(language),
            "guess": self.guess,
            "path": self.path,
            "help": f"{HELP_PAGE}#{self.code}",
        }


def shown(params: dict[str, Any], language: str) -> dict[str, Any]:
    """Parameters as they may be shown: translated when they are messages, one line, not too long, isolated in RTL."""
    result: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Message):
            result[name] = translate(language, value)
        elif isinstance(value, str):
            result[name] = isolate(_short(value), language)
        else:
            result[name] = value
    return result


def isolate(text: str, language: str) -> str:
    """Keep `text` from disturbing the direction of the sentence around it. A word of the sentence's own direction does
    not, and left-to-right sentences without others stay as they were typed."""
    return f"{_ISOLATE}{text}{_END_ISOLATE}" if language in RIGHT_TO_LEFT or _FOREIGN.search(text) else text


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None when nothing is near."""
    if not 0 < len(word) <= 64:
        return None
    matches = difflib.get_close_matches(word, list(known), 3, 0.6)
    # Two letters changed places ("wiat"): the word of the same letters is meant, whatever else is as near.
    same_letters = (one for one in matches if sorted(one) == sorted(word))
    return next(same_letters, matches[0] if matches else None)
