"""Journeys: definitions (immutable versions), and what happened to people in them.

The tables follow the engine's design: an enrolment is one run of one contact through one journey, a step run is one
visit of one step, an entry check is a start that was considered and refused.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId

_OPEN = text("status IN ('active', 'held')")
_ACTIVE = text("status = 'active'")
_STANDING = text("status = 'active' AND due_at IS NULL")
_HELD = text("status = 'held'")


class Journey(Base):
    """A journey by its identity. `state`: draft | live | paused | closing | ended. `draft_*` is the text being edited,
    saved even when broken; what runs is `live_version_id` and nothing else."""

    __tablename__ = "journeys"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(300), default="")
    state: Mapped[str] = mapped_column(String(10), default="draft")
    live_version_id: Mapped[int | None] = mapped_column(BigId)
    draft_text: Mapped[str | None] = mapped_column(Text)
    draft_sha256: Mapped[str | None] = mapped_column(String(64))
    draft_saved_at: Mapped[datetime | None]
    draft_saved_by: Mapped[int | None] = mapped_column(BigId)
    labels: Mapped[list[str]] = mapped_column(default=list)
    review_due: Mapped[date | None]
    paused_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class JourneyVersion(Base):
    """A published version: the text as written and the resolved program that the engine runs. Never changed."""

    __tablename__ = "journey_versions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    journey_id: Mapped[str] = mapped_column(String(80), ForeignKey("journeys.id"))
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    source_yaml: Mapped[str] = mapped_column(Text)
    resolved: Mapped[dict[str, Any]]
    published_at: Mapped[datetime]
    published_by: Mapped[int | None] = mapped_column(BigId)
    note: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (UniqueConstraint("journey_id", "number"), UniqueConstraint("journey_id", "sha256"))


class JourneyFile(Base):
    """What we last read of journeys.yaml on disk, so that a change is noticed once. `seen` maps each journey to the
    sha256 of its text there: an edit in the panel is only replaced when that very journey changed on disk."""

    __tablename__ = "journey_files"

    path: Mapped[str] = mapped_column(String(500), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    read_at: Mapped[datetime]
    problems: Mapped[list[Any]] = mapped_column(default=list)
    seen: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Enrolment(Base):
    """One run of one contact through one journey.

    `status`: active | held | finished | goal | stopped | excluded | removed | error. `seq` counts step visits and
    is the position in the trace. `phase` says what the run does at `step_id`: "" (about to take it), "waiting" or
    "sending". Nothing waits in a queue: `due_at` is when to look again.
    """

    __tablename__ = "enrolments"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    journey_id: Mapped[str] = mapped_column(String(80))
    version_id: Mapped[int] = mapped_column(BigId)
    contact_id: Mapped[int] = mapped_column(BigId)
    entry_key: Mapped[str] = mapped_column(String(200), default="")
    run_no: Mapped[int] = mapped_column(default=1)
    entered_event: Mapped[int | None] = mapped_column(BigId)
    entered_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(10), default="active")
    reason: Mapped[str | None] = mapped_column(String(40))
    step_id: Mapped[str | None] = mapped_column(String(120))
    step_began_at: Mapped[datetime]
    seq: Mapped[int] = mapped_column(default=0)
    phase: Mapped[str] = mapped_column(String(10), default="")
    due_at: Mapped[datetime | None]
    wait: Mapped[dict[str, Any]] = mapped_column(default=dict)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)  # entry event's fields, visit counts of go_to
    priority: Mapped[int] = mapped_column(default=5)
    depth: Mapped[int] = mapped_column(default=0)
    is_test: Mapped[bool] = mapped_column(default=False)
    held_issue: Mapped[int | None] = mapped_column(BigId)
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("journey_id", "contact_id", "entry_key", "run_no"),
        UniqueConstraint("journey_id", "entered_event"),
        Index(
            "uq_enrolments_open",
            "journey_id",
            "contact_id",
            "entry_key",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_enrolments_due", "priority", "due_at", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index("ix_enrolments_standing", "id", sqlite_where=_STANDING, postgresql_where=_STANDING),
        Index("ix_enrolments_held", "held_issue", sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_enrolments_contact_id", "contact_id"),
        Index("ix_enrolments_journey_id_status", "journey_id", "status", "step_id"),
    )


class EntryCheck(Base):
    """A start that was considered and refused. Repeats (same contact, journey, outcome, day) are counted up."""

    __tablename__ = "entry_checks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    journey_id: Mapped[str] = mapped_column(String(80))
    version_id: Mapped[int | None] = mapped_column(BigId)
    contact_id: Mapped[int] = mapped_column(BigId)
    event_id: Mapped[int | None] = mapped_column(BigId)
    at: Mapped[datetime]
    day: Mapped[date]
    outcome: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    count: Mapped[int] = mapped_column(default=1)

    __table_args__ = (UniqueConstraint("contact_id", "journey_id", "outcome", "day"),)


class StepRun(Base):
    """One visit of one step, written in the transaction that moves on."""

    __tablename__ = "step_runs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(BigId)
    seq: Mapped[int]
    step_id: Mapped[str] = mapped_column(String(120))
    path: Mapped[str] = mapped_column(String(300), default="")
    version_id: Mapped[int] = mapped_column(BigId)
    kind: Mapped[str] = mapped_column(String(20))
    outcome: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("enrolment_id", "seq"),)


class Audience(Base):
    """A condition that is watched over everybody: a `becomes_true` trigger or a segment (see `engine.audiences`).

    `id` is "segment:<id>" or "journey:<id>:<fingerprint>"; `name` is what `in_segment` calls a segment. `settings` hold
    whose clock counts, the purpose for `can_reach`, and `check`. Events up to `seen_event` that start nothing are known
    to it; a `fresh` one may have missed events that were routed while its first answers were taken. `check_at` is when
    to ask again about everybody, for conditions that change without an event and without a date.
    """

    __tablename__ = "audiences"

    id: Mapped[str] = mapped_column(String(140), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    condition: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    seen_event: Mapped[int] = mapped_column(BigId, default=0)
    fresh: Mapped[bool] = mapped_column(default=False)
    check_at: Mapped[datetime | None]
    taken_at: Mapped[datetime]
    changed_at: Mapped[datetime]  # when somebody last came in or went out


class AudienceState(Base):
    """For whom a watched condition holds, and when time alone may change that. Without a row: it does not hold, and
    only an event can change it."""

    __tablename__ = "audience_states"

    audience: Mapped[str] = mapped_column(String(140))
    contact_id: Mapped[int] = mapped_column(BigId)
    is_true: Mapped[bool]
    since: Mapped[datetime]
    recheck_at: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("audience", "contact_id"),
        Index("ix_audience_states_contact_id", "contact_id"),
        Index(
            "ix_audience_states_recheck",
            "recheck_at",
            sqlite_where=text("recheck_at IS NOT NULL"),
            postgresql_where=text("recheck_at IS NOT NULL"),
        ),
    )


class WaitingEntry(Base):
    """A start that waits for its turn because of `entry_limit`. In the order of ids; the row goes when it is decided.

    `start` is the candidate as it came: {"trigger", "at", "event_id", "kind", "data", "depth", "user_id", "chain"}.
    """

    __tablename__ = "waiting_entries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    journey_id: Mapped[str] = mapped_column(String(80))
    contact_id: Mapped[int] = mapped_column(BigId)
    entry_key: Mapped[str] = mapped_column(String(200), default="")
    start: Mapped[dict[str, Any]] = mapped_column(default=dict)
    waits_since: Mapped[datetime]
    due_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("journey_id", "contact_id", "entry_key"),
        Index("ix_waiting_entries_due_at", "due_at"),
        Index("ix_waiting_entries_contact_id", "contact_id"),
    )


class EntryPlan(Base):
    """How far the planner has looked for one date or schedule of a journey (`rule` names it, see `engine.dates`).

    `looked_at`: all that was due until then is planned. `full_at`: when it last looked at every contact and not only at
    those who had changed; with which version."""

    __tablename__ = "entry_plans"

    journey_id: Mapped[str] = mapped_column(String(80))
    rule: Mapped[str] = mapped_column(String(140))
    version_id: Mapped[int] = mapped_column(BigId)
    looked_at: Mapped[datetime]
    full_at: Mapped[datetime]

    __table_args__ = (PrimaryKeyConstraint("journey_id", "rule"),)


class PlannedEntry(Base):
    """An entry that a date or a schedule plans; the primary key makes planning twice harmless.

    `occurrence` is the day that comes round, `due_at` the moment on the contact's clock (before or after that day)."""

    __tablename__ = "planned_entries"

    journey_id: Mapped[str] = mapped_column(String(80))
    rule: Mapped[str] = mapped_column(String(140))
    contact_id: Mapped[int] = mapped_column(BigId)
    occurrence: Mapped[date]
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("journey_id", "rule", "contact_id", "occurrence"),
        Index(
            "ix_planned_entries_due",
            "due_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )
