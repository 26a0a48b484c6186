"""becomes_true, entry_limit, and stop conditions that only time fulfils."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from panel import clock
from panel.consent.models import Suppression
from panel.contacts.memberships import add_tag, remove_tag
from panel.contacts.merging import merge
from panel.contacts.models import Contact
from panel.contacts.queries import primary_addresses
from panel.contacts.scores import change_scores
from panel.db import reading, writing
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import audiences, sets
from panel.journeys.engine.becoming import forget_ended
from panel.journeys.engine.entry import MAX_DEPTH
from panel.journeys.engine.route import route
from panel.journeys.engine.sets import NotForSetsError, contacts_where
from panel.journeys.engine.turns import retried
from panel.journeys.models import Audience, AudienceState, Enrolment, EntryCheck, Journey, WaitingEntry
from panel.timeline.models import Event
from panel.timeline.operations import record
from tests.journeys.engine.world import World

DAY = timedelta(days=1)
QUIET = """
quiet:
  name: Quiet
  purpose: service
  start_when:
    - becomes_true:
        all:
          - happened: order_paid
          - {not_happened: order_paid, within: 3 days}
      check: daily at 07:00
  re_enter: always
  %s
  review_after: 1 year
  steps:
    - note: quiet
    - wait: 30 days
"""


def quiet(more: str = "labels: [a]") -> str:
    return QUIET % more


def test_those_who_are_quiet_already_do_not_enter_when_it_goes_live(world: World) -> None:
    old = world.contact()
    world.event(old, "order_paid", at=world.now - 9 * DAY)
    world.work()
    world.publish(quiet())
    world.play(10 * DAY)
    assert world.runs() == []
    assert world.refusals() == ["existing_skipped"]


def test_a_score_and_another_journey_make_a_condition_true(world: World) -> None:
    for name, start, steps in (
        ("first", "{manual: yes}", "    - wait: 30 days\n"),
        ("inside", "{becomes_true: {in_journey: first}}", "    - note: x\n"),
        ("outside", "{becomes_true: {all: [{has_tag: was here}, {not: {in_journey: first}}]}}", "    - note: x\n"),
        ("hot", "{becomes_true: {field: score, at_least: 50}}", "    - note: x\n"),
    ):
        world.publish(
            f"{name}:\n  name: {name}\n  purpose: service\n  start_when: [{start}]\n  review_after: 1 year\n"
            f"  steps:\n{steps}"
        )
    dana = world.contact()
    world.do(change_scores, {dana: 60}, now=world.now)
    assert world.do(start_by_hand, dana, "first", now=world.now).code == "entered"
    world.do(add_tag, dana, "was here", now=world.now)
    world.play(DAY)
    assert sorted(one.journey_id for one in world.runs()) == ["first", "hot", "inside"]
    world.play(30 * DAY)
    assert sorted(one.journey_id for one in world.runs()) == ["first", "hot", "inside", "outside"]


def test_whoever_becomes_quiet_enters_once_at_the_next_check(world: World) -> None:
    world.publish(quiet())
    dana, idle = world.contact(), world.contact("Never bought")
    world.event(dana, "order_paid")
    world.play(10 * DAY)
    [run] = world.runs()
    assert run.contact_id == dana != idle
    # Sunday 10:00 and three days is Wednesday 10:00; the next check is on Thursday at 07:00 in Jerusalem.
    assert run.entered_at.isoformat() == "2026-11-26T05:00:00+00:00"
    assert run.data["run"]["entry.trigger"] == "becomes_true"


def test_an_order_in_between_moves_the_moment(world: World) -> None:
    world.publish(quiet())
    dana = world.contact()
    world.event(dana, "order_paid")
    world.play(2 * DAY)
    world.event(dana, "order_paid")
    world.play(2 * DAY)
    assert world.runs() == []
    world.play(2 * DAY)
    assert len(world.runs()) == 1


def test_turning_true_again_is_another_start(world: World) -> None:
    world.publish(quiet().replace("wait: 30 days", "note: end"))
    dana = world.contact()
    world.event(dana, "order_paid")
    world.play(5 * DAY)
    world.event(dana, "order_paid")
    world.play(5 * DAY)
    assert [run.run_no for run in world.runs()] == [1, 2]


def test_an_event_that_makes_it_true_starts_at_once(world: World) -> None:
    world.publish(
        """
warm:
  name: Warm
  purpose: service
  start_when: {becomes_true: {all: [{has_tag: warm}, {not: {has_tag: staff}}]}}
  re_enter: always
  review_after: 1 year
  steps: [{note: warm}]
"""
    )
    dana, boss = world.contact(), world.contact("Boss")
    world.do(add_tag, boss, "staff")
    world.do(add_tag, dana, "warm")
    world.do(add_tag, boss, "warm")
    world.work()
    world.do(add_tag, dana, "other")
    world.work()
    assert [(run.contact_id, run.entered_at) for run in world.runs()] == [(dana, world.now)]
    world.do(remove_tag, boss, "staff")
    world.work()
    assert [run.contact_id for run in world.runs()] == [dana, boss]


def test_what_is_recorded_as_history_only_changes_the_answer_and_starts_nothing(world: World) -> None:
    world.publish(quiet())
    dana = world.contact()
    with clock.hold(world.now), writing() as session:
        record(session, contact_id=dana, kind="order_paid", occurred_at=world.now - 9 * DAY, starts_journeys=False)
    later = world.now + timedelta(minutes=5)
    with clock.hold(later):
        audiences.recheck()
        with writing() as session:
            audiences.catch_up(session, later)
    [state] = world.rows(AudienceState)
    assert (state.contact_id, state.is_true) == (dana, True)
    world.play(5 * DAY)
    assert world.runs() == []


def test_published_again_it_keeps_what_it_knows_and_lets_nobody_in(world: World) -> None:
    people = [world.contact(f"Person {n}") for n in range(3)]
    world.publish(quiet())
    for one in people:
        world.event(one, "order_paid", at=world.now - 2 * DAY)
    world.work()
    known = [(row.audience, row.contact_id, row.recheck_at) for row in world.rows(AudienceState)]
    world.publish(quiet("labels: [b]"), number=2)
    assert [(row.audience, row.contact_id, row.recheck_at) for row in world.rows(AudienceState)] == known
    # Another condition, which holds for everybody at once: new first answers, and nobody comes in.
    world.publish(quiet("existing: include").replace("3 days", "1 day"), number=3)
    world.play(5 * DAY)
    assert world.runs() == []
    assert len(world.rows(Audience)) == 1
    world.event(people[0], "order_paid")
    world.play(3 * DAY)
    assert [run.contact_id for run in world.runs()] == [people[0]]


def test_those_already_true_are_let_in_so_many_a_day_in_order(world: World) -> None:
    people = [world.contact(f"Person {n}") for n in range(5)]
    for one in people:
        world.event(one, "order_paid", at=world.now - 9 * DAY)
    world.work()
    world.publish(quiet("existing: include\n  entry_limit: 2 per day"))
    assert [row.contact_id for row in world.rows(WaitingEntry)] == people
    world.play(5 * DAY)
    # Days begin at midnight in Jerusalem, which is 22:00 UTC.
    days = [(run.contact_id, f"{run.entered_at:%d %H}") for run in world.runs()]
    assert days == list(zip(people, ["22 08", "22 08", "22 22", "22 22", "23 22"], strict=True))
    assert world.rows(WaitingEntry) == []


LIMITED = """
greet:
  name: Greet
  purpose: service
  start_when: [{tag_added: hello}, {event: order_paid}]
  only_if: {not: {has_tag: staff}}
  entry_limit: 2 per day
  re_enter: always
  review_after: 1 year
  steps: [{note: hello}]
"""


def test_the_limit_holds_for_events_and_the_rest_wait_in_a_row(world: World) -> None:
    world.publish(LIMITED)
    people = [world.contact(f"Person {n}") for n in range(5)]
    for one in people:
        world.do(add_tag, one, "hello")
    world.work()
    assert [run.contact_id for run in world.runs()] == people[:2]
    waiting = world.rows(WaitingEntry)
    # The next free days, from midnight on the clock of the business.
    assert [(row.contact_id, row.due_at.isoformat()) for row in waiting] == [
        (people[2], "2026-11-22T22:00:00+00:00"),
        (people[3], "2026-11-22T22:00:00+00:00"),
        (people[4], "2026-11-23T22:00:00+00:00"),
    ]
    assert world.refusals() == ["entry_limit"] * 3
    assert world.rows(EntryCheck)[0].detail["due_at"] == "2026-11-22T22:00:00+00:00"
    world.do(add_tag, people[3], "staff")  # judged again when the turn comes
    world.play(3 * DAY)
    assert [run.contact_id for run in world.runs()] == [people[0], people[1], people[2], people[4]]
    assert world.refusals().count("only_if_false") == 1


def test_after_an_outage_no_more_enter_than_may(world: World) -> None:
    world.publish(LIMITED)
    people = [world.contact(f"Person {n}") for n in range(8)]
    for one in people:
        world.do(add_tag, one, "hello")
    world.work()
    world.now += 7 * DAY  # nobody worked for a week
    world.work()
    assert [run.contact_id for run in world.runs()] == people[:4]
    world.play(2 * DAY)
    assert [run.contact_id for run in world.runs()] == people


def test_a_paused_journey_keeps_them_waiting(world: World) -> None:
    world.publish(LIMITED)
    people = [world.contact(f"Person {n}") for n in range(3)]
    for one in people:
        world.do(add_tag, one, "hello")
    world.work()
    world.do(lambda session: session.execute(update(Journey).values(state="paused")))
    world.play(3 * DAY)
    assert len(world.rows(WaitingEntry)) == 1
    # A moment that has passed and stays would hold up everybody who lets time pass: a forecast would not get on.
    assert world.do(audiences.next_moment) is None
    world.do(lambda session: session.execute(update(Journey).values(state="live")))
    world.work()
    assert [run.contact_id for run in world.runs()] == people


def test_a_stop_condition_that_only_time_fulfils_ends_the_run_in_time(world: World) -> None:
    world.publish(
        """
active:
  name: Active
  purpose: service
  start_when: {tag_added: hello}
  stop_when: [{if: {not_happened: order_paid, within: 5 days}, reason: went quiet}]
  review_after: 1 year
  steps: [{wait: 60 days}]
"""
    )
    dana = world.contact()
    world.event(dana, "order_paid")
    world.do(add_tag, dana, "hello")
    world.play(4 * DAY)
    world.event(dana, "order_paid")
    world.play(4 * DAY)
    assert [run.status for run in world.runs()] == ["active"]
    world.play(2 * DAY)
    [run] = world.runs()
    assert run.status == "stopped"
    assert run.ended_at is not None
    assert run.ended_at.isoformat() == "2026-12-01T08:00:00.000001+00:00"


def test_what_cannot_be_said_now_stays_as_it_was_and_nobody_enters(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(quiet())
    dana = world.contact()
    world.event(dana, "order_paid")
    world.work()
    silent = {"order_paid"}
    monkeypatch.setattr(sets, "stale_kinds", lambda _session, kinds, _now: silent & set(kinds))
    world.play(6 * DAY)
    assert world.runs() == []
    # The source speaks again: the next morning finds her.
    silent.clear()
    world.play(2 * DAY)
    assert [run.contact_id for run in world.runs()] == [dana]


def test_conditions_that_change_without_an_event_are_asked_every_morning(world: World) -> None:
    world.publish(
        """
reachable:
  name: Reachable
  purpose: service
  start_when: {becomes_true: {all: [{can_reach: email}, {has_tag: warm}]}, check: daily at 07:00}
  review_after: 1 year
  steps: [{note: hello}]
"""
    )
    dana = world.contact()
    world.do(lambda session: suppress(session, dana))
    world.do(add_tag, dana, "warm")
    world.work()
    assert world.runs() == []
    world.do(lambda session: session.execute(delete(Suppression)))  # nobody tells her timeline
    world.play(DAY)
    assert [run.contact_id for run in world.runs()] == [dana]


def suppress(session: Session, contact_id: int) -> None:
    address = primary_addresses(session, [contact_id], "email")[contact_id]
    at = session.get_one(Contact, contact_id).created_at
    session.add(Suppression(channel="email", address=address, reason="complained", at=at, source="test"))


def test_a_condition_about_one_run_cannot_be_watched(world: World) -> None:
    with pytest.raises(NotForSetsError):
        world.publish(quiet().replace("within: 3 days", "since: entry"))


def test_routers_at_once_end_with_what_is_true(world: World, app: Flask) -> None:
    world.publish(WARM)
    people = [world.contact(f"Person {n}") for n in range(6)]
    world.work()

    def routing() -> None:
        with app.app_context(), clock.hold(world.now):
            while not over.is_set() or retried(lambda: route(3)):
                retried(lambda: route(3))

    def tagging(dice: random.Random) -> None:
        with app.app_context(), clock.hold(world.now):
            for _ in range(25):
                with writing() as session:
                    (add_tag if dice.random() < 0.6 else remove_tag)(session, dice.choice(people), "warm")

    over = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        routers = [pool.submit(routing) for _ in range(2)]
        writers = [pool.submit(tagging, random.Random(n)) for n in range(2)]
        for one in writers:
            one.result(60)
        over.set()
        for one in routers:
            one.result(60)
    [audience] = [row for row in world.rows(Audience) if row.id.startswith("journey:warm:")]
    kept = {row.contact_id for row in world.rows(AudienceState, audience=audience.id) if row.is_true}
    with reading() as session:
        assert kept == contacts_where(session, audience.condition, world.now, audience.settings)
    entered = [run.contact_id for run in world.runs(journey_id="warm")]
    assert len(entered) == len(set(entered))


WARM = """
warm:
  name: Warm
  purpose: service
  start_when: {becomes_true: {has_tag: warm}}
  review_after: 1 year
  steps: [{wait: 30 days}]
"""


def test_a_merged_card_leaves_and_its_own_answer_goes_with_it(world: World) -> None:
    world.publish(quiet())
    kept, merged = world.contact("Dana"), world.contact("Dana again")
    world.event(merged, "order_paid")
    world.work()
    assert [row.contact_id for row in world.rows(AudienceState)] == [merged]
    world.do(merge, kept, merged)
    world.work()
    assert world.rows(AudienceState, contact_id=merged) == []


def test_a_journey_that_is_over_is_not_watched(world: World) -> None:
    world.publish(quiet())
    world.do(lambda session: session.execute(update(Journey).values(state="ended")))
    world.do(forget_ended)
    assert world.rows(Audience) == []


def test_a_journey_that_makes_its_own_condition_true_again_comes_to_rest(world: World) -> None:
    world.publish(
        """
circle:
  name: Circle
  purpose: service
  start_when: {becomes_true: {has_tag: warm}}
  re_enter: always
  review_after: 1 year
  steps: [{untag: warm}, {tag: warm}]
"""
    )
    dana = world.contact()
    world.do(add_tag, dana, "warm")
    world.work()
    assert len(world.rows(Enrolment)) <= MAX_DEPTH + 1
    assert world.rows(Event, kind="journey_entered")
