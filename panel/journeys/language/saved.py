"""A condition that stands alone: what a saved segment says, checked and resolved like one inside a journey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from panel.journeys.language.belonging import check_all
from panel.journeys.language.checking import Checker, Values
from panel.journeys.language.problems import ERROR, Problem
from panel.journeys.language.reading import Block, read
from panel.journeys.language.resolving import condition
from panel.journeys.language.vocabulary import Vocabulary


@dataclass(frozen=True)
class CheckedCondition:
    """`resolved` is None while there are errors; its shape is COND of `program`."""

    problems: tuple[Problem, ...]
    resolved: dict[str, Any] | None


def check_condition(text: str, vocabulary: Vocabulary | None = None) -> CheckedCondition:
    """Check the YAML text of one condition (`all:` and what stands below it). Never raises for any text."""
    source, tree = read(text)
    values: Values | None = None
    if tree is not None:
        checker = Checker(source, vocabulary)
        if isinstance(tree, Block):
            values = checker.form(tree, "condition", "condition")
            check_all(checker, values)
        else:
            checker.at(tree, "expected_block", "condition", keys="all, any, not, field, has_tag, happened")
    problems = tuple(sorted(source.problems, key=lambda one: (one.line, one.column, one.code)))
    if values is None or any(one.severity == ERROR for one in problems):
        return CheckedCondition(problems, None)
    return CheckedCondition(problems, condition(values))
