"""One contact, day by day: what would happen, with the very engine that would do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel import clock
from panel.calendars import Reader
from panel.contacts.models import Contact
from panel.contacts.queries import aliases, canonical
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys import operations
from panel.journeys.file import read_file
from panel.journeys.models import Journey, StepRun
from panel.journeys.names import labels, vocabulary
from panel.journeys.simulate.beginning import begin, make_live
from panel.journeys.simulate.installed import settings
from panel.journeys.simulate.play import NeverRestsError, play
from panel.journeys.simulate.sender import send_due
from panel.journeys.simulate.stage import snapshot, stage
from panel.journeys.simulate.story import Line, Teller
from panel.journeys.simulate.wishes import RESULTS, Happenings, Wishes
from panel.messages.models import Message
from panel.sdk.channels import Shown

LONGEST_DAYS = 400


@dataclass(frozen=True)
class Asked:
    """What to try. `start`: let the journey begin now, by its trigger number `trigger_no`; without it only what is
    under way goes on. `draft`: the text that nobody has published yet; `text` tries this very text instead."""

    contact_id: int
    journey_id: str
    days: int = 60
    start: bool = True
    trigger_no: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    draft: bool = False
    text: str | None = None
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True)
class Simulation:
    """What would happen between `start` and `until`. `is_cut`: too much would happen, so it ends early."""

    contact_id: int
    contact: str
    journey_id: str
    journey: str
    start: datetime
    until: datetime
    lines: list[Line]
    is_draft: bool = False
    is_cut: bool = False


def simulate(asked: Asked, reader: Reader, *, now: datetime | None = None) -> Simulation:
    """Play one contact in one journey. Needs an application context; nothing is written and nothing is sent.

    Raises UserError when the contact or the journey is not there, when a journey has nothing that could run, and
    NotPublishedError (with every problem) when a draft has mistakes.
    """
    start = now or clock.now()
    days = max(1, min(asked.days, LONGEST_DAYS))
    with snapshot() as source:
        contact_id, ids = _contact(source, asked.contact_id)
        if source.get(Journey, asked.journey_id) is None:
            raise UserError("no_journey", N_("There is no journey called %(journey)s"), journey=asked.journey_id)
        with stage(source, ids) as session, clock.hold(start):
            return _play(session, asked, reader, contact_id, ids, start, start + timedelta(days=days))


def _contact(source: Session, contact_id: int) -> tuple[int, list[int]]:
    contact = source.get(Contact, contact_id)
    if contact is None:
        raise UserError("no_contact", N_("There is no contact %(contact)s"), contact=contact_id)
    contact_id = canonical(source, contact_id)
    return contact_id, aliases(source, contact_id)


def _play(
    session: Session, asked: Asked, reader: Reader, contact_id: int, ids: list[int], start: datetime, until: datetime
) -> Simulation:
    is_draft = _publish_draft(session, asked, start)
    journey = make_live(session, asked.journey_id)
    if journey is None:
        raise UserError(
            "journey_not_published",
            N_("%(journey)s was never published. Try its draft instead."),
            journey=asked.journey_id,
        )
    shown: dict[int, Shown] = {}
    teller = Teller(
        session, ids, reader, labels(session), start, _last(session, StepRun), _last(session, Message), shown
    )
    happenings = Happenings(asked.wishes, contact_id, start, journey.program)

    def send(session: Session, now: datetime) -> int:
        before = set(shown)
        done = send_due(session, now, lambda _row: RESULTS[asked.wishes.fate], shown)
        if asked.wishes.fate == "sent":
            for id_ in shown.keys() - before:
                happenings.message_sent(id_, session.get_one(Message, id_).channel, now)
        return done

    if asked.start:
        count = len(journey.program.resolved["start_when"])
        begin(session, contact_id, asked.journey_id, min(asked.trigger_no, count - 1), asked.data, start)
    try:
        reached = play(session, start, until, send, [happenings])
        is_cut = reached < until
    except NeverRestsError:
        is_cut = True
    contact = session.get_one(Contact, contact_id)
    return Simulation(
        contact_id=contact_id,
        contact=contact.name,
        journey_id=asked.journey_id,
        journey=str(journey.program.resolved["name"]),
        start=start,
        until=until,
        lines=teller.lines(happenings.said),
        is_draft=is_draft,
        is_cut=is_cut,
    )


def _publish_draft(session: Session, asked: Asked, now: datetime) -> bool:
    """Publish the text that is being written, in the copy; the same checks hold as for publishing it for good."""
    journey = session.get_one(Journey, asked.journey_id)
    text = asked.text if asked.text is not None else journey.draft_text
    if text is None or not (asked.draft or asked.text is not None):
        return False
    path = settings().journeys_file
    operations.publish(
        session, asked.journey_id, text=text, file_text=read_file(path).text, vocabulary=vocabulary(session), now=now
    )
    return True


def _last(session: Session, model: Any) -> int:
    return session.scalar(select(func.max(model.id))) or 0
