"""The pages of experiments: what is said before, at and after the decision, and choosing."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.experiments.judging import deviation, judge
from panel.experiments.models import Experiment, ExperimentAssignment
from panel.experiments.operations import issue_key
from panel.experiments.results import Observed
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys import operations
from panel.journeys.models import Journey
from panel.sdk.context import NewContact
from panel.staff.models import AuditEntry
from panel.web.experiments import words
from panel.web.experiments.chart import chart
from tests.web.axe import serious

pytestmark = pytest.mark.databases("sqlite")
PAGE = "/admin/experiments/programme/length"
VARIANTS = ("31 ימים", "<b>21</b> days")
TEXT = """  programme:
    name: 31-day or 21-day programme?
    purpose: service
    start_when: [{manual: yes}]
    review_after: 60 days
    steps:
      - split:
          variants:
            - {name: "31 ימים", share: 45%, steps: [{note: long, id: long}]}
            - {name: "<b>21</b> days", share: 45%, steps: [{note: short, id: short}]}
          hold_out: 10%
          goal: {event: order_paid, within: 45 days, sum: event.amount, stay: yes}
          measure: sum_per_contact
          decide: {after: 60 days, at_least: 300, at_latest: 120 days}
        id: length
"""


def observed(better: float = 1.14, n: int = 400) -> dict[str, Observed]:
    rng = np.random.default_rng(1)
    found = {}
    for key, size, factor in ((VARIANTS[0], n, 1.0), (VARIANTS[1], n, better), ("", n // 5, 0.7)):
        amounts = rng.lognormal(5, 0.5, int(size * 0.2)) * factor
        found[key] = Observed(
            entered=size + 40,
            matured=size,
            goals=len(amounts),
            amounts=[float(one) for one in amounts],
            totals={"ILS": Decimal(f"{amounts.sum():.2f}")},
        )
    return found


def numbers(seen: dict[str, Observed], begin: Any, **more: Any) -> dict[str, Any]:
    verdict = judge(seen, VARIANTS, has_hold_out=True, measure="sum_per_contact", window=45, level=0.04, shuffles=499)
    return {
        **verdict.as_numbers(),
        "looks": [],
        "at": clock.now().isoformat(),
        "measure": "sum_per_contact",
        "window_days": 45,
        "asked_level": 0.05,
        "at_least": 300,
        "planned_at": (begin + timedelta(days=60)).isoformat(),
        "last_at": (begin + timedelta(days=120)).isoformat(),
        "currencies": ["ILS"],
        "deviation": deviation(seen, VARIANTS),
        **more,
    }


@pytest.fixture
def experiment(app):
    """Make the experiment of the programme: `experiment("asked", better=2)`."""

    def make(state: str = "running", better: float = 1.14, **more: Any) -> None:
        now = clock.now()
        begin = now - timedelta(days=50)
        with writing() as session:
            operations.publish(session, "programme", text=TEXT, now=begin)
            found = session.query(Experiment).one()
            found.state, found.started_at, found.counted_at = state, begin, now
            found.numbers = numbers(observed(better), begin, **more.pop("numbers", {}))
            for name, value in more.items():
                setattr(found, name, value)
            contact_id = create_contact(session, NewContact(name="Dana"), how="manual", now=begin)
            session.add(
                ExperimentAssignment(
                    journey_id="programme", split_id="length", round=1, contact_id=contact_id, variant=VARIANTS[0],
                    version_id=found.version_id, at=begin,
                )
            )  # fmt: skip
            if state == "asked":
                raise_issue(
                    session, issue_key(found), code="experiment_asks", sentence="Choose", journey_id="programme",
                    step_id="length",
                )  # fmt: skip

    return make


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_without_experiments_the_page_says_how_to_begin_one(logged_in):
    text = logged_in("viewer").text("/admin/experiments/")
    assert "No experiments yet" in text
    assert "/admin/help/experiments" in text


def test_before_the_decision_it_says_who_leads_that_this_may_be_chance_and_when_it_is_decided(logged_in, experiment):
    experiment()
    person = logged_in()
    text = plain(person.text(PAGE))
    assert re.search(r"21.* days” brought \d+% more per contact than “31 ימים”: ₪[\d.]+ against ₪", text)
    assert "We cannot yet tell whether that is more than chance." in text
    assert "The decision is planned for" in text
    assert "in 8 of 10 cases" in text
    for forbidden in ("What does everybody get", "won"):
        assert forbidden not in text
    assert "&lt;b&gt;21&lt;/b&gt; days" in person.text(PAGE)  # a name is never markup
    assert "31-day or 21-day programme?" in person.text("/admin/experiments/")
    assert PAGE in person.text("/admin/journeys/programme")
    refused = person.post(f"{PAGE}/choose", winner=f"={VARIANTS[1]}", confirmed="1")
    assert refused.status_code == 303
    assert "does not ask for a decision" in person.text(PAGE)


def test_a_single_variant_waits_for_enough_of_those_held_out_too(app, experiment):
    experiment(numbers={"leader": None, "arms": [{"key": "only", "matured": 400}, {"key": "", "matured": 80}]})
    with app.test_request_context(), reading() as session:
        said = words.verdict(session.query(Experiment).one(), clock.now(), None)
    assert any("the smallest has 80." in plain(one) for one in said)  # the variant has its 400


def test_the_last_look_is_announced_after_a_planned_one_without_result(logged_in, experiment):
    experiment(looked_at=clock.now())
    text = plain(logged_in().text(PAGE))
    assert "The planned look found no sure difference" in text
    assert "The last look is on" in text


def test_a_person_chooses_and_it_is_remembered_who_did(logged_in, experiment, stored):
    experiment("asked", better=2.5)
    assert "What does everybody get" not in logged_in("viewer").text(PAGE)
    person = logged_in("marketing")
    assert "That is more than chance: where nothing differs" in plain(person.text(PAGE))
    question = person.post(f"{PAGE}/choose", page=PAGE, winner=f"={VARIANTS[1]}")
    assert "to everybody from now on?" in question.text
    assert person.post(f"{PAGE}/choose", page=PAGE, winner=f"={VARIANTS[1]}", confirmed="1").status_code == 303
    stored.expire_all()
    found = stored.query(Experiment).one()
    assert (found.state, found.winner, bool(found.decided_by)) == ("winner", VARIANTS[1], True)
    assert stored.query(Issue).filter_by(code="experiment_asks").one().state == "resolved"
    entry = stored.query(AuditEntry).filter_by(action="experiment_decided").one()
    assert (entry.actor, entry.detail["winner"]) == (person.email, VARIANTS[1])
    text = plain(person.text(PAGE))
    assert "whoever comes now gets" in text
    assert "Chosen by" in text


def test_choosing_twice_is_choosing_once_and_a_colleague_who_comes_second_sees_what_was_chosen(
    logged_in, experiment, stored
):
    experiment("asked", better=2.5)
    first, second = logged_in("marketing"), logged_in("owner")
    for _ in range(2):
        first.post(f"{PAGE}/choose", page=PAGE, winner=f"={VARIANTS[1]}", round="1", confirmed="1")
    text = plain(first.text(PAGE))
    assert "Chosen. It holds for everybody" in text
    assert "does not ask" not in text
    second.post(f"{PAGE}/choose", page=PAGE, winner="=", round="1", confirmed="1")
    text = plain(second.text(PAGE))
    assert "does not ask for a decision" in text
    assert "Chosen by" in text
    stored.expire_all()
    assert stored.query(Experiment).one().winner == VARIANTS[1]
    assert stored.query(AuditEntry).filter_by(action="experiment_decided").count() == 1


def test_a_choice_made_on_the_page_of_an_older_round_decides_nothing(logged_in, experiment, stored):
    experiment("asked")
    person = logged_in()
    assert 'name="round" value="1"' in person.text(PAGE)
    with writing() as session:
        one = session.query(Experiment).one()
        one.round = 2
    person.post(f"{PAGE}/choose", page=PAGE, winner="=", round="1", confirmed="1")
    assert "A new round has begun meanwhile" in person.text(PAGE)
    stored.expire_all()
    assert stored.query(Experiment).one().state == "asked"


def test_sums_of_several_currencies_are_not_compared_and_nothing_is_recommended(logged_in, experiment):
    arms = numbers(observed(2.5), clock.now())["arms"]
    arms = [one | {"totals": {"ILS": "123456.5", "IRR": "9000000"}} for one in arms]
    experiment("asked", better=2.5, numbers={"currencies": ["ILS", "IRR"], "arms": arms})
    page = logged_in().text(PAGE)
    text = plain(page)
    assert re.search(r"so the sums say nothing. With “.*” 20.0% reach the goal, with “.*” 20.0%.", text)
    assert "The money came in several currencies: ILS, IRR. Each is counted for itself." in text
    assert "₪123,456.50" in text
    assert "9,123,456" not in text
    for forbidden in ("more per contact", "more than chance", "experiment-chart"):
        assert forbidden not in text + page
    assert 'btn-primary" type="submit" name="winner"' not in page


@pytest.mark.parametrize("below", [False, True])
def test_the_button_of_the_winner_stands_out_unless_nothing_at_all_did_better(logged_in, experiment, below):
    experiment("asked", better=2.5, numbers={"below_hold_out": below})
    page = logged_in().text(PAGE)
    assert ('btn-primary" type="submit" name="winner"' in page) is not below
    assert ("But those who got nothing did better still." in page) is below


def test_before_anybody_has_reached_the_goal_nothing_is_called_chance_and_after_the_look_nothing_is_planned(
    logged_in, experiment
):
    experiment(numbers={"leader": None})
    person = logged_in()
    text = plain(person.text(PAGE))
    assert "Nobody has reached the goal yet." in text
    assert "more than chance" not in text
    assert "With 400 contacts in each variant, the planned look finds" in text  # it will have no fewer
    with writing() as session:
        session.query(Experiment).one().looked_at = clock.now()
    assert "the planned look finds" not in plain(person.text(PAGE))


def test_a_test_that_is_not_counted_any_more_says_so(logged_in, experiment):
    experiment()
    person = logged_in()
    assert "should be counted every hour" not in person.text(PAGE)
    with writing() as session:
        session.query(Experiment).one().counted_at = clock.now() - timedelta(hours=4)
    assert "should be counted every hour and were not since" in person.text(PAGE)
    with writing() as session:
        one = session.query(Experiment).one()
        one.counted_at, one.numbers = None, {}
    for path in (PAGE, "/admin/experiments/"):
        text = person.text(path)
        assert "should be counted every hour and were not since" in text
        assert "will be here soon" not in text


@pytest.mark.parametrize("state", ["running", "ended"])
def test_after_the_end_of_its_journey_a_test_says_what_it_found_and_asks_for_nothing(logged_in, experiment, state):
    experiment(state, better=2.5)
    person = logged_in()
    if state == "ended":
        assert "This round ended without a decision" in person.text(PAGE)
    with writing() as session:
        session.get_one(Journey, "programme").state = "ended"
    text = plain(person.text(PAGE))
    said = "asks nobody" if state == "running" else "so there is nobody left to choose for"
    assert "The journey has ended" in text
    assert said in text
    assert ("That is more than chance" in text) is (state == "ended")
    assert "What does everybody get" not in text


def test_the_page_that_publishes_says_which_test_would_begin_anew_or_end(logged_in, experiment):
    experiment()
    person = logged_in()
    for old, new, said in (
        ("name: 31-day or", "name: Still 31-day or", None),
        ("at_latest: 120 days", "at_latest: 61 days", "The test length begins anew: 1 contact it has counted"),
        (
            TEXT[TEXT.index("      - split") :],
            "      - {note: all}\n",
            "The test length ends without a decision, after 1",
        ),
    ):
        with writing() as session:
            session.get_one(Journey, "programme").draft_text = dedent(TEXT.replace(old, new))
        text = " ".join(plain(person.text("/admin/journeys/programme/publish")).split())
        assert "What changes against version 1" in text
        assert said in text if said else "The test length" not in text


def test_the_journey_leads_from_what_a_test_asks_to_the_test(logged_in, experiment):
    experiment("asked")
    assert re.search(rf'href="{PAGE}">\s*<svg[^§]*?To the test', logged_in().text("/admin/journeys/programme"))


def test_a_list_counts_people_as_the_results_do(logged_in, experiment):
    experiment()
    person = logged_in()
    assert "1 contact\n" in plain(person.text("/admin/experiments/"))
    with writing() as session:
        session.query(Contact).one().erased_at = clock.now()
    assert "0 contacts\n" in plain(person.text("/admin/experiments/"))


@pytest.mark.parametrize(("chosen", "state", "winner"), [("=", "winner", ""), ("keep-dividing", "no_winner", None)])
def test_nothing_at_all_and_going_on_can_be_chosen_too(logged_in, experiment, stored, chosen, state, winner):
    experiment("asked")
    person = logged_in()
    person.post(f"{PAGE}/choose", page=PAGE, winner=chosen, confirmed="1")
    stored.expire_all()
    found = stored.query(Experiment).one()
    assert (found.state, found.winner) == (state, winner)
    assert "Decided on" in plain(person.text(PAGE))


def test_who_may_not_publish_may_not_choose(logged_in, experiment):
    experiment("asked")
    assert logged_in("support").post(f"{PAGE}/choose", winner="=", confirmed="1").status_code == 403


def test_an_unknown_experiment_is_not_found(logged_in):
    assert logged_in().get("/admin/experiments/programme/nothing").status_code == 404


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_page_has_no_barrier_and_fits_a_phone(browse, experiment, language):
    experiment("asked", better=2.5)
    page = browse(PAGE, language=language)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        # What each variant brought per contact stands in the last column: never beyond the edge.
        table = "(one => one.scrollWidth - one.clientWidth)(document.querySelector('.table-scroll'))"
        assert page.evaluate(table) <= 0


def test_the_picture_begins_at_nought_and_is_mirrored_for_right_to_left():
    arms = [{"key": "a", "low": 10.0, "value": 20.0, "high": 38.0, "matured": 5}]
    left, right = chart(arms, is_rtl=False), chart(arms, is_rtl=True)
    assert [value for _, value in left.ticks] == [0, 10, 20, 30, 40]
    assert (left.bars[0].low, left.bars[0].value, left.bars[0].high) == (25, 50, 95)
    assert (right.bars[0].low, right.bars[0].value, right.bars[0].high) == (75, 50, 5)
    assert chart([{"key": "a", "low": 0, "value": 0, "high": 0, "matured": 0}], is_rtl=False) is None
