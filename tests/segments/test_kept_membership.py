"""What is kept of a segment is what its condition says of everybody, whatever has happened, and time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from panel import clock
from panel.contacts import operations as contacts
from panel.contacts.erasing import erase
from panel.contacts.memberships import add_tag, create_list, create_tag, join_list, leave_list, remove_tag
from panel.contacts.merging import active_merge, merge, unmerge
from panel.contacts.models import Contact
from panel.contacts.scores import change_scores
from panel.db import reading, writing
from panel.errors import UserError
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import audiences
from panel.journeys.engine.conditions import judge, needs
from panel.journeys.engine.facts import Asking, load
from panel.journeys.engine.sets import contacts_where
from panel.journeys.models import AudienceState
from panel.segments import operations
from panel.segments.models import Segment
from panel.segments.queries import CLOCK
from panel.timeline.operations import NewEvent, record_many
from tests.journeys.engine.world import World

# Two days before the clocks go forward in Jerusalem, at the end of a month.
START = datetime(2026, 3, 25, 9, 0, tzinfo=UTC)
SEEDS = (5, 12, 31)  # of some hundred that were tried
EVENTS = ("order_paid", "link_clicked")
WITHIN = ("1 hour", "1 day", "3 days", "1 week and 1 day", "1 month", "72 hours")
ZONES = ("", "Asia/Jerusalem", "Asia/Tehran", "Pacific/Auckland", "America/New_York", "No/Where")
TIMES = ("at least 2", "at most 1", "less than 1", "more than 2", "at least 1")
JOURNEY = """
inside:
  name: Inside
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  steps: [{wait: 2 days}]
"""
WATCHER = """
watcher:
  name: Watcher
  purpose: service
  start_when:
    becomes_true: %s
  re_enter: always
  if_already_in: ignore
  review_after: 1 year
  steps: [{note: seen}]
"""


def condition(dice: random.Random, segments: list[str], depth: int = 0) -> dict[str, Any]:
    if depth < 2 and dice.random() < 0.45:
        kind = dice.choice(["all", "any", "not"])
        below = [condition(dice, segments, depth + 1) for _ in range(1 if kind == "not" else dice.randint(1, 3))]
        return {kind: below[0] if kind == "not" else below}
    history: dict[str, Any] = {dice.choice(["happened", "happened", "not_happened"]): dice.choice(EVENTS)}
    if dice.random() < 0.8:
        history["within"] = dice.choice(WITHIN)
    if "happened" in history and dice.random() < 0.4:
        history["times"] = dice.choice(TIMES)
    if dice.random() < 0.3:
        history["where"] = [{"field": "event.amount", "more_than": "5"}]
    choices: list[dict[str, Any]] = [
        history, history, history,
        {"has_tag": dice.choice(["vip", "warm"])},
        {"in_list": "News"},
        {"in_journey": "inside"},
        {"field": "city", "is": "Haifa"},
        {"field": "score", "at_least": str(dice.randint(1, 3))},
        {"field": "email", "is_set": dice.choice(["yes", "no"])},
    ]  # fmt: skip
    if segments:
        choices += [{"in_segment": dice.choice(segments)}] * 3
    return dice.choice(choices)


class Life:
    """What happens to some contacts, by dice."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.people = [world.contact(f"Person {n}", time_zone=dice.choice(ZONES)) for n in range(4)]
        self.told: list[str] = []

    def someone(self) -> int:
        return self.dice.choice(self.people)

    def happens(self) -> None:
        """Something, now."""
        name, act = self.dice.choice(self.acts())
        self.told.append(f"{self.world.now:%d %H:%M:%S} {name}")
        with clock.hold(self.world.now), writing() as session:
            try:
                with session.begin_nested():
                    act(session)
            except UserError as refused:  # two of these may have become one, or be gone
                self.told.append(f"  refused: {refused.code}")

    def acts(self) -> list[tuple[str, Callable[[Any], Any]]]:
        dice, one, other, now = self.dice, self.someone(), self.someone(), self.world.now
        tag = dice.choice(["vip", "warm"])
        acts: list[tuple[str, Callable[[Any], Any]]] = [
            (f"tag {one} {tag}", lambda s: add_tag(s, one, tag, now=now)),
            (f"untag {one} {tag}", lambda s: remove_tag(s, one, tag, now=now)),
            (f"join {one}", lambda s: join_list(s, one, "News", now=now)),
            (f"leave {one}", lambda s: leave_list(s, one, "News", now=now)),
            (f"score {one}", lambda s: change_scores(s, {one: dice.choice([-1, 1, 2])}, now=now)),
            (f"city {one}", lambda s: contacts.update_contact(
                s, one, {"city": dice.choice(["Haifa", "Yafo", ""])}, now=now)),
            (f"zone {one}", lambda s: contacts.update_contact(s, one, {"time_zone": dice.choice(ZONES[:-1])}, now=now)),
            (f"email {one}", lambda s: contacts.update_contact(
                s, one, {"email": dice.choice(["", f"n{one}@example.com"])}, now=now)),
            (f"start {one}", lambda s: start_by_hand(s, one, "inside", now=now)),
        ]  # fmt: skip
        acts += [(f"events {one}", lambda s: record_many(s, self.events(one, other)))] * 7
        if one != other and dice.random() < 0.5:
            acts.append((f"merge {other} into {one}", lambda s: merge(s, one, other, now=now)))
            acts.append((f"part {other}", lambda s: active_merge(s, other) and unmerge(s, other, now=now)))
        if dice.random() < 0.03 and len(self.people) > 3:
            acts.append((f"erase {one}", lambda s: erase(s, one, now=now)))
        return acts

    def events(self, *whom: int) -> list[NewEvent]:
        """Of now, of long ago, of a moment that is yet to come; some as history only."""
        made = []
        for _ in range(self.dice.randint(1, 3)):
            ago = timedelta(seconds=self.dice.choice([0, 0, 60, 3600, 86_400, 3 * 86_400, 40 * 86_400, -90]))
            key, amount = str(self.dice.random()), str(self.dice.randint(1, 9))
            made.append(
                NewEvent(
                    self.dice.choice(whom), self.dice.choice(EVENTS), self.world.now - ago, {"amount": amount}, "test",
                    key, starts_journeys=self.dice.random() > 0.15,
                )
            )  # fmt: skip
        return made


def settle(world: World) -> None:
    """All that the workers do, and the minute in which history is taken in."""
    world.work()
    with clock.hold(world.now), writing() as session:
        audiences.catch_up(session, world.now)
    world.work()


def shown() -> list[int]:
    with reading() as session:
        query = select(Contact.id).where(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))
        return sorted(session.scalars(query))


def compare(world: World, told: list[str]) -> None:
    people = shown()
    with clock.hold(world.now), reading() as session:
        for segment in session.scalars(select(Segment).order_by(Segment.id)).all():
            rows = session.scalars(
                select(AudienceState.contact_id).where(
                    AudienceState.audience == segment.audience, AudienceState.is_true
                )
            )
            kept = sorted(rows)
            in_sql = sorted(contacts_where(session, segment.resolved, world.now, CLOCK))
            facts = load(session, [Asking(id_, CLOCK) for id_ in people], needs(segment.resolved), world.now)
            one_by_one = sorted(one.contact_id for one in facts if judge(segment.resolved, one)["result"])
            story = "\n".join([f"{segment.name}: {segment.source_yaml}", *told[-40:], f"now {world.now}"])
            assert in_sql == one_by_one, story
            assert kept == one_by_one, story


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_kept_is_what_the_conditions_say(world: World, app: Flask, seed: int) -> None:
    dice = random.Random(seed)
    world.now = START
    world.do(create_list, "News", now=world.now)
    for name in ("vip", "warm"):
        world.do(create_tag, name, now=world.now)
    world.do(contacts.create_field, "city", now=world.now)
    world.publish(JOURNEY)
    life = Life(world, dice)
    names: list[str] = []

    def new_segment() -> None:
        name = f"Segment {len(names)}"
        text = json.dumps(condition(dice, names))
        world.do(operations.save, name, text, now=world.now)
        names.append(name)
        life.told.append(f"{name}: {text}")

    for _ in range(3):
        new_segment()
    world.publish(WATCHER % json.dumps({"in_segment": dice.choice(names)}))
    settle(world)
    for _ in range(14):
        for _ in range(dice.randint(1, 4)):
            life.happens()
            if dice.random() < 0.3:
                world.work()
        if dice.random() < 0.1 and len(names) < 5:
            new_segment()
        if dice.random() < 0.1:
            chosen = dice.choice(names)
            with reading() as session:
                [number] = session.scalars(select(Segment.id).where(Segment.name == chosen))
            text = json.dumps(condition(dice, names))
            with suppress(UserError):  # it would lead back to itself
                world.do(operations.save, chosen, text, segment_id=number, now=world.now)
                life.told.append(f"{chosen} edited: {text}")
        settle(world)
        compare(world, life.told)
        world.play(timedelta(seconds=dice.choice([30, 3600, 40_000, 86_400, 3 * 86_400])))
        settle(world)
        life.told.append(f"-- {world.now}")
        compare(world, life.told)
