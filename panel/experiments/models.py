"""Experiments: the tests that a `split` step makes, and who was given what in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class Experiment(Base):
    """One round of the test at one split.

    `state`: running | asked | winner | no_winner | ended. While it is `running` or `asked`, and after `no_winner`
    without a `winner`, those who arrive are still divided; a `winner` ("" is the hold-out) is given to all who arrive
    after the decision. `ended`: the variants were changed (the next round goes on) or the split was removed.

    `fingerprint` says what the variants were, so that a changed one begins a new round. `started_at` is the moment of
    the first contact in. `numbers` is what was last counted (see `panel.experiments.results`); it is final once the
    test is decided. `looked_at` is the planned look, which happens at most once.
    """

    __tablename__ = "experiments"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    journey_id: Mapped[str] = mapped_column(String(80))
    split_id: Mapped[str] = mapped_column(String(120))
    round: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))
    version_id: Mapped[int] = mapped_column(BigId)
    state: Mapped[str] = mapped_column(String(10), default="running")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    counted_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(BigId)  # None: by the rules of the journey
    winner: Mapped[str | None] = mapped_column(String(120))
    numbers: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (
        UniqueConstraint("journey_id", "split_id", "round"),
        Index("ix_experiments_state", "state"),
    )


class ExperimentAssignment(Base):
    """Which variant of a split a contact was given ("" is the hold-out): stored in passing, never moved."""

    __tablename__ = "experiment_assignments"

    journey_id: Mapped[str] = mapped_column(String(80))
    split_id: Mapped[str] = mapped_column(String(120))
    round: Mapped[int] = mapped_column(default=1)
    contact_id: Mapped[int] = mapped_column(BigId)
    variant: Mapped[str] = mapped_column(String(120))
    version_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime]

    __table_args__ = (PrimaryKeyConstraint("journey_id", "split_id", "round", "contact_id"),)
