"""`send`: one message per run, planned in the ledger; the run goes on when it has really gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from panel.contacts.addresses import plain_mailbox
from panel.copying import put_rows
from panel.db import next_ids
from panel.journeys.engine.conditions import Needs, lookup
from panel.journeys.engine.hours import hours_for
from panel.journeys.engine.message_ids import installation_key, message_id
from panel.journeys.engine.programs import Program
from panel.journeys.engine.reach import Reach, assess, in_order_of_preference, template_channels
from panel.journeys.engine.runs import NOTHING, Run
from panel.journeys.engine.when import Minute, minute
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]

FOR_MESSAGE: dict[str, Any] = {"kind": "message"}  # one for all who stand alike; which message, its key tells
THREE_DAYS = {"days": 3}
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
    if found is not None and len(via) > 1:  # of several channels, those that the template has a text for
        via = [name for name in via if name in found.channels] or via
    if via == ["preferred"]:
        orders = in_order_of_preference(batch.session, contacts, found.channels if found else ("email",), batch.now)
        via = sorted({name for order in orders.values() for name in order})
    else:
        orders = {}
    other = _other_addresses(batch, step, fresh) if step.get("to") else None
    reach = {name: assess(batch.session, contacts, name, purpose, at=other) for name in via}
    version_id = found.version_id if found else None
    letters = {name: Letter(batch, program, step, name, version_id) for name in via}
    for id_, run in zip(next_ids(batch.session, "messages", len(fresh)), fresh, strict=True):
        try:
            _plan(batch, run, id_, orders.get(run.contact_id, via), reach, letters)
        except Exception as error:
            batch.set_apart(run, error)


def _plan(
    batch: Batch,
    run: Run,
    id_: int,
    channels: Sequence[str],
    reach: Mapping[str, Mapping[int, Reach]],
    letters: Mapping[str, Letter],
) -> None:
    """One run's message, on the first of its channels that reaches the contact."""
    for channel in channels:
        one = reach[channel][run.contact_id]
        if one.reason is None:
            row = letters[channel].message(id_, run, one)
            batch.messages.append(row)
            run.settled, run.phase, run.due_at = True, "sending", None
            run.wait = FOR_MESSAGE
            return
    # Refused before it began: the ledger and the timeline say so, the journey goes on (language rule 2d.13).
    channel = channels[0]
    one = reach[channel][run.contact_id]
    batch.messages.append(letters[channel].message(id_, run, one)._replace(status="skipped", reason=one.reason))
    run.finish("done", batch.now, reason=one.reason, channel=channel, message="skipped")


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


class Planned(NamedTuple):
    """The ledger's row for one message, in the order in which it is written."""

    id: int
    dedupe_key: str
    our_message_id: str
    contact_id: int
    enrolment_id: int
    journey_id: str
    step_id: str
    channel: str
    purpose: str
    template_version_id: int | None
    inline: Mapping[str, Any] | None
    rules: Mapping[str, Any]
    address: str | None
    planned_at: datetime
    not_before: datetime
    expires_at: datetime | None
    priority: int
    status: str = "queued"
    reason: str | None = None
    kind: str = "message"
    detail: Mapping[str, Any] = NOTHING
    attempt: int = 0
    is_test: bool = False
    mailbox: str | None = None


class Letter:
    """What the messages that one step sends on one channel have in common; `message` makes each of them."""

    def __init__(self, batch: Batch, program: Program, step: Step, channel: str, version_id: int | None) -> None:
        settings = program.settings
        self.batch, self.step, self.channel, self.version_id = batch, step, channel, version_id
        self.step_id, self.purpose = step["id"], program.resolved["purpose"]
        self.hours = hours_for(settings, channel, step.get("send_hours"))
        self.too_late = step.get("too_late_after") or settings.get("too_late_after") or THREE_DAYS
        self.inline: Mapping[str, Any] | None = None
        if not step.get("message"):
            self.inline = {"subject": step.get("subject") or "", "text": step.get("text") or ""}
        self.key = installation_key(batch.session)
        self._rules = {
            "send_hours": step.get("send_hours"),
            "if_missing": step.get("if_missing") or settings.get("if_missing") or "hold",
            "on_unknown": step.get("on_unknown") or settings.get("on_unknown") or "ask",
            "ignore_limits": bool(step.get("ignore_limits")),
            "too_late_after": dict(self.too_late),
            **({"to": step["to"]} if step.get("to") else {}),
        }
        self._rules_of: dict[str, Mapping[str, Any]] = {}
        self._minutes: dict[ZoneInfo, Minute] = {}

    def message(self, id_: int, run: Run, reach: Reach, *, part: int | None = None) -> Planned:
        """`part` numbers the messages of a step that sends several (`reach`)."""
        visit = f"{run.id}:{run.seq}" if part is None else f"{run.id}:{run.seq}:{part}"
        planned_at = _planned_at(run, self.batch.now)
        minute = self._minute(planned_at, run.zone)
        return Planned(
            id_, f"enrolment:{visit}", message_id(self.key, visit, run.contact_id, run.entered_at),
            run.contact_id, run.id, run.journey_id, self.step_id, self.channel, self.purpose, self.version_id,
            self.inline, self.rules(run), reach.address, planned_at, minute.not_before, minute.expires_at(planned_at),
            run.priority, mailbox=plain_mailbox(reach.address),
        )  # fmt: skip

    def _minute(self, planned_at: datetime, zone: ZoneInfo) -> Minute:
        """Hours and lateness. Runs come in the order of their moments, so the last minute of a zone is nearly always
        the next one's as well."""
        found = self._minutes.get(zone)
        if found is None or not found.begins <= planned_at < found.ends:
            found = minute(self.hours, planned_at, self.batch.now, zone, self.batch.business, self.too_late)
            self._minutes[zone] = found
        return found

    def rules(self, run: Run) -> Mapping[str, Any]:
        """What the message must know when it goes; one and the same object for all that carry the same along."""
        found = None if run.has_data else self._rules_of.get(run.data_text)
        if found is None:
            found = {**self._rules, "values": {"event": dict(run.event), "run": dict(run.values)}}
            if not run.has_data:
                self._rules_of[run.data_text] = found
        return found


def store_messages(batch: Batch) -> None:
    """Write the planned messages; a repeat of the same intention is swallowed by its unique key."""
    decided = _decided_after_a_restore(batch)
    try:
        with batch.session.begin_nested():
            put_rows(batch.connection, Message, Planned._fields, batch.messages)
    except IntegrityError:
        dialect = postgresql if batch.connection.dialect.name == "postgresql" else sqlite
        batch.connection.execute(
            dialect.insert(Message).on_conflict_do_nothing(index_elements=["dedupe_key"]),
            [row._asdict() for row in batch.messages],
        )
    record_many(
        batch.session,
        [
            NewEvent(
                row.contact_id,
                "message_settled" if row.id in decided else "message_skipped",
                batch.now,
                {"channel": row.channel, **decided.get(row.id, {"reason": row.reason})},
                source="journeys",
                message_id=row.id,
                enrolment_id=row.enrolment_id,
                starts_journeys=False,
            )
            for row in batch.messages
            if row.status == "skipped" or row.id in decided
        ],
    )


def _decided_after_a_restore(batch: Batch) -> dict[int, dict[str, Any]]:
    """What people said about runs that may have sent in a time that was lost: "it already went out", or "skip it".
    Such a message is noted and not sent (see `panel.journeys.restoring`). Returns what the timeline shall say."""
    said = {run.id: run for run in batch.runs if run.carried.get("restored")}
    decided: dict[int, dict[str, Any]] = {}
    for at, row in enumerate(batch.messages if said else ()):
        run = said.get(row.enrolment_id)
        if run is None or row.status != "queued":
            continue
        went = run.carried["restored"]["what"] == "already"
        if went:
            batch.messages[at] = row._replace(status="sent", reason="settled_sent")
        else:
            batch.messages[at] = row._replace(status="skipped", reason="settled_not_sent")
        run.due_at = batch.now
        decided[row.id] = {"outcome": "arrived" if went else "skip", "by": "person"}
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
