"""From the typed values of a journey without errors to the resolved program (see `program`)."""

from __future__ import annotations

import re
from typing import Any

from panel.journeys.language import scalars
from panel.journeys.language.checking import Values
from panel.journeys.language.grammar import OPERATORS
from panel.journeys.language.program import Program
from panel.journeys.language.reading import Source
from panel.journeys.language.scalars import Length
from panel.journeys.language.steps import verb_of

_NOTHING: Length = {"months": 0, "days": 0, "seconds": 0}
_GENERAL_HOURS = ("days", "not_on", "from", "to", "holidays", "calendar", "outside")
_GENERAL_LIMITS = ("messages", "when_over")
_STEP_DEFAULTS = {"on_error": "hold", "if_missing": "hold", "on_unknown": "ask"}
_ALL_WEEK = list(range(7))


def resolve(journey: Values, identity: str, defaults: Values | None, source: Source) -> Program:
    """The program of one journey. `journey` must have been checked and found without errors."""

    def setting(key: str, otherwise: Any) -> Any:
        for block in (journey, defaults):
            if block is not None and block.get(key) is not None:
                return block[key]
        return otherwise

    steps = _Steps(source, {key: setting(key, other) for key, other in _STEP_DEFAULTS.items()})
    first = steps.run(journey["steps"], "steps", None)
    return {
        "id": identity,
        "name": journey["name"],
        "description": journey.get("description") or "",
        "purpose": journey["purpose"],
        "owner": journey.get("owner"),
        "state": journey.get("state") or "draft",
        "labels": journey.get("labels") or [],
        "review_after": journey["review_after"],
        "ends_on": journey.get("ends_on"),
        "settings": {
            "time_zone": setting("time_zone", "contact"),
            "fallback_time_zone": setting("fallback_time_zone", None),
            "send_hours": _merge_hours(journey.get("send_hours"), defaults.get("send_hours") if defaults else None),
            "limits": _merge_limits(journey.get("limits"), defaults.get("limits") if defaults else None),
            "too_late_after": setting("too_late_after", scalars.length("3 days")),
            "if_missing": setting("if_missing", "hold"),
            "on_unknown": setting("on_unknown", "ask"),
            "on_error": setting("on_error", "hold"),
            "priority": setting("priority", 5),
            "leave_after": setting("leave_after", scalars.length("1 year")),
            "when_edited": setting("when_edited", "follow"),
        },
        "start_when": [trigger(t) for t in journey["start_when"]],
        "only_if": _optional(journey.get("only_if")),
        "exclude_if": _optional(journey.get("exclude_if")),
        "existing": journey.get("existing") or "skip",
        "entry_limit": journey.get("entry_limit"),
        "stop_when": [_stopper(s) for s in journey.get("stop_when") or []],
        "goal": _goal(journey.get("goal")),
        "re_enter": journey.get("re_enter") or {"mode": "never", "after": None},
        "one_per": journey.get("one_per"),
        "if_already_in": journey.get("if_already_in") or "ignore",
        "first": first,
        "steps": steps.found,
    }


# --- hours and limits ------------------------------------------------------------------------------------------------


def _channels_of(block: Any, general: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key not in general} if isinstance(block, Values) else {}


def _is_general(block: Any, general: tuple[str, ...]) -> bool:
    """Whether a block (or the word `any`) says something about all channels together."""
    return block is not None and (not isinstance(block, Values) or any(key in block for key in general))


def _merge_hours(own: Any, inherited: Any) -> dict[str, Any]:
    general = own if _is_general(own, _GENERAL_HOURS) else inherited
    result = {"any": _hours(general) if _is_general(general, _GENERAL_HOURS) else None}
    for block in (inherited, own):
        around = block if _is_general(block, _GENERAL_HOURS) else inherited
        for channel, hours in _channels_of(block, _GENERAL_HOURS).items():
            result[channel] = _hours(hours, around)
    return result


def _hours(block: Any, around: Any = None) -> dict[str, Any] | None:
    """HOURS of a block, with the keys it leaves out taken from the block around it; None for `any`."""
    if not isinstance(block, Values):
        return None
    outer: dict[str, Any] = around if isinstance(around, Values) else {}

    def said(key: str, otherwise: Any) -> Any:
        return next((b[key] for b in (block, outer) if b.get(key) is not None), otherwise)

    days = _ALL_WEEK
    for chosen in (block, outer):
        if chosen.get("days"):
            days = sorted(set(chosen["days"]))
            break
        if chosen.get("not_on"):
            days = [day for day in _ALL_WEEK if day not in chosen["not_on"]]
            break
    return {
        "days": days,
        "from": said("from", "00:00"),
        "to": said("to", "24:00"),
        "holidays": said("holidays", "ignore"),
        "calendar": said("calendar", None),
        "outside": said("outside", "wait"),
    }


def _send_hours(block: Any) -> Any:
    """The own hours of one send: None when it has none, "any", or HOURS (with "channels" when it names some)."""
    if block is None or block == "any":
        return block
    hours = _hours(block) or {}
    channels = _channels_of(block, _GENERAL_HOURS)
    if channels:
        hours["channels"] = {channel: _hours(value, block) for channel, value in channels.items()}
    return hours


def _merge_limits(own: Any, inherited: Any) -> dict[str, Any]:
    general = own if _is_general(own, _GENERAL_LIMITS) else inherited
    general = general if isinstance(general, Values) else {}
    result: dict[str, Any] = {
        "messages": general.get("messages") or [],
        "when_over": general.get("when_over") or "wait",
    }
    for block in (inherited, own):
        result.update(_channels_of(block, _GENERAL_LIMITS))
    return result


# --- triggers and conditions -----------------------------------------------------------------------------------------


def _matches(blocks: Any) -> list[dict[str, Any]]:
    """Several comparisons of one block stand for several matches, all of which must hold."""
    return [
        {"field": block["field"], "op": operator, "value": block[operator]}
        for block in blocks or []
        for operator in OPERATORS
        if operator in block
    ]


def trigger(block: Values) -> dict[str, Any]:
    if "event" in block:
        return {"on": "event", "event": block["event"], "where": _matches(block.get("where"))}
    if "contact_created" in block:
        source = block["contact_created"]
        return {"on": "contact_created", "source": None if source is True else source}
    for on, name in (("joins_list", "list"), ("leaves_list", "list"), ("tag_added", "tag"), ("tag_removed", "tag")):
        if on in block:
            return {"on": on, name: block[on]}
    if "form_submitted" in block:
        return {"on": "form_submitted", "form": block["form_submitted"]}
    if "page_visited" in block:
        return {"on": "page_visited", "page": block["page_visited"]}
    if "becomes_true" in block:
        check = block.get("check") or {"every": "day", "at": "06:00"}
        return {"on": "becomes_true", "cond": condition(block["becomes_true"]), "check": check}
    timed = {
        "every": block.get("every"),
        "at": block.get("at"),
        "calendar": block.get("calendar") or "gregorian",
        "day": block.get("on"),
    }
    if "date" in block:
        offset = block.get("offset") or {"sign": 1, "length": _NOTHING}
        return {
            "on": "date",
            "field": block["date"],
            "offset": offset["length"],
            "sign": offset["sign"],
            "feb_29": block.get("feb_29") or "feb_28",
            **timed,
        }
    if "every" in block:
        return {"on": "schedule", "audience": condition(block["audience"]), **timed}
    return {"on": "manual"}


def _stopper(block: Values) -> dict[str, Any]:
    reason = block.get("reason")
    if "if" in block:
        return {"on": "if", "if": condition(block["if"]), "reason": reason}
    return {**trigger(block), "reason": reason}


def _optional(block: Values | None) -> dict[str, Any] | None:
    return None if block is None else condition(block)


def condition(block: Values) -> dict[str, Any]:
    for test in ("all", "any"):
        if test in block:
            return {"test": test, "of": [condition(below) for below in block[test]]}
    if "not" in block:
        return {"test": "not", "of": condition(block["not"])}
    if "field" in block:
        tests = [{"test": "field", **match} for match in _matches([block])]
        return tests[0] if len(tests) == 1 else {"test": "all", "of": tests}
    for test, name in (
        ("has_tag", "tag"),
        ("in_list", "list"),
        ("in_segment", "segment"),
        ("in_journey", "journey"),
        ("can_reach", "channel"),
        ("prefers", "channel"),
        ("rhythm", "state"),
    ):
        if test in block:
            return {"test": test, name: block[test]}
    for test in ("happened", "not_happened"):
        if test in block:
            return {
                "test": test,
                "event": block[test],
                "where": _matches(block.get("where")),
                "within": block.get("within"),
                "since": block.get("since"),
                "times": block.get("times"),
            }
    if "message" in block:
        return {"test": "message", "step": block["message"], "was": block["was"]}
    return {"test": "check", "name": block["check"], "with": block.get("with") or {}}


def _goal(block: Values | None) -> dict[str, Any] | None:
    if block is None:
        return None
    return {
        "event": block["event"],
        "where": _matches(block.get("where")),
        "within": block.get("within"),
        "sum": block.get("sum"),
        "stay": bool(block.get("stay")),
    }


# --- steps -----------------------------------------------------------------------------------------------------------


class _Steps:
    """Flattens the tree: steps in document order, linked by identity."""

    def __init__(self, source: Source, defaults: dict[str, str]) -> None:
        self.source, self.defaults = source, defaults
        self.found: dict[str, dict[str, Any]] = {}

    def run(self, steps: list[Values] | None, path: str, follows: str | None) -> str | None:
        """Resolve a sequence; returns its first step, or what follows when the sequence is empty."""
        steps = steps or []
        for number, step in enumerate(steps):
            after = steps[number + 1].identity if number + 1 < len(steps) else follows
            self._step(step, f"{path}/{number + 1}", after)
        return steps[0].identity if steps else follows

    def _step(self, step: Values, path: str, after: str | None) -> None:
        verb = verb_of(step) or ""
        resolved: dict[str, Any] = {
            "id": step.identity,
            "named": step.named,
            "verb": verb,
            "path": path,
            "line": self.source.position(step.place()[0])[0],
            "name": step.get("name"),
            "enabled": step.get("enabled") is not False,
            "only_if": _optional(step.get("only_if")),
            "on_error": step.get("on_error") or self.defaults["on_error"],
            "next": after,
        }
        self.found[step.identity] = resolved  # before its branches: the order of the program is that of the text
        resolved |= getattr(self, f"_{verb}")(step, step[verb], path, after)

    def _send(self, _step: Values, said: Any, _path: str, _after: str | None) -> dict[str, Any]:
        send: dict[str, Any] = said if isinstance(said, Values) else {"message": said}
        via = send.get("via")
        return {
            "message": send.get("message"),
            "text": send.get("text"),
            "subject": send.get("subject"),
            "via": [via] if isinstance(via, str) else via,
            "to": send.get("to"),
            "send_hours": _send_hours(send.get("send_hours")),
            "too_late_after": send.get("too_late_after"),
            "if_missing": send.get("if_missing") or self.defaults["if_missing"],
            "on_unknown": send.get("on_unknown") or self.defaults["on_unknown"],
            "ignore_limits": bool(send.get("ignore_limits")),
        }

    def _reach(self, _step: Values, said: Values, path: str, after: str | None) -> dict[str, Any]:
        return {
            "message": said["message"],
            "until": said["until"],
            "or_until": [trigger(t) for t in said.get("or_until") or []],
            "try": [
                {
                    "via": attempt["via"],
                    "give": attempt["give"],
                    "only_if": _optional(attempt.get("only_if")),
                    "name": attempt.get("name"),
                }
                for attempt in said["try"]
            ],
            "reached": self.run(said.get("reached"), f"{path}/reach/reached", after),
            "otherwise": self.run(said.get("otherwise"), f"{path}/reach/otherwise", after),
        }

    def _wait(self, _step: Values, said: Any, _path: str, _after: str | None) -> dict[str, Any]:
        wait: dict[str, Any] = said if isinstance(said, Values) else {"for": said}
        until = wait.get("until")
        if isinstance(until, int):
            until = {"day": until}
        elif isinstance(until, str):
            until = {"date": until} if re.fullmatch(r"\d{4}-\d{2}-\d{2}", until) else {"field": until}
        if until is not None and "field" in until:
            offset = until.get("offset") or {"sign": 1, "length": _NOTHING}
            until = {"field": until["field"], "offset": offset["length"], "sign": offset["sign"]}
        return {
            "for": wait.get("for"),
            "until": dict(until) if until else None,
            "at": wait.get("at"),
            "if_past": wait.get("if_past") or "go_on",
        }

    def _wait_for(self, step: Values, said: Any, path: str, after: str | None) -> dict[str, Any]:
        blocks = said if isinstance(said, list) else said.get("any") or [said]
        return {
            "triggers": [trigger(block) for block in blocks],
            "up_to": step["up_to"],
            "then": self.run(step.get("then"), f"{path}/then", after),
            "on_timeout": self.run(step.get("on_timeout"), f"{path}/on_timeout", after),
        }

    def _if(self, step: Values, said: Values, path: str, after: str | None) -> dict[str, Any]:
        return {
            "cond": condition(said),
            "then": self.run(step.get("then"), f"{path}/then", after),
            "else": self.run(step.get("else"), f"{path}/else", after),
        }

    def _choose(self, step: Values, said: list[Values], path: str, after: str | None) -> dict[str, Any]:
        return {
            "options": [
                {
                    "when": condition(option["when"]),
                    "do": self.run(option["do"], f"{path}/choose/{number + 1}/do", after),
                    "name": option.get("name"),
                }
                for number, option in enumerate(said)
            ],
            "otherwise": self.run(step.get("otherwise"), f"{path}/otherwise", after),
        }

    def _split(self, _step: Values, said: Values, path: str, after: str | None) -> dict[str, Any]:
        decide = said["decide"]
        return {
            "variants": [
                {
                    "name": variant["name"],
                    "share": variant["share"],
                    "first": self.run(variant["steps"], f"{path}/split/variants/{number + 1}/steps", after),
                }
                for number, variant in enumerate(said["variants"])
            ],
            "hold_out": said.get("hold_out") or 0,
            "goal": _goal(said["goal"]),
            "measure": said.get("measure") or "rate",
            "decide": {
                "after": decide["after"],
                "at_least": decide.get("at_least") or 100,
                "confidence": decide.get("confidence") or 9_500,
                "winner": decide.get("winner") or "ask",
                "if_no_winner": decide.get("if_no_winner") or "ask",
                "at_latest": decide["at_latest"],
            },
        }

    def _tag(self, _step: Values, said: list[str], _path: str, _after: str | None) -> dict[str, Any]:
        return {"tags": said}

    _untag = _tag

    def _add_to_list(self, _step: Values, said: list[str], _path: str, _after: str | None) -> dict[str, Any]:
        return {"lists": said}

    _remove_from_list = _add_to_list

    def _set(self, _step: Values, said: dict[str, str], _path: str, _after: str | None) -> dict[str, Any]:
        return {"values": dict(said)}

    def _score(self, _step: Values, said: int, _path: str, _after: str | None) -> dict[str, Any]:
        return {"by": said}

    def _task(self, _step: Values, said: Any, _path: str, _after: str | None) -> dict[str, Any]:
        task: dict[str, Any] = said if isinstance(said, Values) else {"title": said}
        return {
            "title": task["title"],
            "for": task.get("for"),
            "due": task.get("due"),
            "remind": task.get("remind"),
            "text": task.get("text"),
            "wait_until_done": bool(task.get("wait_until_done")),
        }

    def _note(self, _step: Values, said: str, _path: str, _after: str | None) -> dict[str, Any]:
        return {"text": said}

    def _notify(self, _step: Values, said: Values, _path: str, _after: str | None) -> dict[str, Any]:
        return {"who": said["who"], "text": said["text"]}

    def _start_journey(self, _step: Values, said: str, _path: str, _after: str | None) -> dict[str, Any]:
        return {"journey": said}

    _stop_journey = _start_journey

    def _call(self, step: Values, said: str, _path: str, _after: str | None) -> dict[str, Any]:
        return {"action": said, "with": dict(step.get("with") or {})}

    def _go_to(self, step: Values, said: str, _path: str, _after: str | None) -> dict[str, Any]:
        return {"target": said, "max_times": step["max_times"]}

    def _stop(self, _step: Values, said: str, _path: str, _after: str | None) -> dict[str, Any]:
        return {"reason": said or None}
