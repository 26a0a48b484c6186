"""Warnings: what is allowed, but a careful colleague would ask about before publishing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from panel.journeys.language.belonging import approximate_days
from panel.journeys.language.checking import Checker, Values
from panel.journeys.language.program import Program, branch_targets, conditions_of
from panel.journeys.language.steps import verb_of
from panel.journeys.language.vocabulary import TemplateInfo
from panel.journeys.language.whole import MERGE_FIELD

# The 7-bit alphabet of text messages; the second line counts twice.
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = set("^{}\\[~]|€")
_MOST_PARTS = 3
_GUESSED_VALUE = "x" * 10  # a merge field without a default counts as ten letters
_WAITING = frozenset({"wait", "wait_for", "reach", "task"})


def advise(checker: Checker, journey: Values, program: Program, steps: dict[str, Values], today: date | None) -> None:
    """Note the warnings of one journey without errors."""
    sends = [step for step in program["steps"].values() if step["verb"] in ("send", "reach")]
    if sends:
        _about_everybody(checker, journey, program)
    _about_time(checker, journey, program, today)
    _about_the_way(checker, program, steps)
    for step in sends:
        _about_a_message(checker, step, steps[step["id"]])
    for step in program["steps"].values():
        for cond in (step.get("cond"), *(option["when"] for option in step.get("options", ()))):
            tests = [c for c in conditions_of(cond) if c["test"] not in ("all", "any", "not")]
            if tests and all(c["test"] == "message" and c["was"] == "opened" for c in tests):
                checker.key(steps[step["id"]], step["verb"], "opens_lie")


def _about_everybody(checker: Checker, journey: Values, program: Program) -> None:
    waits = any(step["verb"] in _WAITING for step in program["steps"].values())
    if waits and not program["stop_when"] and not program["goal"]:
        checker.key(journey, None, "no_stop")
    if program["purpose"] == "marketing" and not program["exclude_if"] and not program["only_if"]:
        checker.key(journey, None, "no_exclusions")
    if program["settings"]["send_hours"]["any"] is None:
        checker.key(journey, "send_hours", "no_send_hours")


def _about_time(checker: Checker, journey: Values, program: Program, today: date | None) -> None:
    for trigger in program["start_when"]:
        if trigger["on"] in ("date", "schedule") and trigger["every"] and program["re_enter"]["mode"] == "never":
            every = trigger["every"]
            checker.key(journey, "re_enter" if "re_enter" in journey else "start_when", "comes_once", every=every)
            break
    review, ends = program["review_after"], program["ends_on"]
    if not ends:
        days = approximate_days(review["after"]) if review["after"] else 0
        if review["on"] and today:
            days = (date.fromisoformat(review["on"]) - today).days
        if days > 366:
            checker.key(journey, "review_after", "far_review")
    elif today and date.fromisoformat(ends) < today:
        checker.key(journey, "ends_on", "ends_in_past", date=ends)


def _follows(step: dict[str, Any]) -> Iterator[str]:
    """Where a contact may go from a step."""
    if not step["enabled"]:
        targets: list[str | None] = [step["next"]]
    elif step["verb"] == "stop":
        targets = [step["next"]] if step["only_if"] else []
    elif step["verb"] in ("if", "wait_for"):
        targets = [*branch_targets(step)]
    elif step["verb"] == "split":
        targets = [*branch_targets(step)] + ([step["next"]] if step["hold_out"] else [])
    else:
        targets = [*branch_targets(step)]
        if step["verb"] not in ("choose", "reach"):
            targets.append(step["next"])
    if step["only_if"]:
        targets.append(step["next"])
    yield from (target for target in targets if target)


def _reachable(program: Program, start: str | None, through_waits: bool = True) -> set[str]:
    steps = program["steps"]
    found: set[str] = set()
    todo = [start] if start else []
    while todo:
        step_id = todo.pop()
        if step_id in found:
            continue
        found.add(step_id)
        if through_waits or steps[step_id]["verb"] not in _WAITING:
            todo += _follows(steps[step_id])
    return found


def _about_the_way(checker: Checker, program: Program, steps: dict[str, Values]) -> None:
    reachable = _reachable(program, program["first"])
    lost = [step_id for step_id in program["steps"] if step_id not in reachable]
    if lost:
        checker.key(steps[lost[0]], verb_of(steps[lost[0]]), "unreachable_step")
    for step in program["steps"].values():
        if step["verb"] == "send" and step["enabled"]:
            follower = program["steps"].get(step["next"] or "")
            while follower and follower["verb"] == "wait" and not any((follower["for"] or {"x": 1}).values()):
                if follower["at"] or follower["until"]:
                    break
                follower = program["steps"].get(follower["next"] or "")
            if follower and follower["verb"] == "send" and follower["enabled"] and follower["id"] in steps:
                checker.key(steps[follower["id"]], "send", "no_wait_between")
        if step["verb"] == "go_to" and step["id"] in _reachable(program, step["target"], through_waits=False):
            checker.key(steps[step["id"]], "go_to", "loop_without_wait")


def _about_a_message(checker: Checker, step: dict[str, Any], values: Values) -> None:
    said = values[step["verb"]]
    holder, key = (said, "message") if isinstance(said, Values) else (values, step["verb"])
    channels = step.get("via") or [attempt["via"] for attempt in step.get("try", ())]
    text = step.get("text")
    if text and "sms" in channels:
        parts = sms_parts(MERGE_FIELD.sub(lambda m: m[2] or _GUESSED_VALUE, text))
        if parts > _MOST_PARTS:
            checker.key(holder, "text", "long_sms", segments=parts)
    info: TemplateInfo | None = (checker.vocabulary.templates or {}).get(step["message"] or "")
    if info is None:
        return
    for channel in channels:
        off = checker.vocabulary.channels is not None and channel not in checker.vocabulary.channels
        if info.channels is not None and channel != "preferred" and channel not in info.channels and not off:
            checker.key(holder, key, "template_channel", name=step["message"], channel=channel)
    if info.languages is not None:
        missing = [language for language in checker.vocabulary.languages if language not in info.languages]
        if missing:
            checker.key(holder, key, "template_language", name=step["message"], languages=", ".join(missing))


def sms_parts(text: str) -> int:
    """In how many parts a text message travels: 160 or 153 letters of the 7-bit alphabet, 70 or 67 of any other."""
    if all(letter in _GSM or letter in _GSM_TWICE for letter in text):
        length = sum(2 if letter in _GSM_TWICE else 1 for letter in text)
        return 1 if length <= 160 else -(-length // 153)
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return 1 if length <= 70 else -(-length // 67)
