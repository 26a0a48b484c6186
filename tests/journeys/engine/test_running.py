"""Journeys from entry to end, on a clock that jumps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from panel import clock
from panel.contacts.memberships import add_tag, create_list, join_list, leave_list
from panel.contacts.models import Contact
from panel.contacts.operations import add_address, set_field
from panel.contacts.scores import change_scores
from panel.contacts.typed import create_field
from panel.journeys.engine.deliver import deliver
from panel.journeys.models import StepRun
from panel.messages.models import Message
from tests.journeys.engine.world import World

WELCOME = """
welcome:
  name: Welcome
  purpose: marketing
  start_when: [{joins_list: Newsletter}]
  stop_when: [{leaves_list: Newsletter}]
  goal: {event: order_paid, within: 30 days}
  review_after: 6 months
  steps:
    - send: welcome_1
    - wait: 2 days
    - send: welcome_2
    - wait_for: {event: link_clicked}
      up_to: 3 days
      then:
        - tag: warm
      on_timeout:
        - note: Did not click, [[first name]]
    - stop: over
"""


def enter(world: World, name: str = "Dana Levi", **more: object) -> int:
    contact = world.contact(name, **more)
    world.do(join_list, contact, "Newsletter", now=world.now)
    return contact


def set_up(world: World) -> None:
    world.do(create_list, "Newsletter", now=world.now)
    world.template("welcome_1")
    world.template("welcome_2")
    world.publish(WELCOME)


def test_a_welcome_series_runs_from_entry_to_end(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.play(timedelta(days=10))
    assert world.sent() == ["welcome_1\nHello Dana", "welcome_2\nHello Dana"]
    assert [outcome for _, outcome in world.trace()] == ["done", "time_came", "done", "timeout", "done", "done"]
    [run] = world.runs()
    assert (run.status, run.reason) == ("stopped", "stop_step")
    kinds = world.timeline(contact)
    assert kinds.count("message_sent") == 2
    assert kinds[-1] == "journey_ended"


def test_a_click_that_comes_just_before_the_wait_is_not_lost(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.play(timedelta(days=2, minutes=1))
    world.event(contact, "link_clicked", url="https://example.com")
    world.play(timedelta(hours=1))
    assert "tag_added" in world.timeline(contact)
    assert world.runs()[0].reason == "stop_step"


def test_the_goal_ends_the_run_and_cancels_what_is_queued(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.play(timedelta(days=1))
    world.event(contact, "order_paid", amount="100")
    world.play(timedelta(days=10))
    [run] = world.runs()
    assert (run.status, run.reason) == ("goal", "goal")
    assert len(world.sent()) == 1


def test_a_goal_that_nobody_has_routed_yet_keeps_the_message_back(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.play(timedelta(days=2))
    world.do(lambda session: session.execute(update(Message).values(status="queued", sent_at=None, wire_at=None)))
    world.event(contact, "order_paid", amount="100")
    with clock.hold(world.now):
        deliver("email")
    [run] = world.runs()
    assert (run.status, run.reason) == ("goal", "goal")
    assert {(one.status, one.reason) for one in world.messages()} == {("cancelled", "stopped")}


def test_leaving_the_list_stops_at_once(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.play(timedelta(days=1))
    world.do(leave_list, contact, "Newsletter", now=world.now)
    world.work()
    assert world.runs()[0].status == "stopped"
    world.play(timedelta(days=5))
    assert len(world.sent()) == 1


def test_a_second_start_is_refused_and_the_refusal_is_kept(world: World) -> None:
    set_up(world)
    contact = enter(world)
    world.work()
    world.event(contact, "list_joined", list="Newsletter")
    world.event(contact, "list_joined", list="Newsletter")
    world.work()
    assert world.refusals() == ["already_in"]
    assert len(world.runs()) == 1


def test_nobody_who_did_not_agree_gets_marketing_and_the_timeline_says_why(world: World) -> None:
    set_up(world)
    contact = enter(world, consent=())
    world.play(timedelta(days=10))
    assert world.sent() == []
    assert [(one.status, one.reason) for one in world.messages()] == [("skipped", "no_consent")] * 2
    assert world.timeline(contact).count("message_skipped") == 2


CHOICES = """
choices:
  name: Choices
  purpose: service
  start_when: [{manual: yes}, {tag_added: vip}]
  only_if: {field: language, is: he}
  exclude_if: {has_tag: staff}
  re_enter: always
  review_after: 1 year
  steps:
    - choose:
        - when: {has_tag: gold}
          do:
            - tag: chose gold
        - when: {has_tag: vip}
          do:
            - tag: chose vip
      otherwise:
        - tag: chose nothing
    - id: again
      note: Round
    - go_to: again
      max_times: 2
    - set: {company: "[[first name]] Ltd"}
"""


def test_choose_go_to_and_set(world: World) -> None:
    world.publish(CHOICES)
    contact = world.contact("Yael Cohen", language="he")
    world.do(add_tag, contact, "vip", now=world.now)
    world.work()
    assert world.timeline(contact).count("note_added") == 3
    assert world.runs()[0].status == "finished"
    assert world.rows(Contact, id=contact)[0].company == "Yael Ltd"


def test_only_if_and_exclude_if_refuse_with_what_was_seen(world: World) -> None:
    world.publish(CHOICES)
    persian = world.contact("Sara Ahmadi", language="fa")
    staff = world.contact("Noa Bar", language="he")
    world.do(add_tag, staff, "staff", now=world.now)
    for contact in (persian, staff):
        world.do(add_tag, contact, "vip", now=world.now)
    world.work()
    assert sorted(world.refusals()) == ["excluded", "only_if_false"]
    assert world.runs() == []


QUIET = """
quiet:
  name: Quiet
  purpose: service
  start_when: [{event: asked}]
  review_after: 1 year
  steps:
    - wait_for: {becomes_true: {not_happened: order_paid, within: 10 days}}
      up_to: 60 days
      then: [{tag: quiet}]
      on_timeout: [{tag: lively}]
"""


def test_a_wait_for_a_condition_ends_at_the_moment_time_makes_it_true(world: World) -> None:
    world.publish(QUIET)
    dana, avi = world.contact("Dana"), world.contact("Avi")
    for one in (dana, avi):
        world.event(one, "order_paid")
        world.event(one, "asked")
    world.play(timedelta(days=8))
    world.event(avi, "order_paid")
    began = world.now - timedelta(days=8)
    world.play(timedelta(days=30))
    ended = {one.contact_id: one.ended_at - began for one in world.runs()}
    assert timedelta(days=10) <= ended[dana] < timedelta(days=10, seconds=1)
    assert timedelta(days=18) <= ended[avi] < timedelta(days=18, seconds=1)
    assert {step for step, _ in world.trace()} >= {"tag_quiet"}


CONTRACT = """
contract:
  name: Contract
  purpose: service
  start_when: [{event: asked}]
  stop_when: [{date: contract_end, at: 12:00, reason: the contract is over}]
  review_after: 1 year
  steps:
    - wait_for: {date: contract_end, offset: 3 days before, at: 09:00}
      up_to: 60 days
      then: [{tag: soon}]
    - wait: 30 days
"""


def test_dates_end_waits_and_journeys(world: World) -> None:
    world.publish(CONTRACT)
    world.do(create_field, "contract_end", "date", now=world.now)
    dana, avi = world.contact("Dana"), world.contact("Avi")
    world.do(set_field, dana, "contract_end", "2026-12-10", now=world.now)
    for one in (dana, avi):
        world.event(one, "asked")
    world.play(timedelta(days=5))
    # The contract was prolonged meanwhile.
    world.do(set_field, dana, "contract_end", "2026-12-20", now=world.now)
    world.play(timedelta(days=100))
    assert [(one.outcome, one.ended_at.isoformat()) for one in world.rows(StepRun, kind="wait_for")] == [
        ("event_came", "2026-12-17T07:00:00+00:00"),
        ("timeout", "2027-01-21T08:00:00+00:00"),
    ]
    ended = {one.contact_id: (one.reason, one.ended_at.isoformat()) for one in world.runs()}
    assert ended[dana] == ("stopped", "2026-12-20T10:00:00+00:00")
    assert ended[avi][0] == "finished"


WATCHING = """
watching:
  name: Watching
  purpose: service
  start_when: [{event: asked}]
  stop_when: [{if: %s}]
  review_after: 1 year
  steps:
    - wait: 30 days
other:
  name: Other
  purpose: service
  start_when: [{event: went}]
  review_after: 1 year
  steps:
    - wait: 60 days
"""


@pytest.mark.parametrize("condition", ["{field: score, at_least: 5}", "{in_journey: other}", "{can_reach: email}"])
def test_a_stop_condition_is_looked_at_when_what_it_asks_for_changes(world: World, condition: str) -> None:
    world.publish(WATCHING % condition)
    dana = world.contact(emails=())
    world.event(dana, "asked")
    world.play(timedelta(days=1))
    assert [one.status for one in world.runs()] == ["active"]
    world.do(change_scores, {dana: 7}, now=world.now)
    world.do(add_address, dana, "email", "dana@example.com", now=world.now)
    world.event(dana, "went")
    world.work()
    assert {one.journey_id: one.status for one in world.runs()} == {"watching": "stopped", "other": "active"}


def test_what_was_never_sent_is_not_skipped_and_nothing_has_happened_since_a_step_not_taken(world: World) -> None:
    world.template("hello")
    world.publish("""
series:
  name: Series
  purpose: service
  start_when: [{event: asked}]
  stop_when: [{if: {message: hello, was: skipped}}]
  review_after: 1 year
  steps:
    - if: {has_tag: nobody}
      then: [{note: An offer, id: offer}]
    - if: {happened: order_paid, since: offer}
      then: [{tag: bought}]
    - {send: hello, only_if: {has_tag: nobody}, id: hello}
    - wait: 3 days
""")
    dana = world.contact()
    world.event(dana, "order_paid", at=world.now - timedelta(days=300))
    world.event(dana, "asked")
    world.play(timedelta(days=1))
    assert [one.outcome for one in world.rows(StepRun)] == ["branch", "branch", "passed_condition"]
    assert world.timeline(dana).count("tag_added") == 0
    world.play(timedelta(days=3))
    assert [(one.status, one.reason) for one in world.runs()] == [("stopped", "stopped")]


def test_the_paid_invoice_7_does_not_end_the_reminders_of_007(world: World) -> None:
    world.publish("""
invoices:
  name: Invoices
  purpose: service
  start_when: [{event: invoice_overdue}]
  one_per: event.number
  re_enter: always
  stop_when: [{event: invoice_paid, where: [{field: event.number, is: run.number}]}]
  review_after: 1 year
  steps: [{wait: 7 days}]
""")
    dana = world.contact()
    for number in ("007", "7", 8):
        world.event(dana, "invoice_overdue", number=number)
    world.play(timedelta(days=1))
    for number in ("7", 8.0):
        world.event(dana, "invoice_paid", number=number)
    world.work()
    assert {one.entry_key: one.status for one in world.runs()} == {"007": "active", "7": "stopped", "8": "stopped"}
