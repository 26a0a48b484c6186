"""The tree of steps: its branches, and the identity of each step.

A step is known by `id` if it has one; otherwise by what it sends or makes. Waits and branches are known by the step
before them (`wait_after_send_welcome_1`), so that inserting a step somewhere else renames nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from panel.journeys.language.checking import Checker, Values
from panel.journeys.language.grammar import VERBS
from panel.journeys.language.reading import clean
from panel.journeys.language.scalars import ascii_identity

LONGEST_IDENTITY = 100
# At these steps a contact can be found standing, so their identity matters when a journey is edited.
HOLDING = frozenset({"send", "reach", "wait", "wait_for", "task"})
_BY_NEIGHBOUR = frozenset({"wait", "wait_for", "if", "choose", "go_to", "stop"})


class Branch(NamedTuple):
    key: str  # then | else | on_timeout | otherwise | do | steps | reached
    label: str  # as it stands in identities
    path: str  # below the step's own path
    steps: list[Any]
    holder: Values  # the block that holds the key


def verb_of(step: Values) -> str | None:
    return next((verb for verb in VERBS if verb in step), None)


def branches(step: Values) -> list[Branch]:
    """The branches of a step in the order in which they are written."""
    found: list[Branch] = []

    def add(holder: Any, key: str, label: str, path: str) -> None:
        if isinstance(holder, Values) and isinstance(holder.get(key), list):
            found.append(Branch(key, label, path, holder[key], holder))

    for number, option in enumerate(step.get("choose") or []):
        add(option, "do", _label(option, number), f"choose/{number + 1}/do")
    split = step.get("split")
    for number, variant in enumerate((split.get("variants") if isinstance(split, Values) else None) or []):
        add(variant, "steps", _label(variant, number), f"split/variants/{number + 1}/steps")
    for key in ("reached", "otherwise"):
        add(step.get("reach"), key, key, f"reach/{key}")
    for key in ("then", "else", "otherwise", "on_timeout"):
        add(step, key, key, key)
    return found


def _label(holder: Any, number: int) -> str:
    name = holder.get("name") if isinstance(holder, Values) else None
    return (ascii_identity(name) if isinstance(name, str) else "") or str(number + 1)


def walk(steps: list[Any] | None) -> Iterator[Values]:
    """Every step, in document order; wrong ones (None) are passed over."""
    for step in steps or []:
        if isinstance(step, Values):
            yield step
            for branch in branches(step):
                yield from walk(branch.steps)


def assign_identities(checker: Checker, journey: Values) -> dict[str, Values]:
    """Give every step its identity; notes steps with the same `id` and holding steps that look the same."""
    taken: dict[str, Values] = {}
    explicit: dict[str, Values] = {}
    for step in walk(journey.get("steps")):
        own = step.get("id")
        if not own:
            continue
        if own in explicit:
            first = checker.source.position(explicit[own].place("id")[0])[0]
            checker.key(step, "id", "same_id", id=own, first=first)
        else:
            explicit[own] = step

    def run(steps: list[Any], before: str) -> None:
        for step in steps:
            if not isinstance(step, Values):
                continue
            own = step.get("id")
            if own and explicit.get(own) is step:
                step.identity, step.named = own, True
            else:
                wanted = _derived(step, before)
                identity, number = wanted, 1
                while identity in taken or identity in explicit:
                    number += 1
                    identity = f"{wanted}_{number}"
                step.identity = identity
                if number > 1 and verb_of(step) in HOLDING and not own:
                    checker.key(step, verb_of(step), "same_looking_steps", id=identity)
            taken[step.identity] = step
            before = step.identity
            for branch in branches(step):
                run(branch.steps, f"{step.identity}_{branch.label}")

    run(journey.get("steps") or [], "")
    return taken


def _derived(step: Values, before: str) -> str:
    verb = verb_of(step) or "step"
    said = step.get(verb)
    if isinstance(said, Values):
        said = said.get("message") or said.get("title") or said.get("who") or ""
    if isinstance(said, list):
        said = said[0] if said and isinstance(said[0], str) else ""
    if isinstance(said, dict):
        said = next(iter(said), "")
    name = _word(said) if isinstance(said, str) and verb not in _BY_NEIGHBOUR else ""
    if name:
        return f"{verb}_{name}"[:LONGEST_IDENTITY]
    if not before:
        return f"{verb}_first"
    # Deep branches would grow without end; the digest keeps long ones apart.
    whole = f"{verb}_after_{before}"
    return whole if len(whole) <= LONGEST_IDENTITY else f"{verb}_after_{_digest(before)}"


def _word(said: str) -> str:
    """A name as part of an identity: its ASCII letters, or a digest when it is written in another script."""
    written = clean(said)
    ascii_part = ascii_identity(written)
    if not written or len(ascii_part) >= max(1, len(written) // 2):
        return ascii_part
    return "_".join(part for part in (ascii_part[:20], _digest(written)) if part)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
