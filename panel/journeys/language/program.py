"""The resolved program: what a checked journey becomes, and all that the engine reads. Pure JSON-able data.

    program = {
      "id", "name", "description", "purpose", "owner", "state", "labels": [str],
      "review_after": {"on": iso | None, "after": LENGTH | None}, "ends_on": iso | None,
      "settings": {
        "time_zone": "contact" | "company" | zone, "fallback_time_zone": "company" | zone | None,
        "send_hours": {"any": HOURS | None, "<channel>": HOURS | None},       None = at any time
        "limits": {"messages": [LIMIT], "<channel>": [LIMIT], "when_over": "wait" | "skip"},
        "too_late_after": LENGTH, "if_missing", "on_unknown", "on_error", "priority": 1..9, "leave_after": LENGTH,
        "when_edited" },
      "start_when": [TRIGGER], "only_if": COND | None, "exclude_if": COND | None, "existing",
      "entry_limit": LIMIT | None,
      "stop_when": [TRIGGER + {"reason"} | {"on": "if", "if": COND, "reason"}],
      "goal": GOAL | None, "re_enter": {"mode": "never" | "after_exit" | "always" | "after", "after": LENGTH | None},
      "one_per": str | None, "if_already_in": "ignore" | "restart",
      "first": step id | None, "steps": {step id: STEP} }

    GOAL    = {"event", "where": [MATCH], "within": LENGTH | None, "sum": str | None, "stay": bool}
    LENGTH  = {"months", "days", "seconds"}      weeks are days, years are months; days and months move on the contact's
                                                 calendar, seconds are exact
    LIMIT   = {"count", "per": LENGTH, "calendar": bool, "unit", "every"}     calendar: days, weeks, months, years
    HOURS   = {"days": [0..6, Monday = 0], "from": "09:00", "to": "20:00" or "24:00", "holidays": "skip" | "ignore",
               "calendar": str | None, "outside": "wait" | "skip" | "earlier"}
              in a send it may also hold "channels": {channel: HOURS | None}
    TRIGGER = {"on": "event", "event", "where": [MATCH]} | {"on": "contact_created", "source": str | None}
            | {"on": "joins_list" | "leaves_list", "list"} | {"on": "tag_added" | "tag_removed", "tag"}
            | {"on": "form_submitted", "form"} | {"on": "page_visited", "page"}
            | {"on": "becomes_true", "cond": COND, "check": {"every": "hour" | "day", "at"}}
            | {"on": "date", "field", "every", "offset": LENGTH, "sign": -1 | 1, "at", "feb_29", "calendar", "day"}
            | {"on": "schedule", "every", "at", "day", "calendar", "audience": COND} | {"on": "manual"}
              "day" is what the key `on` says: 1..31 with every month, 0..6 (Monday = 0) with every week, else None
    MATCH   = {"field", "op", "value"}           op: is is_not in contains starts_with more_than less_than at_least
                                                 at_most before after is_set
              value: text, list of text (in), bool (is_set)
              field: "event.x", "run.x", "entry.x", or the key of a field of the contact
    COND    = {"test": "all" | "any", "of": [COND]} | {"test": "not", "of": COND} | {"test": "field", **MATCH}
            | {"test": "has_tag", "tag"} | {"test": "in_list", "list"} | {"test": "in_segment", "segment"}
            | {"test": "in_journey", "journey"}
            | {"test": "happened" | "not_happened", "event", "where": [MATCH], "within": LENGTH | None,
               "since": None | "entry" | "this_step" | step id, "times": {"op", "n"} | None}   op: at_least at_most is
                                                                                               more_than less_than
            | {"test": "message", "step": step id, "was"} | {"test": "can_reach" | "prefers", "channel"}
            | {"test": "rhythm", "state": "going_quiet" | "woke_up"}
            | {"test": "check", "name", "with": {str: text}}
    STEP    = {"id", "key"?: what it is known by in every version, where that is not its id (see `carry_over`),
               "named": bool (has an `id:` of its own), "verb", "path", "line", "name": str | None,
               "enabled": bool, "only_if": COND | None, "on_error": str, "next": step id | None, ... and by verb:}
      send              {"message" | None, "text" | None, "subject" | None, "via": [channel] | ["preferred"] | None,
                         "to", "send_hours": HOURS | "any" | None, "too_late_after": LENGTH | None, "if_missing",
                         "on_unknown", "ignore_limits": bool}       via None = the channel of the template
      reach             {"message", "until", "or_until": [TRIGGER], "try": [{"via", "give": LENGTH, "only_if", "name"}],
                         "reached", "otherwise"}
      wait              {"for": LENGTH | None, "until": None | {"day": 0..6} | {"date": iso} | {"month_day": 1..31}
                         | {"field", "offset": LENGTH, "sign"}, "at": "HH:MM" | None, "if_past"}
      wait_for          {"triggers": [TRIGGER], "up_to": LENGTH, "then", "on_timeout"}
      if                {"cond", "then", "else"}
      choose            {"options": [{"when": COND, "do", "name": str | None}], "otherwise"}
      split             {"variants": [{"name", "share": basis points, "first"}], "hold_out": basis points, "goal": GOAL,
                         "measure", "decide": {"after", "at_least", "confidence": basis points, "winner",
                         "if_no_winner", "at_latest"}}
      tag, untag        {"tags": [str]}           add_to_list, remove_from_list {"lists": [str]}
      set               {"values": {field: text}} score {"by": int}        note {"text"}
      task              {"title", "for", "due": LENGTH | None, "remind": LENGTH | None, "text", "wait_until_done": bool}
      notify            {"who", "text"}           start_journey, stop_journey {"journey"}
      call              {"action", "with": {str: text}}
      go_to             {"target": step id, "max_times": int}              stop {"reason": str | None}

Nesting is flattened: the last step of a branch has `next` = what follows the branching step, and a branch that is empty
or missing points there too; None means the end of the journey. Values that were not written hold their defaults.

Send hours and limits are inherited in two parts (journey-language 2d.15): what a journey writes replaces the general
part of the defaults, but the channel parts of the defaults stay in force unless that very channel is named again. Keys
that a channel's hours leave out are those of the general hours in the same block.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from panel.journeys.language.problems import Problem

Program = dict[str, Any]
BRANCH_KEYS = ("then", "else", "on_timeout", "otherwise", "reached")


@dataclass(frozen=True)
class Running:
    """What the engine can carry out now. Whatever is not named here is refused at publish."""

    verbs: Collection[str]
    triggers: Collection[str]
    conditions: Collection[str]
    settings: Collection[str] = ()


def branch_targets(step: dict[str, Any]) -> Iterator[str | None]:
    """The first steps of all branches of a step (not its `next`)."""
    verb = step["verb"]
    if verb == "choose":
        for option in step["options"]:
            yield option["do"]
    if verb == "split":
        for variant in step["variants"]:
            yield variant["first"]
    for key in BRANCH_KEYS:
        if key in step and verb in ("wait_for", "if", "choose", "reach"):
            yield step[key]
    if verb == "go_to":
        yield step["target"]


def conditions_of(cond: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A condition and every condition inside it."""
    if cond is None:
        return
    yield cond
    if cond["test"] in ("all", "any"):
        for below in cond["of"]:
            yield from conditions_of(below)
    elif cond["test"] == "not":
        yield from conditions_of(cond["of"])


def _step_conditions(step: dict[str, Any]) -> list[dict[str, Any] | None]:
    return [
        step["only_if"],
        step.get("cond"),
        *(option["when"] for option in step.get("options", ())),
        *(attempt["only_if"] for attempt in step.get("try", ())),
    ]


def _step_triggers(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [*step.get("triggers", ()), *step.get("or_until", ())]


def not_running_yet(program: Program, running: Running) -> list[Problem]:
    """Everything in the program that the engine cannot carry out yet, as problems to refuse a publication with.

    Settings are named like `existing`, `holidays`, `preferred`, `send_hours.calendar`, `when_edited.finish_old`: the
    rarely used ones that `_settings_used` lists.
    """
    problems: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    base = f"journeys/{program['id']}"

    def refuse(code: str, name: str, path: str, line: int = 0) -> None:
        if (code, name) not in seen:
            seen.add((code, name))
            problems.append(Problem(code, {"name": name}, line, 1 if line else 0, line, 0, path))

    def trigger(found: dict[str, Any], path: str, line: int = 0) -> None:
        if found["on"] != "if" and found["on"] not in running.triggers:
            refuse("trigger_not_running", found["on"], path, line)
        # These begin a journey; nothing waits for them or stops by them.
        if found["on"] in ("schedule", "manual") and "/start_when/" not in path:
            refuse("trigger_not_running", found["on"], path, line)
        for key in ("cond", "audience", "if"):
            condition(found.get(key), path, line)

    def condition(found: dict[str, Any] | None, path: str, line: int = 0) -> None:
        for cond in conditions_of(found):
            if cond["test"] not in running.conditions:
                refuse("condition_not_running", cond["test"], path, line)

    for key in ("start_when", "stop_when"):
        for number, found in enumerate(program[key]):
            trigger(found, f"{base}/{key}/{number + 1}")
    for key in ("only_if", "exclude_if"):
        condition(program[key], f"{base}/{key}")
    for name, path in _settings_used(program):
        if name not in running.settings:
            refuse("setting_not_running", name, f"{base}/{path}")
    for step in program["steps"].values():
        path = f"{base}/{step['path']}"
        if step["verb"] not in running.verbs:
            refuse("step_not_running", step["verb"], path, step["line"])
            continue
        for found in _step_triggers(step):
            trigger(found, path, step["line"])
        for cond in _step_conditions(step):
            condition(cond, path, step["line"])
    return problems


def _settings_used(program: Program) -> Iterator[tuple[str, str]]:
    """The settings whose meaning is more than reading a value, and which an engine may not know yet."""
    settings = program["settings"]
    if program["existing"] == "include":
        yield "existing", "existing"
    if program["entry_limit"]:
        yield "entry_limit", "entry_limit"
    if program["goal"] and program["goal"]["sum"]:
        yield "sum", "goal/sum"
    if program["if_already_in"] == "restart":
        yield "if_already_in", "if_already_in"
    if settings["when_edited"] == "finish_old":
        yield "when_edited", "when_edited"
    if any(hours and hours["holidays"] == "skip" for hours in settings["send_hours"].values()):
        yield "holidays", "send_hours/holidays"
    if any(hours and hours["outside"] == "earlier" for hours in settings["send_hours"].values()):
        yield "earlier", "send_hours/outside"
    for step in program["steps"].values():
        if step["verb"] == "send":
            if step["via"] == ["preferred"]:
                yield "preferred", step["path"]
            if step["to"]:
                yield "to", step["path"]
        if step["verb"] == "wait" and (step["until"] or {}).get("month_day"):
            yield "month_day", step["path"]


# --- identities from one version to the next -------------------------------------------------------------------------


def carry_over(previous: Program, program: Program) -> Program:
    """The program with the identities that its unnamed steps had in the previous version.

    Contacts stand at steps by identity, so a step that was only moved, or whose neighbour changed, must keep its own.
    Steps with an `id:` keep that; for the others see `_pairs`. A name that is already taken is never given twice.
    A step that was given another `id:` is known by its old one still: its `key`, see `_give_keys`.
    """
    old = list(previous["steps"].values())
    new = list(program["steps"].values())
    pairs = _pairs(old, new)
    taken = {step["id"] for step in new if step["named"]}
    renamed: dict[str, str] = {}
    for before, after in pairs:
        if not after["named"] and before["id"] not in taken:
            renamed[after["id"]] = before["id"]
            taken.add(before["id"])
    for step in new:
        if not step["named"] and step["id"] not in renamed:
            identity, number = step["id"], 1
            while identity in taken:
                number += 1
                identity = f"{step['id']}_{number}"
            renamed[step["id"]] = identity
            taken.add(identity)
    result = rename(program, renamed)
    _give_keys(result, [(before, str(renamed.get(after["id"], after["id"]))) for before, after in pairs])
    return result


def _give_keys(program: Program, pairs: list[tuple[Step, str]]) -> None:
    """Say by what each step is known in every version, where that is not its identity of today.

    A step keeps the key it had. One that is given another `id:` keeps it as well when it says what it said before;
    with other words and another name it is another step.
    """
    steps = program["steps"]
    keys: dict[str, str] = {}
    for before, identity in pairs:
        after = steps[identity]
        if after["id"] == before["id"] or _fingerprint(before) == _fingerprint(after):
            keys[identity] = before.get("key") or before["id"]
    used = set(keys.values())
    for identity, step in steps.items():
        if identity not in keys:
            keys[identity], number = identity, 1
            while keys[identity] in used:
                number += 1
                keys[identity] = f"{identity}_{number}"
            used.add(keys[identity])
        if keys[identity] != identity:
            step["key"] = keys[identity]


Step = dict[str, Any]


def _pairs(old: list[Step], new: list[Step]) -> list[tuple[Step, Step]]:
    """Which old step each new step is: the surest pairs first, each step in one pair only."""
    prints = {id(step): _fingerprint(step) for step in (*old, *new)}
    pairs: list[tuple[Step, Step]] = []
    used: set[int] = set()

    def pair(before: Step, after: Step) -> None:
        if id(before) not in used and id(after) not in used:
            used.update((id(before), id(after)))
            pairs.append((before, after))

    def only(steps: list[Step]) -> dict[str, Step]:
        found: dict[str, list[Step]] = {}
        for step in steps:
            found.setdefault(prints[id(step)], []).append(step)
        return {said: same[0] for said, same in found.items() if len(same) == 1}

    named = {step["id"]: step for step in old}
    for after in new:
        if after["named"] and after["id"] in named:
            pair(named[after["id"]], after)
    # 1. It says the same, and nothing else does: also when it moved.
    before_only = only(old)
    for said, after in only(new).items():
        if said in before_only:
            pair(before_only[said], after)
    # 2. It says the same as others do, but in the same order.
    matcher = difflib.SequenceMatcher(None, [prints[id(s)] for s in old], [prints[id(s)] for s in new], autojunk=False)
    codes = matcher.get_opcodes()
    for tag, a, b, c, d in codes:
        if tag == "equal":
            for before, after in zip(old[a:b], new[c:d], strict=True):
                pair(before, after)
    # 3. It is known by the same identity: the same template with another channel.
    for after in new:
        before_same = named.get(after["id"])
        if before_same is not None and before_same["verb"] == after["verb"]:
            pair(before_same, after)
    # 4. It stands where another step with the same verb stood: a wait of another length.
    for tag, a, b, c, d in codes:
        if tag == "replace":
            for before, after in _pair_by_verb(old[a:b], new[c:d]):
                pair(before, after)
    return pairs


def _pair_by_verb(old: list[Step], new: list[Step]) -> list[tuple[Step, Step]]:
    matcher = difflib.SequenceMatcher(None, [s["verb"] for s in old], [s["verb"] for s in new], autojunk=False)
    return [(old[block.a + i], new[block.b + i]) for block in matcher.get_matching_blocks() for i in range(block.size)]


_NOT_SAID = frozenset({"id", "key", "named", "path", "line", "next", "target", *BRANCH_KEYS})


def _fingerprint(step: dict[str, Any]) -> str:
    """What a step says, without where it stands."""
    said = {key: value for key, value in step.items() if key not in _NOT_SAID}
    if step["verb"] == "choose":
        said["options"] = [option["when"] for option in step["options"]]
    if step["verb"] == "split":
        said["variants"] = [[variant["name"], variant["share"]] for variant in step["variants"]]
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def says_the_same(one: Program, other: Program) -> bool:
    """Whether two programs differ in nothing but the lines and the identities of their steps."""

    def said(program: Program) -> Any:
        whole = {key: value for key, value in program.items() if key not in ("first", "steps")}
        return whole, sorted((step["path"], _fingerprint(step)) for step in program["steps"].values())

    return bool(said(one) == said(other))


def rename(program: Program, renamed: dict[str, str]) -> Program:
    """The program with step identities exchanged, wherever they are mentioned."""

    def new(identity: str | None) -> str | None:
        return None if identity is None else renamed.get(identity, identity)

    def condition(cond: dict[str, Any] | None) -> None:
        for found in conditions_of(cond):
            if found["test"] == "message":
                found["step"] = new(found["step"])
            if found.get("since") not in (None, "entry", "this_step"):
                found["since"] = new(found["since"])

    result = copy.deepcopy(program)
    result["first"] = new(result["first"])
    for key in ("only_if", "exclude_if"):
        condition(result[key])
    for trigger in (*result["start_when"], *result["stop_when"]):
        for key in ("cond", "audience", "if"):
            condition(trigger.get(key))
    steps = {}
    for step in result["steps"].values():
        step["id"] = new(step["id"])
        for key in ("next", "target", *BRANCH_KEYS):
            if key in step:
                step[key] = new(step[key])
        for option in step.get("options", ()):
            option["do"] = new(option["do"])
        for variant in step.get("variants", ()):
            variant["first"] = new(variant["first"])
        for cond in _step_conditions(step):
            condition(cond)
        for trigger in _step_triggers(step):
            for key in ("cond", "audience", "if"):
                condition(trigger.get(key))
        steps[step["id"]] = step
    result["steps"] = steps
    return result
