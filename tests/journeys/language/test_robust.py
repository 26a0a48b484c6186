"""Whatever is done to a good file, checking, linting and completing it answer and never raise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from panel.journeys.language import check, check_journey, completions, describe, lint
from panel.journeys.language.grammar import FORMS
from tests.journeys.language.texts import ALL_VERBS

CASES = sorted((Path(__file__).parents[2] / "cases" / "journeys" / "errors").glob("*.yaml"))
WORDS = [
    "",
    "x",
    "[",
    "{a: b}",
    "[a, {b: c}]",
    "- ",
    "~",
    "[[x]]",
    "${x}",
    "3 days",
    "yes",
    "|",
    "שלום",
    "event.x",
    "'",
]
KEYS = sorted({key for shape in FORMS.values() for key in shape.keys})


def spoiled(text: str, seed: int) -> str:
    """A text with some of its lines removed, doubled, moved, or with another key or value."""
    chance = random.Random(seed)
    lines = text.split("\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        action = chance.randrange(7)
        if action == 0:
            del lines[at]
        elif action == 1:
            lines.insert(at, line)
        elif action == 2:
            lines[at] = line[chance.randint(1, 4) :]
        elif action == 3 and ":" in line:
            lines[at] = line.partition(":")[0] + ": " + chance.choice(WORDS)
        elif action == 4 and ":" in line:
            head, _, rest = line.partition(":")
            lines[at] = head[: len(head) - len(head.lstrip(" -"))] + chance.choice(KEYS) + ":" + rest
        elif action == 5:
            lines[at] = line[: chance.randint(0, len(line))]
        else:
            key, word = chance.choice(KEYS), chance.choice(WORDS)
            lines.insert(at, " " * (len(line) - len(line.lstrip())) + f"{key}: {word}")
        if not lines:
            break
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(20))
def test_a_spoiled_file_is_answered(seed, vocabulary, today):
    texts = [ALL_VERBS, *(path.read_text(encoding="utf-8") for path in CASES[seed::20])]
    for number, text in enumerate(texts):
        for variant in range(12 if number == 0 else 4):
            broken = spoiled(text, seed * 1000 + number * 50 + variant)
            checked = check(broken, vocabulary, today=today)
            check_journey(broken, text, vocabulary)
            for problem in lint(broken, vocabulary, "fa"):
                assert problem["line"] >= 1
                assert problem["words"]
            for journey in checked.journeys.values():
                if journey.program is not None:
                    assert describe(journey.program, "he")["text"]


@pytest.mark.parametrize("seed", range(5))
def test_completion_answers_at_every_place_of_a_spoiled_file(seed, vocabulary):
    broken = spoiled(ALL_VERBS, seed)
    chance = random.Random(seed)
    lines = broken.split("\n")
    for _ in range(60):
        line = chance.randrange(len(lines))
        completions(broken, line + 1, chance.randint(1, len(lines[line]) + 2), vocabulary)


def test_the_text_with_every_verb_is_good(vocabulary):
    checked = check(ALL_VERBS)
    assert [problem.words() for problem in checked.problems] == []
    verbs = {step["verb"] for step in checked.journeys["everything"].program["steps"].values()}
    assert verbs == set(FORMS["step"].one_of)
