"""Giving contacts their variant: once, stored at the moment of passing, never moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.db import connection_of, table_of
from panel.experiments.models import Experiment, ExperimentAssignment
from panel.experiments.rules import HOLD_OUT, Arm, arm_of, bucket_of, issue_key, uncounted_key
from panel.issues.operations import resolve_issue

DECIDED = ("winner", "no_winner")


@dataclass(frozen=True)
class Divided:
    """A split as one version of a journey has it. `fingerprint` says what the variants are (see `Experiment`), `plan`
    when and how strictly they are judged."""

    journey_id: str
    split_id: str
    variants: tuple[Arm, ...]
    hold_out: int
    fingerprint: str
    version_id: int
    plan: str

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(one.key for one in self.variants) | ({HOLD_OUT} if self.hold_out else set())


@dataclass(frozen=True)
class Given:
    """`winner`: not divided any more, everybody gets what won. `bucket` is None then."""

    variant: str
    round: int
    bucket: int | None
    winner: bool = False


def assign_many(session: Session, split: Divided, contact_ids: Collection[int], now: datetime) -> dict[int, Given]:
    """The variant of each of these contacts, stored for those who have none yet.

    Who was ever given a variant that still exists keeps it and counts in the round in which it was given. After a
    decision for a winner, whoever arrives gets the winner and nothing is stored.
    """
    experiment = round_for(session, split, now)
    if experiment.winner is not None and stays_decided(experiment, split):
        return {one: Given(experiment.winner, experiment.round, None, winner=True) for one in contact_ids}
    known = _known(session, split, contact_ids)
    missing = [one for one in contact_ids if one not in known]
    if missing:
        _store(session, split, experiment.round, missing, now)
        known |= _known(session, split, missing)
        if experiment.started_at is None:
            connection_of(session).execute(
                update(Experiment)
                .where(Experiment.id == experiment.id, Experiment.started_at.is_(None))
                .values(started_at=now)
            )
    return {one: Given(*known[one], bucket_of(split.journey_id, split.split_id, one)) for one in contact_ids}


@dataclass(frozen=True)
class Round:
    id: int
    round: int
    state: str
    winner: str | None
    fingerprint: str
    started_at: datetime | None
    version_id: int


def round_for(session: Session, split: Divided, now: datetime) -> Round:
    """The round in which contacts who come by this version of the split are counted; made when there is none.

    A decided test stays decided as long as its winner exists. Otherwise it is the newest round of just these variants:
    those who come by on an older version count in the round of that version, or in the one before the newest, which has
    ended and judges nobody.
    """
    rounds = rounds_of(session, split.journey_id, split.split_id)
    newest = rounds[-1] if rounds else None
    if newest is not None and stays_decided(newest, split):
        return newest
    same = [one for one in rounds if one.fingerprint == split.fingerprint]
    if same:
        return same[-1]
    if newest is not None and split.version_id < newest.version_id and len(rounds) > 1:
        # An older version whose variants were never tested, because its test was decided then. A round of its own would
        # stand before the one that runs, and nobody could see or decide that one any more.
        return rounds[-2]
    return begin_round(session, split, newest.round + 1 if newest else 1, now)


def stays_decided(newest: Round, split: Divided) -> bool:
    return newest.state in DECIDED and newest.winner is not None and newest.winner in (split.keys | {HOLD_OUT})


def rounds_of(session: Session, journey_id: str, split_id: str) -> list[Round]:
    """All rounds of a split, oldest first."""
    rows = connection_of(session).execute(
        select(
            Experiment.id,
            Experiment.round,
            Experiment.state,
            Experiment.winner,
            Experiment.fingerprint,
            Experiment.started_at,
            Experiment.version_id,
        )
        .where(Experiment.journey_id == journey_id, Experiment.split_id == split_id)
        .order_by(Experiment.round)
    )
    return [Round(*row) for row in rows]


def begin_round(session: Session, split: Divided, number: int, now: datetime) -> Round:
    """Make the round; when two workers meet here, both get the one that was made first."""
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(Experiment)
        .values(
            journey_id=split.journey_id,
            split_id=split.split_id,
            round=number,
            fingerprint=split.fingerprint,
            version_id=split.version_id,
            state="running",
            created_at=now,
            numbers={},
        )
        .on_conflict_do_nothing(index_elements=["journey_id", "split_id", "round"])
    )
    return next(one for one in rounds_of(session, split.journey_id, split.split_id) if one.round == number)


def _known(session: Session, split: Divided, contact_ids: Collection[int]) -> dict[int, tuple[str, int]]:
    """The newest assignment of each contact to a variant that this version still has: {contact: (variant, round)}."""
    rows = connection_of(session).execute(
        select(ExperimentAssignment.contact_id, ExperimentAssignment.variant, ExperimentAssignment.round)
        .where(
            ExperimentAssignment.journey_id == split.journey_id,
            ExperimentAssignment.split_id == split.split_id,
            ExperimentAssignment.contact_id.in_(contact_ids),
        )
        .order_by(ExperimentAssignment.round)
    )
    keys = split.keys | {HOLD_OUT}  # whoever was held out stays out, also when nobody new is
    return {contact_id: (variant, number) for contact_id, variant, number in rows if variant in keys}


def _store(session: Session, split: Divided, number: int, contact_ids: Sequence[int], now: datetime) -> None:
    connection = connection_of(session)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(table_of(ExperimentAssignment)).on_conflict_do_nothing(),
        [
            {
                "journey_id": split.journey_id,
                "split_id": split.split_id,
                "round": number,
                "contact_id": one,
                "variant": arm_of(bucket_of(split.journey_id, split.split_id, one), split.variants),
                "version_id": split.version_id,
                "at": now,
            }
            for one in contact_ids
        ],
    )


PlanOf = Callable[[int, str], str | None]  # (version, split): the plan as that version has it; None: it is gone


def goes_on(newest: Round, split: Divided, plan_of: PlanOf) -> bool:
    """Whether a version with this split leaves the newest round as it is.

    The plan holds from the first contact on: whoever could move a look, or ask for less certainty, with the numbers in
    sight would sooner or later find a difference that is none.
    """
    if stays_decided(newest, split):
        return True
    if newest.fingerprint != split.fingerprint or newest.state == "ended":
        return False
    return newest.started_at is None or plan_of(newest.version_id, split.split_id) in (split.plan, None)


def follow_version(
    session: Session, journey_id: str, splits: Mapping[str, Divided], now: datetime, *, plan_of: PlanOf
) -> list[str]:
    """A version of a journey goes live: begin a new round where the variants or the plan of an undecided test are not
    the same, end the tests whose split is gone. Returns the splits with a new round after an older one."""
    connection = connection_of(session)
    renewed = []
    for split in splits.values():
        rounds = rounds_of(session, journey_id, split.split_id)
        if not rounds:
            begin_round(session, split, 1, now)
            continue
        newest = rounds[-1]
        going_on = goes_on(newest, split, plan_of)
        if going_on and newest.started_at is None and newest.version_id != split.version_id:
            # Nobody has come yet, so the new plan is the one it begins with, unless somebody comes in this moment.
            taken = connection.execute(
                update(Experiment)
                .where(Experiment.id == newest.id, Experiment.started_at.is_(None))
                .values(version_id=split.version_id)
            )
            going_on = bool(taken.rowcount) or plan_of(newest.version_id, split.split_id) in (split.plan, None)
        if going_on:
            continue
        begin_round(session, split, newest.round + 1, now)
        renewed.append(split.split_id)
    newest_rounds = (
        select(Experiment.split_id, func.max(Experiment.round).label("round"))
        .where(Experiment.journey_id == journey_id)
        .group_by(Experiment.split_id)
        .subquery()
    )
    newest_ids = (
        select(Experiment.id)
        .join(
            newest_rounds,
            (Experiment.split_id == newest_rounds.c.split_id) & (Experiment.round == newest_rounds.c.round),
        )
        .where(Experiment.journey_id == journey_id, Experiment.split_id.in_(list(splits)))
    )
    ended = connection.execute(
        update(Experiment)
        .where(
            Experiment.journey_id == journey_id,
            Experiment.state.in_(("running", "asked")),
            Experiment.id.not_in(newest_ids),
        )
        .values(state="ended")
        .returning(Experiment.split_id, Experiment.round)
    ).all()
    for split_id, number in ended:  # nobody can choose in it any more
        resolve_issue(session, issue_key(journey_id, split_id, number))
        resolve_issue(session, uncounted_key(journey_id, split_id, number))
    return renewed
