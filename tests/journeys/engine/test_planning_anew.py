"""Running waits that are planned anew: each ends when that of a contact would who had begun it at the same moment under
the new text, and what is over by then goes at once. PLANNING_EXAMPLES=500 looks longer."""

from __future__ import annotations

import os
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from panel.contacts.models import Field
from panel.contacts.operations import update_contact
from panel.db import reading
from panel.journeys import operations, planned, resuming
from panel.journeys.by_hand import start_by_hand
from panel.journeys.models import StepRun
from panel.staff.models import User
from panel.staff.operations import create_user
from tests.journeys.engine.conftest import SUNDAY
from tests.journeys.engine.test_dialog_against_outcome import empty
from tests.journeys.engine.world import World

ZONES = ("Asia/Jerusalem", "Asia/Tehran", "America/New_York", "Pacific/Auckland", None)
JOURNEY = """%(id)s:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  time_zone: %(zone)s
  send_hours: {days: [sunday, monday, tuesday, wednesday, thursday], from: 09:00, to: 18:00%(outside)s}
  too_late_after: %(late)s
  review_after: 1 year
  steps:
    - %(wait)s
    - send: one
"""


def some_wait(chance: random.Random) -> str:
    at = chance.choice(["", ", at: 09:30", ", at: 23:15", ", at: 00:00"])
    day = (SUNDAY + timedelta(days=chance.randint(-3, 25))).date()
    return "{" + chance.choice([
        f"wait: {{for: {chance.randint(1, 12)} days{at}}}",
        f"wait: {{for: {chance.randint(1, 90)} hours}}",
        f"wait: {{for: 1 month{at}}}",
        f"wait: {{until: {{day: {chance.choice(['sunday', 'tuesday', 'friday'])}}}{at}}}",
        f"wait: {{until: {{date: {day}}}{at}, if_past: {chance.choice(['go_on', 'stop', 'skip_next'])}}}",
        f"wait: {{until: {{month_day: {chance.randint(1, 31)}}}{at}}}",
        f"wait: {{until: {{field: appointment}}{at}, if_past: {chance.choice(['go_on', 'stop', 'skip_next'])}}}",
        f"wait: {{until: {{field: appointment, offset: {chance.randint(1, 9)} days before}}{at}}}",
    ]) + ", id: pause}"  # fmt: skip


def some_wait_for(chance: random.Random) -> str:
    length = chance.choice([f"{chance.randint(1, 200)} hours", f"{chance.randint(1, 12)} days", "1 month"])
    return f"{{wait_for: {{event: order_paid}}, up_to: {length}, on_timeout: [{{note: late}}], id: pause}}"


def text(chance: random.Random, wait: str, identity: str = "series", late: str = "1 day") -> str:
    about = {
        "id": identity,
        "wait": wait,
        "late": late,
        "zone": chance.choice(["contact", "company"]),
        "outside": chance.choice(["", ", outside: earlier"]),
    }
    return JOURNEY % about


def one_story(world: World, seed: int, contacts: list[int]) -> None:
    chance = random.Random(seed)  # noqa: S311
    world.now = SUNDAY + timedelta(minutes=chance.randint(0, 7 * 24 * 60))
    world.channels["email"].sent.clear()
    world.do(empty)
    kind = chance.choice([some_wait, some_wait, some_wait, some_wait_for])
    old, new = text(chance, kind(chance)), text(chance, kind(chance))
    if old == new:
        return
    world.do(operations.publish, "series", text=old, now=world.now)
    world.do(operations.publish, "mirror", text=new.replace("series:", "mirror:", 1), now=world.now)
    for contact in contacts:
        for journey in ("series", "mirror"):
            world.do(start_by_hand, contact, journey, now=world.now)
        world.play(timedelta(minutes=chance.randint(0, 3000)))
    world.play(timedelta(hours=chance.randint(0, 200)))
    world.do(operations.publish, "series", text=new, now=world.now)
    waiting = {one.contact_id: one for one in world.runs(journey_id="series", phase="waiting", status="active")}
    with reading() as session:
        assert sum(resuming.waiting_on_old(session, "series").values()) == len(waiting)
    assert world.do(resuming.replan, "series", now=world.now) == len(waiting)
    at = world.now
    world.work()
    mirrors = {one.contact_id: one for one in world.runs(journey_id="mirror")}
    for contact, was in waiting.items():
        [run] = world.runs(journey_id="series", contact_id=contact)
        mirror = mirrors[contact]
        about = (seed, contact, was.step_began_at, run.due_at, mirror.due_at, new)
        over = world.rows(StepRun, enrolment_id=mirror.id, step_id="pause")
        if not over:
            assert (run.due_at, run.wait, run.phase) == (mirror.due_at, mirror.wait, "waiting"), about
            assert run.step_began_at == was.step_began_at, about
            continue
        [visit], [like] = world.rows(StepRun, enrolment_id=run.id, step_id="pause"), over
        assert (visit.outcome, visit.reason) == (like.outcome, like.reason), about
        assert visit.detail.get("until") == like.detail.get("until"), about
        assert visit.ended_at == at, about
    world.play(timedelta(days=60))
    for contact in waiting:
        [run] = world.runs(journey_id="series", contact_id=contact)
        assert run.status in ("finished", "stopped"), (seed, run.status)
        theirs = [one for one in world.messages(contact_id=contact) if one.journey_id == "series"]
        # Nobody gets it twice, and nobody misses it for an end that lay in the past.
        assert [one.status for one in theirs] == ["sent"] * _due(world, run), (seed, contact)
        for one in theirs:
            assert one.wire_at is not None
            assert one.wire_at >= at, (seed, contact)


def _due(world: World, run: Any) -> int:
    """How many messages the way of this run has: none when a date that had passed left it out or ended the run."""
    visits = world.rows(StepRun, enrolment_id=run.id)
    return sum(one.kind == "send" and one.outcome != "passed_condition" for one in visits)


def test_a_wait_that_is_planned_anew_ends_like_one_that_began_then_under_the_new_text(
    world: World, request: pytest.FixtureRequest
) -> None:
    world.template("one")
    world.do(lambda session: session.add(Field(name="appointment", type="date", labels={}, created_at=SUNDAY)))
    contacts = [world.contact(f"Contact {n}", **({"time_zone": zone} if zone else {})) for n, zone in enumerate(ZONES)]
    for n, contact in enumerate(contacts[1:]):  # the first has no appointment
        day = (SUNDAY + timedelta(days=5 * n - 2)).date().isoformat()
        world.do(update_contact, contact, {"appointment": day}, now=world.now)
    first, many = int(os.environ.get("PLANNING_FIRST", "0")), int(os.environ.get("PLANNING_EXAMPLES", "0"))
    for seed in range(first, first + (many or (2 if "postgresql" in request.node.name else 5))):
        one_story(world, seed, contacts)


def test_what_is_over_when_waits_are_planned_anew_is_not_too_late(world: World) -> None:
    chance = random.Random(0)  # noqa: S311
    world.template("one")
    contact = world.contact()
    world.do(operations.publish, "series", text=text(chance, "{wait: 30 days, id: pause}"), now=world.now)
    world.do(start_by_hand, contact, "series", now=world.now)
    world.play(timedelta(days=20))
    world.do(operations.publish, "series", text=text(chance, "{wait: 2 days, id: pause}"), now=world.now)
    assert world.do(resuming.replan, "series", now=world.now) == 1
    world.play(timedelta(days=5))
    assert [one.status for one in world.messages()] == ["sent"]


def test_a_wait_whose_end_a_colleague_chose_is_not_planned_anew(world: World) -> None:
    world.template("one")
    chance = random.Random(0)  # noqa: S311
    anna, roni = world.contact("Anna"), world.contact("Roni")
    user: User = world.do(
        lambda session: create_user(session, "dana@example.co.il", name="Dana", role="owner", by=None)
    )[0]
    world.do(operations.publish, "series", text=text(chance, "{wait: 30 days, id: pause}"), now=world.now)
    for contact in (anna, roni):
        world.do(start_by_hand, contact, "series", now=world.now)
    world.work()
    run = world.runs(contact_id=anna)[0]
    chosen = world.now + timedelta(days=40)
    world.do(planned.wait_until, run.id, run.wait["until"], chosen, by=user.id, now=world.now)
    world.do(operations.publish, "series", text=text(chance, "{wait: 2 days, id: pause}"), now=world.now)
    with reading() as session:
        assert sum(resuming.waiting_on_old(session, "series").values()) == 1
    assert world.do(resuming.replan, "series", now=world.now) == 1
    world.work()
    ends = {one.contact_id: datetime.fromisoformat(one.wait["until"]) for one in world.runs()}
    assert ends[anna] == chosen
    assert ends[roni] < chosen


def test_who_goes_over_to_a_version_with_another_clock_lives_by_it_at_once(world: World) -> None:
    world.template("one")
    contact = world.contact(time_zone="America/New_York")
    steps = "    - {wait: 1 day, id: pause}\n    - wait: {for: 1 day, at: 09:00}\n"
    head = text(random.Random(0), "{note: x}").partition("    - {note")[0]  # noqa: S311
    for zone in ("contact", "company"):
        said = "\n".join(f"  time_zone: {zone}" if "time_zone" in one else one for one in head.splitlines())
        world.do(operations.publish, "series", text=f"{said}\n{steps}", now=world.now)
        if zone == "contact":
            world.do(start_by_hand, contact, "series", now=world.now)
            world.work()
    world.play(timedelta(days=1, minutes=5))
    [run] = world.runs()
    assert run.wait["zone"] == "Asia/Jerusalem", run.wait
