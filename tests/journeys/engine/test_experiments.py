"""Tests from their first contact to their decision, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import isfinite
from typing import Any

import pytest
from sqlalchemy import select, update

from panel import clock
from panel.contacts.erasing import erase
from panel.contacts.memberships import create_list, join_list_many
from panel.contacts.merging import merge
from panel.contacts.models import Contact
from panel.contacts.origin import PANEL
from panel.db import writing
from panel.errors import UserError
from panel.experiments import operations
from panel.experiments.models import Experiment, ExperimentAssignment
from panel.experiments.operations import choose
from panel.issues.models import Issue
from panel.journeys import operations as journeys
from panel.journeys.engine.experiments import asked, look
from panel.journeys.engine.plan import plan
from panel.journeys.engine.splits import follow_version
from panel.journeys.models import Journey, JourneyVersion, StepRun
from panel.staff.models import AuditEntry
from panel.timeline.operations import NewEvent, record_many
from tests.journeys.engine.world import World

TEXT = """
shop:
  name: Shop
  owner: dana
  purpose: service
  start_when: [{contact_created: yes}]
  review_after: 1 year
  steps:
    - split:
        variants:
          - {name: old way, share: 40%%, steps: [{note: old, id: old}]}
          - {name: new way, share: 40%%, steps: [{note: new, id: new}]}
        hold_out: 20%%
        goal: {event: order_paid, within: 10 days, sum: event.amount, where: [{field: event.amount, more_than: "0"}]}
        measure: %s
        decide: {after: 20 days, at_least: 100, at_latest: 40 days, winner: %s, if_no_winner: %s}
      id: way
"""
DAY = timedelta(days=1)


class Shop:
    """A journey with a test, a crowd that has entered it today, and what they buy."""

    def __init__(self, world: World, measure: str = "rate", winner: str = "ask", if_no_winner: str = "ask") -> None:
        self.world, self.begin = world, world.now
        world.publish(TEXT % (measure, winner, if_no_winner))

    def crowd(self, count: int, name: str = "c") -> None:
        world = self.world
        with clock.hold(world.now), writing() as session:
            people = [
                Contact(public_id=f"{name}{n}", name=f"Contact {n}", created_at=world.now, updated_at=world.now)
                for n in range(count)
            ]
            session.add_all(people)
            session.flush()
            record_many(session, [NewEvent(one.id, "contact_created", world.now, {"how": "import"}) for one in people])
        world.work()

    def buys(self, variant: str, every: int, amount: str = "100", after: timedelta = 2 * DAY, **more: str) -> None:
        """Every so-manieth contact of a variant buys that long after they came."""
        rows = self.world.rows(ExperimentAssignment, variant=variant)
        data = {"amount": amount, **more}
        events = [NewEvent(one.contact_id, "order_paid", one.at + after, data) for one in rows[::every]]
        with clock.hold(max(self.world.now, rows[0].at + after)), writing() as session:
            record_many(session, events)

    def look(self, day: float) -> Experiment:
        self.world.now = self.begin + day * DAY
        with clock.hold(self.world.now):
            look()
        return self.world.rows(Experiment)[-1]

    def arm(self, key: str) -> dict[str, Any]:
        return next(one for one in self.world.rows(Experiment)[-1].numbers["arms"] if one["key"] == key)


@pytest.fixture
def shop(world: World) -> Callable[..., Shop]:
    return lambda *args, **more: Shop(world, *args, **more)


def test_the_planned_look_asks_the_owner_and_what_they_choose_is_given_to_all_who_come(shop: Any) -> None:
    test = shop()
    test.crowd(700)
    test.buys("old way", 10)
    test.buys("new way", 3)
    early = test.look(19.5)
    assert (early.state, early.looked_at) == ("running", None)
    assert [one["matured"] for one in early.numbers["arms"]] == [one["entered"] for one in early.numbers["arms"]]
    asked = test.look(20)
    assert (asked.state, asked.winner, asked.looked_at) == ("asked", None, test.world.now)
    assert (asked.numbers["leader"], asked.numbers["winner"]) == ("new way", "new way")
    issue = test.world.rows(Issue, state="open", code="experiment_asks")[0]
    assert (issue.journey_id, issue.params["winner"]) == ("shop", "new way")
    with writing() as session:
        choose(
            session,
            session.get_one(Experiment, asked.id),
            "new way",
            variants=["old way", "new way"],
            now=test.world.now,
        )
    test.crowd(10, "later")
    taken = [one.reason for one in test.world.rows(StepRun) if one.step_id == "way"][-10:]
    assert taken == ["winner"] * 10
    assert test.world.rows(Issue, code="experiment_asks")[0].state == "resolved"
    assert test.world.rows(AuditEntry, action="experiment_decided")[0].detail == {"round": 1, "winner": "new way"}
    with writing() as session, pytest.raises(UserError):
        choose(session, session.get_one(Experiment, asked.id), "old way", variants=["old way", "new way"])


@pytest.mark.parametrize("measure", ["rate", "sum_per_contact", "days_to_goal"])
def test_an_automatic_winner_is_taken_at_the_planned_look_whatever_is_measured(shop: Any, measure: str) -> None:
    test = shop(measure, "automatic")
    test.crowd(700)
    test.buys("old way", 9)
    test.buys("new way", 3)
    assert test.look(19).state == "running"
    decided = test.look(20)
    assert (decided.state, decided.winner, decided.decided_at) == ("winner", "new way", test.world.now)
    assert test.world.rows(AuditEntry, action="experiment_decided")[0].detail["by"] == "rules"
    if measure == "sum_per_contact":
        assert sum(map(float, test.arm("new way")["totals"].values())) == 100 * test.arm("new way")["goals"]


@pytest.mark.parametrize(
    ("policy", "state", "winner"),
    [("ask", "asked", None), ("keep_first", "no_winner", "old way"), ("keep_splitting", "no_winner", None)],
)
def test_without_a_difference_it_is_looked_at_once_more_at_the_latest_and_then_ended(
    shop: Any, policy: str, state: str, winner: str | None
) -> None:
    test = shop(winner="automatic", if_no_winner=policy)
    test.crowd(700)
    test.buys("old way", 5)
    test.buys("new way", 5)
    planned = test.look(21)
    assert (planned.state, planned.looked_at) == ("running", test.world.now)
    again = test.look(30)
    assert (again.state, again.looked_at) == ("running", planned.looked_at)
    assert [one["look"] for one in again.numbers["looks"]] == ["planned"]
    last = test.look(40)
    assert (last.state, last.winner) == (state, winner)
    assert [one["look"] for one in last.numbers["looks"]] == ["planned", "last"]
    first, second = last.numbers["looks"]
    assert first["level"] == pytest.approx(0.04)
    assert 0.01 < second["level"] < 0.05


def test_with_too_few_contacts_nothing_is_judged_before_the_latest_day(shop: Any) -> None:
    test = shop(winner="automatic")
    test.crowd(60)
    test.buys("new way", 1)
    for day in (20, 25, 39):
        found = test.look(day)
        assert (found.state, found.looked_at) == ("running", None)
    last = test.look(40)
    assert (last.state, last.winner) == ("winner", "new way")  # all against nobody: enough even so, at the whole level
    assert last.numbers["looks"][0]["level"] == pytest.approx(0.05)


def test_a_winner_worse_than_doing_nothing_is_left_to_a_person(shop: Any) -> None:
    test = shop(winner="automatic")
    test.crowd(700)
    test.buys("old way", 20)
    test.buys("new way", 4)
    test.buys("", 1)
    found = test.look(20)
    assert (found.state, found.numbers["winner"], found.numbers["below_hold_out"]) == ("asked", "new way", True)
    assert test.world.rows(Issue, code="experiment_asks")[0].sentence == operations.RESULT_BELOW


def test_only_contacts_whose_time_is_over_count_and_only_what_happened_in_it(shop: Any) -> None:
    test = shop("sum_per_contact")
    test.crowd(50)
    test.buys("old way", 1, "40")
    test.buys("old way", 1, "2.50", after=10 * DAY)
    test.buys("old way", 1, "1000", after=timedelta(days=10, seconds=1))  # too late
    test.buys("new way", 1, "-5")  # `where` does not count it
    test.world.now = test.begin + 12 * DAY
    test.crowd(50, "late")
    test.look(15)
    old, new = test.arm("old way"), test.arm("new way")
    assert 0 < old["matured"] < old["entered"]
    assert (old["goals"], sum(map(float, old["totals"].values()))) == (old["matured"], 42.5 * old["matured"])
    assert old["value"] == pytest.approx(42.5)
    assert (new["goals"], new["value"]) == (0, 0.0)


def test_merged_cards_are_one_person_and_erased_ones_nobody(shop: Any) -> None:
    test = shop()
    test.crowd(40)
    rows = test.world.rows(ExperimentAssignment)
    old = [one.contact_id for one in rows if one.variant == "old way"]
    other = next(one.contact_id for one in rows if one.variant == "new way")
    before = {key: sum(one.variant == key for one in rows) for key in ("old way", "new way")}
    test.world.event(other, "order_paid", amount="10")
    with clock.hold(test.world.now), writing() as session:
        merge(session, min(old[0], other), max(old[0], other), by=PANEL)
        erase(session, old[1], by=PANEL)
    test.look(15)
    arms = {key: test.arm(key) for key in before}
    assert arms["old way"]["entered"] + arms["new way"]["entered"] == sum(before.values()) - 2
    assert arms["old way"]["goals"] + arms["new way"]["goals"] == 1


def test_what_cannot_be_counted_is_told_until_it_can(shop: Any) -> None:
    test = shop()
    test.crowd(20)
    test.buys("new way", 1)

    def ask(session: Any, experiment: Experiment) -> Any:
        raise LookupError("its plugin is gone")

    with pytest.raises(LookupError):
        operations.look(ask, test.begin + 12 * DAY)
    assert test.world.rows(Issue, code="experiment_uncounted")[0].state == "open"
    assert test.look(13).numbers
    assert test.world.rows(Issue, code="experiment_uncounted")[0].state == "resolved"


def test_a_sum_of_several_currencies_keeps_no_first_variant_either(shop: Any) -> None:
    test = shop("sum_per_contact", "automatic", "keep_first")
    test.crowd(60)
    test.buys("old way", 9, "100", currency="ILS")
    test.buys("new way", 9, "100", currency="IRR")
    found = test.look(40)
    assert (found.state, found.winner, found.numbers["winner"]) == ("asked", None, None)
    assert test.world.rows(Issue, code="experiment_asks")[0].sentence == operations.MIXED


def test_amounts_in_several_currencies_are_for_a_person_to_judge(shop: Any) -> None:
    test = shop("sum_per_contact", "automatic")
    test.crowd(700)
    test.buys("old way", 3, "100", currency="ILS")
    test.buys("new way", 3, "90000", currency="IRR")  # far less, in shekels
    found = test.look(20)
    assert (found.state, found.winner, found.numbers["currencies"]) == ("asked", None, ["ILS", "IRR"])


def test_a_round_that_ends_undecided_asks_nobody_any_more(shop: Any) -> None:
    test = shop()
    test.crowd(700)
    test.buys("old way", 10)
    test.buys("new way", 3)
    assert test.look(20).state == "asked"
    test.world.publish(
        (TEXT % ("rate", "ask", "ask")).replace("{note: new, id: new}", "{note: newer, id: new}"), number=2
    )
    with writing() as session:
        version = session.scalars(select(JourneyVersion).where(JourneyVersion.number == 2)).one()
        follow_version(session, version.resolved, version.id, test.world.now)
    assert [one.state for one in test.world.rows(Experiment)] == ["ended", "running"]
    assert test.world.rows(Issue, code="experiment_asks")[0].state == "resolved"


def test_the_plan_holds_with_which_the_test_began_and_who_decides_may_change(shop: Any) -> None:
    """Even where a version went live without beginning a round."""
    test = shop()
    test.crowd(700)
    test.buys("old way", 10)
    test.buys("new way", 3)
    edited = (TEXT % ("rate", "automatic", "ask")).replace(
        "after: 20 days, at_least: 100", "after: 12 days, at_least: 5"
    )
    test.world.publish(edited.replace("at_latest: 40 days", "at_latest: 14 days, confidence: 80%"), number=2)
    early = test.look(14)
    assert (early.state, early.numbers["looks"]) == ("running", [])
    decided = test.look(20)
    assert (decided.state, decided.winner) == ("winner", "new way")
    assert decided.numbers["looks"][0]["level"] == pytest.approx(0.04)


def ended(test: Any) -> None:
    """Closed, and nobody is inside any more."""
    with clock.hold(test.world.now):
        with writing() as session:
            journeys.close(session, "shop", now=test.world.now)
        plan()


def test_a_journey_that_has_ended_asks_for_no_decision_any_more(shop: Any) -> None:
    test = shop()
    test.crowd(700)
    test.buys("old way", 10)
    test.buys("new way", 3)
    assert test.look(20).state == "asked"
    ended(test)
    assert test.world.rows(Journey)[0].state == "ended"
    found = test.world.rows(Experiment)[0]
    assert (found.state, found.winner, found.numbers["winner"]) == ("ended", None, "new way")
    assert test.world.rows(Issue, code="experiment_asks")[0].state == "resolved"
    with writing() as session, pytest.raises(UserError):
        choose(session, session.get_one(Experiment, found.id), "new way", variants=["old way", "new way"])


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_test_is_still_judged_after_its_journey_has_ended_but_asks_nobody(shop: Any, is_gone: bool) -> None:
    test = shop()
    test.crowd(700)
    test.buys("old way", 10)
    test.buys("new way", 3)
    assert test.look(12).state == "running"
    ended(test)
    if is_gone:
        with writing() as session:
            session.execute(update(Experiment).values(version_id=99))
        assert test.look(20).state == "running"  # nothing can be said of it, and nothing is asked
    else:
        found = test.look(20)
        assert (found.state, found.numbers["winner"]) == ("ended", "new way")
    assert test.world.rows(Issue, code="experiment_asks") == []


def test_an_absurd_amount_is_none_and_one_broken_test_keeps_no_other_from_its_decision(shop: Any) -> None:
    test = shop("sum_per_contact", "automatic")
    test.crowd(700)
    test.buys("old way", 9)
    test.buys("new way", 3)
    test.buys("new way", 50, "1e400")  # what anybody could put into a form of a shop
    with writing() as session:
        session.add(Experiment(journey_id="shop", split_id="broken", round=1, fingerprint="?", version_id=1,
                               created_at=test.begin, started_at=test.begin, numbers={}))  # fmt: skip

    def ask(session: Any, experiment: Experiment) -> Any:
        if experiment.split_id == "broken":
            raise LookupError("its plugin is gone")
        return asked(session, experiment)

    with pytest.raises(LookupError):
        operations.look(ask, test.begin + 20 * DAY)
    told = test.world.rows(Issue, code="experiment_uncounted")[0]
    assert (told.state, told.journey_id, told.step_id, told.params["error"]) == (
        "open",
        "shop",
        "broken",
        "LookupError",
    )
    decided = test.world.rows(Experiment, split_id="way")[0]
    assert (decided.state, decided.winner) == ("winner", "new way")
    assert isfinite(next(one["value"] for one in decided.numbers["arms"] if one["key"] == "new way"))


# Example 5 of the language: from entry to end in each variant.

PROGRAMME = """
programme_test:
  name: 31-day or 21-day programme?
  description: Does the shorter programme bring money earlier?
  purpose: marketing
  owner: dana
  state: live
  start_when:
    - joins_list: Programme
  stop_when:
    - {event: refund_requested}
  review_after: 60 days
  ends_on: 2027-03-31
  steps:
    - split:
        variants:
          - name: 31 days
            share: 45%
            steps:
              - send: day_1
              - wait: 10 days
              - send: day_10
              - wait: 11 days
              - send: day_21
              - wait: 10 days
              - send: day_31_offer
          - name: 21 days
            share: 45%
            steps:
              - send: day_1
                id: short_day_1
              - wait: 7 days
              - send: short_day_7
              - wait: 14 days
              - send: short_day_21_offer
        hold_out: 10%
        goal: {event: order_paid, within: 45 days, sum: event.amount, stay: yes}
        measure: sum_per_contact
        decide:
          after: 60 days
          at_least: 300
          confidence: 95%
          winner: ask
          if_no_winner: keep_first
          at_latest: 120 days
      id: programme_length
"""
MAILS = {
    "31 days": [(0, "day_1"), (10, "day_10"), (21, "day_21"), (31, "day_31_offer")],
    "21 days": [(0, "day_1"), (7, "short_day_7"), (21, "short_day_21_offer")],
    "": [],
}


def test_the_programme_test_runs_from_entry_to_end_in_each_variant(world: World) -> None:
    for name in {name for mails in MAILS.values() for _, name in mails}:
        world.template(name)
    world.do(create_list, "Programme", now=world.now)
    world.publish(PROGRAMME)
    begin, people = world.now, {}
    for number in range(60):
        contact = world.contact(f"Contact {number}")
        world.do(join_list_many, [contact], "Programme", by=PANEL, now=world.now)
        world.work()
        variant = next(one.variant for one in world.rows(ExperimentAssignment, contact_id=contact))
        people.setdefault(variant, contact)
        if len(people) == 3:
            break
    refunds = world.contact("Refunds")
    world.do(join_list_many, [refunds], "Programme", by=PANEL, now=world.now)
    world.play(timedelta(days=5))
    world.event(refunds, "refund_requested")
    world.play(timedelta(days=45))
    for variant, contact in people.items():
        sent = [(one.sent_at - begin).days for one in world.messages(contact_id=contact, status="sent")]
        assert sent == [day for day, _ in MAILS[variant]], variant
        run = world.runs(contact_id=contact)[0]
        assert (run.status, run.reason) == ("finished", "finished")
        outcomes = world.trace(enrolment_id=run.id)
        assert outcomes[0] == ("programme_length", "variant" if variant else "held_out")
        assert len(outcomes) == 1 + 2 * len(MAILS[variant]) - bool(variant)
    assert world.runs(contact_id=refunds)[0].status in ("stopped", "finished")
    with clock.hold(world.now):
        look()
    arms = world.rows(Experiment)[0].numbers["arms"]
    assert sum(one["entered"] for one in arms) == len(world.rows(ExperimentAssignment))
