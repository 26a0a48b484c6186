"""A small world to run journeys in: contacts, templates, a recording channel, and a clock that jumps to what is due."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.operations import opt_in
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import db, reading, writing
from panel.journeys.engine import audiences, becoming, dates
from panel.journeys.engine.actions import perform_calls
from panel.journeys.engine.advance import advance
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.reap import reap
from panel.journeys.engine.route import route
from panel.journeys.language import carry_over, check
from panel.journeys.models import Enrolment, EntryCheck, Journey, JourneyVersion, StepRun
from panel.messages.models import Message, Template, TemplateForm, TemplateVersion
from panel.sdk.context import NewContact
from panel.sdk.testing import RecordingChannel
from panel.timeline.models import Event
from panel.timeline.operations import record

HEADER = "language: 1\njourneys:\n"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class World:
    def __init__(self, now: datetime, channels: Mapping[str, RecordingChannel]) -> None:
        self.now = now
        self.channels = channels

    # Setting the scene

    def contact(self, name: str = "Dana Levi", *, consent: Iterable[str] = ("email", "sms"), **more: Any) -> int:
        local = hashlib.sha256(name.encode()).hexdigest()[:10]
        new = NewContact(
            name=name,
            emails=more.pop("emails", (f"{local}@example.com",)),
            phones=more.pop("phones", (f"+97252{int(local, 16) % 10_000_000:07d}",)),
            language=more.pop("language", None),
        )
        with clock.hold(self.now), writing() as session:
            contact_id = create_contact(session, new, how="manual", now=self.now)
            for channel in consent:
                opt_in(session, contact_id, channel, how="form", wording="yes", source="test", now=self.now)
            if more.get("time_zone"):
                session.get_one(Contact, contact_id).time_zone = more["time_zone"]
        return contact_id

    def template(
        self, name: str, text: str = "Hello [[first name|friend]]", channels: Iterable[str] = ("email",)
    ) -> None:
        with writing() as session:
            template = Template(name=name, created_at=self.now, updated_at=self.now)
            session.add(template)
            session.flush()
            version = TemplateVersion(template_id=template.id, number=1, created_at=self.now)
            version.forms = [TemplateForm(channel=one, subject=name, text=text) for one in channels]
            session.add(version)
            session.flush()
            template.current_version_id = version.id

    def publish(self, body: str, *, number: int = 1, carry: bool = False) -> None:
        """Check and store a journey (the text below `journeys:`) as live. `carry`: steps keep what they are known by,
        as when it is published in the panel."""
        text = HEADER + "".join(f"  {line}\n" for line in body.strip("\n").splitlines())
        checked = check(text)
        assert not checked.problems, [problem.words("en") for problem in checked.problems]
        with writing() as session:
            for identity, found in checked.journeys.items():
                assert found.program is not None
                journey = session.get(Journey, identity)
                if journey is None:
                    journey = Journey(
                        id=identity, name=identity, state="live", created_at=self.now, updated_at=self.now
                    )
                    session.add(journey)
                    session.flush()
                program = found.program
                if carry and journey.live_version_id is not None:
                    program = carry_over(session.get_one(JourneyVersion, journey.live_version_id).resolved, program)
                version = JourneyVersion(
                    journey_id=identity,
                    number=number,
                    sha256=hashlib.sha256(text.encode()).hexdigest(),
                    source_yaml=text,
                    resolved=program,
                    published_at=self.now,
                )
                session.add(version)
                session.flush()
                journey.live_version_id = version.id
                becoming.published(session, identity, version.id, program, self.now)

    def event(self, contact_id: int, kind: str, *, at: datetime | None = None, **data: Any) -> None:
        with clock.hold(self.now), writing() as session:
            record(session, contact_id=contact_id, kind=kind, occurred_at=at or self.now, data=data, source="test")

    def do(self, operation: Any, *args: Any, **more: Any) -> Any:
        with clock.hold(self.now), writing() as session:
            return operation(session, *args, **more)

    # Running

    def work(self) -> None:
        """Do everything that is due now."""
        with clock.hold(self.now):
            dates.plan_ahead()
            for _ in range(100):
                done = (
                    dates.enter()
                    + route()
                    + audiences.recheck()
                    + advance()
                    + sum(deliver(name) for name in self.channels)
                    + perform_calls()
                )
                if not done:
                    return
        raise AssertionError("the engine never came to rest")

    def play(self, until: datetime | timedelta) -> None:
        """Let time pass, stopping wherever something is due. What is overdue and stays so (its journey is paused, its
        channel is gone) is tried again at each stop, and does not keep the time from passing."""
        end = until if isinstance(until, datetime) else self.now + until
        self.work()
        after: datetime | None = None
        for _ in range(1000):
            following = self._next_due(after)
            if following is None or following > end:
                break
            overdue = following <= self.now
            self.now = max(following, self.now + timedelta(microseconds=1))
            self.work()
            after = self.now if overdue else None
        self.now = max(end, self.now)
        self.work()

    def reap(self) -> int:
        with clock.hold(self.now):
            return reap()

    def _next_due(self, after: datetime | None = None) -> datetime | None:
        since = after or LONG_AGO
        with reading() as session:
            runs = session.scalar(
                select(func.min(Enrolment.due_at)).where(Enrolment.status == "active", Enrolment.due_at > since)
            )
            messages = session.scalar(
                select(func.min(Message.not_before)).where(Message.status == "queued", Message.not_before > since)
            )
            by_date = dates.next_moment(session, self.now)
            watched = audiences.next_moment(session)
        found = [moment for moment in (runs, messages, by_date, watched) if moment is not None and moment > since]
        return min(found) if found else None

    # Looking

    def rows(self, model: Any, **where: Any) -> list[Any]:
        with Session(db.engine, expire_on_commit=False) as session:
            return list(
                session.scalars(select(model).filter_by(**where).order_by(*model.__table__.primary_key.columns))
            )

    def runs(self, **where: Any) -> list[Enrolment]:
        return self.rows(Enrolment, **where)

    def messages(self, **where: Any) -> list[Message]:
        return self.rows(Message, **where)

    def trace(self, **where: Any) -> list[tuple[str, str]]:
        return [(one.step_id, one.outcome) for one in self.rows(StepRun, **where)]

    def refusals(self) -> list[str]:
        return [one.outcome for one in self.rows(EntryCheck)]

    def timeline(self, contact_id: int) -> list[str]:
        return [one.kind for one in self.rows(Event, contact_id=contact_id)]

    def sent(self, channel: str = "email") -> list[str]:
        """Subject and first line of each message, in the order of sending (the footer is the renderer's business)."""
        return ["\n".join(one.payload.decode().splitlines()[:2]) for one in self.channels[channel].sent]
