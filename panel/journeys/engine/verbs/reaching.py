"""`reach`: one message, channel after channel, until the contact is reached or every channel was tried.

A channel without address, consent or right is passed over, and the trace says so. `give` counts from the true sending.
What counts as reached is looked for in all that this visit has sent: a click on the e-mail of two days ago still counts
while the WhatsApp is on its way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from panel.db import next_ids, rows_of, table_of
from panel.journeys.engine.conditions import Facts, judge
from panel.journeys.engine.lengths import add
from panel.journeys.engine.reach import TemplateChannels, assess, in_order_of_preference, template_channels
from panel.journeys.engine.runs import Run
from panel.journeys.engine.verbs.awaiting import facts_for_waiting, look_again_at, what_came
from panel.journeys.engine.verbs.sending import Letter, held_because
from panel.messages.models import Message

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

# What proves each `until`, as columns of the ledger; a later state proves the earlier ones.
_PROOF = {
    "sent": (),
    "delivered": ("delivered_at", "first_opened_at", "first_clicked_at", "replied_at"),
    "opened": ("first_opened_at", "first_clicked_at", "replied_at"),
    "clicked": ("first_clicked_at", "replied_at"),
    "replied": ("replied_at",),
}
_WENT = ("sent", "delivered")
_DID_NOT_ARRIVE = ("failed", "bounced", "skipped", "cancelled")


def reach(batch: Batch, step: Step, group: list[Run]) -> None:
    found = template_channels(batch.session, step["message"])
    facts = facts_for_waiting(batch, step, group)
    sent = _sent_by_this_visit(batch, group)
    going_on: list[tuple[Run, Facts, int]] = []
    for run, known in zip(group, facts, strict=True):
        rows = sent[run.id]
        because = _reached(step, rows) or what_came(batch, run, step, known)
        if because is not None:
            run.finish("event_came", batch.now, "reached", tried=run.wait.get("tried", []), **because)
            continue
        attempt = int(run.wait.get("attempt", -1))
        if attempt < 0 or _is_over(batch, step, run, rows, attempt, known):
            going_on.append((run, known, attempt + 1))
    going_on = [one for one in going_on if not one[0].settled]
    if not going_on:
        return
    if found is None:
        for run, _, _ in going_on:
            run.hold("held_missing_template", template=step["message"])
        return
    _try_next(batch, step, going_on, found)


def _sent_by_this_visit(batch: Batch, group: Iterable[Run]) -> dict[int, list[dict[str, Any]]]:
    keys = {_key(run, number): run.id for run in group for number in range(int(run.wait.get("attempt", -1)) + 1)}
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    if keys:
        messages = table_of(Message)
        for row in rows_of(batch.session, select(messages).where(messages.c.dedupe_key.in_(keys))):
            found[keys[row["dedupe_key"]]].append(row)
    return found


def _key(run: Run, attempt: int) -> str:
    return f"enrolment:{run.id}:{run.seq}:{attempt}"


def _reached(step: Step, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    for row in rows:
        if step["until"] == "sent" and row["status"] in _WENT:
            return {"by": row["channel"], "message": row["id"]}
        if any(row[column] is not None for column in _PROOF[step["until"]]):
            return {"by": row["channel"], "message": row["id"]}
    return None


def _is_over(batch: Batch, step: Step, run: Run, rows: list[dict[str, Any]], attempt: int, facts: Facts) -> bool:
    """Whether the present attempt has had its time, or cannot succeed any more. Else the run stands or waits."""
    row = next((one for one in rows if one["dedupe_key"] == _key(run, attempt)), None)
    if row is None:
        return True  # passed over before anything was planned
    status = row["status"]
    if status == "unknown" and row["rules"].get("on_unknown") == "assume_sent":
        status = "sent"
    if status in _DID_NOT_ARRIVE:
        _note(run, attempt, row["channel"], row["reason"] or status)
        return True
    if status in _WENT:
        until = add(row["sent_at"] or row["wire_at"] or batch.now, step["try"][attempt]["give"], run.zone)
        if batch.now >= until:
            _note(run, attempt, row["channel"], "timeout")
            return True
        look = look_again_at(batch, run, step, facts, until)
        run.wait_until(look, **{**run.wait, "until": until.isoformat()})
    elif status == "held":
        code, params = held_because(row["reason"], row["rules"])
        run.hold(code, **params)
    else:
        run.stand(None)
    return False


def _note(run: Run, attempt: int, channel: str, outcome: str, at: datetime | None = None) -> None:
    tried = [one for one in run.wait.get("tried", []) if one["attempt"] != attempt]
    run.wait = {**run.wait, "tried": [*tried, {"attempt": attempt, "channel": channel, "outcome": outcome}]}


def _try_next(batch: Batch, step: Step, going_on: list[tuple[Run, Facts, int]], found: TemplateChannels) -> None:
    """Plan the next attempt that can be made for each run; without one, nobody was reached."""
    purpose = going_on[0][0].program.resolved["purpose"]
    contacts = [run.contact_id for run, _, _ in going_on]
    if any(attempt["via"] == "preferred" for attempt in step["try"]):
        orders = in_order_of_preference(batch.session, contacts, found.channels, batch.now)
    else:
        orders = {}
    known: dict[str, Any] = {}
    planned: list[tuple[Run, int, str]] = []
    for run, facts, first in going_on:
        for number in range(first, len(step["try"])):
            attempt = step["try"][number]
            tree = judge(attempt["only_if"], facts) if attempt.get("only_if") else {"result": True}
            if tree["result"] is None:
                batch.stand_undecided(run, tree)
                break
            if not tree["result"]:
                _note(run, number, attempt["via"], "passed_condition")
                continue
            names = orders[run.contact_id] if attempt["via"] == "preferred" else (attempt["via"],)
            for name in names:
                if name not in known:
                    known[name] = assess(batch.session, contacts, name, purpose)
            usable = next((name for name in names if known[name][run.contact_id].reason is None), None)
            if usable is not None:
                planned.append((run, number, usable))
                break
            refusal = known[names[0]][run.contact_id].reason if names else "no_address"
            _note(run, number, names[0] if names else attempt["via"], refusal)
        else:
            run.finish("timeout", batch.now, "otherwise", tried=run.wait.get("tried", []))
    program = going_on[0][0].program
    letters = {name: Letter(batch, program, step, name, found.version_id) for name in {one[2] for one in planned}}
    for id_, (run, number, channel) in zip(next_ids(batch.session, "messages", len(planned)), planned, strict=True):
        row = letters[channel].message(id_, run, known[channel][run.contact_id], part=number)
        batch.messages.append(row)
        run.settled, run.phase, run.due_at = True, "sending", None
        run.wait = {
            "kind": "reach",
            "attempt": number,
            "message": id_,
            "channel": channel,
            "planned": row.not_before.isoformat(),
            "tried": run.wait.get("tried", []),
        }
