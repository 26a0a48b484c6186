"""Each file in tests/cases/journeys/errors holds one mistake: it must give that problem, there, and nothing else."""

import re
from pathlib import Path

import pytest

from panel.journeys.language import check
from panel.journeys.language.kinds import KINDS

CASES = sorted((Path(__file__).parents[2] / "cases" / "journeys" / "errors").glob("*.yaml"))
# Said about files that are too big to keep here, or about published versions; tested elsewhere.
ELSEWHERE = {
    "too_big",
    "too_many_values",
    "too_deep",
    "not_utf8",
    "too_many_problems",
    "step_not_running",
    "trigger_not_running",
    "condition_not_running",
    "setting_not_running",
}


def expected(text: str) -> tuple[str, int, str | None]:
    head = dict(re.findall(r"^# (expect|line|guess): (.*)$", text, re.MULTILINE))
    return head["expect"], int(head["line"]), head.get("guess")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_one_mistake_gives_one_problem_with_its_code_line_and_guess(path, vocabulary, today):
    text = path.read_text(encoding="utf-8")
    code, line, guess = expected(text)
    checked = check(text, vocabulary, today=today)
    found = [(p.code, p.line) for p in checked.everything]
    assert found == [(code, line)]
    if guess is not None:
        assert checked.everything[0].guess == guess


def test_every_code_has_a_case():
    assert {expected(path.read_text(encoding="utf-8"))[0] for path in CASES} == set(KINDS) - ELSEWHERE


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_problem_speaks_the_readers_language(path, language, vocabulary, today):
    for problem in check(path.read_text(encoding="utf-8"), vocabulary, today=today).everything:
        words, advice = problem.words(language), problem.advice(language)
        assert words
        assert advice
        assert "%(" not in words + advice
        if language != "en":
            assert words != problem.words("en")
            assert advice != problem.advice("en")
