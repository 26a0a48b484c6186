"""The editor: what it offers at a cursor (marked ^), what it underlines, and the schema for other editors."""

from __future__ import annotations

import pytest

from panel.i18n import LANGUAGES
from panel.journeys.language import completions, lint
from panel.journeys.language.grammar import FORMS
from panel.journeys.language.schema import json_schema

HEAD = "language: 1\njourneys:\n  welcome:\n"
DRAFT = """welcome:
  name: Hi
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps:
"""


def offered(text: str, vocabulary=None, **more) -> list[dict]:
    before, _, behind = text.partition("^")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return completions(before + behind, line, column, vocabulary, **more)


def inserts(text: str, vocabulary=None) -> list[str]:
    return [one["insert"] for one in offered(text, vocabulary)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("^", ["language: ", "journeys: "]),
        (HEAD + "    ^", ["name: ", "purpose: ", "start_when: "]),
        (HEAD + "    pu^", ["purpose: "]),
        (HEAD + "    purpose: ^", ["marketing", "service"]),
        (HEAD + "    start_when:\n      - ^", ["event: ", "contact_created: "]),
        (HEAD + "    steps:\n      ^", ["- send: ", "- reach: "]),
        (HEAD + "    steps:\n      - w^", ["wait: ", "wait_for: "]),
        (HEAD + "    steps:\n    - w^", ["wait: ", "wait_for: "]),
        (HEAD + "    steps:\n      - wait_for: {event: x}\n        ^", ["then: ", "on_timeout: ", "up_to: "]),
        (HEAD + "    steps:\n      - send: {message: a, v^", ["via: "]),
        (HEAD + "    steps:\n      - send: {message: a, via: [e^", ["email", "letter"]),
        (HEAD + "    steps:\n      - if: {has_tag: x}\n        then: [{tag: y}]\n        el^", ["else: "]),
        (HEAD + "    send_hours: {days: [sun, m^", ["mon"]),
        (HEAD + "    time_zone: Asia/Jerus^", ["Asia/Jerusalem"]),
        (HEAD + "    exclude_if:\n      any:\n        - has^", ["has_tag: "]),
        ("welcome:\n  steps:\n    - wait: ^", ["1 hour", "1 day"]),
        ("welcome:\n  name: |\n    any words ^", []),
        ("welcome:\n  steps:\n    - send: first\n      id: one\n    - go_to: ^", ["one", "first"]),
    ],
)
def test_what_may_stand_at_the_cursor_is_offered(text, first):
    assert inserts(text)[: len(first)] == first if first else inserts(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "    start_when: [{joins_list: ^", ["Newsletter"]),
        (HEAD + "    goal: {event: or^", ["order_paid"]),
        (HEAD + "    steps:\n      - send: he^", ["hello"]),
        (HEAD + '    steps:\n      - note: "[[שם^', ["שם פרטי]]"]),
        (HEAD + '    steps:\n      - send: {text: "hi [[fir^', ["first_name]]", "first name]]"]),
        (HEAD + "    only_if: {check: ^", ["accounting.balance_over"]),
    ],
)
def test_the_names_of_the_panel_are_offered(text, expected, vocabulary):
    assert [insert for insert in inserts(text, vocabulary) if insert in expected] == expected


def test_an_offer_says_what_it_replaces_and_what_it_means():
    found = offered(HEAD + "    pur^", language="he")[0]
    assert (found["from"], found["to"], found["kind"], found["label"]) == (5, 8, "key", "purpose")
    assert "שיווק" in found["detail"] or "marketing" in found["detail"]


def test_names_that_yaml_would_misread_are_quoted(vocabulary):
    from dataclasses import replace

    odd = replace(vocabulary, lists=("sale: today", "#1"))
    assert inserts(HEAD + "    start_when: [{joins_list: ^", odd) == ['"sale: today"', '"#1"']


@pytest.mark.parametrize("language", LANGUAGES)
def test_lint_gives_places_words_and_help(language):
    text = DRAFT + "    - waitt: 3 days\n"
    found = lint(text, None, language, file_text="language: 1\njourneys: {}\n")
    assert [
        (one["line"], one["column"], one["end_column"], one["code"], one["severity"], one["guess"]) for one in found
    ] == [(7, 7, 12, "unknown_key", "error", "wait")]
    assert found[0]["path"] == "journeys/welcome/steps/1/waitt"
    assert found[0]["help"] == "journeys-problems#unknown_key"
    assert found[0]["words"]


def test_problems_in_the_defaults_of_the_file_are_not_told_about_a_journey_that_is_edited():
    text = DRAFT + "    - note: x\n"
    assert lint(text, file_text="language: 1\ndefaults: {priority: 99}\njourneys: {}\n") == []


def test_every_key_and_form_is_in_the_schema():
    schema = json_schema("fa")
    assert set(schema["$defs"]) == set(FORMS)
    for name, shape in FORMS.items():
        properties = schema["$defs"][name]["properties"]
        assert set(shape.keys) <= set(properties)
        assert all(properties[key]["description"] for key in shape.keys)


def test_every_reference_of_the_schema_leads_somewhere():
    schema = json_schema()
    found = []

    def look(value):
        if isinstance(value, dict):
            found.extend([value["$ref"]] if "$ref" in value else [])
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)

    look(schema)
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(schema["$defs"])
