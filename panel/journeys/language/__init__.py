"""The journey language: strict reading, one grammar as data, every problem at once, and the resolved program.

checked = check(text, vocabulary)            a whole file; .problems, .warnings, .journeys[id].program
checked = check_journey(text, file_text)     one journey that is being edited
lint(text, vocabulary, language)             the same as JSON-able data for the editor
describe(program, language)                  the journey in words
"""

from panel.journeys.language.completion import completions, lint
from panel.journeys.language.documents import Checked, CheckedJourney, check, check_journey
from panel.journeys.language.problems import ERROR, WARNING, Problem
from panel.journeys.language.program import Program, Running, carry_over, not_running_yet
from panel.journeys.language.sentences import describe, step_words, summary
from panel.journeys.language.vocabulary import FieldInfo, TemplateInfo, Vocabulary

__all__ = [
    "ERROR",
    "WARNING",
    "Checked",
    "CheckedJourney",
    "FieldInfo",
    "Problem",
    "Program",
    "Running",
    "TemplateInfo",
    "Vocabulary",
    "carry_over",
    "check",
    "check_journey",
    "completions",
    "describe",
    "lint",
    "not_running_yet",
    "step_words",
    "summary",
]
