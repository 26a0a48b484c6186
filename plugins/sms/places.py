"""Finding a value in what a gateway sent: a field of a form, or a place such as `messages.0.id` in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from panel.sdk.web import Request

MAX_DEPTH = 12


def parse_json(body: bytes) -> Any:
    """The JSON inside, or None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def look_up(data: Any, place: str) -> str | None:
    """The text at a place; None when there is nothing, or no plain value, there."""
    if not place.strip():
        return None
    for name in place.strip().split("."):
        if isinstance(data, Mapping):
            data = data.get(name)
        elif isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return None
    if data is None or isinstance(data, (Mapping, list)):
        return None
    return ("true" if data else "false") if isinstance(data, bool) else str(data)


def all_texts(data: Any, depth: int = 0) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(data, Mapping):
        for one in data.values():
            yield from all_texts(one, depth + 1)
    elif isinstance(data, list):
        for one in data:
            yield from all_texts(one, depth + 1)
    elif data is not None:
        yield str(data)


def words(text: str) -> list[str]:
    """A list that a person wrote with commas or on lines."""
    return [one.strip() for one in re.split(r"[,،\n]", text) if one.strip()]


def content(request: Request) -> list[Any]:
    """What a report or reply says: one entry per message (a JSON list has several), query parameters joined in."""
    data = parse_json(request.body)
    if isinstance(data, list):
        entries = data[:1000]
    elif isinstance(data, Mapping):
        entries = [data]
    else:
        form = dict(request.form) or dict(parse_qsl(request.body.decode("utf-8", "replace")[:100_000]))
        entries = [form]
    # Gateways that call with GET have everything in the query.
    return [{**request.query, **entry} if isinstance(entry, Mapping) else entry for entry in entries]
