"""One contact that breaks a step: it is held with an issue that says why, and the others hardly notice."""

from __future__ import annotations

from typing import Any

import pytest

from panel import clock
from panel.issues.models import Issue
from panel.journeys.engine import advance as advancing
from panel.journeys.engine.advance import advance
from panel.journeys.engine.route import route
from panel.journeys.engine.verbs import sending
from tests.journeys.engine.world import World

LETTER = """letters:
  name: Letters
  purpose: service
  start_when: [{event: order_paid}]
  re_enter: never
  review_after: 1 year
  steps:
    - note: begins
    - send: letter
    - note: ends
"""


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each attempt at a batch took in hand."""
    found: list[int] = []

    class Counting(advancing.Batch):
        def __init__(self, session: Any, rows: Any, now: Any) -> None:
            found.append(len(rows))
            super().__init__(session, rows, now)

    monkeypatch.setattr(advancing, "Batch", Counting)
    return found


def _poison(monkeypatch: pytest.MonkeyPatch, contact_id: int) -> None:
    whole = sending.Letter.message

    def poisoned(letter: sending.Letter, id_: int, one: Any, *rest: Any, **more: Any) -> Any:
        if one.contact_id == contact_id:
            raise ValueError("poison")
        return whole(letter, id_, one, *rest, **more)

    monkeypatch.setattr(sending.Letter, "message", poisoned)


def test_whose_turn_breaks_a_step_is_held_and_the_batch_is_not_begun_again(
    world: World, monkeypatch: pytest.MonkeyPatch, batches: list[int]
) -> None:
    world.template("letter")
    world.publish(LETTER)
    contacts = [world.contact(f"Contact {n}") for n in range(7)]
    for one in contacts:
        world.event(one, "order_paid")
    _poison(monkeypatch, contacts[3])
    with clock.hold(world.now):
        route()
        assert advance() == 7
        assert advance() == 0
    assert batches == [7]
    [held] = world.runs(status="held")
    assert (held.contact_id, held.reason, held.due_at) == (contacts[3], "held_error", None)
    [issue] = [one for one in world.rows(Issue, state="open") if one.id == held.held_issue]
    assert "ValueError: poison" in issue.params["error"]
    assert [one.contact_id for one in world.messages()] == [one for one in contacts if one != contacts[3]]
    # What it did before in the same batch stays, and is not done again when it goes on.
    assert world.trace(enrolment_id=held.id) == [("note_begins", "done")]


def test_several_poisons_at_one_step_share_one_issue_that_counts_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(LETTER)  # there is no template
    for n in range(3):
        world.event(world.contact(f"Contact {n}"), "order_paid")
    world.work()
    held = world.runs(status="held")
    assert [one.reason for one in held] == ["held_missing_template"] * 3
    [issue] = [one for one in world.rows(Issue) if one.code == "held_missing_template"]
    assert {one.held_issue for one in held} == {issue.id}
    assert issue.count == 3
