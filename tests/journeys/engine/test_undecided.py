"""What cannot be judged now waits: an outside source that is silent, a plugin that is away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel.db import writing
from panel.issues.models import Issue
from panel.journeys.engine.conditions import Facts, UndecidedError, holds, judge
from panel.journeys.engine.undecided import settle_undecided
from panel.plugin_manager import manager
from panel.plugin_manager.models import PluginState
from panel.sdk.context import Unit
from panel.sdk.declarations import ConditionType
from panel.sdk.events import EventType
from panel.timeline import registry
from tests.journeys.engine.world import World

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PAID = "shop.order_paid"


def paid(**more: Any) -> dict[str, Any]:
    return {"test": "happened", "event": PAID, "where": [], "within": None, "since": None, "times": None, **more}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (paid(), None),
        (paid(test="not_happened"), None),
        (paid(times={"op": "at_most", "n": 2}), None),
        (paid(times={"op": "less_than", "n": 0}), False),
        ({"test": "any", "of": [paid(), {"test": "has_tag", "tag": "vip"}]}, True),
        ({"test": "all", "of": [paid(), {"test": "has_tag", "tag": "staff"}]}, False),
        ({"test": "all", "of": [paid(), {"test": "has_tag", "tag": "vip"}]}, None),
        ({"test": "not", "of": paid()}, None),
    ],
)
def test_silence_of_a_stale_source_proves_nothing(condition: dict[str, Any], expected: bool | None) -> None:
    facts = Facts(1, NOW, NOW.tzinfo, tags={"vip"}, stale={PAID})  # type: ignore[arg-type]
    assert judge(condition, facts)["result"] is expected
    if expected is None:
        with pytest.raises(UndecidedError, match=PAID):
            holds(condition, facts)


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """A plugin whose word is good for a day, and that spoke two days ago."""
    known = dict(registry.types._types)
    registry.types.learn(EventType(PAID, "Order paid", "Paid", fresh_within=timedelta(days=1)))
    spoke(world, timedelta(days=-2))
    yield world
    registry.types._types.clear()
    registry.types._types.update(known)


def spoke(world: World, ago: timedelta) -> None:
    with writing() as session:
        row = session.get(PluginState, "shop") or PluginState(plugin_id="shop", enabled=True, settings={})
        row.health, row.updated_at = {"sync": {"last_at": (world.now + ago).isoformat()}}, world.now
        session.add(row)


LOST = f"""
lost:
  name: Lost
  purpose: service
  start_when: [{{event: asked}}]
  review_after: 1 year
  steps:
    - if: {{not_happened: {PAID}, within: 3 months}}
      then: [{{tag: lost}}]
      else: [{{tag: ours}}]
"""


def open_issues(world: World) -> list[str]:
    return [one.key for one in world.rows(Issue, state="open")]


def test_a_run_waits_for_a_silent_source_and_goes_on_when_it_speaks(shop: World) -> None:
    shop.publish(LOST)
    dana = shop.contact()
    shop.event(dana, "asked")
    shop.work()
    assert shop.trace() == []
    assert shop.runs()[0].due_at is not None
    assert open_issues(shop) == [f"undecided:{PAID}"]
    spoke(shop, timedelta(0))
    shop.event(dana, PAID)
    shop.play(timedelta(minutes=30))
    assert "tag_ours" in dict(shop.trace())
    with writing() as session:
        settle_undecided(session, shop.now)
    assert open_issues(shop) == []


def test_a_message_is_postponed_while_its_exclusion_cannot_be_judged(shop: World) -> None:
    shop.template("mail")
    shop.publish(
        f"""
offer:
  name: Offer
  purpose: service
  start_when: [{{event: asked}}]
  exclude_if: {{happened: {PAID}, within: 1 month}}
  review_after: 1 year
  steps: [{{wait: 2 days}}, {{send: mail}}]
"""
    )
    spoke(shop, timedelta(0))
    shop.event(shop.contact(), "asked")
    shop.play(timedelta(days=2, minutes=1))
    assert [(one.status, one.reason) for one in shop.messages()] == [("queued", "source_stale")]
    spoke(shop, timedelta(0))
    shop.play(timedelta(minutes=20))
    assert [one.status for one in shop.messages()] == ["sent"]


BALANCE = """
late:
  name: Late
  purpose: service
  start_when: [{event: asked}]
  review_after: 1 year
  steps:
    - if: {check: books.owes, with: {amount: "5"}}
      then: [{tag: owes}]
      else: [{tag: clean}]
"""


def offer(monkeypatch: pytest.MonkeyPatch, *conditions: ConditionType) -> None:
    monkeypatch.setattr(type(manager.current()), "conditions", lambda _self: {one.name: one for one in conditions})


def test_a_plugins_condition_is_asked_once_for_all_with_its_settings(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[int], dict[str, Any]]] = []

    def owes(unit: Unit, contact_ids: Sequence[int], settings: Mapping[str, Any]) -> set[int]:
        asked.append((sorted(contact_ids), dict(settings)))
        return {min(contact_ids)}

    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", owes))
    world.publish(BALANCE)
    dana, avi = world.contact("Dana"), world.contact("Avi")
    for one in (dana, avi):
        world.event(one, "asked")
    world.work()
    assert asked == [([dana, avi], {"amount": "5"})]
    taken = {one.contact_id: one.status for one in world.runs()}
    assert taken == {dana: "finished", avi: "finished"}
    assert sorted(step for step, _ in world.trace() if step.startswith("tag")) == ["tag_clean", "tag_owes"]


WAITING = """
asking:
  name: Asking
  purpose: service
  start_when: [{event: asked}]
  review_after: 1 year
  steps:
    - wait_for: {becomes_true: {check: books.owes}, check: hourly}
      up_to: 30 days
      on_timeout: [{tag: never}]
    - tag: owes
stopping:
  name: Stopping
  purpose: service
  start_when: [{event: asked}]
  stop_when: [{if: {check: books.owes}}]
  review_after: 1 year
  steps: [{wait: 60 days}]
"""


def test_what_no_event_tells_is_asked_as_often_as_said_by_runs_that_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owing: set[int] = set()
    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", lambda unit, ids, settings: owing & set(ids)))
    world.publish(WAITING)
    dana = world.contact()
    world.event(dana, "asked")
    world.play(timedelta(days=3))
    assert {one.journey_id: one.status for one in world.runs()} == {"asking": "active", "stopping": "active"}
    owing.add(dana)
    world.play(timedelta(hours=1))
    assert {one.journey_id: one.status for one in world.runs()} == {"asking": "finished", "stopping": "active"}
    world.play(timedelta(hours=23))
    assert {one.journey_id: one.status for one in world.runs()} == {"asking": "finished", "stopping": "stopped"}
    assert "tag_owes" in dict(world.trace())


def test_without_its_plugin_the_run_waits_and_the_issue_names_the_condition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    world.publish(BALANCE)
    world.event(world.contact(), "asked")
    world.work()
    assert open_issues(world) == ["undecided:books.owes"]
    assert world.trace() == []
    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", lambda unit, ids, settings: set(ids)))
    world.play(timedelta(minutes=20))
    assert "tag_owes" in dict(world.trace())


def test_a_plugin_that_fails_harms_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(unit: Unit, contact_ids: Sequence[int], settings: Mapping[str, Any]) -> set[int]:
        raise RuntimeError("no books")

    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", broken))
    world.publish(BALANCE)
    world.publish(BALANCE.replace("late:", "fine:", 1).replace('check: books.owes, with: {amount: "5"}', "has_tag: x"))
    world.event(world.contact(), "asked")
    world.work()
    assert {one.journey_id: one.status for one in world.runs()} == {"late": "active", "fine": "finished"}
    assert open_issues(world) == ["undecided:books.owes"]
    for _ in range(6):
        world.play(timedelta(minutes=10))
        with writing() as session:
            settle_undecided(session, world.now)
        assert open_issues(world) == ["undecided:books.owes"], "as long as it fails somebody waits"
    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", lambda unit, ids, settings: set(ids)))
    world.play(timedelta(minutes=40))
    with writing() as session:
        settle_undecided(session, world.now)
    assert open_issues(world) == []


@pytest.mark.parametrize("nonsense", [None, True, "all", 7, [None], {"a": 1}, SystemExit(3)])
def test_a_plugin_that_answers_nonsense_or_leaves_decides_nothing_about_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch, nonsense: Any
) -> None:
    def odd(unit: Unit, contact_ids: Sequence[int], settings: Mapping[str, Any]) -> Any:
        if isinstance(nonsense, BaseException):
            raise nonsense
        return nonsense

    offer(monkeypatch, ConditionType("books.owes", "Owes", "owes", odd))
    world.publish(BALANCE)
    world.event(world.contact(), "asked")
    world.work()
    assert [one.status for one in world.runs()] == ["active"]
    assert world.trace() == []
    assert open_issues(world) == ["undecided:books.owes"]


def test_a_start_that_cannot_be_judged_waits_and_nobody_is_lost(shop: World) -> None:
    text = LOST.replace("  steps:", f"  only_if: {{not_happened: {PAID}, within: 3 months}}\n  steps:")
    shop.publish(text)
    dana, avi = shop.contact("Dana"), shop.contact("Avi")
    for one in (dana, avi):
        shop.event(one, "asked")
    shop.play(timedelta(hours=1))
    assert shop.runs() == []
    assert set(shop.refusals()) == {"source_stale"}
    assert open_issues(shop) == [f"undecided:{PAID}"]
    spoke(shop, timedelta(0))
    shop.event(avi, PAID)
    shop.play(timedelta(minutes=20))
    assert [one.contact_id for one in shop.runs()] == [dana]
    assert "only_if_false" in shop.refusals()
