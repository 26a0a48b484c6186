"""Where a run stands, in words: the step as the journey language says it, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panel.i18n import N_, translate
from panel.journeys import reasons
from panel.journeys.drawing import between
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.program import Program
from panel.journeys.language.sentences import step_words
from panel.timeline.registry import types
from panel.web.timeline.words import trigger_words

if TYPE_CHECKING:
    from panel.web.timeline.card import Inside

ICONS = {
    "send": "send",
    "reach": "mail-fast",
    "wait": "hourglass",
    "wait_for": "clock-pause",
    "if": "git-branch",
    "choose": "git-branch",
    "split": "arrows-split",
    "tag": "tag",
    "untag": "tag-off",
    "add_to_list": "list-check",
    "remove_from_list": "list-details",
    "set": "edit",
    "score": "number",
    "task": "checkbox",
    "note": "note",
    "notify": "bell",
    "start_journey": "route",
    "stop_journey": "route-off",
    "call": "plug",
    "go_to": "arrow-back-up",
    "stop": "player-stop",
}


def step_sentence(program: Program | None, step_id: str | None, language: str, names: Labels | None = None) -> str:
    """The step as a sentence; its identity when this version of the journey does not know it, "" for none."""
    step = (program or {}).get("steps", {}).get(step_id) if step_id else None
    return step_words(step, language, names or known_names, program).rstrip(":") if step else step_id or ""


def known_names(kind: str, name: str, language: str) -> str:
    """Names of events by their labels, as far as they are known without asking the database."""
    declared = types.get(name) if kind == "event" else None
    if declared is None:
        return plain_names(kind, name, language)
    return phrases.quoted(translate(language, declared.label), language)


def step_icon(verb: str) -> str:
    return ICONS.get(verb, "point")


def waiting_words(wait: Mapping[str, Any], language: str) -> str:
    """What a run waits for, from what the engine noted when it began to wait."""
    if wait.get("kind") == "wait_for":
        awaited = [trigger_words(str(name), language) for name in wait.get("events") or ()]
        if awaited:
            sentence = N_("Waits for: %(events)s. Goes on at this time in any case.")
            return translate(language, sentence, events=", ".join(awaited))
        return translate(language, N_("Waits for something to happen. Goes on at this time in any case."))
    if wait.get("kind") == "task":
        return translate(language, N_("Waits until the task is done."))
    if wait.get("kind") == "message":
        return translate(language, N_("Waits until the message is really out."))
    return translate(language, N_("Waits for this time to come."))


@dataclass(frozen=True)
class Short:
    """The run in a few lines: the steps around the present one, whether a person paused it, what would stop it."""

    before: str
    here: str
    after: str
    is_open: bool  # what comes after depends on what happens at the present step
    is_paused: bool
    words: str  # why it stands still, "" when it does not
    stops: str


def short_path(run: Inside, language: str) -> Short:
    before, after, is_open = between(run.resolved, run.last_step, run.step_id)
    stops = [
        clauses.trigger(one, language, known_names) for one in run.resolved.get("stop_when") or () if one["on"] != "if"
    ]
    is_paused = run.status == "held" and run.reason == reasons.PAUSED
    return Short(
        step_sentence(run.resolved, before, language) if before in run.resolved.get("steps", {}) else "",
        step_sentence(run.resolved, run.step_id, language),
        step_sentence(run.resolved, after, language) if after else "",
        is_open,
        is_paused,
        reasons.step_words(run.reason, language) if run.status == "held" and run.reason else "",
        phrases.either(stops, language) if stops else "",
    )
