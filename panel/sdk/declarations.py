"""Conditions, actions and ready-made journeys that a plugin adds to the journey language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panel.sdk.context import Unit
from panel.sdk.settings import SettingField


@dataclass(frozen=True)
class ConditionType:
    """`check: <plugin>.<name>` in a journey. `test` reads local rows only; it returns the contacts it holds for."""

    name: str
    label: str
    sentence: str
    test: Callable[[Unit, Sequence[int], Mapping[str, Any]], set[int]]
    settings: Sequence[SettingField] = ()


@dataclass(frozen=True)
class ActionType:
    """`call: <plugin>.<name>` in a journey; carried out through the same ledger as messages.

    `perform(key, contact_id, settings)` returns when the work is done. It may raise `TryLater` or `Misconfigured` while
    it is certain that nothing was done, and `NeverDeliverable` when it never can be; after any other error the call is
    in doubt. `idempotent`: the same key never does the work twice, so a call in doubt may simply be repeated.
    """

    name: str
    label: str
    sentence: str
    perform: Callable[[str, int, Mapping[str, Any]], None]
    settings: Sequence[SettingField] = ()
    idempotent: bool = False


@dataclass(frozen=True)
class Blueprint:
    """A ready-made journey with questions, as YAML text in the journey language."""

    name: str
    text: str
