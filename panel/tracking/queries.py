"""Reads about hits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.messages.models import Message, Skeleton
from panel.tracking.models import TrackingHit


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
