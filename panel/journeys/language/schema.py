"""The grammar as JSON Schema (draft 2020-12), for editors that know nothing else about journeys.

Every scalar is a string there as well as a number or a boolean, because other YAML readers turn `21:00` and `no` into
those; the panel itself reads all of them as text.
"""

from __future__ import annotations

from typing import Any

from panel.i18n import translate
from panel.journeys.language.grammar import (
    CORE_CHANNELS,
    FORMS,
    Anything,
    Channel,
    Choice,
    Either,
    Form,
    Key,
    ListOf,
    MapOf,
    Name,
    Scalar,
    Shape,
    Type,
)

_ONE_VALUE = {"type": ["string", "number", "boolean"]}
_IDENTITY = "^[a-z][a-z0-9_]{0,62}$"


def json_schema(language: str = "en") -> dict[str, Any]:
    """The schema of a journeys file, its descriptions in `language`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "journeys.yaml",
        **_reference("file"),
        "$defs": {name: _form(shape, language) for name, shape in FORMS.items()},
    }


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _form(shape: Shape, language: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "title": translate(language, shape.title),
        "properties": {name: _key(key, language) for name, key in shape.keys.items()},
        "additionalProperties": False,
    }
    if shape.channel_keys is not None:
        channel = _type(shape.channel_keys, language)
        found["properties"] |= {name: channel for name in CORE_CHANNELS}
        found["additionalProperties"] = channel  # a plugin's channel
    required = [name for name, key in shape.keys.items() if key.required]
    if required and "use" not in shape.keys:  # a journey from a blueprint leaves the rest to it
        found["required"] = required
    if shape.one_of:
        found["anyOf"] = [{"required": [name]} for name in shape.one_of]
    goes_with = {name: list(key.goes_with) for name, key in shape.keys.items() if key.goes_with}
    if goes_with:
        found["dependentSchemas"] = {
            name: {"anyOf": [{"required": [main]} for main in mains]} for name, mains in goes_with.items()
        }
    return found


def _key(key: Key, language: str) -> dict[str, Any]:
    found = {**_type(key.type, language), "description": translate(language, key.meaning)}
    if key.default is not None:
        found["default"] = key.default
    return found


def _type(kind: Type, language: str) -> dict[str, Any]:
    if isinstance(kind, Form):
        return _reference(kind.name)
    if isinstance(kind, ListOf):
        one = _type(kind.of, language)
        return {"anyOf": [{"type": "array", "items": one, "minItems": 1}, one]}
    if isinstance(kind, MapOf):
        names = {"propertyNames": {"pattern": _IDENTITY}} if kind.keys == "identity" else {}
        return {"type": "object", "additionalProperties": _type(kind.of, language), **names}
    if isinstance(kind, Either):
        return {"anyOf": [_type(option, language) for option in kind.options]}
    if isinstance(kind, Choice):
        return {"enum": list(kind.words)}
    if isinstance(kind, Channel):
        return {"type": "string", "examples": [*CORE_CHANNELS, *kind.also]}
    if isinstance(kind, Anything):
        return {}
    assert isinstance(kind, (Scalar, Name))
    if isinstance(kind, Scalar) and kind.reader == "yes_no":
        return {"enum": ["yes", "no", True, False]}
    return {**_ONE_VALUE, "title": translate(language, kind.shown)}
