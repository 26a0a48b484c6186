"""Merge fields: `[[first name|friend]]`, in any of a field's names, the part after `|` being the default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FIELD = re.compile(r"\[\[([^\[\]|\n]{1,120})(?:\|([^\[\]\n]{0,300}))?\]\]")


class TemplateError(Exception):
    """A template cannot be compiled. `code` and `params` name the problem and the place."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(f"{code}: {params}")
        self.code = code
        self.params = params


@dataclass(frozen=True)
class MergeField:
    """A merge field as written: `name` in the author's words, `default` None when none was given."""

    name: str
    default: str | None

    @property
    def slot(self) -> str:
        return f"field:{self.name}" + ("" if self.default is None else f"|{self.default}")


def split(text: str) -> Iterator[str | MergeField]:
    """Yield the literal pieces and the merge fields of `text`, in order."""
    at = 0
    for match in FIELD.finditer(text):
        if match.start() > at:
            yield text[at : match.start()]
        yield MergeField(match[1].strip(), None if match[2] is None else match[2].strip())
        at = match.end()
    if at < len(text):
        yield text[at:]
