"""The stage of a crash run: its programs, its journey, its contacts, and the events that keep it going."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select, union_all, update
from sqlalchemy.exc import DBAPIError, TimeoutError

from bench.crash_programs import Postgresql, Sink, Valkey, Workers
from panel import clock, migrations
from panel import config as configuration
from panel.bare import bare_app
from panel.contacts.operations import create_contact
from panel.db import db, reading, writing
from panel.installation.operations import set_setting
from panel.jobs import bells
from panel.journeys.by_hand import retry, settle
from panel.journeys.language import check
from panel.journeys.models import Enrolment, Journey, JourneyVersion
from panel.messages.models import Message, Template, TemplateForm, TemplateVersion
from panel.plugin_manager import manager
from panel.plugin_manager.operations import save_settings
from panel.sdk.context import NewContact
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many
from tests.fixtures.processes import short_folder

T = TypeVar("T")

JOURNEY = """language: 1
journeys:
  crash:
    name: Crash
    purpose: service
    start_when: [{event: order_paid}]
    stop_when: [{event: order_cancelled}]
    re_enter: never
    review_after: 1 year
    steps:
      - send: letter
      - wait: 1 minute
      - tag: second
      - send: letter
        id: again
      - note: done
"""

# Where a worker dies, and how likely at each passing; likely enough to die, rare enough to get on.
POINTS = {
    "before_route_commit": 0.5,
    "after_route_commit": 0.5,
    "before_advance_commit": 0.3,
    "after_advance_commit": 0.3,
    "before_claim": 0.2,  # R01
    "after_claim": 0.3,  # R02
    "before_on_wire_commit": 0.3,  # R03
    "after_on_wire_commit": 0.3,  # R04
    "mid_body": 0.1,  # R05
    "after_answer": 0.1,  # R06: accepted by the server, not yet noted anywhere
    "before_result_commit": 0.3,  # R06: noted in the wire journal, not yet in the ledger
    "after_result_commit": 0.3,  # R07: committed, not yet acknowledged to the queue
}
BATCH = 8  # new contacts at a time
WAITING = 40  # messages and runs that are due at least
STOPPED_SHARE = 0.25
PASS_TIME_EVERY = 0.5


class Stage:
    """Use as a context manager."""

    def __init__(self, kind: str, seed: int, *, lease: float, fresh: bool) -> None:
        self.kind, self.seed, self.lease, self.fresh = kind, seed, lease, fresh
        self.slowness = 4.0 if fresh else 1.0
        self.contacts: list[int] = []
        self.stopped: dict[int, datetime] = {}
        self.to_stop: list[tuple[float, int]] = []
        self.batches = 0
        self.retried = 0
        self.passed_at = self.poured_at = 0.0

    def __enter__(self) -> Stage:
        self.stack = ExitStack()
        self.postgresql: Postgresql | None = None
        try:
            self._enter()
        except BaseException:
            self.stack.close()
            raise
        return self

    def _enter(self) -> None:
        enter = self.stack.enter_context
        self.folder = enter(short_folder("panel-crash-"))
        self.sink = Sink(self.folder, self.seed)
        self.stack.callback(self.sink.stop)
        self.valkey = Valkey(self.folder)
        self.stack.callback(self.valkey.stop)
        url = f"sqlite:///{self.folder / 'crash.sqlite'}"
        if self.kind == "postgresql":
            self.postgresql = Postgresql(enter(short_folder("panel-pg-")))
            self.stack.callback(self.postgresql.stop)
            url = self.postgresql.url
        config = configuration.load({})
        self.app = bare_app(dataclasses.replace(config, instance=self.folder / "instance", database_url=url))
        enter(self.app.app_context())
        migrations.upgrade(db.engine)
        self.stack.callback(db.engine.dispose)
        self._set_up()
        environment = {
            "PANEL_INSTANCE": str(self.app.instance_path),
            "PANEL_DATABASE_URL": url,
            "PANEL_REDIS_URL": self.valkey.url,
            "PANEL_CRASH_LEASE": str(self.lease),
        }
        self.workers = Workers(self.folder, environment, fresh=self.fresh)
        self.stack.callback(self.workers.stop)

    def __exit__(self, *found: Any) -> None:
        if found[0] is not None:
            for log in (self.folder / "processes.log", self.postgresql and self.postgresql.folder / "server.log"):
                if log and log.exists():
                    sys.stderr.write(log.read_text(errors="replace")[-4000:])
        self.stack.close()

    # The scene

    def _set_up(self) -> None:
        now = clock.now()
        plugins = manager.current()
        with writing() as session:
            fields = plugins.settings_fields("email")
            values = {one.name: one.default for one in fields} | {
                "delivery": "smtp", "host": "127.0.0.1", "port": self.sink.port, "security": "none",
                "from_address": "shop@example.com",
            }  # fmt: skip
            save_settings(session, "email", fields, values, plugins.secrets)
        with writing() as session:
            template = Template(name="letter", created_at=now, updated_at=now)
            session.add(template)
            session.flush()
            version = TemplateVersion(template_id=template.id, number=1, created_at=now)
            version.forms = [
                TemplateForm(channel="email", subject="Hello [[first name]]", text="Hello [[first name|you]]")
            ]
            session.add(version)
            session.flush()
            template.current_version_id = version.id
            program = check(JOURNEY).journeys["crash"].program
            assert program is not None
            program["steps"]["wait_after_send_letter"]["for"] = {"months": 0, "days": 0, "seconds": 1}
            session.add(Journey(id="crash", name="Crash", state="live", created_at=now, updated_at=now))
            session.flush()
            live = JourneyVersion(
                journey_id="crash", number=1, sha256=hashlib.sha256(JOURNEY.encode()).hexdigest(),
                source_yaml=JOURNEY, resolved=program, published_at=now,
            )  # fmt: skip
            session.add(live)
            session.flush()
            session.get_one(Journey, "crash").live_version_id = live.id

    # What happens while workers die

    def keep_going(self, dice: random.Random) -> None:
        """New contacts when little is left to do, stops that are due, and time that passes quicker than it does."""
        now = time.monotonic()
        if now - self.poured_at > 0.1:
            self.poured_at = now
            if self.sure(self._waiting) < WAITING:
                for one in self.pour(dice, BATCH):
                    if dice.random() < STOPPED_SHARE:
                        self.to_stop.append((time.monotonic() + dice.uniform(0, 4), one))
                self.to_stop.sort()
        while self.to_stop and self.to_stop[0][0] <= now:
            _, contact = self.to_stop.pop(0)
            self._stop(contact, dice)
        if now - self.passed_at > PASS_TIME_EVERY:
            self.passed_at = now
            self.sure(self.pass_time)

    def pour(self, dice: random.Random, count: int) -> list[int]:
        """New contacts, each with one to three orders, reported once or more, in any order and with any date."""
        fresh = self.sure(lambda: self._new_contacts(count))
        now = clock.now()
        events = [
            NewEvent(
                one, "order_paid", now - timedelta(seconds=dice.uniform(0, 60)), {"amount": "5"}, "shop", f"{one}:{n}"
            )
            for one in fresh
            for n in range(dice.randint(1, 3))
        ]
        again = [
            NewEvent(one.contact_id, one.kind, now - timedelta(seconds=dice.uniform(0, 60)), one.data, one.source, one.external_id)
            for one in events[:: dice.randint(1, 3)]
        ]  # fmt: skip
        dice.shuffle(events)
        for part in (events, again):
            self.sure(lambda part=part: self._record(part))  # type: ignore[misc]
        self.contacts += fresh
        return fresh

    def _new_contacts(self, count: int) -> list[int]:
        self.batches += 1  # also when it is tried again: an address may be there already although nobody said so
        with writing() as session:
            return [
                create_contact(
                    session,
                    NewContact(name=f"Contact {self.batches}.{n}", emails=(f"c{self.batches}.{n}@example.com",)),
                    how="manual",
                )
                for n in range(count)
            ]

    def _stop(self, contact: int, dice: random.Random) -> None:
        event = NewEvent(contact, "order_cancelled", clock.now(), {}, "shop", f"stop:{contact}")
        self.sure(lambda: self._record([event] * dice.randint(1, 2)))
        self.stopped[contact] = clock.now()

    def _record(self, events: list[NewEvent]) -> None:
        with writing() as session:
            record_many(session, events)

    def pass_time(self) -> None:
        """What was put off (a 4xx, a channel at rest) is due at once."""
        now = clock.now()
        with writing() as session:
            session.execute(
                update(Message).where(Message.status == "queued", Message.not_before > now).values(not_before=now)
            )
            set_setting(session, "channel:email", {})

    def ring(self) -> None:
        bells._resting_until.clear()
        level = logging.getLogger("panel.jobs.bells")
        level.setLevel(logging.ERROR)
        for name, argument in (("route", ""), ("advance", ""), ("deliver", "email"), ("reap", "")):
            if bells.ring(name, argument, rings=2, url=self.valkey.url) is None:
                return

    def sure(self, work: Callable[[], T]) -> T:
        """Do it although the database may be away for a moment. What is done here may be done twice."""
        end = time.monotonic() + 60
        while True:
            try:
                return work()
            except (DBAPIError, TimeoutError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    # Afterwards

    def rest(self, what: str) -> None:
        """Until nothing is left to do. Held rows are looked at by a person, who lets them try again."""
        end = time.monotonic() + 180
        while not self.sure(self._at_rest):
            assert time.monotonic() < end, f"{what} did not come: {self._state()}"
            self.ring()
            self.sure(self.pass_time)
            time.sleep(0.1)

    def _waiting(self) -> int:
        """What is left to do, in one statement: work that goes from event to run to message between two looks would be
        seen by neither."""
        left = (
            select(Message.id).where(Message.status.in_(("queued", "claimed", "on_wire"))),
            select(Enrolment.id).where(Enrolment.status == "active", Enrolment.due_at.is_not(None)),
            select(Event.id).where(Event.routed_at.is_(None)),
        )
        with reading() as session:
            return len(session.execute(union_all(*(select(one.limit(WAITING).subquery()) for one in left))).all())

    def _at_rest(self) -> bool:
        if self._waiting():
            return False
        with writing() as session:
            held = list(session.scalars(select(Enrolment.id).where(Enrolment.status == "held")))
            self.retried += retry(session, held)
        return not held

    def _state(self) -> dict[str, Any]:
        with reading() as session:
            messages = session.execute(
                select(Message.id, Message.status, Message.reason, Message.lease_until, Message.attempt).where(
                    Message.status.not_in(("sent", "cancelled", "unknown"))
                )
            ).all()
            runs = session.execute(
                select(Enrolment.id, Enrolment.status, Enrolment.reason, Enrolment.due_at, Enrolment.phase).where(
                    Enrolment.status.in_(("active", "held"))
                )
            ).all()
        return {"messages": messages[:10], "runs": runs[:10]}

    def doubtful(self) -> dict[int, str]:
        with reading() as session:
            rows = session.execute(select(Message.id, Message.our_message_id).where(Message.status == "unknown"))
            return {row.id: row.our_message_id for row in rows}

    def settle_doubts(self, doubtful: dict[int, str], accepted: set[str]) -> None:
        """A person looks into the mail server's log and says what is so."""
        with writing() as session:
            settle(session, [id_ for id_, key in doubtful.items() if key in accepted], "arrived")
            settle(session, [id_ for id_, key in doubtful.items() if key not in accepted], "send_again")
