"""What ends a `wait_for` or a `reach` besides time: events since it began, and conditions that have become true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from panel.journeys.engine.conditions import Facts, event_matches, judge
from panel.journeys.engine.flips import next_change
from panel.journeys.engine.runs import Run

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]


def facts_for_waiting(batch: Batch, step: Step, group: Sequence[Run]) -> list[Facts]:
    """What is known of the runs at such a step; history from its beginning, unless a condition looks further back."""
    program = group[0].program
    only_events = not program.awaited_conditions[step["id"]]
    return batch.facts(group, program.step_needs(step), since_step=only_events)


def what_came(batch: Batch, run: Run, step: Step, facts: Facts) -> dict[str, Any] | None:
    """The event or the condition that ends the waiting, as detail for the trace; None when there is none yet.

    A condition that cannot be judged now has not become true; the issue tells, and the run looks again in any case.
    """
    for event in facts.history:
        for trigger in run.program.awaited[step["id"]]:
            if (
                event.kind == trigger.kind
                and event.occurred_at >= run.step_began_at
                and event_matches(trigger.where, event.data, facts)
            ):
                return {"event": event.id, "kind": event.kind}
    for condition in run.program.awaited_conditions[step["id"]]:
        tree = judge(condition, facts)
        if tree["result"]:
            return {"condition": tree}
        if tree["result"] is None:
            batch.tell_undecided(tree)
    return None


def look_again_at(batch: Batch, run: Run, step: Step, facts: Facts, deadline: datetime) -> datetime:
    """When the run must be looked at, at the latest: its deadline, or when time alone may make a condition true."""
    moments = [deadline]
    for condition in run.program.awaited_conditions[step["id"]]:
        moment = next_change(condition, facts, run.program.checks.get(step["id"]), batch.business)
        if moment is not None:
            moments.append(moment)
        if judge(condition, facts)["result"] is None:
            moments.append(batch.undecided_until)
    return max(min(moments), batch.now)
