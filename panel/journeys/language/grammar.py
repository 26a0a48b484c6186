"""The whole grammar as data. The checker, the JSON schema, the help pages and the editor's completion read only this.

A form is a block with keys. A key has a type, a meaning, perhaps a default, and the keys it goes with. Adding a key
here (and to the resolver) is all it takes for every one of those four to know it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from panel.i18n import N_

# --- types -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scalar:
    """One value, read by the reader of this name in `checking.READERS`. `shown` says in words what to write."""

    reader: str
    shown: str


@dataclass(frozen=True)
class Choice:
    """One of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Name:
    """The name of something that is kept elsewhere: a list, a field, an event ... (see `vocabulary`)."""

    kind: str
    shown: str


@dataclass(frozen=True)
class Channel:
    """A channel; channels are whatever plugins registered. `also` are further words."""

    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A block with the keys of `FORMS[name]`."""

    name: str


@dataclass(frozen=True)
class ListOf:
    """A list; a single value stands for a list of one."""

    of: Any


@dataclass(frozen=True)
class MapOf:
    """Keys that the writer chooses. `keys`: identity | field | setting | answer."""

    of: Any
    keys: str


@dataclass(frozen=True)
class Either:
    """The first of these types that fits the shape of what is written."""

    options: tuple[Any, ...]


@dataclass(frozen=True)
class Anything:
    """Kept unread; a blueprint's journey is read when its answers are known."""


Type = Scalar | Choice | Name | Channel | Form | ListOf | MapOf | Either | Anything


@dataclass(frozen=True)
class Key:
    type: Type
    meaning: str
    required: bool = False
    default: str | None = None
    goes_with: tuple[str, ...] = ()  # it may only stand beside one of these main keys


@dataclass(frozen=True)
class Shape:
    """A form: its title ("a journey"), its keys, and the main keys of which exactly one must stand in it."""

    title: str
    keys: dict[str, Key] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    channel_keys: Type | None = None  # the type of a key that is the name of a channel


# --- words for scalars -----------------------------------------------------------------------------------------------

TEXT = Scalar("words", N_("text"))
MESSAGE_TEXT = Scalar("message_text", N_("text with merge fields"))
LENGTH = Scalar("length", N_("length of time"))
SOME_LENGTH = Scalar("some_length", N_("length of time"))
OFFSET = Scalar("offset", N_("length of time, before or after"))
CLOCK = Scalar("clock", N_("time of day"))
CLOSING = Scalar("closing", N_("time of day"))
DATE = Scalar("day", N_("date"))
DAY = Scalar("weekday", N_("day of the week"))
MONTH_DAY = Scalar("month_day", N_("day of the month"))
POSITIVE = Scalar("positive", N_("whole number"))
PRIORITY = Scalar("priority", N_("whole number from 1 to 9"))
VERSION = Scalar("version", N_("whole number"))
SCORE = Scalar("score", N_("number with + or -"))
PERCENT = Scalar("percent", N_("percentage"))
YES_NO = Scalar("yes_no", N_("yes or no"))
ZONE = Scalar("time_zone", N_("time zone"))
LIMIT = Scalar("limit", N_("limit"))
IDENTITY = Scalar("identity", N_("identity"))
RE_ENTER = Scalar("re_enter", N_("never, after_exit, always, or after a length of time"))
REVIEW = Scalar("review", N_("length of time or date"))
RHYTHM = Scalar("rhythm", N_("hourly, or daily at a time"))
COUNT = Scalar("count", N_("number of times"))
LABEL = Scalar("name", N_("name"))

LIST = Name("list", N_("list"))
TAG = Name("tag", N_("tag"))
FIELD = Name("field", N_("field"))
ANY_FIELD = Name("any_field", N_("field of the contact, the event or the run"))
EVENT = Name("event", N_("event"))
TEMPLATE = Name("template", N_("template"))
PERSON = Name("person", N_("person or role"))
SEGMENT = Name("segment", N_("segment"))
FORM_NAME = Name("form", N_("form"))
PAGE = Name("page", N_("page"))
CHECK = Name("check", N_("condition of a plugin"))
ACTION = Name("action", N_("action of a plugin"))
CALENDAR = Name("calendar", N_("holiday calendar"))
JOURNEY = Name("journey", N_("identity of a journey"))
STEP_NAME = Name("step", N_("identity of a step"))
BLUEPRINT = Name("blueprint", N_("blueprint"))

COND = Form("condition")
STEPS = ListOf(Form("step"))
TRIGGERS = ListOf(Form("trigger"))
MATCHES = ListOf(Form("match"))
UNTIL = Either((Form("until"), DAY, DATE, ANY_FIELD))
HOURS = Either((Choice(("any",)), Form("hours")))

# The channels that stand in the examples and in files written before a plugin was installed.
CORE_CHANNELS = ("email", "sms", "whatsapp", "letter", "in_app", "call")

_IF_MISSING = N_("what happens when a merge field has neither a value nor a default")
_ON_UNKNOWN = N_("what happens when the provider never told us whether a message went out")
_ON_ERROR = N_("what happens when a step cannot be carried out")

# --- forms -----------------------------------------------------------------------------------------------------------

_SETTINGS: dict[str, Key] = {
    "time_zone": Key(ZONE, N_("whose clock counts: contact, company, or the name of a zone"), default="contact"),
    "fallback_time_zone": Key(ZONE, N_("the zone of a contact whose zone is not known")),
    "send_hours": Key(HOURS, N_("when messages may go out; any means always")),
    "limits": Key(Form("limits"), N_("how often one contact may be messaged")),
    "too_late_after": Key(
        LENGTH, N_("a message later than this, counted from its first allowed moment, is skipped"), default="3 days"
    ),
    "if_missing": Key(Choice(("skip", "hold", "blank")), _IF_MISSING, default="hold"),
    "on_unknown": Key(Choice(("ask", "assume_sent", "send_again")), _ON_UNKNOWN, default="ask"),
    "on_error": Key(Choice(("hold", "continue", "stop")), _ON_ERROR, default="hold"),
    "priority": Key(PRIORITY, N_("1 (first) to 9: who gets the last place under a limit"), default="5"),
    "leave_after": Key(SOME_LENGTH, N_("the longest stay of one contact"), default="1 year"),
    "when_edited": Key(
        Choice(("follow", "finish_old")),
        N_("what contacts inside do when a new version is published"),
        default="follow",
    ),
}

_OPERATORS: dict[str, Key] = {
    "is": Key(TEXT, N_("the same")),
    "is_not": Key(TEXT, N_("different")),
    "in": Key(ListOf(TEXT), N_("one of these")),
    "contains": Key(TEXT, N_("contains this text")),
    "starts_with": Key(TEXT, N_("begins with this text")),
    "more_than": Key(TEXT, N_("more than this number")),
    "less_than": Key(TEXT, N_("less than this number")),
    "at_least": Key(TEXT, N_("this number or more")),
    "at_most": Key(TEXT, N_("this number or less")),
    "before": Key(TEXT, N_("before this date")),
    "after": Key(TEXT, N_("after this date")),
    "is_set": Key(YES_NO, N_("has a value or not")),
}
OPERATORS = tuple(_OPERATORS)

_TIMED = ("date", "every")
_TRIGGER: dict[str, Key] = {
    "event": Key(EVENT, N_("an event of the panel or of a plugin")),
    "where": Key(MATCHES, N_("only if the fields of the event match"), goes_with=("event",)),
    "contact_created": Key(
        Either((YES_NO, Choice(("import", "form", "api", "landing_page", "manual")))),
        N_("a contact is new; optionally only from one source"),
    ),
    "joins_list": Key(LIST, N_("a contact joins this list")),
    "leaves_list": Key(LIST, N_("a contact leaves this list")),
    "tag_added": Key(TAG, N_("a contact gets this tag")),
    "tag_removed": Key(TAG, N_("a contact loses this tag")),
    "form_submitted": Key(FORM_NAME, N_("a contact fills in this form")),
    "page_visited": Key(PAGE, N_("a contact visits this page")),
    "becomes_true": Key(COND, N_("the moment a condition turns from false to true")),
    "check": Key(
        RHYTHM,
        N_("how often to look, for conditions that time alone can change"),
        default="daily at 06:00",
        goes_with=("becomes_true",),
    ),
    "date": Key(FIELD, N_("a date field of the contact")),
    "every": Key(Choice(("year", "month", "week", "day")), N_("with a date: repeat; with at: a schedule")),
    "offset": Key(OFFSET, N_("so long before or after the date"), goes_with=("date",)),
    "at": Key(CLOCK, N_("time of day"), goes_with=_TIMED),
    "feb_29": Key(
        Choice(("feb_28", "mar_1", "skip")),
        N_("what happens to 29 February in other years"),
        default="feb_28",
        goes_with=("date",),
    ),
    "calendar": Key(
        Choice(("gregorian", "hebrew", "solar_hijri")),
        N_("the calendar that the year follows"),
        default="gregorian",
        goes_with=_TIMED,
    ),
    "on": Key(Either((MONTH_DAY, DAY)), N_("the day of the month or of the week"), goes_with=("every",)),
    "audience": Key(COND, N_("with a schedule: who enters"), goes_with=("every",)),
    "manual": Key(YES_NO, N_("a person starts it from the contact's page")),
}
_TRIGGER_MAIN = (
    "event",
    "contact_created",
    "joins_list",
    "leaves_list",
    "tag_added",
    "tag_removed",
    "form_submitted",
    "page_visited",
    "becomes_true",
    "date",
    "every",
    "manual",
)

VERBS = (
    "send",
    "reach",
    "wait",
    "wait_for",
    "if",
    "choose",
    "split",
    "tag",
    "untag",
    "add_to_list",
    "remove_from_list",
    "set",
    "score",
    "task",
    "note",
    "notify",
    "start_journey",
    "stop_journey",
    "call",
    "go_to",
    "stop",
)

FORMS: dict[str, Shape] = {
    "file": Shape(
        N_("the file"),
        {
            "language": Key(VERSION, N_("version of this language; now 1"), required=True),
            "defaults": Key(Form("settings"), N_("settings that every journey in the file inherits")),
            "blueprints": Key(
                MapOf(Form("blueprint"), "identity"), N_("ready-made journeys with questions to fill in")
            ),
            "journeys": Key(
                MapOf(Form("journey"), "identity"), N_("the journeys, each under its own identity"), required=True
            ),
        },
    ),
    "settings": Shape(N_("the defaults"), _SETTINGS),
    "journey": Shape(
        N_("a journey"),
        {
            "name": Key(TEXT, N_("the title shown to people, in any language"), required=True),
            "description": Key(TEXT, N_("what it is for")),
            "owner": Key(PERSON, N_("who is asked when something needs a decision")),
            "state": Key(
                Choice(("draft", "live", "paused", "closing")),
                N_("paused holds everybody in place; closing lets those inside finish"),
                default="draft",
            ),
            "purpose": Key(
                Choice(("marketing", "service")),
                N_("marketing obeys opt-outs and limits; service is for receipts, reminders and safety"),
                required=True,
            ),
            "use": Key(BLUEPRINT, N_("the blueprint to use")),
            "inputs": Key(MapOf(TEXT, "answer"), N_("answers to the questions of the blueprint"), goes_with=("use",)),
            "start_when": Key(TRIGGERS, N_("any one of these starts the journey for a contact"), required=True),
            "only_if": Key(COND, N_("must be true at the moment of entry")),
            "exclude_if": Key(COND, N_("checked at entry and again before every message")),
            "existing": Key(
                Choice(("skip", "include")),
                N_("contacts for whom becomes_true already holds on the day it goes live"),
                default="skip",
            ),
            "entry_limit": Key(LIMIT, N_("how many contacts may enter, for example 200 per day")),
            "stop_when": Key(ListOf(Form("stopper")), N_("leave at once, at any step")),
            "goal": Key(Form("goal"), N_("what success is; reaching it ends the journey unless stay is yes")),
            "re_enter": Key(RE_ENTER, N_("whether a contact may come again"), default="never"),
            "one_per": Key(ANY_FIELD, N_("one run per value, e.g. event.invoice_number, instead of one per contact")),
            "if_already_in": Key(
                Choice(("ignore", "restart")), N_("a second start while a run is going on"), default="ignore"
            ),
            "review_after": Key(
                REVIEW,
                N_("no journey runs for ever: then the owner is asked to confirm or end it"),
                required=True,
            ),
            "ends_on": Key(DATE, N_("no entries after this day")),
            "labels": Key(ListOf(LABEL), N_("for filtering in the panel")),
            "steps": Key(STEPS, N_("what happens, in order"), required=True),
            **_SETTINGS,
        },
    ),
    "hours": Shape(
        N_("send_hours"),
        {
            "days": Key(ListOf(DAY), N_("allowed days")),
            "not_on": Key(ListOf(DAY), N_("forbidden days")),
            "from": Key(CLOCK, N_("earliest time")),
            "to": Key(CLOSING, N_("latest time, not included; later than from")),
            "holidays": Key(Choice(("skip", "ignore")), N_("whether holidays are closed"), default="ignore"),
            "calendar": Key(CALENDAR, N_("which holiday calendar")),
            "outside": Key(
                Choice(("wait", "skip", "earlier")),
                N_("outside the hours: wait for the next allowed moment, skip, or take the last one before"),
                default="wait",
            ),
        },
        channel_keys=HOURS,
    ),
    "limits": Shape(
        N_("limits"),
        {
            "messages": Key(ListOf(LIMIT), N_("all channels together")),
            "when_over": Key(
                Choice(("wait", "skip")),
                N_("wait for a free place (until too_late_after) or skip the message"),
                default="wait",
            ),
        },
        channel_keys=ListOf(LIMIT),
    ),
    "goal": Shape(
        N_("a goal"),
        {
            "event": Key(EVENT, N_("the event that counts"), required=True),
            "where": Key(MATCHES, N_("only if its fields match")),
            "within": Key(SOME_LENGTH, N_("counted from entry, or from the split inside a split")),
            "sum": Key(ANY_FIELD, N_("the field to add up, for example event.amount")),
            "stay": Key(YES_NO, N_("keep going after the goal"), default="no"),
        },
    ),
    "match": Shape(
        N_("a comparison"), {"field": Key(ANY_FIELD, N_("the name of the field"), required=True), **_OPERATORS}
    ),
    "trigger": Shape(N_("a trigger"), _TRIGGER, one_of=_TRIGGER_MAIN),
    "stopper": Shape(
        N_("a stop_when entry"),
        {
            **_TRIGGER,
            "if": Key(COND, N_("a condition, looked at after every event and before every message")),
            "reason": Key(TEXT, N_("words for the timeline")),
        },
        one_of=(*_TRIGGER_MAIN, "if"),
    ),
    "wait_for": Shape(
        N_("wait_for"),
        {"any": Key(TRIGGERS, N_("several events, any of them")), **_TRIGGER},
        one_of=("any", *_TRIGGER_MAIN),
    ),
    "condition": Shape(
        N_("a condition"),
        {
            "all": Key(ListOf(COND), N_("every one of these")),
            "any": Key(ListOf(COND), N_("at least one of these")),
            "not": Key(COND, N_("the opposite")),
            "field": Key(ANY_FIELD, N_("a field of the contact or the event, with a comparison beside it")),
            **{name: Key(key.type, key.meaning, goes_with=("field",)) for name, key in _OPERATORS.items()},
            "has_tag": Key(TAG, N_("has this tag")),
            "in_list": Key(LIST, N_("is in this list")),
            "in_segment": Key(SEGMENT, N_("is in this segment")),
            "in_journey": Key(JOURNEY, N_("is now in this journey")),
            "happened": Key(EVENT, N_("this event happened")),
            "not_happened": Key(EVENT, N_("this event did not happen")),
            "where": Key(MATCHES, N_("only events whose fields match"), goes_with=("happened", "not_happened")),
            "within": Key(SOME_LENGTH, N_("look only this far back"), goes_with=("happened", "not_happened")),
            "since": Key(
                Name("since", N_("entry, this_step, or the identity of a step")),
                N_("look back to the entry or to a step"),
                goes_with=("happened", "not_happened"),
            ),
            "times": Key(COUNT, N_("how often, for example at least 2"), goes_with=("happened", "not_happened")),
            "message": Key(STEP_NAME, N_("a message of this journey, by the identity of its step")),
            "was": Key(
                Choice(
                    (
                        "sent",
                        "delivered",
                        "opened",
                        "clicked",
                        "replied",
                        "failed",
                        "bounced",
                        "unknown",
                        "skipped",
                    )
                ),
                N_("what became of the message"),
                goes_with=("message",),
            ),
            "can_reach": Key(Channel(), N_("has an address and consent, and is not blocked")),
            "prefers": Key(Channel(), N_("the best channel by history")),
            "rhythm": Key(
                Choice(("going_quiet", "woke_up")), N_("went quiet or woke up, measured by the contact's own habits")
            ),
            "check": Key(CHECK, N_("a condition that a plugin supplies")),
            "with": Key(MapOf(MESSAGE_TEXT, "setting"), N_("its settings"), goes_with=("check",)),
        },
        one_of=(
            "all",
            "any",
            "not",
            "field",
            "has_tag",
            "in_list",
            "in_segment",
            "in_journey",
            "happened",
            "not_happened",
            "message",
            "can_reach",
            "prefers",
            "rhythm",
            "check",
        ),
    ),
    "send": Shape(
        N_("send"),
        {
            "message": Key(TEMPLATE, N_("the template")),
            "text": Key(MESSAGE_TEXT, N_("a short text written here")),
            "subject": Key(MESSAGE_TEXT, N_("with a text by email: its subject"), goes_with=("text",)),
            "via": Key(
                Either((Channel(also=("preferred",)), ListOf(Channel()))),
                N_("the channel, or several of which the first that can be used is taken; else that of the template"),
            ),
            "to": Key(FIELD, N_("another address field")),
            "send_hours": Key(HOURS, N_("own hours for this message")),
            "too_late_after": Key(LENGTH, N_("own time limit for this message")),
            "if_missing": Key(Choice(("skip", "hold", "blank")), _IF_MISSING),
            "on_unknown": Key(Choice(("ask", "assume_sent", "send_again")), _ON_UNKNOWN),
            "ignore_limits": Key(YES_NO, N_("send over the limits; only with purpose service"), default="no"),
        },
    ),
    "reach": Shape(
        N_("reach"),
        {
            "message": Key(TEMPLATE, N_("a template with one form per channel"), required=True),
            "until": Key(
                Choice(("sent", "delivered", "opened", "clicked", "replied")),
                N_("what counts as reached"),
                required=True,
            ),
            "or_until": Key(TRIGGERS, N_("what also counts, for example that the invoice was paid")),
            "try": Key(ListOf(Form("attempt")), N_("the channels, in order"), required=True),
            "reached": Key(STEPS, N_("steps when the contact was reached")),
            "otherwise": Key(STEPS, N_("steps when no channel worked")),
        },
    ),
    "attempt": Shape(
        N_("an attempt"),
        {
            "via": Key(Channel(also=("preferred",)), N_("the channel"), required=True),
            "give": Key(SOME_LENGTH, N_("how long to wait for the result"), required=True),
            "only_if": Key(COND, N_("otherwise this channel is passed over")),
            "name": Key(TEXT, N_("a title")),
        },
    ),
    "wait": Shape(
        N_("wait"),
        {
            "for": Key(LENGTH, N_("how long")),
            "until": Key(
                Either((Form("until"), DAY, DATE, ANY_FIELD)), N_("until a day, a date, or the date in a field")
            ),
            "at": Key(CLOCK, N_("then on to this time of day")),
            "if_past": Key(
                Choice(("go_on", "skip_next", "stop")),
                N_("what to do when the date is already gone"),
                default="go_on",
            ),
        },
    ),
    "until": Shape(
        N_("until"),
        {
            "day": Key(DAY, N_("the next such day of the week")),
            "date": Key(DATE, N_("a fixed date")),
            "field": Key(ANY_FIELD, N_("a date field of the contact or the event")),
            "offset": Key(OFFSET, N_("so long before or after that date"), goes_with=("field",)),
            "month_day": Key(MONTH_DAY, N_("the next such day of the month")),
        },
        one_of=("day", "date", "field", "month_day"),
    ),
    "option": Shape(
        N_("an option"),
        {
            "when": Key(COND, N_("the condition; the first that is true wins"), required=True),
            "do": Key(STEPS, N_("the steps of this option"), required=True),
            "name": Key(TEXT, N_("a title")),
        },
    ),
    "split": Shape(
        N_("split"),
        {
            "variants": Key(ListOf(Form("variant")), N_("two or more ways to do it"), required=True),
            "hold_out": Key(PERCENT, N_("the share that gets nothing, to measure against")),
            "goal": Key(Form("goal"), N_("what is measured"), required=True),
            "measure": Key(Choice(("rate", "sum_per_contact", "days_to_goal")), N_("what is compared"), default="rate"),
            "decide": Key(Form("decide"), N_("when the test ends; no test runs for ever"), required=True),
        },
    ),
    "variant": Shape(
        N_("a variant"),
        {
            "name": Key(TEXT, N_("a title"), required=True),
            "share": Key(PERCENT, N_("all shares and hold_out together make a hundred percent"), required=True),
            "steps": Key(STEPS, N_("the steps of this variant"), required=True),
        },
    ),
    "decide": Shape(
        N_("decide"),
        {
            "after": Key(SOME_LENGTH, N_("counted from the first contact in the test"), required=True),
            "at_least": Key(POSITIVE, N_("contacts per variant whose time for the goal is over"), default="100"),
            "confidence": Key(PERCENT, N_("how sure the answer must be"), default="95%"),
            "winner": Key(Choice(("ask", "automatic")), N_("ask the owner, or switch without asking"), default="ask"),
            "if_no_winner": Key(
                Choice(("ask", "keep_first", "keep_splitting")), N_("what happens when none is better"), default="ask"
            ),
            "at_latest": Key(SOME_LENGTH, N_("then the test ends in any case"), required=True),
        },
    ),
    "task": Shape(
        N_("a task"),
        {
            "title": Key(MESSAGE_TEXT, N_("what to do"), required=True),
            "for": Key(PERSON, N_("the person or role who does it")),
            "due": Key(LENGTH, N_("how long they have")),
            "remind": Key(LENGTH, N_("so long before it is due, remind them")),
            "text": Key(MESSAGE_TEXT, N_("details")),
            "wait_until_done": Key(YES_NO, N_("the journey stands here until the task is closed"), default="no"),
        },
    ),
    "notify": Shape(
        N_("notify"),
        {
            "who": Key(PERSON, N_("the person or role who is told"), required=True),
            "text": Key(MESSAGE_TEXT, N_("what they are told"), required=True),
        },
    ),
    "blueprint": Shape(
        N_("a blueprint"),
        {
            "name": Key(TEXT, N_("a title"), required=True),
            "description": Key(TEXT, N_("what it is for")),
            "author": Key(TEXT, N_("who made it")),
            "needs": Key(ListOf(LABEL), N_("the plugins it needs")),
            "inputs": Key(MapOf(Form("question"), "answer"), N_("the questions to answer")),
            "journey": Key(Anything(), N_("a journey with ${answers} in it")),
        },
    ),
    "question": Shape(
        N_("a question"),
        {
            "name": Key(TEXT, N_("the question"), required=True),
            "description": Key(TEXT, N_("help for the person who answers")),
            "default": Key(TEXT, N_("the answer if none is given")),
            "choose": Key(
                Choice(
                    (
                        "text",
                        "number",
                        "duration",
                        "clock",
                        "list",
                        "tag",
                        "template",
                        "field",
                        "event",
                        "channel",
                        "user",
                        "yes_no",
                    )
                ),
                N_("what kind of answer it is"),
                default="text",
            ),
        },
    ),
    "step": Shape(
        N_("a step"),
        {
            "send": Key(Either((TEMPLATE, Form("send"))), N_("send one message; the next wait counts from it")),
            "reach": Key(Form("reach"), N_("try one message channel after channel until the contact is reached")),
            "wait": Key(Either((LENGTH, Form("wait"))), N_("wait; 3 days keeps the time of day, 72 hours is exact")),
            "wait_for": Key(Either((Form("wait_for"), TRIGGERS)), N_("wait until something happens")),
            "if": Key(COND, N_("go one way or the other")),
            "choose": Key(ListOf(Form("option")), N_("the first option whose condition is true")),
            "split": Key(Form("split"), N_("a test: each contact gets one variant and keeps it")),
            "tag": Key(ListOf(TAG), N_("add a tag")),
            "untag": Key(ListOf(TAG), N_("remove a tag")),
            "add_to_list": Key(ListOf(LIST), N_("add the contact to a list")),
            "remove_from_list": Key(ListOf(LIST), N_("take the contact off a list; this is not an opt-out")),
            "set": Key(MapOf(MESSAGE_TEXT, "field"), N_("write values into fields")),
            "score": Key(SCORE, N_("raise or lower the score")),
            "task": Key(Either((MESSAGE_TEXT, Form("task"))), N_("a task for a person")),
            "note": Key(MESSAGE_TEXT, N_("a note on the timeline")),
            "notify": Key(Form("notify"), N_("tell a colleague")),
            "start_journey": Key(JOURNEY, N_("start another journey")),
            "stop_journey": Key(JOURNEY, N_("end another journey for this contact")),
            "call": Key(ACTION, N_("an action of a plugin")),
            "go_to": Key(STEP_NAME, N_("go back to a step; the only way back")),
            "stop": Key(TEXT, N_("leave the journey, with a reason")),
            "then": Key(STEPS, N_("steps when it is so"), goes_with=("if", "wait_for")),
            "else": Key(STEPS, N_("steps when it is not so"), goes_with=("if",)),
            "otherwise": Key(STEPS, N_("steps when no option is true"), goes_with=("choose",)),
            "on_timeout": Key(STEPS, N_("steps when it did not happen in time"), goes_with=("wait_for",)),
            "up_to": Key(SOME_LENGTH, N_("the longest wait"), goes_with=("wait_for",)),
            "with": Key(MapOf(MESSAGE_TEXT, "setting"), N_("what the action is given"), goes_with=("call",)),
            "max_times": Key(POSITIVE, N_("how often at most"), goes_with=("go_to",)),
            "id": Key(IDENTITY, N_("the identity of the step, kept when the journey is edited")),
            "name": Key(TEXT, N_("a title")),
            "enabled": Key(YES_NO, N_("no: the step is passed over"), default="yes"),
            "only_if": Key(COND, N_("otherwise the step is passed over")),
            "on_error": Key(Choice(("hold", "continue", "stop")), _ON_ERROR),
        },
        one_of=VERBS,
    ),
}
