"""A journey drawn with one run's path: every step once, nothing on top of anything, the same in every language."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from panel.journeys.drawing import Branch, Node, Picture, Visit, between, draw, tree, walk
from panel.journeys.drawing.layout import BOX, ICON, PAD, text_width, wrapped
from panel.journeys.language import check

EXAMPLES = Path(os.environ.get("PANEL_EXAMPLES", Path(__file__).parents[3] / "shared" / "examples" / "journeys.yaml"))
NAMES = (
    "welcome", "win_back", "overdue_invoice", "birthday", "programme_test", "card_expired", "welcome_he", "birthday_fa",
)  # fmt: skip
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@cache
def programs() -> dict[str, Any]:
    checked = check(EXAMPLES.read_text(encoding="utf-8"))
    return {name: found.program for name, found in checked.journeys.items()}


def shape(nodes: tuple[Node, ...]) -> list[Any]:
    """Steps by their verbs, branches as lists: the structure that must not change unnoticed."""
    found: list[Any] = []
    for node in nodes:
        found.append(node.verb)
        found += [shape(branch.nodes) for branch in node.branches]
    return found


def drawn(nodes: tuple[Node, ...], *, mirrored: bool = False) -> Picture:
    return draw(nodes, "Start", "End", mirrored=mirrored)


def overlaps(picture: Picture) -> list[tuple[str, str]]:
    boxes = picture.boxes
    return [
        (one.node.id, other.node.id)
        for number, one in enumerate(boxes)
        for other in boxes[number + 1 :]
        if one.x < other.x + other.width and other.x < one.x + one.width
        and one.y < other.y + other.height and other.y < one.y + one.height
    ]  # fmt: skip


def test_the_eight_examples_have_the_shape_of_their_text():
    assert {name: shape(tree(programs()[name], "en")) for name in NAMES} == {
        "welcome": [
            "send", "wait", "send", "wait_for", ["tag", "send"], ["send"], "wait", "if", ["score"], ["tag", "note"],
        ],
        "win_back": ["send", "wait", "send", "wait", "task", "tag"],
        "overdue_invoice": ["send", "wait", "send", "wait", "send", "task", "call"],
        "birthday": ["choose", ["send", "wait", "send"], ["send"]],
        "programme_test": [
            "split", ["send", "wait", "send", "wait", "send", "wait", "send"],
            ["send", "wait", "send", "wait", "send"], [],
        ],
        "card_expired": ["reach", ["note"], ["task", "notify"]],
        "welcome_he": ["send", "wait", "send", "wait", "task"],
        "birthday_fa": ["send", "wait", "send"],
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "he", "fa"])
@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_drawn_once_and_no_box_lies_on_another(name, language):
    program = programs()[name]
    nodes = tree(program, language)
    picture = drawn(nodes, mirrored=language != "en")
    assert sorted(one.id for one in walk(nodes)) == sorted(program["steps"])
    assert sorted(box.node.id for box in picture.boxes) == sorted(program["steps"])
    assert overlaps(picture) == []
    for box in picture.boxes:
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y + box.height <= picture.height
        assert all(text_width(line, 13) <= BOX - 2 * PAD - ICON for line in box.lines)


def test_the_first_branch_lies_on_the_reading_side():
    nodes = tree(programs()["birthday"], "en")
    first, second = (branch.nodes[0].id for branch in nodes[0].branches)

    def left(picture: Picture, id_: str) -> float:
        return next(box.x for box in picture.boxes if box.node.id == id_)

    straight, mirrored = drawn(nodes), drawn(nodes, mirrored=True)
    assert left(straight, first) < left(straight, second)
    assert left(mirrored, first) > left(mirrored, second)


def test_the_path_is_marked_what_may_come_is_pale_and_the_way_not_taken_says_so():
    program = programs()["welcome"]
    waiting = next(one for one in program["steps"].values() if one["verb"] == "wait_for")
    order = sorted(program["steps"].values(), key=lambda one: one["line"])
    before = [one["id"] for one in order if one["line"] < waiting["line"]]
    visits = [Visit(one, "done", NOW) for one in before]
    states = {one.id: one.state for one in walk(tree(program, "en", visits=visits, here=waiting["id"]))}
    assert {states[one] for one in before} == {"done"}
    assert states[waiting["id"]] == "here"
    assert {state for one, state in states.items() if one not in (*before, waiting["id"])} == {"ahead"}

    late = next(one for one in order if one["path"].endswith("on_timeout/1"))
    visits += [Visit(waiting["id"], "timeout", NOW)]
    nodes = tree(program, "en", visits=visits, here=late["id"])
    then, on_timeout = next(one.branches for one in nodes if one.id == waiting["id"])
    assert (then.taken, on_timeout.taken) == (False, True)
    assert {one.state for one in then.nodes} == {"away"}
    taken = [edge for edge in drawn(nodes).edges if edge.taken]
    assert len(taken) == len(before) + 3  # from the start, into the wait, into the branch, to its first step


@pytest.mark.parametrize(
    ("name", "outcome", "detail", "taken"),
    [
        ("birthday", "branch", {"branch": "birthday", "conditions": []}, 0),
        ("birthday", "branch", {"conditions": []}, 1),
        ("programme_test", "variant", {"variant": "21 days"}, 1),
        ("programme_test", "held_out", {"variant": ""}, 2),
        ("card_expired", "event_came", {}, 0),
        ("card_expired", "timeout", {}, 1),
    ],
)
def test_the_way_that_was_taken_is_read_from_the_record(name, outcome, detail, taken):
    program = programs()[name]
    nodes = tree(program, "en", visits=[Visit(program["first"], outcome, NOW, detail)], here=None)
    ways = [branch.taken for branch in nodes[0].branches]
    assert ways == [number == taken for number in range(len(ways))]


def test_a_step_passed_over_is_not_a_step_taken():
    program = programs()["win_back"]
    visits = [Visit(program["first"], "skipped_by_person", NOW)]
    assert tree(program, "en", visits=visits)[0].state == "passed"


def test_a_journey_of_sixty_steps_is_drawn_in_one_column():
    steps = "".join(f"      - {{note: number {number}, id: note_{number}}}\n" for number in range(60))
    text = (
        "language: 1\njourneys:\n  long:\n    name: Long\n    purpose: service\n    start_when: [{manual: yes}]\n"
        "    review_after: 1 year\n    steps:\n" + steps
    )
    program = check(text).journeys["long"].program
    assert program is not None
    picture = drawn(tree(program, "en", here="note_30", visits=[Visit("note_0", "done", NOW)]))
    assert len(picture.boxes) == 60
    assert overlaps(picture) == []
    assert len({box.x for box in picture.boxes}) == 1


@pytest.mark.parametrize(
    "words",
    [
        "להוסיף את התגית של לקוחות שחזרו אחרי הפסקה ארוכה מאוד ומקבלים הודעה מיוחדת",
        "کارت تولد برای مشتریان وفاداری که بیش از یک سال با ما بوده‌اند",
        "W" * 90,
        "an_identifier_without_any_place_to_break_it_that_goes_on_and_on_and_on",
        "",
    ],
)
def test_text_is_broken_into_lines_that_fit(words):
    lines = wrapped(words, 174, 13, 4)
    assert len(lines) <= 4
    assert all(text_width(line, 13) <= 174 for line in lines)
    if len(lines) < 4:
        assert "".join("".join(lines).split()) == "".join(words.split())


def test_the_short_picture_says_what_is_open():
    program = programs()["welcome"]
    waiting = next(one["id"] for one in program["steps"].values() if one["verb"] == "wait_for")
    assert between(program, "x", waiting) == ("x", None, True)
    assert between(program, None, program["first"])[1:] == (program["steps"][program["first"]]["next"], False)
    assert between(program, None, "a step that is gone") == (None, None, False)
    assert Branch("words", ()).goes_on
