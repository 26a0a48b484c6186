"""Judging the text of one journey for the editor: every problem with its place, its words and, where sure, its fix."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from panel.i18n import N_, translate
from panel.journeys.engine.running import RUNNING
from panel.journeys.language import Problem, Program, Vocabulary, check_journey, not_running_yet
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.problems import ERROR
from panel.journeys.language.sentences import describe

MOST_FIXES = 12  # each is tried before it is offered, which costs one more check


@dataclass(frozen=True)
class Fix:
    """Replace the text from (line, column) to (end_line, end_column), counted from 1, by `text`."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One problem as the editor shows it."""

    code: str
    severity: str
    line: int
    column: int
    end_line: int
    end_column: int
    words: str
    advice: str
    help: str
    fix: Fix | None = None

    def as_dict(self, language: str) -> dict[str, Any]:
        """For the editor's script: `message` stands in the gutter, `where` and `words` in the list beside it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "message": self.words,
            "advice": self.advice,
            "where": where_words(self.line, language),
            "fix": self.fix.__dict__ if self.fix else None,
        }


@dataclass(frozen=True)
class Judgement:
    """`program` is None while there are errors. `found` is the identity that the text really has, if any."""

    findings: list[Finding] = field(default_factory=list)
    program: Program | None = None
    found: str | None = None

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [one for one in self.findings if one.severity != ERROR]


def judge(
    journey_id: str, text: str, file_text: str | None, vocabulary: Vocabulary | None, language: str, today: date
) -> Judgement:
    """Check the text as it would be published: grammar, names, and what the engine can carry out today."""
    problems, program, found = _problems(journey_id, text, file_text, vocabulary, today)
    tried = 0
    findings = []
    for problem in problems:
        fix = None
        if problem.guess and problem.severity == ERROR and problem.line and tried < MOST_FIXES:
            tried += 1
            fix = _fix(problem, problems, journey_id, text, file_text, vocabulary, today)
        findings.append(
            Finding(
                problem.code,
                problem.severity,
                problem.line,
                problem.column,
                problem.end_line or problem.line,
                problem.end_column,
                problem.words(language),
                problem.advice(language),
                f"journeys-problems#{problem.code}",
                fix,
            )
        )
    if found is not None and found != journey_id:
        findings.insert(0, _other_identity(journey_id, found, language))
        program = None
    return Judgement(findings, program, found)


def apply(text: str, fix: Fix) -> str:
    """The text with one fix made; unchanged when the place does not exist."""
    start, end = place(text, fix.line, fix.column), place(text, fix.end_line, fix.end_column)
    return text if start is None or end is None or end < start else text[:start] + fix.text + text[end:]


def place(text: str, line: int, column: int) -> int | None:
    """Index of a line and column (both from 1) in the text, or None."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    if not 1 <= line <= len(starts) or column < 1:
        return None
    index = starts[line - 1] + column - 1
    return index if index <= len(text) else None


def in_words(program: Program | None, language: str, names: Labels = plain_names) -> dict[str, Any] | None:
    """The journey as sentences: summary, about, lines; None while it has errors."""
    return describe(program, language, names) if program is not None else None


def where_words(line: int, language: str) -> str:
    """ "Line 12", or that the problem is about the whole text."""
    return translate(language, N_("Line %(line)s"), line=line) if line else translate(language, N_("The whole text"))


def _problems(
    journey_id: str, text: str, file_text: str | None, vocabulary: Vocabulary | None, today: date
) -> tuple[list[Problem], Program | None, str | None]:
    checked = check_journey(text, file_text, vocabulary, today=today)
    problems = list(checked.everything)
    found = journey_id if journey_id in checked.journeys else next(iter(checked.journeys), None)
    journey = checked.journeys.get(found) if found else None
    program = journey.program if journey else None
    if program is not None and journey is not None:
        for problem in not_running_yet(program, RUNNING):
            problems.append(problem if problem.line else replace(problem, line=1, column=1, end_line=1))
            program = None
    return sorted(problems, key=lambda one: (one.line, one.column, one.code)), program, found


def _fix(
    problem: Problem,
    problems: list[Problem],
    journey_id: str,
    text: str,
    file_text: str | None,
    vocabulary: Vocabulary | None,
    today: date,
) -> Fix | None:
    """The guess as a change of text, if it truly removes this problem and brings no new one.

    The problem's place is the wrong word itself, or a longer text in which the wrong word stands.
    """
    end_line = problem.end_line or problem.line
    if problem.guess is None or end_line != problem.line or problem.end_column <= problem.column:
        return None
    errors = sum(one.severity == ERROR for one in problems)
    for column, end_column, new in _places(problem, problem.guess, text):
        fix = Fix(problem.line, column, end_line, end_column, new)
        after, _, _ = _problems(journey_id, apply(text, fix), file_text, vocabulary, today)
        if sum(one.severity == ERROR for one in after) < errors:
            return fix
    return None


def _places(problem: Problem, guess: str, text: str) -> list[tuple[int, int, str]]:
    """What may be replaced by what: the problem's parameters where they stand inside its place, then all of it.

    A guess that is a merge field, brackets and all, may stand for a name between brackets.
    """
    start, end = place(text, problem.line, problem.column), place(text, problem.line, problem.end_column)
    if start is None or end is None:
        return []
    inside, found = text[start:end], []
    for word in {value for value in problem.params.values() if isinstance(value, str) and value}:
        if word != inside and inside.count(word) == 1:
            at = problem.column + inside.index(word)
            new = guess.removeprefix("[[").removesuffix("]]") if not word.startswith("[[") else guess
            found.append((at, at + len(word), new))
    return [*sorted(found), (problem.column, problem.end_column, guess)]


def _other_identity(journey_id: str, found: str, language: str) -> Finding:
    words = translate(
        language,
        N_("This text must begin with “%(journey)s:”, but it begins with “%(found)s:”."),
        journey=journey_id,
        found=found,
    )
    advice = translate(language, N_("A journey keeps its identity; make a new journey for another one."))
    return Finding("another_journey", ERROR, 1, 1, 1, len(found) + 1, words, advice, "journeys-page#another_journey")
