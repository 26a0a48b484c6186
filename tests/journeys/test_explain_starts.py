"""Why not, what comes and what would stop it where nothing was ever decided, or more than one run is under way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.calendars import Reader
from panel.contacts.memberships import add_tag, create_list, join_list
from panel.contacts.operations import set_field
from panel.contacts.typed import create_field
from panel.db import writing
from panel.installation.operations import set_setting
from panel.journeys.explain import Explanation
from panel.journeys.simulate.one import Asked, simulate
from panel.staff.operations import create_user
from tests.journeys.engine.conftest import channels, world
from tests.journeys.engine.world import World
from tests.journeys.simulate.conftest import reader
from tests.journeys.simulate.test_one import WELCOME, scene
from tests.journeys.test_explain import ask

__all__ = ["channels", "reader", "world"]
pytestmark = pytest.mark.databases("sqlite")

INVOICE = """
invoice:
  name: Overdue
  purpose: service
  start_when:
    event: invoice_late
    where: [{field: event.amount_due, more_than: "50"}]
  one_per: event.invoice_number
  stop_when:
    - {event: invoice_settled, where: [{field: event.invoice_number, is: run.invoice_number}], reason: paid at last}
  goal: {event: order_paid, within: 30 days}
  review_after: 1 year
  leave_after: 60 days
  steps:
    - wait: 3 days
    - send: welcome_1
"""
BIRTHDAY = """
birthday:
  name: Birthday
  purpose: marketing
  start_when: {date: born, every: year, offset: 3 days before, at: 09:00}
  only_if: {can_reach: email}
  review_after: 1 year
  steps:
    - send: welcome_1
"""


def plain(sentences: list[str]) -> str:
    return "\n".join(sentences).replace("\u2068", "").replace("\u2069", "")


def invoices(world: World, *numbers: str, amount: str = "400") -> int:
    world.template("welcome_1")
    world.publish(INVOICE)
    contact = world.contact()
    for number in numbers:
        world.event(contact, "invoice_late", invoice_number=number, amount_due=amount)
    world.work()
    return contact


def words(told: Explanation) -> str:
    return plain([*told.got, *told.not_got, *(one.words for one in told.coming), *told.would_stop])


def test_joining_another_list_is_not_taken_for_joining_this_one(world: World) -> None:
    contact = scene(world)
    world.do(create_list, "Programme", now=world.now)
    world.do(join_list, contact, "Programme", now=world.now)
    world.work()
    assert "Nothing of that kind ever happened to this contact." in words(ask(world, contact))


def test_what_was_refused_is_not_called_unlike_what_the_journey_asks_for(world: World) -> None:
    contact = scene(world)
    world.do(add_tag, contact, "staff", now=world.now)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.work()
    assert "not as the journey asks" not in words(ask(world, contact))


def test_an_event_with_other_values_shows_which_one_did_not_fit(world: World) -> None:
    contact = invoices(world, "7", amount="40")
    assert "“amount due” is not more than “50” (it is 40)" in words(ask(world, contact, "invoice"))


def test_a_date_that_is_missing_or_comes_is_said_and_what_it_will_start(world: World) -> None:
    world.template("welcome_1")
    world.do(create_field, "born", "date", now=world.now)
    world.publish(BIRTHDAY)
    without, soon = world.contact(), world.contact("Noa Bar")
    world.do(set_field, soon, "born", "1990-12-20", now=world.now)
    world.work()
    assert "This contact has no date in “born”." in words(ask(world, without, "birthday"))
    told = ask(world, soon, "birthday")
    assert "For this contact that is next on 17 December 2026, 09:00." in words(told)
    assert [one.words.split(" ")[0] for one in told.coming] == ["Enters", "Send"]
    world.play(timedelta(days=40))
    [sent] = world.messages(status="sent")
    assert sent.wire_at == told.coming[-1].at


def test_a_condition_on_what_starts_it_is_not_judged_before_it_starts(world: World) -> None:
    body = WELCOME.replace("exclude_if: {has_tag: staff}", "only_if: {field: entry.trigger, is: joins_list}")
    told = ask(world, scene(world, body))
    assert told.would_enter is None
    assert "It would start only if what started it is “joins_list”." in words(told)


def test_what_did_not_happen_lately_is_not_said_to_have_never_happened(world: World) -> None:
    body = WELCOME.replace("exclude_if: {has_tag: staff}", "exclude_if: {not_happened: order_paid, within: 3 months}")
    contact = scene(world, body)
    world.event(contact, "order_paid", at=world.now - timedelta(days=200), amount="10")
    said = words(ask(world, contact))
    assert "“Order paid” did not happen in the last 3 months" in said
    assert "never happened" not in said


def test_each_of_two_runs_says_what_would_stop_it_with_its_own_values(world: World) -> None:
    told = ask(world, invoices(world, "7", "8"), "invoice")
    assert [run.entry_key for run in told.runs] == ["7", "8"]
    assert "(“invoice number” is “7”)" in words(told)
    assert "(“invoice number” is “8”)" in words(told)
    assert "until 22 December 2026, 10:00" in words(told)  # the goal counts for thirty days
    assert "It ends on 21 January 2027, 10:00 at the latest." in words(told)


def test_a_goal_whose_time_is_over_is_not_said_to_end_it(world: World) -> None:
    contact = invoices(world, "7")
    world.now += timedelta(days=31)
    assert "with success" not in words(ask(world, contact, "invoice"))


def test_an_end_names_what_ended_it(world: World) -> None:
    contact = invoices(world, "7")
    world.event(contact, "invoice_settled", invoice_number="7")
    world.work()
    said = words(ask(world, contact, "invoice"))
    assert "It was invoice_settled, on 22 November 2026, 10:00." in said
    assert "The journey calls it: “paid at last”." in said


def test_another_journey_that_would_end_it_is_named(world: World) -> None:
    other = "breaker:\n  name: The breaker\n  purpose: service\n  start_when: {manual: yes}\n  review_after: 1 year\n"
    contact = scene(world)
    world.publish(other + "  steps:\n    - stop_journey: welcome\n", number=1)
    assert "It ends when the journey “breaker” comes to the step that ends it." in words(ask(world, contact))


def test_what_will_stand_still_is_said_to_come_next(world: World) -> None:
    contact = scene(world, WELCOME.replace("    - send: welcome_2", "    - send: nowhere"))
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    told = ask(world, contact)
    assert told.coming[-1].words == "Stands still: the template is missing."
    world.play(timedelta(days=5))
    assert [run.status for run in world.runs()] == ["held"]


def test_while_sending_is_paused_for_everybody_that_comes_first(world: World) -> None:
    contact = scene(world)
    world.do(join_list, contact, "Newsletter", now=world.now)
    world.play(timedelta(hours=1))
    with writing() as session:
        set_setting(session, "sending_paused", {"since": world.now.isoformat(), "why": "by_hand"})
    assert ask(world, contact).coming[0].words == "Nothing is sent to anybody until a colleague decides so."


def test_a_task_in_a_journey_is_foretold_though_colleagues_have_had_mails_about_others(
    world: World, reader: Reader
) -> None:
    world.do(create_user, "yossi@example.com", name="yossi", role="owner", by=None)
    contact = scene(world, WELCOME.replace("- send: welcome_1", "- notify: {who: yossi, text: Look}"))
    for number in range(3):
        world.do(join_list, world.contact(f"Other {number}"), "Newsletter", now=world.now)
    world.work()
    told = simulate(Asked(contact, "welcome"), reader, now=world.now)
    assert [line.code for line in told.lines if line.kind == "held"] == []
