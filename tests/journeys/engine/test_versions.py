"""A new version while people are inside: nobody is stranded, nothing is repeated."""

from __future__ import annotations

from datetime import timedelta

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
