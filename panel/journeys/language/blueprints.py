"""Blueprints: ready-made journeys with questions. `use` names one, `inputs` answers it, `${answer}` is replaced.

Expansion happens on the tree, before checking, so that an expanded journey is checked like any other, and a problem in
it points at the blueprint's own line. Keys that the using journey writes itself win over those of the blueprint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from panel.journeys.language import scalars
from panel.journeys.language.checking import ANSWER, Checker, Values
from panel.journeys.language.reading import Block, Entry, Items, Node, Text, leaves, normalise, read
from panel.journeys.language.scalars import ScalarError

_PARTS = ("use", "inputs")
_ANSWER_READERS: dict[str, Callable[[str], Any]] = {
    "number": scalars.number_text,
    "duration": scalars.length,
    "clock": scalars.clock,
    "yes_no": scalars.yes_no,
}
_ANSWER_NAMES = {
    "list": "list",
    "template": "template",
    "field": "field",
    "event": "event",
    "user": "person",
    "channel": "channel",
}


def body_of(blueprint: Block) -> Block | None:
    entry = blueprint.entries.get("journey")
    return entry.value if entry and isinstance(entry.value, Block) else None


def check_blueprint(checker: Checker, name: str, values: Values) -> None:
    """Check the body of a blueprint by the grammar, with `${answers}` standing for anything."""
    path = f"blueprints/{name}"
    questions = {normalise(key) for key in values.get("inputs") or {}}
    body = body_of(values.node)
    if body is None:
        if "journey" in values.node.entries:
            checker.at(values.node.entries["journey"].value, "expected_block", f"{path}/journey", keys="name, steps")
        return
    if "use" in body.entries:
        entry = body.entries["use"]
        checker.source.add("nested_blueprint", entry.start, entry.end, f"{path}/journey/use")
        return
    used: set[str] = set()
    for leaf in leaves(body):
        for match in ANSWER.finditer(leaf.value):
            answer = normalise(match[1])
            used.add(answer)
            if answer not in questions:
                guess = checker.source.guess(answer, questions)
                checker.at(
                    leaf, "unknown_question", f"{path}/journey", guess and f"${{{guess}}}", answer=match[1].strip()
                )
    inputs = values.node.entries.get("inputs")
    for answer in questions - used:
        if inputs and isinstance(inputs.value, Block):
            entry = inputs.value.entries[answer]
            checker.source.add("unused_question", entry.start, entry.end, f"{path}/inputs/{answer}", answer=answer)
    checker.lenient = checker.answers = True
    before = len(checker.mentions)
    checker.form(body, "journey", f"{path}/journey")
    del checker.mentions[before:]
    checker.lenient = checker.answers = False


def expand(checker: Checker, journey: Block, path: str, blueprints: Block | None) -> Block:
    """The journey with its blueprint filled in, or as it is when the blueprint is not there or cannot be read."""
    use = journey.entries.get("use")
    if use is None or not isinstance(use.value, Text):
        return journey
    found = _find(checker, use.value, blueprints)
    body = body_of(found) if found else None
    if found is None or body is None or "use" in body.entries:
        checker.lenient = True  # what the blueprint would have given is not missing
        return journey
    answers = _answers(checker, journey, found, use, f"{path}/inputs")
    filled = _fill(body, answers)
    assert isinstance(filled, Block)
    own = {key: entry for key, entry in journey.entries.items() if key not in _PARTS}
    # `use` and `inputs` stay: they are part of what is written, and were checked there.
    parts = {key: journey.entries[key] for key in _PARTS if key in journey.entries}
    inherited = {key: entry for key, entry in filled.entries.items() if key not in own}
    return Block({**parts, **own, **inherited}, journey.start, journey.end)


def _find(checker: Checker, use: Text, blueprints: Block | None) -> Block | None:
    for name in (normalise(use.value), scalars.clean(use.value)):
        entry = blueprints.entries.get(name) if blueprints else None
        if entry:
            return entry.value if isinstance(entry.value, Block) else None
        text = checker.vocabulary.blueprints.get(name)
        if text is not None:
            # A plugin's blueprint: its lines are not in this file, so everything points at `use`.
            tree = read(text)[1]
            moved = move(tree, use.start, use.end) if tree else None
            return moved if isinstance(moved, Block) else None
    return None


def _answers(checker: Checker, journey: Block, blueprint: Block, use: Entry, path: str) -> dict[str, str]:
    name = use.value.value if isinstance(use.value, Text) else ""
    questions = _block(blueprint, "inputs")
    given = _block(journey, "inputs")
    answers: dict[str, str] = {}
    for key, entry in given.items():
        if key not in questions:
            guess = checker.source.guess(key, questions)
            where = f"{path}/{key}"
            checker.source.add(
                "unknown_answer", entry.start, entry.end, where, guess, blueprint=name, answer=entry.written
            )
        elif isinstance(entry.value, Text) and _check_answer(
            checker, entry.value, questions[key].value, f"{path}/{key}"
        ):
            answers[key] = entry.value.value
    for key, question in questions.items():
        if key in given:
            continue
        default = question.value.entries.get("default") if isinstance(question.value, Block) else None
        if default is not None and isinstance(default.value, Text):
            answers[key] = default.value.value
        else:
            checker.source.add("missing_answer", use.start, use.end, f"{path}/{key}", blueprint=name, answer=key)
    return answers


def _check_answer(checker: Checker, answer: Text, question: Node, path: str) -> bool:
    choose = question.entries.get("choose") if isinstance(question, Block) else None
    kind = normalise(choose.value.value) if choose and isinstance(choose.value, Text) else "text"
    try:
        if kind in _ANSWER_READERS:
            _ANSWER_READERS[kind](answer.value)
        elif kind in _ANSWER_NAMES:
            names = checker.vocabulary.names(_ANSWER_NAMES[kind])
            if names is not None and checker.vocabulary.find(_ANSWER_NAMES[kind], answer.value) is None:
                raise ScalarError(
                    f"unknown_{_ANSWER_NAMES[kind]}", checker.source.guess(answer.value, names), name=answer.value
                )
    except ScalarError as wrong:
        checker.at(answer, wrong.code, path, wrong.guess, **wrong.params)
        return False
    return True


def _block(block: Block, key: str) -> dict[str, Entry]:
    entry = block.entries.get(key)
    return entry.value.entries if entry and isinstance(entry.value, Block) else {}


def _fill(node: Node, answers: dict[str, str]) -> Node:
    """A copy of the tree with every `${answer}` replaced; an answer that is missing leaves the text as it is."""
    if isinstance(node, Text):
        if "${" not in node.value:
            return node
        return replace(node, value=ANSWER.sub(lambda m: answers.get(normalise(m[1]), m[0]), node.value), plain=False)
    if isinstance(node, Items):
        return Items([_fill(value, answers) for value in node.values], node.start, node.end)
    return Block(
        {key: replace(entry, value=_fill(entry.value, answers)) for key, entry in node.entries.items()},
        node.start,
        node.end,
    )


def move(node: Node, start: int, end: int) -> Node:
    if isinstance(node, Text):
        return replace(node, start=start, end=end)
    if isinstance(node, Items):
        return Items([move(value, start, end) for value in node.values], start, end)
    return Block(
        {key: Entry(entry.written, start, end, move(entry.value, start, end)) for key, entry in node.entries.items()},
        start,
        end,
    )
