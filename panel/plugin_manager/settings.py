"""A plugin's settings: what a form sent becomes checked values; what is stored becomes values for the plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from panel.errors import Problem
from panel.i18n import N_
from panel.plugin_manager.secrets import Secrets
from panel.sdk.settings import SettingField

# Direction marks come along when a code is copied out of a right-to-left text; they are never part of it.
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_YES = frozenset({"1", "on", "yes", "true", "y"})


def applies(field: SettingField, values: Mapping[str, Any]) -> bool:
    """Whether a field counts, given the other values (its `shown_if`)."""
    if field.shown_if is None:
        return True
    other, wanted = field.shown_if
    return as_text(values.get(other, "")) == wanted


def as_text(value: Any) -> str:
    """A value as its form field shows it; a mapping is one `name: value` a line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {part}" for key, part in value.items())
    return str(value)


def read_form(
    fields: Sequence[SettingField], raw: Mapping[str, str], current: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """Turn what a person typed into values. `current` are the present values, secrets in clear.

    An empty secret keeps the present one ("replace" was not asked for). A field that does not apply keeps its present
    value unchecked, so that switching a choice there and back loses nothing. All problems are returned at once, each
    with `where` = the field's name; a value with a problem is returned as typed, so that the form can show it again.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field in fields:
        text = raw.get(field.name)
        if text is None and field.kind != "yes_no":
            values[field.name] = current.get(field.name, field.default)
            continue
        value, problem = _read(field, text or "", current)
        values[field.name] = value
        if problem is not None:
            problems.append(problem)
    wanted = {field.name for field in fields if applies(field, values)}
    problems = [problem for problem in problems if problem.where in wanted]
    for field in fields:
        if field.name not in wanted:
            values[field.name] = current.get(field.name, field.default)
        elif field.required and values[field.name] in ("", None, {}):
            problems.append(Problem("setting_required", N_("This is needed."), where=field.name))
    return values, problems


def _read(field: SettingField, text: str, current: Mapping[str, Any]) -> tuple[Any, Problem | None]:
    text = text.replace("\r\n", "\n").strip()
    if field.ltr or field.kind in ("number", "email", "url", "secret"):
        text = _MARKS.sub("", text).strip()
    match field.kind:
        case "secret":
            return (text or current.get(field.name, "")), None
        case "yes_no":
            return text.lower() in _YES, None
        case "number":
            return _number(field, text)
        case "choice":
            if text not in {value for value, _ in field.choices}:
                return text, _problem(field, N_("Choose one of the list."))
            return text, None
        case "email":
            return _email(field, text)
        case "url":
            return _url(field, text)
        case "mapping":
            return _mapping(field, text)
    return text, None


def _number(field: SettingField, text: str) -> tuple[Any, Problem | None]:
    if not text:
        return None, None
    try:
        number = int(text)  # int() reads Persian and Arabic digits as well
    except ValueError:
        return text, _problem(field, N_("This must be a whole number."))
    if field.minimum is not None and number < field.minimum:
        return number, _problem(field, N_("This must be at least %(n)s."), n=field.minimum)
    if field.maximum is not None and number > field.maximum:
        return number, _problem(field, N_("This must be at most %(n)s."), n=field.maximum)
    return number, None


def _email(field: SettingField, text: str) -> tuple[Any, Problem | None]:
    if text:
        try:
            return validate_email(text, check_deliverability=False, test_environment=True).normalized, None
        except EmailNotValidError:
            return text, _problem(field, N_("This is not an e-mail address."))
    return text, None


def _url(field: SettingField, text: str) -> tuple[Any, Problem | None]:
    if text:
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or any(character.isspace() for character in text):
            return text, _problem(field, N_("This must be a web address that begins with http:// or https://."))
    return text, None


def _mapping(field: SettingField, text: str) -> tuple[Any, Problem | None]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            return text, _problem(field, N_('Line %(line)s must read "name: value".'), line=number)
        found[name.strip()] = value.strip()
    return found, None


def _problem(field: SettingField, sentence: str, **params: Any) -> Problem:
    return Problem("setting_wrong", sentence, params, field.name)


def to_store(fields: Sequence[SettingField], values: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Values as they are kept in the database: secrets sealed, empty secrets left out."""
    stored: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name, field.default)
        if field.kind == "secret":
            if value:
                stored[field.name] = secrets.seal(str(value))
        else:
            stored[field.name] = value
    return stored


def from_store(
    fields: Sequence[SettingField], stored: Mapping[str, Any], secrets: Secrets
) -> tuple[dict[str, Any], list[str]]:
    """Values for the plugin, defaults filled in; and the names of the secrets that can no longer be read."""
    values: dict[str, Any] = {}
    lost: list[str] = []
    for field in fields:
        value = stored.get(field.name, field.default)
        if field.kind == "secret":
            opened = secrets.open(value) if field.name in stored else field.default
            if opened is None:
                lost.append(field.name)
            value = opened or ""
        values[field.name] = value
    return values, lost


def masked(fields: Iterable[SettingField], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that may be shown or logged: of a secret only whether there is one."""
    return {
        field.name: bool(values.get(field.name)) if field.kind == "secret" else values.get(field.name)
        for field in fields
    }
