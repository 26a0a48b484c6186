"""Is every part of a declaration what its type says? A label that is no text would break each page that shows it."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

# Texts are shown on pages and stored; nobody reads a label of a megabyte. Blueprints are whole journeys.
LONGEST = {"label": 200, "name": 200, "icon": 60, "text": 200_000}
LONGEST_OTHER = 5_000
OPEN = frozenset({"default", "params"})  # may be anything by their very meaning


def first_fault(declared: Any) -> str | None:
    """What is wrong with the first part of a declared dataclass that does not fit its type or is far too long; None
    when all is well: "label" is None instead of str
    """
    for name, hint in _hints(declared.__class__).items():
        value = getattr(declared, name)
        if fault := misfit(name, value, hint):
            return fault
        if isinstance(value, str) and too_long(name, value):
            return f'"{name}" has more than {LONGEST.get(name, LONGEST_OTHER)} letters'
        for part in value if isinstance(value, list | tuple) else ():
            if dataclasses.is_dataclass(part) and (fault := first_fault(part)):
                return f'"{name}": {fault}'
    return None


def unlike(given: Any, kind: type) -> str | None:
    """What is wrong with what a plugin gave back, which should be a `kind` (a dataclass); None when nothing is."""
    if not isinstance(given, kind):
        return f"{_seen(given)} instead of {kind.__name__}"
    for name, hint in _hints(kind).items():
        if fault := misfit(name, getattr(given, name), hint):
            return fault
    return None


def misfit(name: str, value: object, hint: Any) -> str | None:
    if name in OPEN or fits(value, hint):
        return None
    if isinstance(value, list | tuple):
        inside = next((one for one in get_args(hint) if one is not Ellipsis), Any)
        if wrong := [one for one in value if not fits(one, inside)]:
            return f'"{name}" has {_seen(wrong[0])} in it'
    return f'"{name}" is {_seen(value)} instead of {_words(hint)}'


def too_long(name: str, text: str) -> bool:
    return len(text) > LONGEST.get(name, LONGEST_OTHER)


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type as it is written in the declarations (no others are understood)."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Literal:
        return isinstance(value, str) and value in inside
    if origin is tuple and inside[-1:] == (Ellipsis,):
        return isinstance(value, list | tuple) and all(fits(one, inside[0]) for one in value)
    if origin is tuple:
        return (
            isinstance(value, list | tuple)
            and len(value) == len(inside)
            and all(fits(one, part) for one, part in zip(value, inside, strict=True))
        )
    if origin in (collections.abc.Sequence, collections.abc.Iterable):
        return isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(
            fits(one, inside[0]) for one in value
        )  # fmt: skip
    if origin in (frozenset, set):
        return isinstance(value, frozenset | set) and all(fits(one, inside[0]) for one in value)
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, Mapping) and all(
            fits(key, inside[0]) and fits(part, inside[1]) for key, part in value.items()
        )
    if origin is collections.abc.Callable:
        return callable(value)
    if hint in (int, float):
        return isinstance(value, int | float if hint is float else int) and not isinstance(value, bool)
    return isinstance(value, hint)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}


def _seen(value: object) -> str:
    if value is None or isinstance(value, int | float):
        return str(value)
    return f'"{value[:40]}"' if isinstance(value, str) else type(value).__name__


def _words(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in inside)
    if origin is Literal:
        return ", ".join(str(one) for one in inside)
    if origin is not None:
        return str(getattr(origin, "__name__", origin)).lower()
    return "None" if hint is type(None) else str(getattr(hint, "__name__", hint))
