"""Random journeys, random contacts, and what they do: the same life in reality and in a simulation of it."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from panel import clock
from panel.calendars import Reader
from panel.contacts.memberships import add_tag, create_list, join_list
from panel.contacts.operations import set_field
from panel.contacts.queries import aliases
from panel.contacts.typed import create_field
from panel.db import reading, writing
from panel.journeys.models import StepRun
from panel.journeys.names import labels
from panel.journeys.simulate.story import Line, Teller
from panel.journeys.simulate.wishes import BLIND, READER, Wishes
from panel.messages.models import Message, Skeleton
from panel.messages.reports import report
from panel.staff.operations import create_user
from panel.timeline.operations import record
from panel.tracking.operations import record_click, record_open
from tests.journeys.engine.world import World

LISTS = ("Newsletter", "Programme")
TAGS = ("vip", "staff", "cold")
EVENTS = ("order_paid", "called", "visited")
ZONES = (None, "Asia/Jerusalem", "America/New_York", "Asia/Tehran")
Written = dict[str, Any]


def scene(world: World, dice: random.Random, journeys: int) -> list[str]:
    """Lists, fields, templates and some live journeys; gives their identities."""
    for name in LISTS:
        world.do(create_list, name, now=world.now)
    world.do(create_field, "size", "number", now=world.now)
    world.do(create_field, "birthday", "date", now=world.now)
    world.do(create_user, "yossi@example.com", name="yossi", role="owner", by=None)
    for number in range(6):
        channels = (("email",), ("email", "sms"), ("sms",))[number % 3]
        world.template(f"t{number}", "Hello [[first name|friend]] https://example.com/a", channels=channels)
    names = [f"j{number}" for number in range(journeys)]
    for name in names:
        world.publish(f"{name}: {json.dumps(Writer(dice, names).journey(name))}")
    return names


def somebody(world: World, dice: random.Random, number: int) -> int:
    zone = dice.choice(ZONES)
    consent = dice.choice([("email", "sms"), ("email", "sms"), ("email",), ("sms",), ()])
    more: dict[str, Any] = {"time_zone": zone} if zone else {}
    if dice.random() < 0.15:
        more["phones"] = ()
    contact = world.contact(f"Contact {number}", consent=consent, **more)
    for tag in TAGS:
        if dice.random() < 0.25:
            world.do(add_tag, contact, tag, now=world.now)
    if dice.random() < 0.5:
        world.do(set_field, contact, "size", str(dice.randrange(10)), now=world.now)
    if dice.random() < 0.6:
        born = (world.now + timedelta(days=dice.randrange(-20, 60))).date().replace(year=1990)
        world.do(set_field, contact, "birthday", born.isoformat(), now=world.now)
    if dice.random() < 0.4:
        world.do(join_list, contact, dice.choice(LISTS), now=world.now)
    return contact


class Writer:
    """Writes a journey that may use every verb, trigger and condition."""

    def __init__(self, dice: random.Random, names: list[str]) -> None:
        self.dice, self.names, self.others = dice, names, names
        self.sends: list[str] = []
        self.count = 0

    def journey(self, name: str) -> Written:
        dice = self.dice
        self.others = [one for one in self.names if one != name] or ["elsewhere"]
        found: Written = {
            "name": f"Journey {name}", "purpose": dice.choice(["marketing", "service"]), "review_after": "1 year",
            "start_when": [{"joins_list": LISTS[0]}, self.trigger(), {"manual": "yes"}],
            "re_enter": dice.choice(["never", "always", "after_exit", "after 10 days"]),
            "priority": str(dice.randrange(1, 10)), "leave_after": dice.choice(["1 year", "30 days", "10 days"]),
            "too_late_after": dice.choice(["1 day", "3 days", "10 days"]),
        }  # fmt: skip
        if dice.random() < 0.3:
            found["only_if"] = self.condition(inside=False)
        if dice.random() < 0.3:
            found["exclude_if"] = dice.choice([{"has_tag": "staff"}, self.condition(inside=False)])
        if dice.random() < 0.6:
            found["stop_when"] = [dice.choice([{"event": "order_paid"}, {"leaves_list": LISTS[0]},
                                               {"tag_added": "cold"}, {"if": {"has_tag": "staff"}}])]  # fmt: skip
        if dice.random() < 0.3:
            found["goal"] = {"event": "called", "within": "20 days", "stay": dice.choice(["yes", "no"])}
        if dice.random() < 0.7:
            found["send_hours"] = dice.choice([
                {"days": ["sun", "mon", "tue", "wed", "thu"], "from": "09:00", "to": "19:00"},
                {"from": "10:00", "to": "12:00", "sms": {"not_on": ["fri"], "from": "14:00", "to": "15:00"}},
                {"days": ["mon", "thu"], "from": "08:00", "to": "22:00",
                 "outside": dice.choice(["wait", "skip", "earlier"])},
            ])  # fmt: skip
        if dice.random() < 0.6:
            found["limits"] = {
                "messages": dice.choice(["1 per day", "2 per week", ["1 per day", "3 per week"], "1 per 48 hours"]),
                "when_over": dice.choice(["wait", "wait", "skip"]),
            }
        found["steps"] = self.steps(dice.randrange(2, 6), 0)
        return found

    def trigger(self) -> Written:
        return self.dice.choice([
            {"event": "order_paid"}, {"event": "order_paid", "where": [{"field": "event.amount", "more_than": "50"}]},
            {"tag_added": "vip"}, {"tag_removed": "cold"}, {"leaves_list": LISTS[1]}, {"form_submitted": "Sign-up"},
            {"page_visited": "Offer"}, {"becomes_true": {"has_tag": "cold"}},
            {"becomes_true": {"all": [{"happened": "order_paid"}, {"not_happened": "order_paid", "within": "9 days"}]}},
            {"date": "birthday", "every": "year", "offset": "3 days before", "at": "09:00"},
            {"every": "week", "on": "tue", "at": "10:00", "audience": {"has_tag": "vip"}},
        ])  # fmt: skip

    def condition(self, *, inside: bool = True, deep: int = 0) -> Written:
        dice = self.dice
        simple: list[Written] = [
            {"has_tag": dice.choice(TAGS)}, {"in_list": dice.choice(LISTS)}, {"field": "size", "more_than": "4"},
            {"field": "size", "is_set": "yes"}, {"happened": "order_paid"},
            {"not_happened": "called", "within": "5 days"},
            {"happened": "visited", "times": "at least 2"}, {"can_reach": dice.choice(["email", "sms"])},
            {"in_journey": dice.choice(self.names)}, {"prefers": "email"},
        ]  # fmt: skip
        if inside:
            simple += [{"happened": "visited", "since": "entry"}, {"field": "entry.trigger", "is": "manual"}]
            if self.sends:
                was = dice.choice(["sent", "opened", "clicked", "replied", "skipped", "failed"])
                simple += [{"message": dice.choice(self.sends), "was": was}] * 4
        if deep < 2 and dice.random() < 0.3:
            parts = [self.condition(inside=inside, deep=deep + 1) for _ in range(2)]
            return dice.choice([{"all": parts}, {"any": parts}, {"not": parts[0]}])
        return dice.choice(simple)

    def steps(self, count: int, deep: int) -> list[Written]:
        return [self.step(deep) for _ in range(count)]

    def step(self, deep: int) -> Written:
        dice = self.dice
        self.count += 1
        identity = f"s{self.count}"
        kinds = ["send"] * 5 + ["wait"] * 4 + ["small"] * 3
        if deep < 2:
            kinds += ["wait_for", "wait_for", "if", "if", "choose", "split", "reach", "task", "go_to"]
        kind = dice.choice(kinds)
        step: Written = getattr(self, f"_{kind}")(deep, identity)
        step["id"] = identity
        if kind in ("send", "reach"):
            self.sends.append(identity)
        if kind in ("send", "small") and dice.random() < 0.15:
            step["only_if"] = self.condition()
        return step

    def _send(self, _deep: int, _identity: str) -> Written:
        name = f"t{self.dice.randrange(6)}"
        via = self.dice.choice([None, None, ["email", "sms"], "preferred", "sms"])
        block: Written = {"message": name} | ({"via": via} if via else {})
        return {"send": block if via and name in ("t1", "t4") else name}

    def _wait(self, _deep: int, _identity: str) -> Written:
        return {"wait": self.dice.choice([
            "2 days", "72 hours", "90 minutes", "1 week", {"for": "3 days", "at": "10:00"},
            {"until": {"day": "wednesday"}, "at": "16:30"}, {"until": {"month_day": "5"}},
            {"until": {"field": "birthday", "offset": "2 days before"},
             "if_past": self.dice.choice(["go_on", "skip_next", "stop"])},
        ])}  # fmt: skip

    def _small(self, _deep: int, _identity: str) -> Written:
        other = self.dice.choice(self.others)
        return self.dice.choice([
            {"tag": self.dice.choice(TAGS)}, {"untag": self.dice.choice(TAGS)},
            {"add_to_list": self.dice.choice(LISTS)}, {"remove_from_list": self.dice.choice(LISTS)}, {"score": "+5"},
            {"set": {"size": str(self.dice.randrange(9))}},
            {"note": "Noted"}, {"notify": {"who": "yossi", "text": "Look at [[first name|her]]"}},
            {"start_journey": other}, {"stop_journey": other}, {"stop": "enough"},
        ])  # fmt: skip

    def _wait_for(self, deep: int, _identity: str) -> Written:
        waits = [{"event": "link_clicked"}, {"event": "visited"}, {"tag_added": "vip"}, {"event": "message_opened"},
                 {"any": [{"event": "called"}, {"event": "message_replied"}]}]  # fmt: skip
        return {"wait_for": self.dice.choice(waits), "up_to": self.dice.choice(["2 days", "6 hours", "1 week"]),
                "then": self.steps(1, deep + 1), "on_timeout": self.steps(1, deep + 1)}  # fmt: skip

    def _if(self, deep: int, _identity: str) -> Written:
        return {"if": self.condition(), "then": self.steps(2, deep + 1), "else": self.steps(1, deep + 1)}

    def _choose(self, deep: int, _identity: str) -> Written:
        options = [{"name": f"o{n}", "when": self.condition(), "do": self.steps(1, deep + 1)} for n in range(2)]
        return {"choose": options, "otherwise": self.steps(1, deep + 1)}

    def _split(self, deep: int, _identity: str) -> Written:
        variants = [{"name": f"v{n}", "share": "45%", "steps": self.steps(1, deep + 1)} for n in range(2)]
        goal = {"event": "order_paid", "within": "10 days", "stay": "yes"}
        decide = {"after": "300 days", "at_latest": "330 days", "at_least": "100"}
        return {"split": {"variants": variants, "hold_out": "10%", "goal": goal, "decide": decide}}

    def _reach(self, deep: int, _identity: str) -> Written:
        tries: list[Written] = [{"via": "email", "give": "1 day"}, {"via": "sms", "give": "2 days"}]
        if self.dice.random() < 0.3:
            tries[0]["only_if"] = self.condition()
        return {"reach": {"message": "t1", "until": self.dice.choice(["opened", "clicked", "replied", "sent"]),
                          "or_until": [{"event": "called"}], "try": tries, "reached": self.steps(1, deep + 1),
                          "otherwise": self.steps(1, deep + 1)}}  # fmt: skip

    def _task(self, _deep: int, _identity: str) -> Written:
        wait = self.dice.choice(["yes", "no"])
        return {"task": {"title": "Call [[first name|her]]", "for": "yossi", "due": "2 days", "wait_until_done": wait}}

    def _go_to(self, _deep: int, _identity: str) -> Written:
        if not self.sends:
            return {"note": "Nothing to go back to"}
        return {"go_to": self.sends[0], "max_times": "2"}


# Reality


class Life:
    """What a contact does in reality, at the very moments at which the simulation was told that it does so."""

    def __init__(self, world: World, contact: int, wishes: Wishes) -> None:
        self.world, self.contact, self.wishes = world, contact, wishes
        self.seen, self.known = self._last(), set[int]()
        self.due: list[tuple[datetime, int, Callable[[], None]]] = []
        for one in wishes.events:
            self._at(world.now + one.after, lambda one=one: self._event(one.kind, dict(one.data)))

    def live(self, until: datetime) -> None:
        """Let reality run, with everything she does."""
        world = self.world
        for _ in range(3000):
            world.work()
            self._sent()
            coming = [moment for moment in (world._next_due(), self.due[0][0] if self.due else None) if moment]
            following = min(coming, default=None)
            if following is None or following > until:
                return
            world.now = max(following, world.now + timedelta(microseconds=1))
            while self.due and self.due[0][0] <= world.now:
                heapq.heappop(self.due)[2]()
        raise AssertionError("it never ends")

    def _at(self, moment: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self.due, (moment, len(self.due) + id(act), act))

    def _last(self) -> int:
        with reading() as session:
            return session.scalar(select(func.max(Message.id))) or 0

    def _sent(self) -> None:
        with reading() as session:
            mine = select(Message).where(Message.contact_id == self.contact, Message.id > self.seen)
            rows = session.scalars(mine.where(Message.status.in_(("sent", "delivered")))).all()
            for row in rows:
                if row.id not in self.known:
                    self.known.add(row.id)
                    for wish, after in (("open", self.wishes.opens), ("click", self.wishes.clicks)):
                        if after is not None and not (wish == "open" and row.channel in BLIND):
                            self._at(row.wire_at + after, lambda wish=wish, id_=row.id: self._hit(wish, id_))
                    if self.wishes.replies is not None:
                        self._at(row.wire_at + self.wishes.replies, lambda key=row.our_message_id: self._reply(key))

    def _hit(self, wish: str, message_id: int) -> None:
        now = self.world.now
        with clock.hold(now), writing() as session:
            if wish == "open":
                record_open(session, message_id, READER, now=now)
                return
            skeleton = session.get(Skeleton, session.get_one(Message, message_id).skeleton or "")
            if skeleton is not None and skeleton.links:
                record_click(session, message_id, 0, READER, now=now)

    def _reply(self, key: str) -> None:
        now = self.world.now
        with clock.hold(now), writing() as session:
            report(session, state="replied", at=now, source="test", key=key, now=now)

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        now = self.world.now
        with clock.hold(now), writing() as session:
            record(session, contact_id=self.contact, kind=kind, occurred_at=now, data=data, source="test")


def marks(world: World) -> tuple[int, int]:
    """The latest step visit and the latest message: what comes after them is new."""
    with reading() as session:
        return session.scalar(select(func.max(StepRun.id))) or 0, session.scalar(select(func.max(Message.id))) or 0


def really(world: World, contact: int, start: datetime, reader: Reader, before: tuple[int, int]) -> list[Line]:
    """What happened from `start` on, told by the same words as a simulation."""
    with reading() as session:
        teller = Teller(session, aliases(session, contact), reader, labels(session), start, *before)
        return teller.lines()
