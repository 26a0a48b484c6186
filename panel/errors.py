"""Errors that a person can act on: a code (the anchor in the help pages), an English sentence, its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from panel.i18n import translate


@dataclass(frozen=True)
class Problem:
    """Something wrong, as a value.

    `sentence` is an English msgid marked with `N_`; `where` names the place in the reader's terms
    (a field, a file and line, a column), or is empty when the place is obvious.
    """

    code: str
    sentence: str
    params: dict[str, Any] = field(default_factory=dict)
    where: str = ""

    def words(self, language: str) -> str:
        return translate(language, self.sentence, **self.params)


class UserError(Exception):
    """An expected refusal, shown to the person who asked. Never a traceback."""

    def __init__(self, code: str, sentence: str, *, where: str = "", **params: Any) -> None:
        self.problem = Problem(code, sentence, params, where)
        super().__init__(self.problem.words("en"))

    @property
    def code(self) -> str:
        return self.problem.code

    def words(self, language: str) -> str:
        return self.problem.words(language)
