"""What each step does, for all the runs that stand at it together.

A verb gets the batch, the step and its runs (fresh ones, and waiting ones that are due again), and leaves every run
either moved on, waiting, held or ended. One module per kind of step; `VERBS` is the list of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from panel.journeys.engine.runs import Run
from panel.journeys.engine.verbs import (
    branching,
    calling,
    changing,
    people,
    reaching,
    sending,
    splitting,
    starting,
    waiting,
)

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

VERBS: dict[str, Callable[[Batch, Mapping[str, Any], list[Run]], None]] = {
    "send": sending.send,
    "reach": reaching.reach,
    "wait": waiting.wait,
    "wait_for": waiting.wait_for,
    "if": branching.if_,
    "choose": branching.choose,
    "split": splitting.split,
    "go_to": branching.go_to,
    "stop": branching.stop,
    "tag": changing.tag,
    "untag": changing.untag,
    "add_to_list": changing.add_to_list,
    "remove_from_list": changing.remove_from_list,
    "set": changing.set_,
    "score": changing.score,
    "note": changing.note,
    "task": people.task,
    "notify": people.notify,
    "call": calling.call,
    "start_journey": starting.start_journey,
    "stop_journey": starting.stop_journey,
}
