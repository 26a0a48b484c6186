"""Checking a whole file, or one journey that is being edited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from panel.journeys.language import blueprints
from panel.journeys.language.advice import advise
from panel.journeys.language.belonging import check_all
from panel.journeys.language.blueprints import check_blueprint, expand
from panel.journeys.language.checking import Checker, Values
from panel.journeys.language.grammar import FORMS
from panel.journeys.language.problems import ERROR, WARNING, Problem
from panel.journeys.language.program import Program
from panel.journeys.language.reading import Block, Entry, Node, Source, Text, normalise, read
from panel.journeys.language.resolving import resolve
from panel.journeys.language.scalars import ScalarError, whole
from panel.journeys.language.vocabulary import Vocabulary
from panel.journeys.language.where import path_at
from panel.journeys.language.whole import check_whole

LANGUAGE_VERSION = 1
_MOST_PATHS = 5  # each reads the text again up to its line


@dataclass(frozen=True)
class CheckedJourney:
    """One journey of a file. `program` is None when it has errors. `start`/`end` are places in the text: from its key
    to the end of its last value. `problems` are its own errors and those of the file's parts that it depends on."""

    id: str
    start: int
    end: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    program: Program | None
    values: Values | None = None


@dataclass(frozen=True)
class Checked:
    """A checked file. `problems` are all errors, `warnings` the rest, both in the order of the text."""

    source: Source
    tree: Node | None
    journeys: dict[str, CheckedJourney] = field(default_factory=dict)

    @property
    def problems(self) -> list[Problem]:
        return _sorted(self.source.problems, ERROR)

    @property
    def warnings(self) -> list[Problem]:
        return _sorted(self.source.problems, WARNING)

    @property
    def everything(self) -> list[Problem]:
        return sorted(self.source.problems, key=lambda p: (p.line, p.column, p.code))


def _sorted(problems: list[Problem], severity: str) -> list[Problem]:
    return sorted((p for p in problems if p.severity == severity), key=lambda p: (p.line, p.column, p.code))


def check(text: str | bytes, vocabulary: Vocabulary | None = None, *, today: date | None = None) -> Checked:
    """Check a journeys file. Never raises for any text.

    Without a vocabulary names are not checked. `today` (a date) is only for warnings about dates that are gone.
    """
    source, tree = _read(text)
    if tree is None:
        return Checked(source, None)
    checker = Checker(source, vocabulary)
    if not isinstance(tree, Block):
        checker.at(tree, "expected_block", "", keys="language, journeys")
        return Checked(source, tree)
    file = _read_file(checker, tree)
    known = _blueprints_block(tree)
    journeys = {}
    for identity, entry in _entries(tree, "journeys").items():
        journeys[identity] = _check_entry(checker, identity, entry, file.get("defaults"), known, today)
    return Checked(source, tree, _with_problems(source, tree, journeys))


def check_journey(
    text: str | bytes, file_text: str | bytes | None, vocabulary: Vocabulary | None = None, *, today: date | None = None
) -> Checked:
    """Check the text of one journey (`welcome:` and what stands below it) as a part of `file_text`.

    Defaults and blueprints come from the file; problems are about `text` only and carry its own lines. A text with
    `journeys:` in it is checked as a whole file.
    """
    source, tree = _read(text, "journeys/")
    if isinstance(tree, Block) and "journeys" in tree.entries:
        return check(text, vocabulary, today=today)
    checker = Checker(source, vocabulary)
    if tree is None:
        return Checked(source, None)
    if not isinstance(tree, Block) or len(tree.entries) != 1:
        keys = "welcome"
        checker.at(tree, "expected_block", "", keys=keys)
        return Checked(source, tree)
    defaults, known = None, None
    context, context_tree = read(file_text) if file_text else (None, None)
    if context is not None and isinstance(context_tree, Block):
        around = Checker(context, vocabulary)
        file = _read_file(around, context_tree)
        defaults = file.get("defaults")
        if any(problem.severity == ERROR and problem.path.startswith("defaults") for problem in context.problems):
            defaults = None
        known = _blueprints_block(context_tree)
        checker.file_journeys, checker.file_blueprints = around.file_journeys, around.file_blueprints
    identity, entry = next(iter(tree.entries.items()))
    if known is not None and isinstance(entry.value, Block) and "use" in entry.value.entries:
        use = entry.value.entries["use"].value
        moved = blueprints.move(known, use.start, use.end)
        known = moved if isinstance(moved, Block) else None
    checker.file_journeys = {**checker.file_journeys, identity: identity}
    checker.identity_key(entry, identity, f"journeys/{identity}")
    checked = _check_entry(checker, identity, entry, defaults, known, today)
    return Checked(source, tree, _with_problems(source, tree, {identity: checked}))


def _read(text: str | bytes, above: str = "") -> tuple[Source, Node | None]:
    """Read a text; what is wrong with it as YAML gets a path by its indentation, for nothing better is known.

    `above` is the path of the text itself when it is a part of a file.
    """
    source, tree = read(text)
    for number, problem in enumerate(source.problems[:_MOST_PATHS]):
        if "/" not in problem.path:
            source.problems[number] = replace(problem, path=above + path_at(source.text, problem.line))
    return source, tree


def _read_file(checker: Checker, tree: Block) -> Values:
    """Everything of the file but the journeys themselves."""
    shape = FORMS["file"]
    # Known before anything is read: journeys and blueprints may name each other in any order.
    checker.file_journeys = {normalise(name): name for name in _entries(tree, "journeys")}
    checker.file_blueprints = set(_entries(tree, "blueprints"))
    head = Block({k: e for k, e in tree.entries.items() if k != "journeys"}, tree.start, tree.end)
    lenient = "journeys" in tree.entries
    file = Values("file", tree, "")
    for key, entry in head.entries.items():
        if key not in shape.keys:
            file.guesses.add(checker.unknown_key(shape, key, entry, key, head))
        elif not checker.empty(entry, key):
            file[key] = checker.read(entry.value, shape.keys[key].type, key, lambda _v: None)
    if lenient:
        entry = tree.entries["journeys"]
        if not checker.empty(entry, "journeys"):
            if not isinstance(entry.value, Block):
                checker.at(entry.value, "expected_block", "journeys", keys="welcome")
            for identity, journey in _entries(tree, "journeys").items():
                checker.identity_key(journey, identity, f"journeys/{identity}")
    checker.belongs(file, shape, len(file.guesses))
    checker.mentions.clear()
    check_all(checker, file.get("defaults"))
    _version(checker, tree)
    for name, values in (file.get("blueprints") or {}).items():
        if isinstance(values, Values):
            check_blueprint(checker, name, values)
    return file


def _version(checker: Checker, tree: Block) -> None:
    entry = tree.entries.get("language")
    if entry is None or not isinstance(entry.value, Text):
        return
    try:
        version = whole(0, 1_000)(entry.value.value)
    except ScalarError:
        return
    if version != LANGUAGE_VERSION:
        checker.at(entry.value, "language_version", "language", str(LANGUAGE_VERSION), version=entry.value.value)


def _entries(tree: Block, key: str) -> dict[str, Entry]:
    entry = tree.entries.get(key)
    return entry.value.entries if entry and isinstance(entry.value, Block) else {}


def _blueprints_block(tree: Block) -> Block | None:
    entry = tree.entries.get("blueprints")
    return entry.value if entry and isinstance(entry.value, Block) else None


def _check_entry(
    checker: Checker,
    identity: str,
    entry: Entry,
    defaults: Values | None,
    known: Block | None,
    today: date | None,
) -> CheckedJourney:
    """Check one journey; its problems are filled in by `_with_problems`."""
    path = f"journeys/{identity}"
    before = len(checker.source.problems)
    values, program = None, None
    if checker.empty(entry, path):
        pass
    elif not isinstance(entry.value, Block):
        checker.at(entry.value, "expected_block", path, keys="name, purpose, start_when, steps")
    else:
        checker.answers = "use" in entry.value.entries
        block = expand(checker, entry.value, path, known)
        values = checker.form(block, "journey", path)
        steps = check_whole(checker, values, identity)
        unfilled, checker.answers, checker.lenient = checker.lenient, False, False
        new = checker.source.problems[before:]
        if unfilled:
            # Its blueprint cannot be used. Usually that was said where the blueprint stands.
            if not any(problem.severity == ERROR for problem in checker.source.problems):
                checker.key(values, "use", "unknown_blueprint", name=str(values.get("use")))
        elif not any(problem.severity == ERROR for problem in new):
            program = resolve(values, identity, defaults, checker.source)
            advise(checker, values, program, steps, today)
    return CheckedJourney(identity, entry.start, max(entry.end, entry.value.end), (), (), program, values)


def _with_problems(source: Source, tree: Block, journeys: dict[str, CheckedJourney]) -> dict[str, CheckedJourney]:
    """Give each journey its problems: those inside its lines, and those of the parts that it depends on.

    A mistake in one journey must not keep the others of the same file from being published.
    """
    spans = {
        id_: (source.position(j.start)[0], source.position(max(j.start, j.end - 1))[0]) for id_, j in journeys.items()
    }
    of_file: list[Problem] = []
    own: dict[str, list[Problem]] = {identity: [] for identity in journeys}
    for problem in sorted(source.problems, key=lambda p: (p.line, p.column, p.code)):
        head, _, rest = problem.path.partition("/")
        name = rest.partition("/")[0]
        inside = [i for i, (first, last) in spans.items() if first <= problem.line <= last]
        if head == "journeys" and name in own:
            own[name].append(problem)
        elif head == "blueprints":
            for identity, journey in journeys.items():
                if journey.values is not None and journey.values.get("use") == name:
                    own[identity].append(problem)
        elif inside:
            for identity in inside:
                own[identity].append(problem)
        else:
            of_file.append(problem)
    result = {}
    for identity, journey in journeys.items():
        problems = tuple(p for p in (*of_file, *own[identity]) if p.severity == ERROR)
        warnings = tuple(p for p in own[identity] if p.severity == WARNING)
        program = None if problems else journey.program
        result[identity] = CheckedJourney(
            identity, journey.start, journey.end, problems, warnings, program, journey.values
        )
    return result
