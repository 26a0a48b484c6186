"""What a crash run showed, and the judge: the mail server's own log beside the ledger, row by row."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from panel.db import db, reading
from panel.journeys.models import Enrolment, StepRun
from panel.messages.models import Message
from panel.timeline.models import Event
from tests.fixtures.smtp import SmtpSink

MAILS = 2  # to each contact that was not stopped
IN_DOUBT = ("accepted_then_dropped", "dropped_before_accepting")  # what the sink does that nobody could know the end of


@dataclass
class Report:
    """All lists are empty in a sound engine. Numbers in them are message, run or contact ids."""

    seed: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    sink_faults: Counter[str] = field(default_factory=Counter)
    contacts: int = 0
    messages: int = 0
    stops: int = 0
    unknown_by_kill: int = 0
    unknown_by_sink: int = 0
    unknown_really_sent: int = 0
    held: int = 0  # messages that stopped their worker three times by mere chance; a person let them try again
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    disagree: list[tuple[int, str, int]] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    unfinished: list[tuple[int, str]] = field(default_factory=list)  # with all that is stored about the run
    unrouted: list[int] = field(default_factory=list)
    entered_twice: list[int] = field(default_factory=list)
    after_stop: list[int] = field(default_factory=list)
    integrity: str = "ok"
    stories: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    @property
    def wrong(self) -> dict[str, Any]:
        """What a sound engine would not show, by name."""
        found: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                *("lost", "twice", "disagree", "gaps", "unfinished", "unrouted", "entered_twice", "after_stop"),
            )
            if getattr(self, name)
        }
        if self.integrity != "ok":
            found["integrity"] = self.integrity
        # A worker that is stopped across its lease may leave one in doubt too, like one that is killed.
        if self.unknown_by_kill > self.killed + self.faults["suspended"]:
            found["unknown_by_kill"] = self.unknown_by_kill
        return found


def accepted_by(log: Path) -> dict[str, list[Any]]:
    """What the mail server accepted, by our message id."""
    found: dict[str, list[Any]] = defaultdict(list)
    for one in SmtpSink(log).accepted:
        found[_key(one.message_id)].append(one)
    return found


def faults_of(log: Path) -> tuple[Counter[str], set[str]]:
    """What the mail server did wrong, and the ids of the messages it left in doubt."""
    path = Path(f"{log}.faults")
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return Counter(row["fault"] for row in rows), {_key(row["message_id"]) for row in rows if row["fault"] in IN_DOUBT}


def _key(message_id: str) -> str:
    return message_id.strip("<> ").partition("@")[0]


def judge(report: Report, log: Path, contacts: Sequence[int], stopped: dict[int, datetime]) -> None:
    """Compare everything with everything. `stopped`: when the commit of a contact's stop had returned."""
    accepted = accepted_by(log)
    arrived: Counter[int] = Counter()
    report.contacts, report.stops = len(contacts), len(stopped)
    known = set()
    with reading() as session:
        for row in session.execute(
            select(
                Message.id, Message.our_message_id, Message.status, Message.contact_id, Message.wire_at,
                Message.content_sha256,
            )
        ):  # fmt: skip
            report.messages += 1
            known.add(row.our_message_id)
            mails = accepted.get(row.our_message_id, [])
            if len(mails) > 1:
                report.twice.append(row.id)
            if row.status == "sent" and not mails:
                report.lost.append(row.id)
            same = not mails or mails[-1].sha256 == row.content_sha256
            if (row.status == "sent") != (len(mails) == 1) or not same:
                report.disagree.append((row.id, row.status, len(mails)))
            if mails:
                arrived[row.contact_id] += 1
            # The sink's clock and the ledger's: neither the mark nor the mail may be later than the stop's commit.
            stop = stopped.get(row.contact_id)
            if mails and stop is not None and row.wire_at is not None and row.wire_at > stop:
                report.after_stop.append(row.id)
        for id_ in report.twice[:3]:
            message = session.get_one(Message, id_)
            report.stories.append(
                "\n   ".join([
                    *(str(datetime.fromtimestamp(one.at, UTC)) for one in accepted[message.our_message_id]),
                    str(message.detail), str(message.attempt_token), _story(session, message.enrolment_id or 0),
                ])
            )  # fmt: skip
        report.disagree += [(0, key, len(mails)) for key, mails in accepted.items() if key not in known]
        report.lost += [one for one in contacts if one not in stopped and arrived[one] != MAILS]
        report.twice += [one for one in contacts if arrived[one] > MAILS]
        _judge_runs(report, session)
        if db.engine.dialect.name == "sqlite":
            report.integrity = session.execute(text("PRAGMA integrity_check")).scalar_one()
    report.sink_faults = faults_of(log)[0]


def _judge_runs(report: Report, session: Session) -> None:
    sequences: dict[int, list[int]] = defaultdict(list)
    for id_, seq in session.execute(select(StepRun.enrolment_id, StepRun.seq)):
        sequences[id_].append(seq)
    runs: Counter[int] = Counter()
    for row in session.execute(select(Enrolment.id, Enrolment.contact_id, Enrolment.status, Enrolment.seq)):
        runs[row.contact_id] += 1
        if row.status not in ("finished", "stopped"):
            report.unfinished.append((row.id, _story(session, row.id)))
        if sorted(sequences[row.id]) != list(range(row.seq)) and sorted(sequences[row.id]) != list(
            range(1, row.seq + 1)
        ):
            report.gaps.append(row.id)
    report.entered_twice = [contact for contact, count in runs.items() if count > 1]
    report.unrouted = list(session.scalars(select(Event.id).where(Event.routed_at.is_(None))))


def _story(session: Session, enrolment_id: int) -> str:
    run = session.get_one(Enrolment, enrolment_id)
    facts = [
        f"{name}={getattr(run, name)}" for name in ("status", "reason", "phase", "step_id", "due_at", "wait", "seq")
    ]
    for one in session.scalars(select(Message).where(Message.enrolment_id == enrolment_id)):
        names = ("id", "step_id", "status", "reason", "attempt", "wire_at", "sent_at", "settled_by")
        facts.append(str({name: str(getattr(one, name)) for name in names}))
    for step in session.scalars(select(StepRun).where(StepRun.enrolment_id == enrolment_id)):
        facts.append(f"{step.seq} {step.step_id} {step.outcome} {step.ended_at}")
    for event in session.scalars(select(Event).where(Event.enrolment_id == enrolment_id).order_by(Event.id)):
        facts.append(f"event {event.kind} {event.received_at} routed {event.routed_at}")
    return "\n   ".join(facts)
