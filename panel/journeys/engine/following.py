"""What follows a step, and under which version: people inside move to an edited journey between steps. Pure.

A step is known across versions by its key (`language.program.carry_over`): moved, or named later,
it keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from panel.journeys.engine.programs import Program

Step = Mapping[str, Any]
BRANCHES = ("then", "else", "on_timeout", "reached", "otherwise")


def following(own: Program, live: Program | None, finished: Step, how: str) -> tuple[str | None, bool]:
    """The step after `finished` (left by `how`), and whether the run moves to the live version there.

    It moves when the finished step and the branch taken exist in the live version; else it stays on its own version
    until it comes to a step that both share. Nobody is moved into a variant of a test that was not given to them.
    """
    stays = pointer(finished, how)
    if live is None or live.version_id == own.version_id:
        return stays, False
    given = own.places.get(finished["id"], frozenset())
    if how.startswith("variant:"):
        given |= {(key_of(finished), how.partition(":")[2])}
    same = live.by_key.get(key_of(finished))
    if same is not None and not live.places.get(same["id"], frozenset()) <= given:
        same = None  # it stands in another variant now
    branch = same_branch(finished, same, how) if same is not None else None
    if same is not None and branch is not None:
        to = pointer(same, branch)
        if to is None or live.places.get(to, frozenset()) <= given:
            return to, True
    joins = live.by_key.get(key_of(own.steps[stays])) if stays is not None else None
    if joins is not None and live.places.get(joins["id"], frozenset()) <= given:
        return str(joins["id"]), True
    return stays, False


def ways(step: Step) -> tuple[str, ...]:
    """All by which a run may leave this step, as `following` takes them; none for a step that ends the run."""
    verb, found = step["verb"], ["next"]
    if verb in ("wait_for", "if"):
        found = ["then", "on_timeout" if verb == "wait_for" else "else"]
    elif verb == "reach":
        found = ["reached", "otherwise"]
    elif verb == "choose":
        found = [*(f"option:{number}" for number in range(len(step["options"]))), "otherwise"]
    elif verb == "split":
        found = [*(f"variant:{one['name']}" for one in step["variants"]), *(["next"] if step["hold_out"] else [])]
    elif verb == "go_to":
        found = ["target", "next"]
    elif verb == "stop":
        found = []
    if not step.get("enabled", True):
        return ("next",)
    if "next" not in found and (step.get("only_if") or step.get("on_error") == "continue"):
        found.append("next")
    return tuple(found)


def arrivals(own: Program, live: Program, step_id: str) -> frozenset[str | None]:
    """Where a run that stands at a step of its own version which the live one does not have may come into that one:
    every step that some way leads to. None stands for the ways that come to an end before."""
    found: set[str | None] = set()
    seen, ahead = {step_id}, [step_id]
    while ahead:
        step = own.steps.get(ahead.pop())
        left = [following(own, live, step, how) for how in ways(step)] if step is not None else []
        if step is not None and step.get("if_past") == "skip_next":
            left += [following(own, live, own.steps[to], "next") for to, moved in left if to is not None and not moved]
        if not left or (step is not None and step.get("if_past") == "stop"):
            left.append((None, False))
        for to, moved in left:
            if moved or to is None:
                found.add(to)
            elif to not in seen:
                seen.add(to)
                ahead.append(to)
    return frozenset(found)


def begins_as(own: Program, live: Program, step: Step) -> str | None:
    """The same step in the live version, for a run that stands before it; None: gone, or in another variant."""
    same = live.by_key.get(key_of(step))
    given = own.places.get(step["id"], frozenset())
    if same is None or same["verb"] != step["verb"] or not live.places.get(same["id"], frozenset()) <= given:
        return None
    return str(same["id"])


def key_of(step: Step) -> str:
    """By what a step is known in every version of its journey."""
    return str(step.get("key") or step["id"])


def pointer(step: Step, how: str) -> str | None:
    """The step that follows `step` by `how`; a missing branch is what comes after the whole step."""
    after: str | None = step.get("next")
    kind, _, which = how.partition(":")
    if kind in BRANCHES or kind == "target":
        return step.get(kind) or after
    if kind == "option":
        options = step["options"]
        return (options[int(which)]["do"] if int(which) < len(options) else None) or after
    if kind == "variant":
        return next((one["first"] for one in step["variants"] if one["name"] == which), None) or after
    return after


def same_branch(finished: Step, same: Step, how: str) -> str | None:
    """How the branch that was taken is called at the same step of another version; None when it is not there.

    An option is the same by its name or its condition, wherever it stands now: options may change places.
    """
    if same["verb"] != finished["verb"]:
        return None
    kind, _, which = how.partition(":")
    if kind == "option":
        taken = finished["options"][int(which)]
        for number, option in enumerate(same["options"]):
            if option["when"] == taken["when"] or (option.get("name") and option.get("name") == taken.get("name")):
                return f"option:{number}"
        return None
    if kind == "variant":
        return how if any(one["name"] == which for one in same["variants"]) else None
    return how


def visit(program: Program, step_id: str, detail: Mapping[str, Any]) -> tuple[str, str | None]:
    """A line of the trace as (key of the step, key of the step that it jumped back to or None)."""
    step = program.steps.get(step_id, {"id": step_id})
    if (said := (detail or {}).get("target_key")) is not None:  # a person moved the run
        return key_of(step), str(said)
    target = (detail or {}).get("target") if step.get("verb") == "go_to" else None
    return key_of(step), key_of(program.steps.get(target, {"id": target})) if target else None


def already_done(visits: Iterable[tuple[str, str | None]]) -> set[str]:
    """The keys of the steps that a run has behind it and must not take again, from its visits in order.

    Going back to a step takes back all visits since that step was last begun: they may come again, what came before it
    may not.
    """
    order: list[str] = []
    for key, target in visits:
        order.append(key)
        if target is not None and target in order:
            last = len(order) - 1 - order[::-1].index(target)
            del order[last:]
    return set(order)
