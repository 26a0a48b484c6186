"""What belongs together: checks that look at more than one key, form by form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.journeys.language.checking import Checker, Values
from panel.journeys.language.grammar import OPERATORS
from panel.journeys.language.reading import Block
from panel.journeys.language.scalars import Length, ScalarError, number_text

_Check = Callable[[Checker, Values], None]
CHECKS: dict[str, list[_Check]] = {}
_NUMBERS = ("more_than", "less_than", "at_least", "at_most")


def _for(*forms: str) -> Callable[[_Check], _Check]:
    def register(check: _Check) -> _Check:
        for form in forms:
            CHECKS.setdefault(form, []).append(check)
        return check

    return register


def check_all(checker: Checker, value: Any) -> None:
    """Run the checks of every block below `value`."""
    if isinstance(value, Values):
        for check in CHECKS.get(value.form, ()):
            check(checker, value)
    if isinstance(value, dict):
        for below in value.values():
            check_all(checker, below)
    elif isinstance(value, list):
        for below in value:
            check_all(checker, below)


def approximate_days(length: Length) -> float:
    """A length in days, for comparing only: a month counts 30 days."""
    return length["months"] * 30 + length["days"] + length["seconds"] / 86_400


@_for("hours")
def _hours(checker: Checker, hours: Values) -> None:
    opens, closes = hours.get("from"), hours.get("to")
    if opens and closes and opens >= closes:
        guess = "24:00" if closes == "00:00" else None
        checker.key(hours, "to", "hours_order", guess)
    if "days" in hours and "not_on" in hours:
        checker.key(hours, "not_on", "days_twice")
    elif len({day for day in hours.get("not_on") or [] if day is not None}) == 7:
        checker.key(hours, "not_on", "never_open")


@_for("match", "condition")
def _operator(checker: Checker, match: Values) -> None:
    if "field" not in match:
        return
    said = [operator for operator in OPERATORS if operator in match]
    unknown = len(match.node.entries) > len([k for k in match.node.entries if k in match])
    if not said and not unknown:
        checker.key(match, "field", "no_operator", field=match.get("field") or "")
    for operator in said:
        value = match[operator]
        if operator in _NUMBERS and isinstance(value, str) and value:
            _comparable(checker, match, operator, value)


def _comparable(checker: Checker, match: Values, operator: str, value: str) -> None:
    """Numbers are stored plain; another field (`run.x`) and `${answers}` are left alone."""
    if value.split(".")[0] in ("run", "event", "entry") or "${" in value or "[[" in value:
        return
    try:
        match[operator] = number_text(value)
    except ScalarError as wrong:
        start, end = match.value_place(operator)
        checker.source.add(wrong.code, start, end, f"{match.path}/{operator}", None, value=value)


@_for("condition")
def _message_was(checker: Checker, condition: Values) -> None:
    if "message" in condition and "was" not in condition.node.entries:
        checker.key(condition, "message", "needs_key", key="message", other="was")


@_for("trigger", "stopper", "wait_for")
def _trigger(checker: Checker, trigger: Values) -> None:
    if trigger.get("manual") is False:
        checker.key(trigger, "manual", "only_yes", key="manual")
    if trigger.get("contact_created") is False:
        checker.key(trigger, "contact_created", "only_yes", key="contact_created")
    if trigger.get("event") in checker.vocabulary.history:
        checker.key(trigger, "event", "event_is_history", name=trigger["event"])
    if (
        "every" in trigger.node.entries
        and "date" not in trigger.node.entries
        and "audience" not in trigger.node.entries
    ):
        checker.key(trigger, "every", "needs_key", key="every", other="audience")
    if "date" in trigger.node.entries and "audience" in trigger.node.entries:
        checker.key(trigger, "audience", "too_many", keys="date, audience", form="trigger")
    on, every = trigger.get("on"), trigger.get("every")
    if on is None or every is None:
        return
    written = trigger.node.entries["on"].value
    as_number = getattr(written, "value", "").strip()[:1].isdigit()
    if (every == "week") == as_number or every in ("year", "day"):
        checker.key(trigger, "on", "on_out_of_range")


@_for("send")
def _send(checker: Checker, send: Values) -> None:
    if ("message" in send) == ("text" in send) and len(send.node.entries) == len(send):
        checker.key(send, "text" if "text" in send else None, "say_one", one="message", other="text")
    if "text" in send and "message" not in send and "via" not in send.node.entries:
        checker.key(send, "text", "needs_key", key="text", other="via")


@_for("wait")
def _wait(checker: Checker, wait: Values) -> None:
    if ("for" in wait) == ("until" in wait) and len(wait.node.entries) == len(wait):
        checker.key(wait, "until" if "until" in wait else None, "say_one", one="for", other="until")


@_for("split")
def _split(checker: Checker, split: Values) -> None:
    variants = [v for v in split.get("variants") or [] if isinstance(v, Values)]
    shares = [v.get("share") for v in variants] + ([split.get("hold_out")] if "hold_out" in split else [])
    if variants and None not in shares:
        total = sum(share for share in shares if share)
        if total != 10_000:
            checker.key(split, "variants", "shares", sum=f"{total / 100:g}")
    if isinstance(split.get("variants"), list) and len(variants) < 2 and not split.get("hold_out"):
        checker.key(split, "variants", "too_few_variants")
    names: set[str] = set()
    for variant in variants:
        name = variant.get("name")
        if name and name in names:
            checker.key(variant, "name", "same_variant", name=name)
        names.add(name or "")
    goal = split.get("goal")
    if isinstance(goal, Values):
        if split.get("measure") == "sum_per_contact" and "sum" not in goal.node.entries:
            checker.key(goal, None, "sum_needed")
        if "within" not in goal.node.entries:
            checker.key(goal, None, "within_needed")
    decide = split.get("decide")
    if isinstance(decide, Values):
        after, at_latest = decide.get("after"), decide.get("at_latest")
        if after and at_latest and approximate_days(at_latest) < approximate_days(after):
            checker.key(decide, "at_latest", "at_latest_too_early")


@_for("step")
def _step(checker: Checker, step: Values) -> None:
    entries = step.node.entries

    def said(key: str, verb: str) -> bool:
        """Whether the key is there, be it mistyped or one level too deep (which has been said)."""
        below = entries[verb].value
        return key in entries or key in step.guesses or (isinstance(below, Block) and key in below.entries)

    if "wait_for" in entries and not said("up_to", "wait_for"):
        checker.key(step, "wait_for", "up_to_missing")
    if "go_to" in entries and not said("max_times", "go_to"):
        checker.key(step, "go_to", "max_times_missing")
    if "if" in entries and not said("then", "if") and not said("else", "if"):
        checker.key(step, "if", "needs_key", key="if", other="then")


@_for("journey")
def _journey(checker: Checker, journey: Values) -> None:
    for hours in (journey.get("send_hours"),):
        if isinstance(hours, Values) and "not_on" not in hours and hours.get("days") == []:
            checker.key(journey, "send_hours", "never_open")
