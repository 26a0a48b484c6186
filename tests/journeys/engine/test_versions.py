"""A new version while people are inside: nobody is stranded, nothing is repeated."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.journeys import operations
from panel.journeys.by_hand import start_by_hand
from tests.journeys.engine.world import World

HEAD = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  %s
  steps:
"""
FIRST = "    - send: one\n    - {wait: 2 days, id: pause}\n    - send: two\n"


def begin(world: World, steps: str = FIRST, more: str = "when_edited: follow") -> int:
    for name in ("one", "two", "three"):
        world.template(name)
    world.publish(HEAD % more + steps)
    contact = world.contact()
    assert world.do(start_by_hand, contact, "series", now=world.now).code == "entered"
    world.play(timedelta(hours=1))
    return contact


def edit(world: World, steps: str, more: str = "when_edited: follow") -> None:
    world.publish(HEAD % more + steps, number=2)


def subjects(world: World) -> list[str]:
    return [one.splitlines()[0] for one in world.sent()]


def test_a_corrected_text_reaches_those_who_wait(world: World) -> None:
    begin(world)
    edit(world, FIRST.replace("two", "three"))
    world.play(timedelta(days=3))
    assert subjects(world) == ["one", "three"]
    assert world.runs()[0].status == "finished"


def test_a_removed_step_lets_the_run_finish_and_join_where_both_versions_meet(world: World) -> None:
    begin(world)
    edit(world, "    - send: one\n    - send: two\n    - send: three\n")
    world.play(timedelta(days=3))
    assert subjects(world) == ["one", "two", "three"]
    assert world.runs()[0].status == "finished"


def test_a_step_moved_behind_is_not_repeated(world: World) -> None:
    begin(world)
    edit(world, "    - {wait: 2 days, id: pause}\n    - send: one\n    - send: two\n")
    world.play(timedelta(days=3))
    assert subjects(world) == ["one", "two"]
    assert ("send_one", "already_done") in world.trace()


def test_finish_old_keeps_people_on_their_version(world: World) -> None:
    more = "when_edited: finish_old"
    begin(world, more=more)
    edit(world, FIRST.replace("two", "three"), more)
    world.play(timedelta(days=3))
    assert subjects(world) == ["one", "two"]


def test_a_wholly_new_journey_strands_nobody(world: World) -> None:
    begin(world)
    edit(world, "    - {note: something else, id: other}\n")
    world.play(timedelta(days=3))
    assert world.runs()[0].status == "finished"
    assert subjects(world) == ["one", "two"]


def test_conditions_know_a_renamed_step_by_what_it_did_under_its_old_name(world: World) -> None:
    asks = """    - wait: 2 days
    - if: {all: [{message: %s, was: sent}, {not_happened: order_paid, since: %s}]}
      then: [{tag: known}]
"""
    begin(world, "    - send: one\n" + asks % ("send_one", "send_one"))
    for number, name in enumerate(("greeting", "welcome"), 2):
        world.publish(HEAD % "" + f"    - {{send: one, id: {name}}}\n" + asks % (name, name), number=number, carry=True)
    world.play(timedelta(days=3))
    assert subjects(world) == ["one"]
    assert ("tag_known", "done") in world.trace()


@pytest.mark.parametrize("rule", ["stop_when: [{event: order_paid}]", "goal: {event: order_paid}"])
def test_what_the_new_version_stops_by_is_looked_at_before_its_first_step(world: World, rule: str) -> None:
    steps = FIRST + "    - {wait: 9 days}\n"
    contact = begin(world, steps)
    world.event(contact, "order_paid")
    edit(world, steps.replace("- send: two", "- tag: owes\n    - send: two"), f"{rule}\n  when_edited: follow")
    world.play(timedelta(days=3))
    [run] = world.runs()
    assert run.status == ("goal" if "goal" in rule else "stopped")
    assert world.trace() == [("send_one", "done"), ("pause", "time_came")]
    assert subjects(world) == ["one"]


def test_time_alone_stops_by_a_rule_of_the_new_version(world: World) -> None:
    steps = "    - {wait: 1 day, id: pause}\n    - {wait: 30 days, id: long}\n"
    begin(world, steps)
    world.event(1, "order_paid")
    rule = "stop_when: [{if: {not_happened: order_paid, within: 5 days}}]"
    edit(world, steps, f"{rule}\n  when_edited: follow")
    world.play(timedelta(days=6))
    assert [one.status for one in world.runs()] == ["stopped"]


def test_conditions_know_what_was_done_under_another_name_when_an_older_version_is_live_again(world: World) -> None:
    asks = """    - {wait: 2 days, id: pause}
    - if: {message: %s, was: sent}
      then: [{tag: known}]
"""
    texts = {name: f"    - {{send: one, id: {name}}}\n" + asks % name for name in ("greeting", "welcome")}
    world.template("one")
    contacts = [world.contact(name) for name in ("Dana", "Roni")]
    for number, name in enumerate(("greeting", "welcome", "greeting")):
        world.do(operations.publish, "series", text=HEAD % "" + texts[name], now=world.now)
        if number < 2:
            world.do(start_by_hand, contacts[number], "series", now=world.now)
            world.play(timedelta(hours=1))
    world.play(timedelta(days=3))
    assert world.trace().count(("tag_known", "done")) == 2


def test_a_name_that_is_another_steps_now_tells_nothing_of_the_one_that_had_it(world: World) -> None:
    begin(world, "    - {send: one, id: greeting}\n    - {wait: 2 days, id: pause}\n")
    steps = """    - {send: one, id: welcome}
    - {wait: 2 days, id: pause}
    - if: {has_tag: vip}
      then: [{send: two, id: greeting}]
    - if: {message: greeting, was: sent}
      then: [{tag: wrong}]
      else: [{tag: right}]
"""
    for number, text in enumerate(("    - {send: one, id: welcome}\n    - {wait: 2 days, id: pause}\n", steps), 2):
        world.publish(HEAD % "" + text, number=number, carry=True)
    world.play(timedelta(days=3))
    assert ("tag_right", "done") in world.trace()
    assert ("tag_wrong", "done") not in world.trace()


def test_a_step_taken_just_now_under_its_old_name_is_known_under_the_new_one(world: World) -> None:
    asks = """    - {wait: 1 day, id: before}
    - {wait: 2 days, id: %(name)s}
    - if: {happened: order_paid, since: %(name)s}
      then: [{tag: right}]
"""
    contact = begin(world, asks % {"name": "pause"})
    world.play(timedelta(days=1, hours=1))
    world.event(contact, "order_paid")
    world.publish(HEAD % "" + asks % {"name": "rest"}, number=2, carry=True)
    world.play(timedelta(days=3))
    assert ("tag_right", "done") in world.trace()
