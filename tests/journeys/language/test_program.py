"""The resolved program: defaults, inheritance, links between steps, identities from one version to the next."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from panel.journeys.language import FieldInfo, Running, Vocabulary, carry_over, check, check_journey, not_running_yet
from panel.journeys.language.program import branch_targets

EXAMPLES = Path(os.environ.get("PANEL_EXAMPLES", Path(__file__).parents[4] / "shared" / "examples" / "journeys.yaml"))
OUR_OWN = Path(__file__).parents[3] / "journeys.yaml"
FILES = [path for path in (EXAMPLES, OUR_OWN) if path.exists()]

HEAD = """  name: Test
  purpose: service
  start_when: [{manual: yes}]
  review_after: 6 months
"""


def program(steps: str, more: str = "", file_text: str | None = None):
    body = "\n".join("    " + line for line in steps.strip("\n").split("\n"))
    extra = "".join(f"  {line}\n" for line in more.strip("\n").split("\n") if line)
    checked = check_journey(f"test:\n{HEAD}{extra}  steps:\n{body}\n", file_text)
    assert [(p.line, p.words()) for p in checked.problems] == []
    found = checked.journeys["test"].program
    assert found is not None
    return found


def length(*, months: int = 0, days: int = 0, seconds: int = 0) -> dict[str, int]:
    return {"months": months, "days": days, "seconds": seconds}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_examples_load_without_problems_and_every_link_leads_somewhere(path):
    checked = check(path.read_bytes())
    assert [problem.words() for problem in checked.problems] == []
    assert checked.journeys
    for journey in checked.journeys.values():
        assert journey.program is not None
        json.dumps(journey.program)
        steps = journey.program["steps"]
        assert journey.program["first"] in steps
        for step_id, step in steps.items():
            assert step["id"] == step_id
            for target in (step["next"], *branch_targets(step)):
                assert target is None or target in steps


def test_branches_join_what_follows_and_empty_branches_lead_there():
    found = program(
        """
- if: {has_tag: vip}
  then:
    - send: gold
    - wait: 1 day
- choose:
    - when: {has_tag: a}
      do: [{tag: x}]
  otherwise:
    - stop: enough
- send: last
"""
    )
    steps = found["steps"]
    branch = steps[found["first"]]
    assert (branch["verb"], branch["then"]) == ("if", "send_gold")
    choose = branch["next"]
    assert branch["else"] == choose
    assert steps["send_gold"]["next"] == "wait_after_send_gold"
    assert steps["wait_after_send_gold"]["next"] == choose
    assert steps[choose]["options"][0]["do"] == "tag_x"
    assert steps["tag_x"]["next"] == "send_last"
    assert steps[steps[choose]["otherwise"]]["next"] == "send_last"
    assert steps["send_last"]["next"] is None
    assert steps["tag_x"]["path"] == "steps/2/choose/1/do/1"


def test_what_is_not_written_holds_its_default():
    found = program("- send: hello")
    assert found["settings"] == {
        "time_zone": "contact",
        "fallback_time_zone": None,
        "send_hours": {"any": None},
        "limits": {"messages": [], "when_over": "wait"},
        "too_late_after": length(days=3),
        "if_missing": "hold",
        "on_unknown": "ask",
        "on_error": "hold",
        "priority": 5,
        "leave_after": length(months=12),
        "when_edited": "follow",
    }
    assert found["re_enter"] == {"mode": "never", "after": None}
    assert found["steps"]["send_hello"] == {
        "id": "send_hello",
        "named": False,
        "verb": "send",
        "path": "steps/1",
        "line": 7,
        "name": None,
        "enabled": True,
        "only_if": None,
        "on_error": "hold",
        "next": None,
        "message": "hello",
        "text": None,
        "subject": None,
        "via": None,
        "to": None,
        "send_hours": None,
        "too_late_after": None,
        "if_missing": "hold",
        "on_unknown": "ask",
        "ignore_limits": False,
    }


DEFAULTS = """language: 1
defaults:
  send_hours:
    days: [sun, mon]
    from: 09:00
    to: 20:00
    holidays: skip
    sms: {from: 10:00, to: 19:00}
  limits:
    messages: 3 per week
    sms: 2 per month
    when_over: skip
  on_error: continue
journeys: {}
"""


@pytest.mark.parametrize(
    ("own", "general", "sms"),
    [
        ("", ("09:00", "20:00", [0, 6], "skip"), ("10:00", "19:00", [0, 6], "skip")),
        (
            "send_hours: {from: 08:00, to: 22:00}",
            ("08:00", "22:00", list(range(7)), "ignore"),
            ("10:00", "19:00", [0, 6], "skip"),
        ),
        ("send_hours: any", None, ("10:00", "19:00", [0, 6], "skip")),
        ("send_hours: {sms: any}", ("09:00", "20:00", [0, 6], "skip"), None),
        ("send_hours: {sms: {to: 18:00}}", ("09:00", "20:00", [0, 6], "skip"), ("09:00", "18:00", [0, 6], "skip")),
        (
            "send_hours: {not_on: [fri, sat], from: 08:00, to: 24:00, sms: {to: 12:00}}",
            ("08:00", "24:00", [0, 1, 2, 3, 6], "ignore"),
            ("08:00", "12:00", [0, 1, 2, 3, 6], "ignore"),
        ),
    ],
)
def test_a_channels_default_hours_stay_until_that_channel_is_named(own, general, sms):
    hours = program("- send: hello", own, DEFAULTS)["settings"]["send_hours"]

    def said(value):
        return value and (value["from"], value["to"], value["days"], value["holidays"])

    assert said(hours["any"]) == general
    assert said(hours["sms"]) == sms


@pytest.mark.parametrize(
    ("own", "messages", "sms", "when_over"),
    [
        ("", [3], [2], "skip"),
        ("limits: {messages: 1 per day}", [1], [2], "wait"),
        ("limits: {sms: 5 per month}", [3], [5], "skip"),
        ("limits: {messages: [1 per day, 2 per week], when_over: skip}", [1, 2], [2], "skip"),
    ],
)
def test_a_channels_default_limit_stays_until_that_channel_is_named(own, messages, sms, when_over):
    limits = program("- send: hello", own, DEFAULTS)["settings"]["limits"]
    assert [limit["count"] for limit in limits["messages"]] == messages
    assert [limit["count"] for limit in limits["sms"]] == sms
    assert limits["when_over"] == when_over


def test_a_step_inherits_what_happens_on_an_error():
    found = program(
        "- send: hello\n- send: {message: second, if_missing: skip}\n  on_error: stop", "if_missing: blank", DEFAULTS
    )
    first, second = found["steps"].values()
    assert (first["on_error"], first["if_missing"]) == ("continue", "blank")
    assert (second["on_error"], second["if_missing"]) == ("stop", "skip")


@pytest.mark.parametrize(
    ("written", "count", "per", "calendar"),
    [
        ("3 per week", 3, length(days=7), True),
        ("1 per 24 hours", 1, length(seconds=86_400), False),
        ("۲ per month", 2, length(months=1), True),
        ("1 per 3 days", 1, length(days=3), True),
    ],
)
def test_days_count_on_the_calendar_and_hours_exactly(written, count, per, calendar):
    limit = program("- send: hello", f"entry_limit: {written}")["entry_limit"]
    assert (limit["count"], limit["per"], limit["calendar"]) == (count, per, calendar)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{joins_list: Newsletter}", {"on": "joins_list", "list": "Newsletter"}),
        ("{contact_created: import}", {"on": "contact_created", "source": "import"}),
        ("{contact_created: yes}", {"on": "contact_created", "source": None}),
        (
            "{event: order_paid, where: {field: event.amount, more_than: ۵۰, less_than: 100}}",
            {
                "on": "event",
                "event": "order_paid",
                "where": [
                    {"field": "event.amount", "op": "more_than", "value": "50"},
                    {"field": "event.amount", "op": "less_than", "value": "100"},
                ],
            },
        ),
        (
            "{date: birthday, every: year, offset: ۳ days before, at: ۰۹:۰۰, calendar: solar_hijri}",
            {
                "on": "date",
                "field": "birthday",
                "every": "year",
                "offset": length(days=3),
                "sign": -1,
                "at": "09:00",
                "feb_29": "feb_28",
                "calendar": "solar_hijri",
                "day": None,
            },
        ),
        (
            "{every: week, on: sun, at: 10:00, audience: {has_tag: x}}",
            {
                "on": "schedule",
                "every": "week",
                "day": 6,
                "at": "10:00",
                "calendar": "gregorian",
                "audience": {"test": "has_tag", "tag": "x"},
            },
        ),
        (
            "{becomes_true: {not: {in_list: A}}}",
            {
                "on": "becomes_true",
                "cond": {"test": "not", "of": {"test": "in_list", "list": "A"}},
                "check": {"every": "day", "at": "06:00"},
            },
        ),
        ("{manual: yes}", {"on": "manual"}),
    ],
)
def test_triggers_resolve(written, expected):
    text = f"test:\n{HEAD}  steps: [{{send: a}}]\n".replace("{manual: yes}", written)
    found = check_journey(text, None)
    assert found.problems == []
    assert found.journeys["test"].program["start_when"] == [expected]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "{happened: order_paid, within: 2 weeks and 1 day, times: at least 2}",
            {
                "test": "happened",
                "event": "order_paid",
                "where": [],
                "within": length(days=15),
                "since": None,
                "times": {"op": "at_least", "n": 2},
            },
        ),
        ("{field: شهر, in: [تهران, שירז]}", {"test": "field", "field": "شهر", "op": "in", "value": ["تهران", "שירז"]}),
        ("{field: age, is_set: no}", {"test": "field", "field": "age", "op": "is_set", "value": False}),
        ("{can_reach: sms}", {"test": "can_reach", "channel": "sms"}),
        ("{check: a.b, with: {amount: '0'}}", {"test": "check", "name": "a.b", "with": {"amount": "0"}}),
    ],
)
def test_conditions_resolve(written, expected):
    assert program("- send: hello", f"only_if: {written}")["only_if"] == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2 days", {"for": length(days=2), "until": None, "at": None}),
        ("{for: 1 week, at: 10:00}", {"for": length(days=7), "until": None, "at": "10:00"}),
        ("{until: {day: sunday}, at: 9:30}", {"for": None, "until": {"day": 6}, "at": "09:30"}),
        ("{until: {date: 2027-01-31}}", {"for": None, "until": {"date": "2027-01-31"}, "at": None}),
        ("{until: {month_day: ۱۵}}", {"for": None, "until": {"month_day": 15}, "at": None}),
        (
            "{until: birthday}",
            {"for": None, "until": {"field": "birthday", "offset": length(), "sign": 1}, "at": None},
        ),
        (
            "{until: {field: event.due, offset: 7 days before}}",
            {"for": None, "until": {"field": "event.due", "offset": length(days=7), "sign": -1}, "at": None},
        ),
    ],
)
def test_waits_resolve(written, expected):
    found = program(f"- wait: {written}")["steps"]["wait_first"]
    assert {key: found[key] for key in expected} == expected


def test_a_step_is_named_by_its_identity_its_message_or_its_title():
    found = program(
        """
- send: hello
- send: second
  id: other
- wait: 1 day
  name: נשימה
- if: {message: hello, was: clicked}
  then: [{go_to: נשימה, max_times: 2}]
  else: [{go_to: other, max_times: 2}]
"""
    )
    steps = found["steps"]
    assert steps["if_after_wait_after_other"]["cond"]["step"] == "send_hello"
    assert {s["target"] for s in steps.values() if s["verb"] == "go_to"} == {"wait_after_other", "other"}


def test_the_names_of_the_panel_replace_what_was_written():
    names = Vocabulary(
        lists=("Newsletter",),
        fields={"first_name": FieldInfo(("שם פרטי", "نام"))},
    )
    text = f"""test:
{HEAD}  only_if: {{all: [{{in_list: news letter}}, {{field: שם פרטי, is: x}}]}}
  steps: [{{set: {{نام: "[[שם פרטי|x]]"}}}}]
"""
    found = check_journey(text, None, names)
    assert found.problems == []
    cond = found.journeys["test"].program["only_if"]
    assert [cond["of"][0]["list"], cond["of"][1]["field"]] == ["Newsletter", "first_name"]
    assert next(iter(found.journeys["test"].program["steps"].values()))["values"] == {"first_name": "[[שם פרטי|x]]"}


# --- identities ------------------------------------------------------------------------------------------------------

BEFORE = """
- send: ברוכים הבאים
- wait: 2 days
- send: {via: sms, text: "שלום [[שם פרטי|לך]]"}
- wait: 3 days
- if: {message: ברוכים הבאים, was: clicked}
  then:
    - tag: warm
    - wait: 1 day
- send: last
"""


@pytest.mark.parametrize(
    ("change", "new"),
    [
        (lambda text: "- note: first\n" + text.strip(), 1),
        (lambda text: text.replace("- wait: 3 days", "- tag: middle\n- wait: 3 days"), 1),
        (lambda text: text.replace("wait: 3 days", "wait: 4 days"), 0),
        (lambda text: text.replace("שלום [[", "היי [["), 0),
        (lambda text: text.replace("- wait: 2 days\n", ""), 0),
        (lambda text: text.replace("    - tag: warm\n", "    - tag: warm\n    - tag: hot\n"), 1),
    ],
)
def test_steps_keep_their_identity_when_others_change(change, new):
    before = program(BEFORE)
    after = carry_over(before, program(change(BEFORE)))
    assert len(set(after["steps"]) - set(before["steps"])) == new
    assert after["first"] in after["steps"]
    for step in after["steps"].values():
        assert all(target is None or target in after["steps"] for target in (step["next"], *branch_targets(step)))
        if step["verb"] == "if":
            assert step["cond"]["step"] in after["steps"]
    same = [s for s in after["steps"].values() if s["verb"] == "send" and s["text"]]
    assert [s["id"] for s in same] == [s["id"] for s in before["steps"].values() if s["verb"] == "send" and s["text"]]


def test_two_steps_that_change_places_take_their_identities_along():
    before = program("- send: a\n- wait: 1 day\n- send: b")
    after = carry_over(before, program("- send: b\n- wait: 1 day\n- send: a"))
    assert {step["message"]: step["id"] for step in after["steps"].values() if step["verb"] == "send"} == {
        "a": "send_a",
        "b": "send_b",
    }


def test_an_id_of_its_own_is_never_given_away():
    before = program("- send: a\n- wait: 1 day")
    after = carry_over(before, program("- send: b\n  id: wait_after_send_a\n- wait: 1 day"))
    assert list(after["steps"]) == ["wait_after_send_a", "wait_after_wait_after_send_a"]


# --- what does not run yet -------------------------------------------------------------------------------------------


def test_everything_that_the_engine_does_not_know_is_named_once():
    found = program(
        """
- send: {message: a, via: preferred}
- score: "+1"
- score: "+2"
- if: {in_segment: x}
  then: [{wait_for: {becomes_true: {has_tag: x}}, up_to: 1 day}]
""",
        "existing: include",
    )
    running = Running(verbs=("send", "if", "wait_for", "wait"), triggers=(), conditions=("has_tag",))
    said = {(problem.code, problem.params["name"]) for problem in not_running_yet(found, running)}
    assert said == {
        ("step_not_running", "score"),
        ("trigger_not_running", "manual"),
        ("trigger_not_running", "becomes_true"),
        ("condition_not_running", "in_segment"),
        ("setting_not_running", "preferred"),
        ("setting_not_running", "existing"),
    }


# --- blueprints ------------------------------------------------------------------------------------------------------

BLUEPRINT = """language: 1
blueprints:
  reminder:
    name: Reminder
    inputs:
      days: {name: How many days, choose: number, default: "7"}
      template: {name: Which template, choose: template}
    journey:
      name: Reminder
      purpose: service
      start_when: [{event: order_paid}]
      review_after: 6 months
      steps:
        - send: ${template}
        - wait: ${days} days
        - send: {message: "${template}", via: sms}
journeys:
  mine:
    use: reminder
    name: My own name
    inputs: {template: hello}
"""


def test_a_blueprint_is_filled_in_and_the_journeys_own_keys_win():
    checked = check(BLUEPRINT)
    assert checked.problems == []
    found = checked.journeys["mine"].program
    assert found["name"] == "My own name"
    assert [step.get("message") or step["for"] for step in found["steps"].values()] == [
        "hello",
        length(days=7),
        "hello",
    ]


def test_a_blueprint_of_a_plugin_is_used_like_one_of_the_file():
    body = BLUEPRINT.split("  reminder:\n")[1].split("journeys:")[0]
    names = Vocabulary(blueprints={"shop.reminder": "\n".join(line[4:] for line in body.split("\n"))})
    text = "mine:\n  use: shop.reminder\n  inputs: {template: hello, days: '3'}\n"
    found = check_journey(text, None, names)
    assert found.problems == []
    assert found.journeys["mine"].program["steps"]["wait_after_send_hello"]["for"] == length(days=3)
    wrong = check_journey(text.replace("template", "templat"), None, names)
    assert {(p.code, p.line) for p in wrong.problems} == {("unknown_answer", 3), ("missing_answer", 2)}


def test_one_journey_of_a_file_is_checked_with_the_blueprint_of_the_file():
    found = check_journey("mine:\n  use: reminder\n  inputs: {template: hello}\n", BLUEPRINT)
    assert found.problems == []
    assert found.journeys["mine"].program["first"] == "send_hello"


def test_a_mistake_in_one_journey_leaves_the_others_of_the_file_good():
    text = "language: 1\njourneys:\n" + "".join(
        f"  {name}:\n" + "".join("  " + line + "\n" for line in f"{HEAD}  steps: [{{{verb}: a}}]".splitlines())
        for name, verb in (("good", "send"), ("bad", "sned"), ("fine", "note"))
    )
    checked = check(text)
    assert {name: journey.program is not None for name, journey in checked.journeys.items()} == {
        "good": True,
        "bad": False,
        "fine": True,
    }


def test_every_mistake_is_said_at_once():
    text = """language: 1
defaults: {send_hours: {from: 9, to: 20:00}}
journeys:
  welcome:
    name: [1]
    purpose: marketting
    start_when: [{joins_lst: x}]
    review_after: soon
    steps:
      - wait: 3 dais
      - wait: 2 days
        wait: 3 days
      - send: {chanel: sms}
      - go_to: nowhere
"""
    codes = [(problem.line, problem.code) for problem in check(text).problems]
    assert codes == [
        (2, "not_a_time"),
        (5, "expected_value"),
        (6, "not_one_of"),
        (7, "unknown_key"),
        (8, "not_a_review"),
        (10, "not_a_length"),
        (12, "duplicate_key"),
        (13, "unknown_key"),
        (14, "max_times_missing"),
        (14, "unknown_step"),
    ]
