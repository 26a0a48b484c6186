"""Declared settings: one declaration gives the form, validation, masking, encryption and test button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "long_text", "secret", "number", "yes_no", "choice", "email", "url", "folder", "mapping"]


@dataclass(frozen=True)
class SettingField:
    """One setting of a plugin.

    `label` and `help` are English msgids, translated by the plugin's catalogues. A "secret" is write-only and
    encrypted at rest. "mapping" is a small table of text to text (HTTP headers, column names). `choices` are
    (value, label) pairs. `shown_if` is (other field, value): the field only applies then. `ltr` marks values that read
    left to right in every language (addresses, codes).
    """

    name: str
    label: str
    kind: Kind = "text"
    help: str = ""
    default: Any = ""
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    shown_if: tuple[str, str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    ltr: bool = False


@dataclass(frozen=True)
class CheckStep:
    """One named step of "Test connection": what was tried, whether it worked, and what to do when it did not.

    `name`, `detail` and `fix` are English msgids with `params`.
    """

    name: str
    good: bool
    detail: str = ""
    fix: str = ""
    params: dict[str, Any] | None = None
