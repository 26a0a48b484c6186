"""Every code that the engine can store has its sentence in three languages.

The codes are collected from the source itself, so that a new one without words fails here and not before a person.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

import panel.journeys
from panel.calendars import Reader
from panel.consent.rules import Refusal
from panel.i18n import LANGUAGES, translate
from panel.journeys import reasons
from panel.journeys.judged import seen_words
from panel.journeys.simulate.story import reason_words
from panel.messages import reasons as message_reasons
from panel.messages.reports import State

SOURCES = sorted(Path(panel.journeys.__file__).parent.rglob("*.py"))
TABLES = {
    "entry": (reasons.ENTRY, reasons.entry_words),
    "step": (reasons.STEP, reasons.step_words),
    "end": (reasons.END, reasons.end_words),
    "status": (reasons.STATUS, reasons.status_words),
    "state": (reasons.STATES, reasons.state_words),
    "message": (message_reasons.SENTENCES, message_reasons.words),
}
STORED = reasons.STEP.keys() | reasons.END.keys() | message_reasons.SENTENCES.keys()


def calls(name: str) -> Iterator[ast.Call]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called == name:
                    yield node


def texts(node: ast.AST | None) -> set[str]:
    """The literal texts an expression may come to (both branches of a conditional one)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    if isinstance(node, ast.BoolOp):
        return set().union(*(texts(one) for one in node.values))
    return set()


def argument(call: ast.Call, place: int, name: str) -> set[str]:
    given = next((one.value for one in call.keywords if one.arg == name), None)
    return texts(given) or (texts(call.args[place]) if len(call.args) > place else set())


def collected(name: str, *places: tuple[int, str]) -> set[str]:
    return {code for call in calls(name) for place in places for code in argument(call, *place)}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_of_its_own_in_this_language(table: str, language: str) -> None:
    known, words = TABLES[table]
    for code, english in known.items():
        said = words(code, language)
        assert said
        assert "%(" not in said
        assert code not in said or "_" not in code, code
        assert (said == english) == (language == "en"), (code, said)


def test_every_outcome_of_a_step_is_known() -> None:
    found = collected("finish", (0, "outcome")) | collected("note", (0, "outcome"))
    assert found
    assert found <= reasons.STEP.keys(), found - reasons.STEP.keys()


def test_every_reason_of_a_step_is_known() -> None:
    found = collected("finish", (3, "reason"))
    assert found <= STORED, found - STORED


def test_every_hold_is_known() -> None:
    found = collected("hold", (0, "code"))
    assert found
    assert found <= STORED, found - STORED


def test_every_end_of_a_run_is_known() -> None:
    found = {
        (status, reason)
        for call in calls("end")
        for status in argument(call, 0, "status")
        for reason in argument(call, 1, "reason")
    } | {
        (status, reason)
        for call in calls("end_runs")
        for status in argument(call, 2, "status")
        for reason in argument(call, 3, "reason")
    }
    assert found
    assert {status for status, _ in found} <= reasons.STATUS.keys()
    assert {reason for _, reason in found} <= reasons.END.keys()


def test_every_refusal_of_an_entry_is_known() -> None:
    found = collected("Outcome", (1, "code"))
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "refusal" in node.name:
                for one in ast.walk(node):
                    if isinstance(one, ast.Return) and isinstance(one.value, ast.Tuple):
                        found |= texts(one.value.elts[0])
    assert "only_if_false" in found
    assert found <= reasons.ENTRY.keys(), found - reasons.ENTRY.keys()


def test_every_decision_about_a_message_is_known() -> None:
    found = collected("Decision", (1, "reason"))
    assert "skipped_hours" in found
    assert found <= STORED, found - STORED


def test_every_code_that_consent_channels_and_reports_give_is_known() -> None:
    given = {one.value for one in Refusal} | {"failed_address", "failed_provider"} | set(get_args(State)) - {"failed"}
    assert given <= message_reasons.SENTENCES.keys(), given - message_reasons.SENTENCES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_is_found_in_whichever_table_knows_it(language: str) -> None:
    for code in STORED:
        assert reason_words(code, language) != translate(language, "Reason: %(code)s.", code=code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_seen_of_a_message_is_never_said_as_a_code(language: str) -> None:
    states = ("queued", "claimed", "on_wire", "held", "sent", "delivered", "failed", "bounced", "unknown", "skipped")
    for status in (*states, "cancelled"):
        said = seen_words({"status": status}, Reader(language), datetime(2026, 11, 23, tzinfo=UTC))
        assert f" {status}" not in f" {said.lower()}" or status in message_reasons.SENTENCES, said
