"""`send`: one message per run, planned in the ledger; the run goes on when it has really gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from panel.copying import put_rows
from panel.db import next_ids
from panel.journeys.engine.conditions import Needs, lookup
from panel.journeys.engine.hours import hours_for
from panel.journeys.engine.message_ids import installation_key, message_id
from panel.journeys.engine.reach import Reach, assess, in_order_of_preference, template_channels
from panel.journeys.engine.runs import Run
from panel.journeys.engine.when import minute
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

THREE_DAYS = {"days": 3}
NOTHING: dict[str, Any] = {}
SETTLED = ("sent", "delivered", "failed", "bounced", "skipped", "cancelled")


def send(batch: Batch, step: Step, group: list[Run]) -> None:
    """Plan one message per run; when it has really gone (or certainly will not), the run goes on."""
    fresh = [run for run in group if run.phase != "sending"]
    look_at_sent(batch, [run for run in group if run.phase == "sending"])
    if not fresh:
        return
    program = fresh[0].program
    found = template_channels(batch.session, step["message"]) if step.get("message") else None
    if step.get("message") and found is None:
        for run in fresh:
            run.hold("held_missing_template", template=step["message"])
        return
    purpose = program.resolved["purpose"]
    contacts = [run.contact_id for run in fresh]
    via = list(step.get("via") or (found.channels if found else ()) or ("email",))
    if via == ["preferred"]:
        orders = in_order_of_preference(batch.session, contacts, found.channels if found else ("email",), batch.now)
        via = sorted({name for order in orders.values() for name in order})
    else:
        orders = {}
    other = _other_addresses(batch, step, fresh) if step.get("to") else None
    reach = {name: assess(batch.session, contacts, name, purpose, at=other) for name in via}
    ids = next_ids(batch.session, "messages", len(fresh))
    version_id = found.version_id if found else None
    for id_, run in zip(ids, fresh, strict=True):
        try:
            known = {name: reach[name][run.contact_id] for name in orders.get(run.contact_id, via)}
            _plan(batch, step, run, id_, known, version_id)
        except Exception as error:
            batch.set_apart(run, error)


def _plan(batch: Batch, step: Step, run: Run, id_: int, reach: Mapping[str, Reach], version_id: int | None) -> None:
    """One run's message, on the first of its channels that reaches the contact."""
    for channel, one in reach.items():
        if one.reason is None:
            row = message_row(id_, batch, run, step, channel, one, version_id)
            batch.messages.append(row)
            run.settled, run.phase, run.due_at = True, "sending", None
            run.wait = {"kind": "message", "message": row["id"], "planned": row["not_before"].isoformat()}
            return
    # Refused before it began: the ledger and the timeline say so, the journey goes on (language rule 2d.13).
    channel, one = next(iter(reach.items()))
    row = message_row(id_, batch, run, step, channel, one, version_id)
    row |= {"status": "skipped", "reason": one.reason}
    batch.messages.append(row)
    run.finish("done", batch.now, reason=row["reason"], channel=channel, message="skipped")


def _other_addresses(batch: Batch, step: Step, runs: list[Run]) -> dict[int, str]:
    """`to`: the text of another address field (of the contact, or of the event), as it stands now."""
    name = step["to"]
    wanted = Needs() if name.startswith(("event.", "run.", "entry.")) else Needs(fields={name})
    found = {}
    for run, facts in zip(runs, batch.facts(runs, wanted), strict=True):
        value = lookup(name, facts)
        found[run.contact_id] = "" if value is None else str(value)
    return found


def _planned_at(run: Run, now: datetime) -> datetime:
    """The moment a message is meant for: the end of the wait before it, or the day that started the journey, even when
    nothing was running then; otherwise now."""
    if run.planned_at is not None:
        return min(run.planned_at, now)
    if run.seq == run.steps_taken and (given := run.carried.get("planned_at")):
        return min(datetime.fromisoformat(given), now)
    return now


def message_row(
    id_: int,
    batch: Batch,
    run: Run,
    step: Step,
    channel: str,
    reach: Reach,
    version_id: int | None,
    *,
    part: int | None = None,
) -> dict[str, Any]:
    """The ledger's row for one message. `part` numbers the messages of a step that sends several (`reach`)."""
    visit = f"{run.id}:{run.seq}" if part is None else f"{run.id}:{run.seq}:{part}"
    settings = run.program.settings
    hours = hours_for(settings, channel, step.get("send_hours"))
    planned_at = _planned_at(run, batch.now)
    too_late = step.get("too_late_after") or settings.get("too_late_after") or THREE_DAYS
    # Many runs of a batch share the minute and the zone: asked once. What is remembered keeps its keys alive.
    place = (id(hours), id(too_late), planned_at.replace(second=0, microsecond=0), run.zone.key)
    if (known := batch.shared.get(place)) is None:
        found = minute(hours, planned_at, batch.now, run.zone, batch.business, too_late)
        known = batch.shared[place] = (found, hours, too_late)
    not_before, expires_at = known[0].not_before, known[0].expires_at(planned_at)
    if (key := batch.shared.get("installation")) is None:
        key = batch.shared["installation"] = installation_key(batch.session)
    inline = None
    if not step.get("message"):
        inline = {"subject": step.get("subject") or "", "text": step.get("text") or ""}
    return {
        "id": id_,
        "dedupe_key": f"enrolment:{visit}",
        "our_message_id": message_id(key, visit, run.contact_id, run.entered_at),
        "contact_id": run.contact_id,
        "enrolment_id": run.id,
        "journey_id": run.journey_id,
        "step_id": run.step_id,
        "channel": channel,
        "purpose": run.program.resolved["purpose"],
        "template_version_id": version_id,
        "inline": inline,
        "rules": _rules(batch, run, step, too_late),
        "address": reach.address,
        "status": "queued",
        "reason": None,
        "planned_at": planned_at,
        "not_before": not_before,
        "expires_at": expires_at,
        "priority": run.priority,
        "kind": "message",
        "detail": NOTHING,
        "attempt": 0,
        "is_test": False,
    }


def _rules(batch: Batch, run: Run, step: Step, too_late: Mapping[str, int]) -> dict[str, Any]:
    """What the message must know when it goes; one and the same object for all that carry the same along."""
    place = (run.program.version_id, step["id"], "" if run.has_data else run.data_text)
    known: dict[str, Any] | None = None if run.has_data else batch.shared.get(place)
    if known is None:
        settings = run.program.settings
        known = {
            "send_hours": step.get("send_hours"),
            "if_missing": step.get("if_missing") or settings.get("if_missing") or "hold",
            "on_unknown": step.get("on_unknown") or settings.get("on_unknown") or "ask",
            "ignore_limits": bool(step.get("ignore_limits")),
            "too_late_after": dict(too_late),
            "values": {"event": dict(run.event), "run": dict(run.values)},
            **({"to": step["to"]} if step.get("to") else {}),
        }
        if not run.has_data:
            batch.shared[place] = known
    return known


MESSAGE_COLUMNS = (
    *("id", "dedupe_key", "our_message_id", "contact_id", "enrolment_id", "journey_id", "step_id", "channel", "kind"),
    *("purpose", "template_version_id", "inline", "rules", "address", "status", "reason", "detail", "planned_at"),
    *("not_before", "expires_at", "priority", "attempt", "is_test"),
)


def store_messages(batch: Batch) -> None:
    """Write the planned messages; a repeat of the same intention is swallowed by its unique key."""
    decided = _decided_after_a_restore(batch)
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
                "message_settled" if row["id"] in decided else "message_skipped",
                batch.now,
                {"channel": row["channel"], **decided.get(row["id"], {"reason": row["reason"]})},
                source="journeys",
                message_id=row["id"],
                enrolment_id=row["enrolment_id"],
                starts_journeys=False,
            )
            for row in batch.messages
            if row["status"] == "skipped" or row["id"] in decided
        ],
    )


def _decided_after_a_restore(batch: Batch) -> dict[int, dict[str, Any]]:
    """What people said about runs that may have sent in a time that was lost: "it already went out", or "skip it".
    Such a message is noted and not sent (see `panel.journeys.restoring`). Returns what the timeline shall say."""
    said = {run.id: run for run in batch.runs if run.carried.get("restored")}
    decided: dict[int, dict[str, Any]] = {}
    for row in batch.messages if said else ():
        run = said.get(row["enrolment_id"])
        if run is None or row["status"] != "queued":
            continue
        went = run.carried["restored"]["what"] == "already"
        row |= (
            {"status": "sent", "reason": "settled_sent"}
            if went
            else {"status": "skipped", "reason": "settled_not_sent"}
        )
        run.due_at = batch.now
        decided[row["id"]] = {"outcome": "arrived" if went else "skip", "by": "person"}
    return decided


def look_at_sent(batch: Batch, waiting: list[Run]) -> None:
    """Runs that wait for their message (or call): on when the ledger says how it ended, else they go on standing."""
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
            code, params = held_because(reason, rules)
            run.hold(code, **params)
        else:
            run.stand(None)
    for run in keys.values():
        # The row was never stored (it can only be an older fault): plan it again under the same key.
        run.phase = ""


def held_because(reason: str | None, rules: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The code and the words for a run whose message is held."""
    missing = rules.get("missing")
    params = {"field": missing} if reason == "held_missing_field" and missing else {}
    return reason or "held_error", {"error": "", **params}
