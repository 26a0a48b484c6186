"""`if`, `choose`, `go_to`, `stop`: where a run goes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from panel.journeys.engine.conditions import judge
from panel.journeys.engine.following import key_of
from panel.journeys.engine.runs import Run

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]


def if_(batch: Batch, step: Step, group: list[Run]) -> None:
    for run, facts in zip(group, batch.facts(group, group[0].program.step_needs(step)), strict=True):
        tree = judge(step["cond"], facts)
        if tree["result"] is None:
            batch.stand_undecided(run, tree)
            continue
        run.finish("branch", batch.now, "then" if tree["result"] else "else", condition=tree)


def choose(batch: Batch, step: Step, group: list[Run]) -> None:
    for run, facts in zip(group, batch.facts(group, group[0].program.step_needs(step)), strict=True):
        seen = []
        for index, option in enumerate(step["options"]):
            tree = judge(option["when"], facts)
            seen.append(tree)
            if tree["result"] is None:
                batch.stand_undecided(run, tree)
                break
            if tree["result"]:
                run.finish("branch", batch.now, f"option:{index}", branch=option.get("name") or index, conditions=seen)
                break
        else:
            run.finish("branch", batch.now, "otherwise", conditions=seen)


def stop(batch: Batch, step: Step, group: list[Run]) -> None:
    for run in group:
        run.note("done", batch.now, step.get("reason"))
        run.end("stopped", "stop_step", batch.now, because=step.get("reason") or "")


def go_to(batch: Batch, step: Step, group: list[Run]) -> None:
    for run in group:
        visits, here = run.data.setdefault("visits", {}), key_of(step)
        taken = int(visits.get(here, 0))
        if taken >= int(step["max_times"]):
            run.finish("done", batch.now, reason="max_times", times=taken)
            continue
        visits[here] = taken + 1
        run.finish("done", batch.now, "target", times=taken + 1, target=step["target"])
