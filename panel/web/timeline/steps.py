"""One step of a journey in a few words, for places where a whole sentence would be too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panel.i18n import N_, translate
from panel.web.timeline.words import channel_words, trigger_words

VERBS = {
    "send": (N_("Send a message"), "send"),
    "reach": (N_("Reach the contact on one channel after the other"), "mail-fast"),
    "wait": (N_("Wait"), "hourglass"),
    "wait_for": (N_("Wait for something to happen"), "clock-pause"),
    "if": (N_("Look which way to go"), "git-branch"),
    "choose": (N_("Look which way to go"), "git-branch"),
    "split": (N_("Try variants against each other"), "arrows-split"),
    "tag": (N_("Add a tag"), "tag"),
    "untag": (N_("Take a tag away"), "tag-off"),
    "add_to_list": (N_("Put on a list"), "list-check"),
    "remove_from_list": (N_("Take off a list"), "list-details"),
    "set": (N_("Change a field"), "edit"),
    "score": (N_("Change the score"), "number"),
    "task": (N_("A task for a colleague"), "checkbox"),
    "note": (N_("Write a note"), "note"),
    "notify": (N_("Tell a colleague"), "bell"),
    "start_journey": (N_("Start another journey"), "route"),
    "stop_journey": (N_("Stop another journey"), "route-off"),
    "call": (N_("An action in a connected system"), "plug"),
    "go_to": (N_("Go back to an earlier step"), "arrow-back-up"),
    "stop": (N_("Leave the journey"), "player-stop"),
}


def step_words(step: Mapping[str, Any], language: str) -> str:
    """The step's own name, else what it does with its main value: "Send a message: welcome_1"."""
    if step.get("name"):
        return str(step["name"])
    verb = str(step.get("verb") or "")
    label = translate(language, VERBS.get(verb, (N_("A step"), ""))[0])
    value = _value(step, language)
    return f"{label}: \u2068{value}\u2069" if value else label


def step_icon(step: Mapping[str, Any]) -> str:
    return VERBS.get(str(step.get("verb")), ("", "point"))[1]


def waiting_words(wait: Mapping[str, Any], language: str) -> str:
    """What a run waits for, from what the engine noted when it began to wait."""
    if wait.get("kind") == "wait_for":
        awaited = [trigger_words(str(name), language) for name in wait.get("events") or ()]
        if awaited:
            return translate(
                language, N_("Waits for: %(events)s. Goes on at this time in any case."), events=", ".join(awaited)
            )
        return translate(language, N_("Waits for something to happen. Goes on at this time in any case."))
    if wait.get("kind") == "message":
        return translate(language, N_("Waits until the message is really out."))
    return translate(language, N_("Waits for this time to come."))


def _value(step: Mapping[str, Any], language: str) -> str:
    verb = step.get("verb")
    if verb == "send":
        named = step.get("message") or str(step.get("text") or "")[:60]
        via = step.get("via") or ()
        channels = ", ".join(channel_words(one, language) for one in ([via] if isinstance(via, str) else via))
        return f"{named} ({channels})" if channels and named else str(named or channels)
    for key in ("tags", "lists"):
        if step.get(key):
            return ", ".join(str(one) for one in step[key])
    return str(step.get("to") or "") if verb == "go_to" else ""
