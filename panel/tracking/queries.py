"""Reads about hits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.messages.models import Message, Skeleton
from panel.tracking.models import TrackingHit


@dataclass(frozen=True)
class LinkUse:
    """A tracked link of one message: its target, how often a person followed it, how often a machine."""

    url: str
    people: int
    machines: int


def link_use(session: Session, message: Message) -> list[LinkUse]:
    """Every tracked link of a message, in order, with its clicks."""
    targets = session.scalar(select(Skeleton.links).where(Skeleton.sha256 == message.skeleton)) or []
    counts: dict[tuple[int | None, bool], int] = {}
    for link, verdict, count in session.execute(
        select(TrackingHit.link, TrackingHit.verdict, func.count())
        .where(TrackingHit.message_id == message.id, TrackingHit.kind == "click")
        .group_by(TrackingHit.link, TrackingHit.verdict)
    ):
        place = (link, verdict == "machine")
        counts[place] = counts.get(place, 0) + count
    return [LinkUse(url, counts.get((n, False), 0), counts.get((n, True), 0)) for n, url in enumerate(targets)]


@dataclass(frozen=True)
class LinkClicks:
    """A tracked link of one message and every click on it, oldest first."""

    url: str
    clicks: list[TrackingHit]


def link_clicks(session: Session, message: Message) -> list[LinkClicks]:
    """Every tracked link of a message, in order, with each click on it: its time, verdict and reason."""
    targets = session.scalar(select(Skeleton.links).where(Skeleton.sha256 == message.skeleton)) or []
    found = [LinkClicks(url, []) for url in targets]
    query = select(TrackingHit).where(TrackingHit.message_id == message.id, TrackingHit.kind == "click")
    for hit in session.scalars(query.order_by(TrackingHit.at, TrackingHit.id)):
        if hit.link is not None and 0 <= hit.link < len(found):
            found[hit.link].clicks.append(hit)
    return found


def hits(session: Session, message_id: int) -> list[TrackingHit]:
    """All hits on a message as they came, oldest first."""
    query = select(TrackingHit).where(TrackingHit.message_id == message_id)
    return list(session.scalars(query.order_by(TrackingHit.at, TrackingHit.id)))
