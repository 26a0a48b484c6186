"""One page of a list: search, choices, order, and paging that never counts a big table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import request
from sqlalchemy import Select, literal, tuple_
from werkzeug.datastructures import MultiDict

from panel.db import UTCDateTime, from_micros, to_micros

PAGE_SIZES = (25, 50, 100)
# Names of the address that belong to the list itself; everything else in the query string is a filter.
RESERVED = frozenset({"page", "sort", "desc", "search", "after", "before", "size"})


@dataclass(frozen=True)
class ListFilter:
    """A choice above a list, as a native select: `?name=value`.

    `choices` gives (value, words) pairs when the page is drawn; `apply` narrows the query. A value that is not among
    the choices is ignored: an old bookmark must not break the page. With a `default` there is no "all": that choice
    holds until another is made.
    """

    name: str
    label: Any
    choices: Callable[[], Sequence[tuple[str, Any]]]
    apply: Callable[[Select[Any], str], Select[Any]]
    default: str = ""


@dataclass
class Page:
    """The rows of one page and how to go on. `before` and `after` are cursors for keyset lists, else page numbers."""

    rows: list[Any]
    number: int = 0
    after: str | None = None
    before: str | None = None
    chosen: dict[str, str] = field(default_factory=dict)


def page_size() -> int:
    wanted = request.args.get("size", type=int) or PAGE_SIZES[0]
    return wanted if wanted in PAGE_SIZES else PAGE_SIZES[0]


def cursor_of(row: Any, columns: Sequence[str]) -> str:
    """Where this row stands in the order, as text for the address: `1763802000000000.42`."""
    values = [getattr(row, name) for name in columns]
    return ".".join(str(to_micros(v) if isinstance(v, datetime) else v) for v in values)


def read_cursor(text: str | None, model: Any, columns: Sequence[str]) -> tuple[Any, ...] | None:
    """Turn a cursor back into values; None when there is none or somebody wrote nonsense into the address."""
    if not text:
        return None
    try:
        numbers = [int(part) for part in text.split(".")]
        if len(numbers) != len(columns):
            return None
        return tuple(
            from_micros(n) if isinstance(getattr(model, name).type, UTCDateTime) else n
            for n, name in zip(numbers, columns, strict=True)
        )
    except (ValueError, OverflowError, OSError):  # OSError: a time beyond what the machine can count
        return None


def keyset_page(query: Select[Any], model: Any, columns: Sequence[str], size: int, session: Any) -> Page:
    """One page, newest first by `columns` (the last one unique), found by position and not by counting."""
    keys = [getattr(model, name) for name in columns]
    after = read_cursor(request.args.get("after"), model, columns)
    before = read_cursor(request.args.get("before"), model, columns)
    backwards = before is not None and after is None
    edge = before if backwards else after
    if edge is not None:
        # Typed column by column: SQLAlchemy would give every part of the tuple the type of the first.
        here, there = tuple_(*keys), tuple_(*(literal(v, key.type) for v, key in zip(edge, keys, strict=True)))
        query = query.where(here > there if backwards else here < there)
    order = [key.asc() if backwards else key.desc() for key in keys]
    rows = list(session.scalars(query.order_by(None).order_by(*order).limit(size + 1)))
    has_more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    page = Page(rows)
    if rows:
        if has_more or backwards:
            page.after = cursor_of(rows[-1], columns)
        if (backwards and has_more) or after is not None:
            page.before = cursor_of(rows[0], columns)
    return page


def numbered_page(query: Select[Any], size: int, session: Any) -> Page:
    """One page of a small table by number; one row more is read to know whether another page follows."""
    number = max(request.args.get("page", type=int) or 0, 0)
    rows = list(session.scalars(query.limit(size + 1).offset(number * size)))
    page = Page(rows[:size], number)
    page.after = str(number + 1) if len(rows) > size else None
    page.before = str(number - 1) if number else None
    return page


def query_string(**changes: Any) -> str:
    """This list's address with some parts changed (None removes one); paging starts again unless it is the change."""
    kept = MultiDict(request.args)
    for name in ("page", "after", "before"):
        kept.poplist(name)
    for name, value in changes.items():
        kept.poplist(name)
        if value not in (None, ""):
            kept[name] = str(value)
    return "?" + urlencode(list(kept.items(multi=True)))
