"""A journey in words, in the reader's language, so that nobody needs to read YAML to check it.

describe(program, language)  -> {"summary": str, "about": [str], "lines": [LINE], "text": str}
LINE = {"id": step id | None, "depth": int, "words": str, "line": int}     id None = the heading of a branch
"""

from __future__ import annotations

import re
from typing import Any

from panel.i18n import N_, translate
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.program import Program

_STEPS_IN_SUMMARY = 4
_RE_ENTER = {
    "never": N_("A contact comes only once."),
    "after_exit": N_("A contact may come again after leaving."),
    "always": N_("A contact may come again at any time."),
}
_NAMED: dict[str, str] = {
    "note": N_("Note on the timeline: %(text)s"),
    "start_journey": N_("Start the journey %(text)s"),
    "stop_journey": N_("End the journey %(text)s for this contact"),
    "call": N_("Ask the plugin for %(text)s"),
}


def describe(program: Program, language: str, names: Labels = plain_names) -> dict[str, Any]:
    """The journey in words. `names` may give better words for events, fields, templates and lists than their names."""
    lines = _lines(program, language, names)
    about = _about(program, language, names)
    text = [*about, "", *("  " * line["depth"] + "• " + line["words"] for line in lines)]
    return {
        "summary": summary(program, language, names),
        "about": about,
        "lines": lines,
        "text": "\n".join(text),
    }


def summary(program: Program, language: str, names: Labels = plain_names) -> str:
    """One sentence for a list of journeys: when it starts and its first steps."""
    when = phrases.either([clauses.trigger(t, language, names) for t in program["start_when"]], language)
    steps = [s for s in _in_order(program) if s["enabled"] and "/" not in s["path"].removeprefix("steps/")]
    words = [step_words(step, language, names, program).rstrip(":") for step in steps[:_STEPS_IN_SUMMARY]]
    if len(steps) > _STEPS_IN_SUMMARY:
        words.append("…")
    joined = translate(language, N_("; ")).join(words)
    return translate(language, N_("When %(trigger)s: %(steps)s"), trigger=when, steps=joined)


def step_words(step: dict[str, Any], language: str, names: Labels = plain_names, program: Program | None = None) -> str:
    """One step as a sentence (without its branches)."""
    names = step_names(names, program)
    words = _verb_words(step, language, names)
    if step["only_if"]:
        cond = clauses.condition(step["only_if"], language, names)
        words = translate(language, N_("If %(condition)s: %(step)s"), condition=cond, step=words)
    if not step["enabled"]:
        words = translate(language, N_("(switched off) %(step)s"), step=words)
    return words


def step_names(names: Labels, program: Program | None) -> Labels:
    """Steps are called by their title, or by what they send, rather than by their identity."""

    def named(kind: str, name: str, language: str) -> str:
        if kind == "step" and program and name in program["steps"]:
            step = program["steps"][name]
            return names("step", step["name"] or step.get("message") or name, language)
        return names(kind, name, language)

    return named


def _in_order(program: Program) -> list[dict[str, Any]]:
    """Steps in the order of the text, whatever a database did to the order of keys."""
    return sorted(program["steps"].values(), key=lambda step: (step["line"], len(step["path"]), step["path"]))


# --- about the whole -------------------------------------------------------------------------------------------------


def _about(program: Program, language: str, names: Labels) -> list[str]:
    names = step_names(names, program)

    def say(sentence: str, **params: Any) -> str:
        return translate(language, sentence, **params)

    when = phrases.either([clauses.trigger(t, language, names) for t in program["start_when"]], language)
    said = [say(N_("A contact enters when %(trigger)s."), trigger=when)]
    if program["only_if"]:
        said.append(
            say(
                N_("It is entered only if %(condition)s."),
                condition=clauses.condition(program["only_if"], language, names),
            )
        )
    if program["exclude_if"]:
        said.append(
            say(
                N_("Nobody enters or gets a message if %(condition)s."),
                condition=clauses.condition(program["exclude_if"], language, names),
            )
        )
    if program["stop_when"]:
        stop = phrases.either([clauses.trigger(t, language, names) for t in program["stop_when"]], language)
        said.append(say(N_("The contact leaves at once when %(trigger)s."), trigger=stop))
    if program["goal"]:
        said.append(_goal(program["goal"], language, names))
    if program["re_enter"]["mode"] == "after":
        after = phrases.length(program["re_enter"]["after"], language)
        said.append(say(N_("A contact may come again after %(length)s."), length=after))
    else:
        said.append(say(_RE_ENTER[program["re_enter"]["mode"]]))
    if program["entry_limit"]:
        limit = phrases.limit(program["entry_limit"], language)
        said.append(say(N_("So many contacts enter at most: %(limit)s."), limit=limit))
    said += _when_messages_go(program, language)
    if program["review_after"]["on"]:
        review = phrases.day(program["review_after"]["on"], language)
        said.append(say(N_("On %(date)s the owner is asked whether it goes on."), date=review))
    else:
        review = phrases.length(program["review_after"]["after"], language)
        said.append(say(N_("After %(length)s the owner is asked whether it goes on."), length=review))
    if program["ends_on"]:
        said.append(say(N_("Nobody enters after %(date)s."), date=phrases.day(program["ends_on"], language)))
    return said


def _goal(goal: dict[str, Any], language: str, names: Labels) -> str:
    trigger = clauses.trigger({"on": "event", **goal}, language, names)
    if goal["within"]:
        within = phrases.length(goal["within"], language)
        return translate(
            language, N_("It has succeeded when %(trigger)s within %(length)s."), trigger=trigger, length=within
        )
    return translate(language, N_("It has succeeded when %(trigger)s."), trigger=trigger)


def _when_messages_go(program: Program, language: str) -> list[str]:
    if not any(step["verb"] in ("send", "reach") for step in program["steps"].values()):
        return []
    hours, limits = program["settings"]["send_hours"], program["settings"]["limits"]
    general = hours["any"]
    said = []
    if general is None:
        said.append(translate(language, N_("Messages may go out at any time.")))
    else:
        shown = phrases.hours(general, language)
        said.append(translate(language, N_("Messages go out only %(hours)s."), hours=shown))
    for channel, value in hours.items():
        if channel == "any" or value == general or not _uses(program, channel):
            continue
        name = phrases.channel(channel, language)
        if value is None:
            said.append(translate(language, N_("By %(channel)s: at any time."), channel=name))
        else:
            shown = phrases.hours(value, language)
            said.append(translate(language, N_("By %(channel)s: only %(hours)s."), channel=name, hours=shown))
    if limits["messages"]:
        shown = phrases.listed([phrases.limit(limit, language) for limit in limits["messages"]], language)
        said.append(translate(language, N_("A contact gets at most %(limits)s, over all channels."), limits=shown))
    for channel, value in limits.items():
        if channel not in ("messages", "when_over") and _uses(program, channel):
            shown = phrases.listed([phrases.limit(limit, language) for limit in value], language)
            name = phrases.channel(channel, language)
            said.append(translate(language, N_("By %(channel)s: at most %(limits)s."), channel=name, limits=shown))
    return said


def _uses(program: Program, channel: str) -> bool:
    """Whether a message may go out on this channel; a send without `via` may use any."""
    for step in program["steps"].values():
        via = [attempt["via"] for attempt in step.get("try", ())] if step["verb"] == "reach" else step.get("via")
        if step["verb"] in ("send", "reach") and (via is None or channel in via or "preferred" in via):
            return True
    return False


# --- the steps -------------------------------------------------------------------------------------------------------


def _lines(program: Program, language: str, names: Labels) -> list[dict[str, Any]]:
    by_path = {step["path"]: step for step in program["steps"].values()}
    lines: list[dict[str, Any]] = []
    for step in _in_order(program):
        depth = _depth(by_path, step["path"])
        if step["path"].endswith("/1") and step["path"] != "steps/1":
            heading = _heading(by_path, step["path"], language, step_names(names, program))
            if heading:
                lines.append({"id": None, "depth": depth - 1, "words": heading, "line": step["line"]})
        words = step_words(step, language, names, program)
        lines.append({"id": step["id"], "depth": depth, "words": words, "line": step["line"]})
    return lines


def _heading(by_path: dict[str, dict[str, Any]], path: str, language: str, names: Labels) -> str | None:
    """What stands above the first step of a branch."""
    branch = re.fullmatch(r"(.*?/\d+)/((?:[a-z_]+/)?(?:[a-z_]+/)?(?:\d+/)?[a-z_]+)/1", path)
    parent = branch and by_path.get(_parent(path))
    if not branch or not parent:
        return None
    below = path.removeprefix(parent["path"] + "/").removesuffix("/1")
    key = below.rsplit("/", 1)[-1]
    verb = parent["verb"]
    if verb == "choose" and key == "do":
        option = parent["options"][int(below.split("/")[1]) - 1]
        cond = clauses.condition(option["when"], language, names)
        return translate(language, N_("If %(condition)s:"), condition=cond)
    if verb == "split":
        variant = parent["variants"][int(below.split("/")[2]) - 1]
        name, share = phrases.quoted(variant["name"], language), phrases.percent(variant["share"], language)
        return translate(language, N_("Variant %(name)s, %(share)s of the contacts:"), name=name, share=share)
    if verb == "if" and key == "then":
        return None  # the step itself says it
    headings = {
        "then": N_("If it happened:"),
        "on_timeout": N_("If it did not happen in time:"),
        "reached": N_("When the contact was reached:"),
        "else": N_("Otherwise:"),
        "otherwise": N_("Otherwise:"),
    }
    return translate(language, headings[key])


def _depth(by_path: dict[str, dict[str, Any]], path: str) -> int:
    """How far a step is indented. The branches of choose and split have headings of their own, indented as well."""
    depth = 0
    while path := _parent(path):
        depth += 2 if by_path.get(path, {}).get("verb") in ("choose", "split") else 1
    return depth


def _parent(path: str) -> str:
    """The path of the step whose branch a path lies in."""
    match = re.fullmatch(
        r"(.*/\d+)/(?:then|else|on_timeout|otherwise|choose/\d+/do|split/variants/\d+/steps|reach/\w+)/\d+", path
    )
    return match[1] if match else ""


def _verb_words(step: dict[str, Any], language: str, names: Labels) -> str:
    verb = step["verb"]

    def say(sentence: str, **params: Any) -> str:
        return translate(language, sentence, **params)

    if verb == "send":
        return _send(step, language, names)
    if verb == "reach":
        message = names("template", step["message"], language)
        channels = phrases.listed([phrases.channel(attempt["via"], language) for attempt in step["try"]], language)
        return say(
            N_("Try to reach the contact with %(message)s by %(channels)s, one after the other"),
            message=message,
            channels=channels,
        )
    if verb == "wait":
        return _wait(step, language, names)
    if verb == "wait_for":
        until = phrases.either([clauses.trigger(t, language, names) for t in step["triggers"]], language)
        most = phrases.length(step["up_to"], language)
        return say(N_("Wait until %(trigger)s, at most %(length)s"), trigger=until, length=most)
    if verb == "if":
        cond = clauses.condition(step["cond"], language, names)
        return say(N_("If %(condition)s:"), condition=cond)
    if verb == "choose":
        return say(N_("Choose the first that is true:"))
    if verb == "split":
        if step["hold_out"]:
            share = phrases.percent(step["hold_out"], language)
            return say(N_("Test what works better; %(share)s of the contacts get nothing:"), share=share)
        return say(N_("Test what works better:"))
    if verb in ("tag", "untag"):
        tags = phrases.both([names("tag", tag, language) for tag in step["tags"]], language)
        return say(N_("Add the tag %(tags)s") if verb == "tag" else N_("Remove the tag %(tags)s"), tags=tags)
    if verb in ("add_to_list", "remove_from_list"):
        lists = phrases.both([names("list", name, language) for name in step["lists"]], language)
        pattern = N_("Add to the list %(lists)s") if verb == "add_to_list" else N_("Take off the list %(lists)s")
        return say(pattern, lists=lists)
    if verb == "set":
        values = [
            say(N_("%(field)s = %(value)s"), field=names("field", f, language), value=phrases.quoted(v, language))
            for f, v in step["values"].items()
        ]
        return say(N_("Write into the contact: %(values)s"), values=phrases.both(values, language))
    if verb == "score":
        points = phrases.number(abs(step["by"]), language)
        pattern = N_("Raise the score by %(n)s") if step["by"] >= 0 else N_("Lower the score by %(n)s")
        return say(pattern, n=points)
    if verb == "task":
        return _task(step, language, names)
    if verb == "notify":
        text = phrases.quoted(step["text"], language)
        return say(N_("Tell %(who)s: %(text)s"), who=names("person", step["who"], language), text=text)
    if verb == "go_to":
        target, times = names("step", step["target"], language), phrases.number(step["max_times"], language)
        return say(N_("Go back to the step %(step)s, at most %(n)s times"), step=target, n=times)
    if verb == "stop":
        if step["reason"]:
            return say(N_("Leave the journey: %(reason)s"), reason=phrases.quoted(step["reason"], language))
        return say(N_("Leave the journey"))
    kind, key = {"note": ("", "text"), "call": ("action", "action")}.get(verb, ("journey", "journey"))
    text = names(kind, step[key], language) if kind else phrases.quoted(step[key], language)
    return say(_NAMED[verb], text=text)


def _send(step: dict[str, Any], language: str, names: Labels) -> str:
    if step["message"]:
        message = names("template", step["message"], language)
    else:
        message = phrases.quoted(step["text"] or "", language)
    if not step["via"]:
        words = translate(language, N_("Send %(message)s"), message=message)
    elif len(step["via"]) == 1:
        by = phrases.channel(step["via"][0], language)
        words = translate(language, N_("Send %(message)s by %(channel)s"), message=message, channel=by)
    else:
        by = phrases.either([phrases.channel(c, language) for c in step["via"]], language)
        words = translate(
            language, N_("Send %(message)s by %(channels)s, whichever can be used first"), message=message, channels=by
        )
    if isinstance(step["send_hours"], dict):
        shown = phrases.hours(step["send_hours"], language)
        words = translate(language, N_("%(step)s, only %(hours)s"), step=words, hours=shown)
    return words


def _wait(step: dict[str, Any], language: str, names: Labels) -> str:
    until = step["until"]
    if step["for"] is not None:
        words = translate(language, N_("Wait %(length)s"), length=phrases.length(step["for"], language))
    elif "day" in until:
        words = translate(language, N_("Wait until %(day)s"), day=phrases.day_of_week(until["day"], language))
    elif "date" in until:
        words = translate(language, N_("Wait until %(day)s"), day=phrases.day(until["date"], language))
    elif "month_day" in until:
        n = phrases.number(until["month_day"], language)
        words = translate(language, N_("Wait until day %(n)s of the month"), n=n)
    else:
        field = names("field", until["field"], language)
        if any(until["offset"].values()):
            length = phrases.length(until["offset"], language)
            pattern = N_("%(length)s before %(field)s") if until["sign"] < 0 else N_("%(length)s after %(field)s")
            field = translate(language, pattern, length=length, field=field)
        words = translate(language, N_("Wait until %(day)s"), day=field)
    if step["at"]:
        at = phrases.clock(step["at"], language)
        words = translate(language, N_("%(clause)s at %(time)s"), clause=words, time=at)
    return words


def _task(step: dict[str, Any], language: str, names: Labels) -> str:
    title = phrases.quoted(step["title"], language)
    if step["for"]:
        who = names("person", step["for"], language)
        words = translate(language, N_("Task for %(who)s: %(title)s"), who=who, title=title)
    else:
        words = translate(language, N_("Task: %(title)s"), title=title)
    if step["due"]:
        words = translate(
            language, N_("%(step)s, due in %(length)s"), step=words, length=phrases.length(step["due"], language)
        )
    if step["wait_until_done"]:
        words = translate(language, N_("%(step)s; go on when it is done"), step=words)
    return words
