"""`start_journey` and `stop_journey`: one journey hands a contact to another, or ends another's run.

A chain of journeys is followed: no journey is started that already stood in it within a day, and none at all beyond the
depth that `entry` allows. So journeys that start each other in a circle come to rest, and the refusal is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.entry import Candidate, consider
from panel.journeys.engine.programs import live
from panel.journeys.engine.runs import Run
from panel.journeys.models import Enrolment

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

CIRCLE = timedelta(days=1)


def start_journey(batch: Batch, step: Step, group: list[Run]) -> None:
    """The same checks hold as for any start; what was refused and why stands in the step's trace and in the other
    journey's entry checks."""
    journey = next((one for one in live(batch.session) if one.id == step["journey"]), None)
    if journey is None:
        for run in group:
            run.hold("held_missing_journey", other=step["journey"])
        return
    starts = []
    for run in group:
        since = batch.now - CIRCLE
        before = {**(run.data.get("chain") or {}), run.journey_id: run.entered_at.isoformat()}
        chain = {name: at for name, at in before.items() if at >= since.isoformat()}
        starts.append(
            Candidate(
                journey,
                run.contact_id,
                f"journey:{run.journey_id}",
                batch.now,
                kind="start_journey",
                data=dict(run.event),
                depth=run.depth + 1,
                chain=chain,
            )
        )
    for run, outcome in zip(group, consider(batch.session, starts, batch.now), strict=True):
        refused = None if outcome.code == "entered" else outcome.code
        run.finish(
            "done", batch.now, reason=refused, journey=step["journey"], started=outcome.enrolment_id,
            seen=dict(outcome.detail),
        )  # fmt: skip


def stop_journey(batch: Batch, step: Step, group: list[Run]) -> None:
    """End the contact's open runs of the journey; what was queued for them is cancelled."""
    target = step["journey"]
    here = {run.contact_id for run in group}
    # Runs in our own hands are ended here, so that nothing is written over them at the end of the batch.
    ours = [run for run in batch.runs if run.journey_id == target and run.contact_id in here]
    ended = set()
    for run in ours:
        if run.status in ("active", "held") and run not in group:
            run.end("stopped", "stopped_by_journey", batch.now, by=group[0].journey_id)
            ended.add(run.contact_id)
    query = select(Enrolment.id, Enrolment.contact_id).where(
        Enrolment.journey_id == target,
        Enrolment.contact_id.in_(here),
        Enrolment.status.in_(("active", "held")),
        Enrolment.id.not_in([run.id for run in ours]),
    )
    others = batch.connection.execute(query).all()
    ended |= {row.contact_id for row in others}
    by: dict[int, dict[str, object]] = {row.id: {"by": group[0].journey_id} for row in others}
    end_runs(batch.session, list(by), "stopped", "stopped_by_journey", batch.now, detail=by)
    for run in group:
        if run.journey_id == target:
            run.note("done", batch.now, journey=target)
            run.end("stopped", "stopped_by_journey", batch.now, by=run.journey_id)
        else:
            was_inside = run.contact_id in ended
            run.finish("done", batch.now, reason=None if was_inside else "was_not_inside", journey=target)
