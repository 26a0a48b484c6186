"""`split`: each contact gets one variant of a test and keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from panel.experiments.assigning import assign_many
from panel.experiments.rules import HOLD_OUT, key_of
from panel.journeys.engine.runs import Run
from panel.journeys.engine.splits import divided

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]


def split(batch: Batch, step: Step, group: list[Run]) -> None:
    """All runs of the batch that stand at the split are given their variants in four statements, however many."""
    program = group[0].program
    asked = divided(program.resolved, step, program.version_id)
    given = assign_many(batch.session, asked, {run.contact_id for run in group}, batch.now)
    names = {key_of(one["name"]): one["name"] for one in step["variants"]}
    shares = {one["name"]: one["share"] for one in step["variants"]} | {HOLD_OUT: step["hold_out"]}
    for run in group:
        mine = given[run.contact_id]
        detail = {"variant": names.get(mine.variant, ""), "bucket": mine.bucket, "shares": shares, "round": mine.round}
        reason = "winner" if mine.winner else None
        if mine.variant in names:
            run.finish("variant", batch.now, f"variant:{names[mine.variant]}", reason=reason, **detail)
        else:
            run.finish("held_out", batch.now, reason=reason, **detail)
