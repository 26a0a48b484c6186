"""Random stories for limits and hours, played in the real engine under the eyes of the judge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from panel import clock
from panel.contacts.addresses import parse_email, plain_mailbox
from panel.contacts.models import ContactAddress
from panel.contacts.operations import update_contact
from panel.db import next_ids, writing
from panel.journeys.engine import checks, crash
from panel.journeys.engine.advance import advance
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.looking_again import in_another_version
from panel.journeys.engine.route import route
from panel.journeys.models import Journey
from panel.messages.models import Message
from panel.sdk.channels import Deferred, Failed, Outgoing, Result, Sent, Unknown
from tests.journeys.engine.limits_judge import Judge
from tests.journeys.engine.limits_plans import ZONES, Plan, a_plan
from tests.journeys.engine.world import World

STARTS = [datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 9, 17, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC),
          datetime(2027, 3, 24, tzinfo=UTC), datetime(2026, 12, 28, tzinfo=UTC),
          datetime(2027, 4, 20, tzinfo=UTC)]  # fmt: skip
MAILBOXES = [
    ["Family.Box@gmail.com", "familybox@gmail.com", "family.box+kids@googlemail.com"],
    ["Levi@Example.com", "levi+dana@example.com", "LEVI+yossi@example.com"],
    ["dana@bücher.com", "Dana@xn--bcher-kva.com"],
]


class Scenario(Judge):
    """One random story."""

    def __init__(self, world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(world, seed)
        self.chance, self.workers = random.Random(seed), random.Random(seed + 1)
        self.depth = 0
        monkeypatch.setattr(checks, "when", self.judge)
        monkeypatch.setattr(crash, "point", self.between)
        for channel in world.channels.values():
            monkeypatch.setattr(channel, "answer", self.answer)
        world.now = self.chance.choice(STARTS) + timedelta(minutes=self.chance.randrange(0, 3 * 1440))
        self.contacts = self._people()

    # The story

    def _people(self) -> list[int]:
        boxes, found = self.chance.choice(MAILBOXES), []
        self.boxes = [*boxes, "other@example.com"]
        for n in range(self.chance.choice([2, 3, 3, 4])):
            zone = self.chance.choice([None, *ZONES])
            more = {"time_zone": zone} if zone else {}
            contact = self.world.contact(f"Person {self.seed}-{n}", **more)
            found.append(contact)
            with writing() as session:
                rows = {one.kind: one for one in session.query(ContactAddress).filter_by(contact_id=contact)}
                if self.chance.random() < 0.7:
                    read = parse_email(self.chance.choice(boxes))
                    rows["email"].value, rows["email"].shown = read.value, read.shown
                if self.chance.random() < 0.5:
                    rows["phone"].value = "+972521234567"
        return found

    def play(self) -> None:
        names = [f"j{self.seed}_{n}" for n in range(self.chance.choice([2, 3, 4]))]
        for name in names:
            self.publish(a_plan(self.chance, name))
        story = [self.world.now + timedelta(minutes=self.chance.randrange(6 * 1440)) for _ in range(30)]
        for _ in range(self.chance.randint(2, 10)):
            self.start(names)
        for moment in sorted(story):
            self.until(moment)
            self.something_happens(names)
            self.work()
        with writing() as session:
            for name in names:
                session.get_one(Journey, name).state = "live"
        self.until(self.world.now + timedelta(days=75))
        self.judge_the_end(self.contacts)
        with writing() as session:
            session.execute(delete(Message))
            for name in names:
                session.get_one(Journey, name).state = "paused"

    def something_happens(self, names: Sequence[str]) -> None:
        what, name, contact = self.chance.random(), self.chance.choice(names), self.chance.choice(self.contacts)
        if what < 0.6:
            self.start(names)
        elif what < 0.7:
            self.world.do(update_contact, contact, {"time_zone": self.chance.choice(ZONES)})
        elif what < 0.73:
            with writing() as session:
                address = session.query(ContactAddress).filter_by(contact_id=contact, kind="email").one()
                address.value = parse_email(self.chance.choice(self.boxes)).value
        elif what < 0.8:
            last = max(number for journey, number in self.plans if journey == name)
            self.publish(a_plan(self.chance, name, like=self.plans[name, last]), last + 1)
            self.world.do(in_another_version, name, self.world.now)
        elif what < 0.9:
            self.by_hand()
        else:
            with writing() as session:
                journey = session.get_one(Journey, name)
                journey.state = "live" if journey.state == "paused" else "paused"

    def publish(self, plan: Plan, number: int = 1) -> None:
        self.plans[plan.name, number] = plan
        self.world.publish(plan.written(), number=number, carry=True)

    def start(self, names: Sequence[str]) -> None:
        self.world.event(self.chance.choice(self.contacts), "tag_added", tag=self.chance.choice(names))

    def by_hand(self) -> None:
        """A person writes: whatever limits say, but counted."""
        contact, now = self.chance.choice(self.contacts), self.world.now
        at = now + timedelta(minutes=self.chance.choice([0, 0, 300, 3000]))
        channel = self.chance.choice(["email", "sms"])
        with writing() as session:
            [id_] = next_ids(session, "messages", 1)
            session.add(Message(
                id=id_, dedupe_key=f"hand:{id_}", our_message_id=f"hand.{self.seed}.{id_}", contact_id=contact,
                channel=channel, purpose="service", inline={"subject": "Hi", "text": "Hello"},
                rules={"send_hours": "any", "if_missing": "hold", "too_late_after": {"days": 3}}, status="queued",
                planned_at=now, not_before=at, expires_at=at + timedelta(days=3), priority=1, detail={},
                address=self.address_of(session, contact, channel),
                mailbox=plain_mailbox(self.address_of(session, contact, channel)),
            ))  # fmt: skip

    def until(self, end: datetime) -> None:
        after = None
        for _ in range(3000):
            self.work()
            following = self.world._next_due(after)
            if following is None or following > end:
                break
            overdue = following <= self.world.now
            is_late = self.workers.random() < 0.3
            late = timedelta(minutes=self.workers.randrange(200) if is_late else 0)
            self.world.now = max(following + late, self.world.now + timedelta(microseconds=1))
            after = self.world.now if overdue else None
        else:
            self.wrong("it never came to rest")
        self.world.now = max(end, self.world.now)

    def work(self) -> None:
        """Whatever is due, in any order and in batches of any size, until nothing is."""
        with clock.hold(self.world.now):
            for _ in range(400):
                channel, size = self.workers.choice(list(self.world.channels)), self.workers.choice([1, 2, 3, 50])
                is_sending = self.workers.random() < 0.7
                if deliver(channel, size) if is_sending else route() + advance():
                    continue
                if not route() + advance() + sum(deliver(name) for name in self.world.channels):
                    return
            self.wrong("work without end")

    def between(self, name: str) -> None:
        """Another worker comes in between."""
        if self.depth < 2 and name in ("after_claim", "after_on_wire_commit") and self.workers.random() < 0.3:
            self.depth += 1
            deliver(self.workers.choice(list(self.world.channels)), self.workers.choice([1, 2, 50]))
            self.depth -= 1

    def answer(self, outgoing: Outgoing) -> Result:
        what = self.workers.random()
        if what < 0.07:
            return Deferred("later", self.workers.choice([None, timedelta(minutes=20), timedelta(hours=3)]))
        if what < 0.11:
            return Failed("failed_provider", "no")
        if what < 0.13:
            return Unknown("no answer")
        return Sent(f"p{outgoing.message_id}")
