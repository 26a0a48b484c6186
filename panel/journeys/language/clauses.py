"""Conditions and triggers as clauses about one contact.

Negation is pushed down to the single test, so that nobody has to read "not (either ... or ...)".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.i18n import N_, translate
from panel.journeys.language import phrases
from panel.journeys.language.problems import isolate

# How a name is shown: kind (event, field, template, list, step ...), the name, the language -> words.
Labels = Callable[[str, str, str], str]

_FIELD: dict[str, tuple[str, str]] = {
    "is": (N_("%(field)s is %(value)s"), N_("%(field)s is not %(value)s")),
    "is_not": (N_("%(field)s is not %(value)s"), N_("%(field)s is %(value)s")),
    "in": (N_("%(field)s is %(value)s"), N_("%(field)s is not %(value)s")),
    "contains": (N_("%(field)s contains %(value)s"), N_("%(field)s does not contain %(value)s")),
    "starts_with": (N_("%(field)s begins with %(value)s"), N_("%(field)s does not begin with %(value)s")),
    "more_than": (N_("%(field)s is more than %(value)s"), N_("%(field)s is not more than %(value)s")),
    "less_than": (N_("%(field)s is less than %(value)s"), N_("%(field)s is not less than %(value)s")),
    "at_least": (N_("%(field)s is at least %(value)s"), N_("%(field)s is less than %(value)s")),
    "at_most": (N_("%(field)s is at most %(value)s"), N_("%(field)s is more than %(value)s")),
    "before": (N_("%(field)s is before %(value)s"), N_("%(field)s is not before %(value)s")),
    "after": (N_("%(field)s is after %(value)s"), N_("%(field)s is not after %(value)s")),
}
_IS_SET = (N_("%(field)s has a value"), N_("%(field)s is empty"))
_SIMPLE: dict[str, tuple[str, str, str]] = {
    # test -> key, when true, when not
    "has_tag": ("tag", N_("the contact has the tag %(name)s"), N_("the contact does not have the tag %(name)s")),
    "in_list": ("list", N_("the contact is in the list %(name)s"), N_("the contact is not in the list %(name)s")),
    "in_segment": (
        "segment",
        N_("the contact is in the segment %(name)s"),
        N_("the contact is not in the segment %(name)s"),
    ),
    "in_journey": (
        "journey",
        N_("the contact is inside the journey %(name)s"),
        N_("the contact is not inside the journey %(name)s"),
    ),
    "can_reach": (
        "channel",
        N_("the contact can be reached by %(name)s"),
        N_("the contact cannot be reached by %(name)s"),
    ),
    "prefers": ("channel", N_("the contact prefers %(name)s"), N_("the contact does not prefer %(name)s")),
    "check": ("name", N_("the plugin's condition %(name)s holds"), N_("the plugin's condition %(name)s does not hold")),
}
_RHYTHM: dict[str, tuple[str, str]] = {
    "going_quiet": (N_("the contact went quiet"), N_("the contact did not go quiet")),
    "woke_up": (N_("the contact woke up lately"), N_("the contact did not wake up lately")),
}
_WAS: dict[str, tuple[str, str]] = {
    "sent": (N_("the message %(name)s was sent"), N_("the message %(name)s was not sent")),
    "delivered": (N_("the message %(name)s was delivered"), N_("the message %(name)s was not delivered")),
    "opened": (N_("the message %(name)s was opened"), N_("the message %(name)s was not opened")),
    "clicked": (N_("the message %(name)s was clicked"), N_("the message %(name)s was not clicked")),
    "replied": (N_("the message %(name)s was answered"), N_("the message %(name)s was not answered")),
    "failed": (N_("the message %(name)s failed"), N_("the message %(name)s did not fail")),
    "bounced": (N_("the message %(name)s came back"), N_("the message %(name)s did not come back")),
    "unknown": (
        N_("it is not known whether the message %(name)s arrived"),
        N_("it is known what became of the message %(name)s"),
    ),
    "skipped": (N_("the message %(name)s was skipped"), N_("the message %(name)s was not skipped")),
}
_TIMES: dict[str, str] = {
    "at_least": N_("at least %(n)s times"),
    "at_most": N_("at most %(n)s times"),
    "is": N_("exactly %(n)s times"),
    "more_than": N_("more than %(n)s times"),
    "less_than": N_("less than %(n)s times"),
}
_SOURCES: dict[str, str] = {
    "import": N_("an import adds a new contact"),
    "form": N_("a form adds a new contact"),
    "api": N_("another program adds a new contact"),
    "landing_page": N_("a landing page adds a new contact"),
    "manual": N_("a colleague adds a new contact"),
}
_EVERY: dict[str, str] = {
    "year": N_("every year"),
    "month": N_("every month"),
    "week": N_("every week"),
    "day": N_("every day"),
}


def plain_names(kind: str, name: str, language: str) -> str:
    """Names as they were written; the panel passes labels from its registries instead."""
    if kind == "channel":
        return phrases.channel(name, language)
    if kind in ("event", "field"):
        return isolate(name, language)
    return phrases.quoted(name, language)


def condition(cond: dict[str, Any], language: str, names: Labels = plain_names, *, holds: bool = True) -> str:
    """A condition as a clause; `holds=False` gives its opposite."""
    test = cond["test"]
    if test == "not":
        return condition(cond["of"], language, names, holds=not holds)
    if test in ("all", "any"):
        parts = [_part(below, language, names, holds) for below in cond["of"]]
        return phrases.both(parts, language) if (test == "all") == holds else phrases.either(parts, language)
    if test == "field":
        return match(cond, language, names, holds=holds)
    if test in _SIMPLE:
        key, true, false = _SIMPLE[test]
        name = names(key if test != "check" else "check", cond[key], language)
        return translate(language, true if holds else false, name=name)
    if test == "rhythm":
        true, false = _RHYTHM[cond["state"]]
        return translate(language, true if holds else false)
    if test == "message":
        true, false = _WAS[cond["was"]]
        return translate(language, true if holds else false, name=names("step", cond["step"], language))
    return _happened(cond, language, names, (test == "happened") == holds)


def _part(cond: dict[str, Any], language: str, names: Labels, holds: bool) -> str:
    """One part of an "and" or an "or"; in brackets when it is itself made of parts, so that nobody misreads it."""
    said = condition(cond, language, names, holds=holds)
    while cond["test"] == "not":
        cond = cond["of"]
    compound = cond["test"] in ("all", "any") and len(cond["of"]) > 1
    return translate(language, N_("(%(clause)s)"), clause=said) if compound else said


def match(found: dict[str, Any], language: str, names: Labels, *, holds: bool = True) -> str:
    field, value = names("field", found["field"], language), found["value"]
    if found["op"] == "is_set":
        return translate(language, _IS_SET[0] if bool(value) == holds else _IS_SET[1], field=field)
    true, false = _FIELD[found["op"]]
    if isinstance(value, list):
        shown = phrases.either([phrases.quoted(v, language) for v in value], language)
    elif value.startswith("run."):
        shown = translate(language, N_("the one with which the contact entered"))
    elif value.partition(".")[0] in ("event", "entry"):
        shown = names("field", value, language)
    else:
        shown = phrases.quoted(value, language)
    return translate(language, true if holds else false, field=field, value=shown)


def _happened(cond: dict[str, Any], language: str, names: Labels, happened: bool) -> str:
    event = names("event", cond["event"], language)
    if happened:
        said = translate(language, N_("%(event)s happened"), event=event)
    else:
        said = translate(language, N_("%(event)s did not happen"), event=event)
    if cond["times"]:
        times = translate(language, _TIMES[cond["times"]["op"]], n=phrases.number(cond["times"]["n"], language))
        said = translate(language, N_("%(clause)s %(times)s"), clause=said, times=times)
    if cond["within"]:
        length = phrases.length(cond["within"], language)
        said = translate(language, N_("%(clause)s in the last %(length)s"), clause=said, length=length)
    if cond["since"] == "entry":
        said = translate(language, N_("%(clause)s since the contact entered"), clause=said)
    elif cond["since"] == "this_step":
        said = translate(language, N_("%(clause)s since this step began"), clause=said)
    elif cond["since"]:
        step = names("step", cond["since"], language)
        said = translate(language, N_("%(clause)s since the step %(step)s"), clause=said, step=step)
    return _where(said, cond["where"], language, names)


def _where(said: str, matches: list[dict[str, Any]], language: str, names: Labels) -> str:
    if not matches:
        return said
    tests = phrases.both([match(found, language, names) for found in matches], language)
    return translate(language, N_("%(clause)s (%(tests)s)"), clause=said, tests=tests)


_TRIGGERS: dict[str, tuple[str, str]] = {
    "joins_list": ("list", N_("the contact joins the list %(name)s")),
    "leaves_list": ("list", N_("the contact leaves the list %(name)s")),
    "tag_added": ("tag", N_("the contact gets the tag %(name)s")),
    "tag_removed": ("tag", N_("the contact loses the tag %(name)s")),
    "form_submitted": ("form", N_("the contact fills in the form %(name)s")),
    "page_visited": ("page", N_("the contact visits the page %(name)s")),
}


def trigger(found: dict[str, Any], language: str, names: Labels = plain_names) -> str:
    """A trigger (or a stop_when entry) as a clause that follows "when"."""
    on = found["on"]
    if on == "event":
        said = translate(language, N_("%(event)s happens"), event=names("event", found["event"], language))
        return _where(said, found["where"], language, names)
    if on in _TRIGGERS:
        key, msgid = _TRIGGERS[on]
        return translate(language, msgid, name=names(key, found[key], language))
    if on == "contact_created":
        source = found["source"]
        return translate(language, _SOURCES[source] if source else N_("the contact is new"))
    if on == "becomes_true":
        cond = condition(found["cond"], language, names)
        return translate(language, N_("it becomes true that %(condition)s"), condition=cond)
    if on == "if":
        return condition(found["if"], language, names)
    if on == "date":
        return _date(found, language, names)
    if on == "schedule":
        moment = _at(_how_often(found, language), found, language)
        cond = condition(found["audience"], language, names)
        return translate(language, N_("the time comes (%(moment)s) and %(condition)s"), moment=moment, condition=cond)
    return translate(language, N_("a colleague starts it from the contact's page"))


def _date(found: dict[str, Any], language: str, names: Labels) -> str:
    field = names("field", found["field"], language)
    if any(found["offset"].values()):
        length = phrases.length(found["offset"], language)
        pattern = (
            N_("it is %(length)s before %(field)s") if found["sign"] < 0 else N_("it is %(length)s after %(field)s")
        )
        said = translate(language, pattern, length=length, field=field)
    else:
        said = translate(language, N_("it is the day of %(field)s"), field=field)
    if found["every"]:
        said = translate(language, N_("%(clause)s, %(every)s"), clause=said, every=_how_often(found, language))
    return _at(said, found, language)


def _how_often(found: dict[str, Any], language: str) -> str:
    if found["every"] == "week" and found["day"] is not None:
        return translate(language, N_("every week on %(day)s"), day=phrases.day_of_week(found["day"], language))
    if found["every"] == "month" and found["day"] is not None:
        return translate(language, N_("every month on day %(n)s"), n=phrases.number(found["day"], language))
    return translate(language, _EVERY[found["every"]])


def _at(said: str, found: dict[str, Any], language: str) -> str:
    if not found["at"]:
        return said
    at = phrases.clock(found["at"], language)
    return translate(language, N_("%(clause)s at %(time)s"), clause=said, time=at)
