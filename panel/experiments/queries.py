"""Reads about tests."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, case, exists, func, select
from sqlalchemy.orm import Session, aliased

from panel.contacts.models import Contact
from panel.experiments.models import Experiment, ExperimentAssignment


def newest(session: Session, journey_id: str | None = None) -> list[Experiment]:
    """The newest round of each test (of one journey): those that ask first, then those that run, then by age."""
    latest = (
        select(Experiment.journey_id, Experiment.split_id, func.max(Experiment.round).label("round"))
        .group_by(Experiment.journey_id, Experiment.split_id)
        .subquery()
    )
    query = select(Experiment).join(
        latest,
        (Experiment.journey_id == latest.c.journey_id)
        & (Experiment.split_id == latest.c.split_id)
        & (Experiment.round == latest.c.round),
    )
    if journey_id is not None:
        query = query.where(Experiment.journey_id == journey_id)
    order = case({"asked": 0, "running": 1}, value=Experiment.state, else_=2)
    return list(session.scalars(query.order_by(order, Experiment.created_at.desc(), Experiment.id)))


def asking_query() -> Select[int]:
    """How many tests wait for somebody's choice in their newest round: a query of one number, for the frame."""
    later = aliased(Experiment)
    over = exists().where(
        later.journey_id == Experiment.journey_id,
        later.split_id == Experiment.split_id,
        later.round > Experiment.round,
    )
    return select(func.count()).select_from(Experiment).where(Experiment.state == "asked", ~over)


def rounds(session: Session, journey_id: str, split_id: str) -> list[Experiment]:
    """All rounds of one test, newest first."""
    return list(
        session.scalars(
            select(Experiment)
            .where(Experiment.journey_id == journey_id, Experiment.split_id == split_id)
            .order_by(Experiment.round.desc())
        )
    )


def entered(session: Session, experiments: Sequence[Experiment]) -> dict[int, int]:
    """How many contacts each of these was given to, right now: people, as they are counted in the results."""
    found = {}
    for one in experiments:
        found[one.id] = (
            session.scalar(
                select(func.count())
                .select_from(ExperimentAssignment)
                .join(Contact, Contact.id == ExperimentAssignment.contact_id)
                .where(
                    ExperimentAssignment.journey_id == one.journey_id,
                    ExperimentAssignment.split_id == one.split_id,
                    ExperimentAssignment.round == one.round,
                    Contact.erased_at.is_(None),
                    Contact.merged_into_id.is_(None),
                )
            )
            or 0
        )
    return found


def entered_by_variant(session: Session, experiment: Experiment) -> dict[str, int]:
    rows = session.execute(
        select(ExperimentAssignment.variant, func.count())
        .join(Contact, Contact.id == ExperimentAssignment.contact_id)
        .where(
            Contact.erased_at.is_(None),
            Contact.merged_into_id.is_(None),
            ExperimentAssignment.journey_id == experiment.journey_id,
            ExperimentAssignment.split_id == experiment.split_id,
            ExperimentAssignment.round == experiment.round,
        )
        .group_by(ExperimentAssignment.variant)
    )
    return {variant: count for variant, count in rows}
