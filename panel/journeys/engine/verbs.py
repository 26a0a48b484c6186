"""What each step does, for all the runs that stand at it together.

A verb gets the batch, the step and its runs (fresh ones, and waiting ones that are due again), and leaves every run
either moved on, waiting, held or ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from panel.contacts.memberships import add_tag_many, join_list_many, leave_list_many, remove_tag_many
from panel.contacts.operations import note_many, update_contact
from panel.contacts.origin import By
from panel.copying import put_rows
from panel.db import next_ids
from panel.journeys.engine.conditions import event_matches, judge
from panel.journeys.engine.holidays import calendar_for
from panel.journeys.engine.hours import hours_for, next_open
from panel.journeys.engine.lengths import add
from panel.journeys.engine.reach import Reach, assess, template_channels
from panel.journeys.engine.runs import Run
from panel.journeys.engine.waits import wait_end
from panel.messages.models import Message
from panel.messages.texts import fill_texts
from panel.timeline.operations import NewEvent, record_many

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]
SETTLED = ("sent", "delivered", "failed", "bounced", "skipped", "cancelled")


def send(batch: Batch, step: Step, group: list[Run]) -> None:
    """Plan one message per run; when it has really gone (or certainly will not), the run goes on."""
    fresh = [run for run in group if run.phase != "sending"]
    _look_at_sent(batch, [run for run in group if run.phase == "sending"])
    if not fresh:
        return
    program = fresh[0].program
    found = template_channels(batch.session, step["message"]) if step.get("message") else None
    if step.get("message") and found is None:
        for run in fresh:
            run.hold("held_missing_template", template=step["message"])
        return
    channels = list(step.get("via") or (found.channels if found else ()) or ("email",))
    purpose = program.resolved["purpose"]
    reach = {name: assess(batch.session, [run.contact_id for run in fresh], name, purpose) for name in channels}
    ids = next_ids(batch.session, "messages", len(fresh))
    for id_, run in zip(ids, fresh, strict=True):
        usable = next((name for name in channels if reach[name][run.contact_id].reason is None), None)
        channel = usable or channels[0]
        row = _message_row(
            id_, batch, run, step, channel, reach[channel][run.contact_id], found.version_id if found else None
        )
        batch.messages.append(row)
        if usable is None:
            # Refused before it began: the ledger and the timeline say so, the journey goes on (language rule 2d.13).
            row |= {"status": "skipped", "reason": reach[channel][run.contact_id].reason}
            run.finish("done", batch.now, reason=row["reason"], channel=channel, message="skipped")
        else:
            run.settled, run.phase, run.due_at = True, "sending", None
            run.wait = {"kind": "message", "message": row["id"], "planned": row["not_before"].isoformat()}


def _message_row(
    id_: int, batch: Batch, run: Run, step: Step, channel: str, reach: Reach, version_id: int | None
) -> dict[str, Any]:
    settings = run.program.settings
    hours = hours_for(settings, channel, step.get("send_hours"))
    holiday = calendar_for((hours or {}).get("calendar"), batch.business.country)
    allowed = next_open(hours, batch.now, run.zone, holiday) or batch.now
    too_late = step.get("too_late_after") or settings.get("too_late_after") or {"days": 3}
    inline = None
    if not step.get("message"):
        inline = {"subject": step.get("subject") or "", "text": step.get("text") or ""}
    return {
        "id": id_,
        "dedupe_key": f"enrolment:{run.id}:{run.seq}",
        "our_message_id": f"{run.id}.{run.seq}.{secrets.token_hex(6)}",
        "contact_id": run.contact_id,
        "enrolment_id": run.id,
        "journey_id": run.journey_id,
        "step_id": run.step_id,
        "channel": channel,
        "purpose": run.program.resolved["purpose"],
        "template_version_id": version_id,
        "inline": inline,
        "rules": {
            "send_hours": step.get("send_hours"),
            "if_missing": step.get("if_missing") or settings.get("if_missing") or "hold",
            "on_unknown": step.get("on_unknown") or settings.get("on_unknown") or "ask",
            "ignore_limits": bool(step.get("ignore_limits")),
            "values": {"event": dict(run.event), "run": dict(run.values)},
        },
        "address": reach.address,
        "status": "queued",
        "reason": None,
        "planned_at": batch.now,
        "not_before": allowed,
        # Counted from the first allowed moment: a Thursday-evening text is not "late" on Sunday morning.
        "expires_at": add(allowed, too_late, run.zone),
        "priority": run.priority,
        "kind": "message",
        "detail": {},
        "attempt": 0,
        "is_test": False,
    }


MESSAGE_COLUMNS = (
    *("id", "dedupe_key", "our_message_id", "contact_id", "enrolment_id", "journey_id", "step_id", "channel", "kind"),
    *("purpose", "template_version_id", "inline", "rules", "address", "status", "reason", "detail", "planned_at"),
    *("not_before", "expires_at", "priority", "attempt", "is_test"),
)


def store_messages(batch: Batch) -> None:
    """Write the planned messages; a repeat of the same intention is swallowed by its unique key."""
    try:
        with batch.session.begin_nested():
            put_rows(batch.connection, Message, MESSAGE_COLUMNS, map(itemgetter(*MESSAGE_COLUMNS), batch.messages))
    except IntegrityError:
        dialect = postgresql if batch.connection.dialect.name == "postgresql" else sqlite
        batch.connection.execute(
            dialect.insert(Message).on_conflict_do_nothing(index_elements=["dedupe_key"]), batch.messages
        )
    record_many(
        batch.session,
        [
            NewEvent(
                row["contact_id"],
                "message_skipped",
                batch.now,
                {"channel": row["channel"], "reason": row["reason"]},
                source="journeys",
                message_id=row["id"],
                enrolment_id=row["enrolment_id"],
                starts_journeys=False,
            )
            for row in batch.messages
            if row["status"] == "skipped"
        ],
    )


def _look_at_sent(batch: Batch, waiting: list[Run]) -> None:
    if not waiting:
        return
    keys = {f"enrolment:{run.id}:{run.seq}": run for run in waiting}
    rows = batch.connection.execute(
        select(Message.dedupe_key, Message.status, Message.reason, Message.id, Message.rules, Message.channel).where(
            Message.dedupe_key.in_(keys)
        )
    ).all()
    for key, status, reason, id_, rules, channel in rows:
        run = keys.pop(key)
        if status in SETTLED or (status == "unknown" and rules.get("on_unknown") == "assume_sent"):
            outcome = reason if status in ("skipped", "failed", "cancelled") else None
            run.finish("done", batch.now, reason=outcome, message=id_, status=status, channel=channel)
        elif status == "held":
            run.hold(reason or "held_error", **{"error": "", **(_hold_params(reason, rules))})
        else:
            run.stand(None)
    for run in keys.values():
        # The row was never stored (it can only be an older fault): plan it again under the same key.
        run.phase = ""


def _hold_params(reason: str | None, rules: Mapping[str, Any]) -> dict[str, Any]:
    missing = rules.get("missing")
    return {"field": missing} if reason == "held_missing_field" and missing else {}


def wait(batch: Batch, step: Step, group: list[Run]) -> None:
    now = batch.now
    days = _days_of_field(batch, step, [run for run in group if not run.phase])
    for run in group:
        if run.phase == "waiting":
            until = datetime.fromisoformat(run.wait["until"])
            if now >= until:
                run.finish("time_came", now, until=run.wait["until"])
            else:
                run.wait_until(until, **run.wait)
            continue
        end = wait_end(step, run.step_began_at, run.zone, days.get(run.id))
        if end.at is None or end.is_past:
            _wait_for_the_past(batch, step, run, end.at)
        elif end.at <= now:
            run.finish("time_came", now, until=end.at.isoformat())
        else:
            run.wait_until(end.at, kind="wait", until=end.at.isoformat(), zone=str(run.zone), zone_from=run.zone_from)


def _wait_for_the_past(batch: Batch, step: Step, run: Run, at: datetime | None) -> None:
    policy = step.get("if_past") or "go_on"
    seen = at.isoformat() if at else None
    if policy == "stop":
        run.note("done", batch.now, "date_has_passed", until=seen)
        run.end("stopped", "stop_step", batch.now, because="date_has_passed")
        return
    run.finish("done", batch.now, reason="date_has_passed", until=seen, if_past=policy)
    if policy == "skip_next" and run.step_id is not None and not run.settled:
        run.finish("passed_condition", batch.now, reason="date_has_passed")


def _days_of_field(batch: Batch, step: Step, runs: list[Run]) -> dict[int, date]:
    name = (step.get("until") or {}).get("field")
    if not name or not runs:
        return {}
    from_contact = not name.startswith(("event.", "run."))
    facts = batch.facts(runs, runs[0].program.step_needs(step)) if from_contact else []
    found: dict[int, date] = {}
    for index, run in enumerate(runs):
        value: Any = facts[index].fields.get(name) if from_contact else run.event.get(name.partition(".")[2])
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value[:10])
            except ValueError:
                value = None
        if isinstance(value, date):
            found[run.id] = value
    return found


def wait_for(batch: Batch, step: Step, group: list[Run]) -> None:
    """History is read from the moment the step began, so an event that came just before the wait is not lost."""
    program = group[0].program
    all_facts = batch.facts(group, program.step_needs(step), since_step=True)
    for run, facts in zip(group, all_facts, strict=True):
        came = next(
            (
                (event, trigger)
                for event in facts.history
                for trigger in program.awaited[step["id"]]
                if event.kind == trigger.kind
                and event.occurred_at >= run.step_began_at
                and event_matches(trigger.where, event.data, facts)
            ),
            None,
        )
        deadline = add(run.step_began_at, step["up_to"], run.zone)
        if came is not None:
            run.finish("event_came", batch.now, "then", event=came[0].id, kind=came[0].kind)
        elif batch.now >= deadline:
            run.finish("timeout", batch.now, "on_timeout", until=deadline.isoformat())
        else:
            run.wait_until(deadline, kind="wait_for", until=deadline.isoformat(), events=[
                trigger.name for trigger in program.awaited[step["id"]]
            ])  # fmt: skip


def if_(batch: Batch, step: Step, group: list[Run]) -> None:
    for run, facts in zip(group, batch.facts(group, group[0].program.step_needs(step)), strict=True):
        tree = judge(step["cond"], facts)
        run.finish("branch", batch.now, "then" if tree["result"] else "else", condition=tree)


def choose(batch: Batch, step: Step, group: list[Run]) -> None:
    for run, facts in zip(group, batch.facts(group, group[0].program.step_needs(step)), strict=True):
        seen = []
        for index, option in enumerate(step["options"]):
            tree = judge(option["when"], facts)
            seen.append(tree)
            if tree["result"]:
                run.finish("branch", batch.now, f"option:{index}", branch=option.get("name") or index, conditions=seen)
                break
        else:
            run.finish("branch", batch.now, "otherwise", conditions=seen)


def _authors(group: Sequence[Run]) -> dict[int, By]:
    return {
        run.contact_id: By(source=f"journey:{run.journey_id}", enrolment_id=run.id, depth=run.depth + 1)
        for run in group
    }


def _once_per_contact(
    batch: Batch, step: Step, group: list[Run], names: Sequence[str], act: Callable[..., Any]
) -> None:
    contacts = list({run.contact_id for run in group})
    for name in names:
        act(batch.session, contacts, name, by=_authors(group), now=batch.now)
    for run in group:
        run.finish("done", batch.now, names=list(names))


def tag(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["tags"], add_tag_many)


def untag(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["tags"], remove_tag_many)


def add_to_list(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["lists"], join_list_many)


def remove_from_list(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["lists"], leave_list_many)


def set_(batch: Batch, step: Step, group: list[Run]) -> None:
    authors = _authors(group)
    texts = {name: _filled(batch, group, str(value)) for name, value in step["values"].items()}
    for run in group:
        values = {name: filled[run.id] for name, filled in texts.items()}
        changed = update_contact(batch.session, run.contact_id, values, by=authors[run.contact_id], now=batch.now)
        run.finish("done", batch.now, values=values, changed=changed)


def note(batch: Batch, step: Step, group: list[Run]) -> None:
    filled = _filled(batch, group, step["text"])
    authors = _authors(group)
    for run in group:
        note_many(batch.session, {run.contact_id: filled[run.id]}, by=authors, now=batch.now)
        run.finish("done", batch.now)


def _filled(batch: Batch, group: Sequence[Run], text: str) -> dict[int, str]:
    """A text with its merge fields filled in, per run."""
    asked = [(run.contact_id, {"event": run.event, "run": run.values}) for run in group]
    return dict(zip((run.id for run in group), fill_texts(batch.session, text, asked), strict=True))


def stop(batch: Batch, step: Step, group: list[Run]) -> None:
    for run in group:
        run.note("done", batch.now, step.get("reason"))
        run.end("stopped", "stop_step", batch.now, because=step.get("reason") or "")


def go_to(batch: Batch, step: Step, group: list[Run]) -> None:
    for run in group:
        visits = run.data.setdefault("visits", {})
        taken = int(visits.get(step["id"], 0))
        if taken >= int(step["max_times"]):
            run.finish("done", batch.now, reason="max_times", times=taken)
            continue
        visits[step["id"]] = taken + 1
        run.note("done", batch.now, times=taken + 1, target=step["target"])
        run.move(step["target"], batch.now)


VERBS: dict[str, Callable[[Batch, Step, list[Run]], None]] = {
    "send": send,
    "wait": wait,
    "wait_for": wait_for,
    "if": if_,
    "choose": choose,
    "tag": tag,
    "untag": untag,
    "add_to_list": add_to_list,
    "remove_from_list": remove_from_list,
    "set": set_,
    "note": note,
    "stop": stop,
    "go_to": go_to,
}

ENROLMENT_COLUMNS = ("version_id", "step_id", "step_began_at", "seq", "phase", "due_at", "wait", "data")
