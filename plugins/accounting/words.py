"""The words that files use, from `words.yaml`, ready to look up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from plugins.accounting.values import fold

_FILE = Path(__file__).with_name("words.yaml")


@cache
def _all() -> Mapping[str, Any]:
    # BaseLoader: "no" is a word here, and 305 a document type.
    return dict(yaml.load(_FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))


def split(text: str) -> list[str]:
    """A list by comma, folded for comparing."""
    return [folded for one in text.replace("،", ",").split(",") if (folded := fold(one))]


def _words(by_language: Mapping[str, str]) -> Iterator[str]:
    for text in by_language.values():
        yield from split(text)


@cache
def file_names(kind: str) -> tuple[str, ...]:
    return tuple(_words(_all()["files"][kind]))


@cache
def headers(kind: str, column: str) -> tuple[str, ...]:
    return tuple(_words(_all()["columns"][kind][column]))


@cache
def meanings(section: str) -> Mapping[str, str]:
    """Folded word -> meaning, of a section that lists words by meaning and language ("states", "documents")."""
    return {word: meaning for meaning, by_language in _all()[section].items() for word in _words(by_language)}


@cache
def sums() -> frozenset[str]:
    return frozenset(_words(_all()["sums"]))


@cache
def refunds() -> frozenset[str]:
    return frozenset(_words(_all()["refunds"]))


@cache
def currencies() -> Mapping[str, tuple[str, int]]:
    """Folded word -> (ISO 4217 code, how many of its main unit one of the word makes)."""
    found = {}
    for name, text in _all()["currencies"].items():
        code, factor = name.split()
        # A sign such as ₪ folds to itself; "﷼" becomes the word it stands for.
        found.update({word: (code, int(factor)) for word in split(text)})
    return found


@cache
def languages() -> Mapping[str, str]:
    return {word: language for language, text in _all()["languages"].items() for word in split(text)}
