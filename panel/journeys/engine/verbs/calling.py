"""`call`: an action of a plugin, carried out by the ledger like a message: planned here, performed by `actions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from panel.db import next_ids
from panel.journeys.engine.reach import Reach
from panel.journeys.engine.runs import Run
from panel.journeys.engine.verbs.changing import filled_texts
from panel.journeys.engine.verbs.sending import Letter, look_at_sent
from panel.plugin_manager import manager

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

ACTION = "action"  # the channel of all calls in the ledger


def call(batch: Batch, step: Step, group: list[Run]) -> None:
    """The run goes on when the action was carried out, or certainly will not be."""
    fresh = [run for run in group if run.phase != "sending"]
    look_at_sent(batch, [run for run in group if run.phase == "sending"])
    if not fresh:
        return
    if step["action"] not in manager.current().actions():
        for run in fresh:
            run.hold("held_plugin", channel=step["action"])
        return
    texts = {name: filled_texts(batch, fresh, str(text)) for name, text in (step.get("with") or {}).items()}
    letter = Letter(batch, fresh[0].program, {**step, "message": None}, ACTION, None)
    for id_, run in zip(next_ids(batch.session, "messages", len(fresh)), fresh, strict=True):
        inline = {"action": step["action"], "with": {name: texts[name][run.id] for name in texts}}
        # Nobody is woken by it: no hours, no limits, and it is never too late.
        row = letter.message(id_, run, Reach(None, None))
        row = row._replace(kind="call", inline=inline, not_before=batch.now, expires_at=None)
        batch.messages.append(row)
        run.settled, run.phase, run.due_at = True, "sending", None
        run.wait = {"kind": "call", "message": id_, "action": step["action"], "planned": batch.now.isoformat()}
