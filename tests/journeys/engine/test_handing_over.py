"""`start_journey`, `stop_journey` and `call`: what a journey asks of other journeys and of plugins."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from panel.contacts.memberships import add_tag
from panel.issues.models import Issue
from panel.journeys.language import check
from panel.journeys.models import StepRun
from panel.plugin_manager import manager
from panel.sdk.declarations import ActionType
from panel.sdk.errors import NeverDeliverable, TryLater
from tests.journeys.engine.world import World


def journey(name: str, steps: str, *, trigger: str = "event: asked", re_enter: str = "always") -> str:
    return f"""
{name}:
  name: {name}
  purpose: service
  start_when: [{{{trigger}}}]
  re_enter: {re_enter}
  review_after: 1 year
  steps:
{steps}
"""


def ended(world: World) -> dict[str, tuple[str, str | None]]:
    return {one.journey_id: (one.status, one.reason) for one in world.runs()}


def test_a_journey_starts_another_and_both_end(world: World) -> None:
    world.publish(journey("second", "    - note: hello", trigger="manual: yes"))
    world.publish(journey("first", "    - start_journey: second\n    - note: after"))
    dana = world.contact()
    world.event(dana, "asked")
    world.work()
    assert ended(world) == {"first": ("finished", "finished"), "second": ("finished", "finished")}
    assert [one.depth for one in world.runs(journey_id="second")] == [1]


def test_a_start_that_is_refused_is_in_the_trace_and_in_the_entry_checks(world: World) -> None:
    world.publish(journey("second", "    - wait: 1 day", trigger="manual: yes", re_enter="never"))
    world.publish(journey("first", "    - start_journey: second"))
    dana = world.contact()
    for _ in range(2):
        world.event(dana, "asked")
        world.work()
        world.play(timedelta(minutes=1))
    [first, second] = [one for one in world.rows(StepRun) if one.kind == "start_journey"]
    assert (first.reason, second.reason) == (None, "already_in")
    assert world.refusals() == ["already_in"]


def test_journeys_that_start_each_other_come_to_rest(world: World) -> None:
    world.publish(journey("b", "    - note: waiting", trigger="manual: yes"))
    world.publish(journey("a", "    - start_journey: b"))
    world.publish(journey("b", "    - start_journey: a", trigger="manual: yes"), number=2)
    dana = world.contact()
    world.event(dana, "asked")
    world.work()
    assert len(world.runs()) == 2
    assert world.refusals() == ["journey_circle"]


def test_journeys_that_start_each_other_by_tags_come_to_rest(world: World) -> None:
    world.publish(journey("a", "    - untag: two\n    - tag: one", trigger="tag_added: two"))
    world.publish(journey("b", "    - untag: one\n    - tag: two", trigger="tag_added: one"))
    dana = world.contact()
    world.do(add_tag, dana, "two", now=world.now)
    world.work()
    assert "too_deep" in world.refusals()
    assert all(one.status == "finished" for one in world.runs())


def test_the_checker_refuses_a_journey_that_starts_itself() -> None:
    text = "language: 1\njourneys:\n" + textwrap.indent(journey("a", "    - start_journey: a"), "  ")
    assert [problem.code for problem in check(text).problems] == ["starts_itself"]


def test_a_journey_that_is_not_there_holds_the_run_with_an_issue(world: World) -> None:
    world.publish(journey("a", "    - start_journey: nowhere"))
    world.event(world.contact(), "asked")
    world.work()
    [run] = world.runs()
    assert (run.status, run.reason) == ("held", "held_missing_journey")
    [issue] = world.rows(Issue)
    assert issue.params["other"] == "nowhere"


def test_stop_journey_ends_the_other_run_and_cancels_its_message(world: World) -> None:
    world.template("late")
    world.publish(journey("offers", "    - wait: 1 day\n    - send: late", trigger="event: joined"))
    world.publish(journey("complaint", "    - stop_journey: offers\n    - note: done", trigger="event: asked"))
    dana, avi = world.contact("Dana"), world.contact("Avi")
    for one in (dana, avi):
        world.event(one, "joined")
    world.work()
    world.event(dana, "asked")
    world.play(timedelta(days=2))
    found = {(one.contact_id, one.journey_id): (one.status, one.reason) for one in world.runs()}
    assert found[(dana, "offers")] == ("stopped", "stopped_by_journey")
    assert found[(dana, "complaint")] == ("finished", "finished")
    assert found[(avi, "offers")] == ("finished", "finished")
    assert [one.contact_id for one in world.messages()] == [avi]


def test_both_runs_due_at_once_the_stopped_one_sends_nothing(world: World) -> None:
    world.template("now")
    world.publish(journey("offers", "    - wait: 1 hour\n    - send: now", trigger="event: asked"))
    world.publish(journey("complaint", "    - wait: 1 hour\n    - stop_journey: offers", trigger="event: asked"))
    world.event(world.contact(), "asked")
    world.play(timedelta(hours=2))
    assert ended(world)["offers"] == ("stopped", "stopped_by_journey")
    assert [one.status for one in world.messages()] in ([], ["cancelled"])


# Calls of plugins' actions


class Books:
    """An action that notes what it was asked, and fails as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, dict[str, Any]]] = []
        self.trouble: Exception | None = None

    def perform(self, key: str, contact_id: int, settings: Mapping[str, Any]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append((key, contact_id, dict(settings)))


@pytest.fixture
def books(world: World, monkeypatch: pytest.MonkeyPatch) -> Books:
    found = Books()
    offered = {"books.mark": ActionType("books.mark", "Mark", "marks", found.perform)}
    monkeypatch.setattr(type(manager.current()), "actions", lambda _self: offered)
    return found


MARK = '    - call: books.mark\n      with: {invoice: "[[first name]] 7"}\n    - note: after'


def test_a_call_is_made_once_with_its_texts_filled_in_and_is_on_the_timeline(world: World, books: Books) -> None:
    world.publish(journey("a", MARK))
    dana = world.contact("Dana Levi")
    world.event(dana, "asked")
    world.work()
    [(key, contact_id, settings)] = books.asked
    assert (contact_id, settings) == (dana, {"invoice": "Dana 7"})
    assert key == world.messages()[0].our_message_id
    assert "action_done" in world.timeline(dana)
    assert "message_sent" not in world.timeline(dana)
    assert world.runs()[0].status == "finished"


def test_a_call_is_made_at_any_hour_and_counts_under_no_limit(world: World, books: Books) -> None:
    world.template("mail")
    hours = "  limits: {messages: 1 per day}\n  send_hours: {from: 09:00, to: 10:30}\n"
    text = journey("a", MARK + "\n    - send: mail").replace("  steps:", hours + "  steps:")
    world.publish(text)
    world.now += timedelta(hours=12)
    world.event(world.contact(), "asked")
    world.work()
    assert len(books.asked) == 1
    world.play(timedelta(days=1))
    assert [one.status for one in world.messages(kind="message")] == ["sent"]


def test_a_plugin_that_is_busy_is_asked_again_under_the_same_key(world: World, books: Books) -> None:
    world.publish(journey("a", MARK))
    books.trouble = TryLater("busy", after=timedelta(minutes=5))
    world.event(world.contact(), "asked")
    world.work()
    books.trouble = None
    assert books.asked == []
    world.play(timedelta(minutes=6))
    assert len(books.asked) == 1
    assert world.runs()[0].status == "finished"


def test_a_call_that_never_can_succeed_fails_and_the_journey_goes_on(world: World, books: Books) -> None:
    world.publish(journey("a", MARK))
    books.trouble = NeverDeliverable("no_invoice", "there is no such invoice")
    dana = world.contact()
    world.event(dana, "asked")
    world.work()
    assert [one.status for one in world.messages()] == ["failed"]
    assert "action_failed" in world.timeline(dana)
    assert world.runs()[0].status == "finished"


def test_a_call_that_broke_is_in_doubt_and_waits_for_a_person(world: World, books: Books) -> None:
    world.publish(journey("a", MARK))
    books.trouble = RuntimeError("connection lost")
    dana = world.contact()
    world.event(dana, "asked")
    world.work()
    assert [one.status for one in world.messages()] == ["unknown"]
    assert "action_unknown" in world.timeline(dana)
    assert world.runs()[0].status == "active"


def test_an_idempotent_action_that_broke_is_simply_repeated(
    world: World, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = {"books.mark": ActionType("books.mark", "Mark", "marks", books.perform, idempotent=True)}
    monkeypatch.setattr(type(manager.current()), "actions", lambda _self: offered)
    world.publish(journey("a", MARK))
    books.trouble = RuntimeError("connection lost")
    world.event(world.contact(), "asked")
    world.work()
    books.trouble = None
    world.play(timedelta(hours=1))
    assert len(books.asked) == 1
    assert [one.status for one in world.messages()] == ["sent"]


def test_a_plugin_that_is_switched_off_meanwhile_holds_its_calls_visibly(
    world: World, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(journey("a", MARK))
    books.trouble = TryLater("busy", after=timedelta(minutes=5))
    world.event(world.contact(), "asked")
    world.work()
    monkeypatch.setattr(type(manager.current()), "actions", lambda _self: {})
    world.play(timedelta(minutes=6))
    assert [(one.status, one.reason) for one in world.messages()] == [("queued", "held_plugin")]
    assert "action_missing:books.mark" in [one.key for one in world.rows(Issue)]


def test_an_action_that_no_plugin_offers_holds_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(journey("a", MARK))
    world.event(world.contact(), "asked")
    world.work()
    [run] = world.runs()
    assert (run.status, run.reason) == ("held", "held_plugin")


def test_a_call_planned_for_a_run_that_was_stopped_is_not_made(world: World, books: Books) -> None:
    text = journey("a", MARK).replace("  steps:", "  stop_when: [{event: paid}]\n  steps:")
    world.publish(text)
    books.trouble = TryLater("busy", after=timedelta(minutes=5))
    dana = world.contact()
    world.event(dana, "asked")
    world.work()
    books.trouble = None
    world.event(dana, "paid")
    world.play(timedelta(minutes=10))
    assert books.asked == []
    assert [one.status for one in world.messages()] == ["cancelled"]
