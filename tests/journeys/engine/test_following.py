"""Who moves to an edited journey, and where: the pure rules, and the counts that the publish dialog shows."""

from __future__ import annotations

from typing import Any

import pytest

from panel.journeys.engine.following import already_done, arrivals, begins_as, following
from panel.journeys.engine.programs import Program
from panel.journeys.language import carry_over, check
from panel.web.journeys.impact import Impact, impact
from panel.web.journeys.queries import Standing
from tests.journeys.engine.world import HEADER

HEAD = """series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps:
"""


def resolved(steps: str) -> Any:
    text = HEADER + "".join(f"  {line}\n" for line in (HEAD + steps).splitlines())
    found = check(text)
    assert not found.problems, [one.words("en") for one in found.problems]
    return found.journeys["series"].program


def told(old: Any, new: Any, inside: list[Standing], versions: dict[int, Any] | None = None) -> Impact:
    return impact(old, carry_over(old, new), inside, versions)


def versions(old: str, new: str) -> tuple[Program, Program]:
    before = resolved(old)
    after = carry_over(before, resolved(new))
    return Program(1, "series", 1, before), Program(2, "series", 2, after)


def after(own: Program, live: Program, step: str, how: str = "next") -> tuple[str | None, bool]:
    return following(own, live, own.steps[step], how)


CHOICE = """    - choose:
        - {name: rich, when: {has_tag: rich}, do: [{send: gold}]}
        - {name: loud, when: {has_tag: loud}, do: [{send: horn}]}
      id: which
    - send: end
"""


def test_an_option_is_the_same_by_its_name_or_condition_wherever_it_stands_now() -> None:
    lines = CHOICE.splitlines()
    own, live = versions(CHOICE, "\n".join([lines[0], lines[2], lines[1], *lines[3:]]) + "\n")
    assert after(own, live, "which", "option:0") == ("send_gold", True)
    gone = "\n".join([lines[0], lines[2], *lines[3:]]) + "\n"
    own, live = versions(CHOICE, gone)
    assert after(own, live, "which", "option:0") == ("send_gold", False)
    assert after(own, live, "send_gold") == ("send_end", True)


def test_a_step_that_is_renamed_is_the_same_and_so_is_its_old_text_again() -> None:
    own, live = versions("    - send: one\n    - send: two\n", "    - send: one\n    - {send: two, id: second}\n")
    assert live.by_key["send_two"]["id"] == "second"
    assert after(own, live, "send_one") == ("second", True)
    assert after(live, own, "send_one") == ("send_two", True)
    assert begins_as(own, live, own.steps["send_two"]) == "second"


def test_a_new_step_never_takes_the_key_of_a_renamed_one() -> None:
    _, live = versions("    - send: one\n", "    - {send: one, id: first}\n    - send: one\n")
    keys = [step.get("key") or identity for identity, step in live.steps.items()]
    assert len(set(keys)) == len(keys) == 2


def test_nobody_is_moved_into_a_variant_that_was_not_theirs() -> None:
    split = """    - split:
        variants:
          - {name: short, share: 50%%, steps: [{send: brief}, {wait: 1 day, id: pause}%s]}
          - {name: long, share: 50%%, steps: [{send: epic}%s]}
        goal: {event: order_paid, within: 10 days}
        decide: {after: 14 days, at_latest: 30 days}
      id: length
    - send: end
"""
    own, live = versions(split % (", {send: extra}", ""), split % ("", ", {send: extra}"))
    assert after(own, live, "length", "variant:short") == ("send_brief", True)
    assert after(own, live, "pause")[0] in ("send_extra", "send_end")
    assert not live.places.get(after(own, live, "pause")[0] or "", frozenset()) & {("length", "long")}


def test_going_back_takes_back_only_what_follows_the_target() -> None:
    visits = [("a", None), ("b", None), ("c", None), ("go", "b"), ("b", None)]
    assert already_done(visits) == {"a", "b"}
    assert already_done([("a", None), ("go", "z")]) == {"a", "go"}


def test_the_dialog_says_what_the_engine_does_with_a_step_that_became_another_or_moved_into_a_variant() -> None:
    old = resolved("    - {note: one, id: one}\n    - {wait: 2 days, id: pause}\n    - {note: bye, id: bye}\n")
    inside = [Standing("pause", 1, 5, 0)]
    became = resolved("    - {note: one, id: one}\n    - {note: quick, id: pause}\n    - {note: bye, id: bye}\n")
    found = told(old, became, inside)
    assert (found.follow, found.joins, found.removed_steps) == (0, {("bye",): 5}, {(1, "pause"): 5})
    split = """    - split:
        variants:
          - {name: short, share: 50%, steps: [{wait: 2 days, id: pause}]}
          - {name: long, share: 50%, steps: [{send: epic}]}
        goal: {event: order_paid, within: 10 days}
        decide: {after: 14 days, at_latest: 30 days}
      id: length
    - {note: bye, id: bye}
"""
    found = told(old, resolved(split), inside)
    assert (found.follow, found.joins) == (0, {("bye",): 5})


@pytest.mark.parametrize("again", [False, True])
def test_the_dialog_counts_who_goes_on_who_joins_where_and_who_is_in_a_test(again: bool) -> None:
    old = "    - send: one\n    - {wait: 2 days, id: pause}\n    - send: two\n    - {note: bye, id: bye}\n"
    new = "    - send: one\n    - {note: bye, id: bye}\n"
    before = resolved(old)
    inside = [Standing("send_one", 1, 180, 0), Standing("pause", 1, 20, 0), Standing("send_two", 1, 7, 0)]
    found = told(before, resolved(new), inside, {1: before} if again else None)
    assert (found.total, found.follow, found.removed, found.joins) == (207, 180, 27, {("bye",): 27})
    assert found.removed_steps == {(1, "pause"): 20, (1, "send_two"): 7}
    assert told(before, resolved("    - {note: other, id: other}\n"), inside).joins == {(None,): 207}


def test_who_stands_in_a_branch_that_is_gone_joins_where_its_steps_may_lead() -> None:
    old = """    - {wait: 1 day, id: first}
    - wait_for: {event: order_paid}
      up_to: 5 days
      id: paid
      then: [{note: thanks, id: thanks}]
      on_timeout:
        - {wait: 2 days, id: late}
        - {note: reminder, id: reminder}
    - {wait: 7 days, id: week}
    - {note: bye, id: bye}
"""
    inside = [Standing(step, 1, count, 0) for step, count in (("paid", 40), ("late", 30), ("week", 20))]
    without = "    - {wait: 1 day, id: first}\n    - {note: thanks, id: thanks}\n    - {note: bye, id: bye}\n"
    found = told(resolved(old), resolved(without), inside)
    assert (found.follow, found.removed) == (0, 90)
    assert found.joins == {("thanks", "bye"): 40, ("bye",): 50}
    moved = "    - {note: reminder, id: reminder}\n    - {note: bye, id: bye}\n"
    assert told(resolved(old), resolved(moved), inside).joins == {
        ("reminder", "bye"): 40,
        ("reminder",): 30,
        ("bye",): 20,
    }
    ends = "    - {wait: 1 day, id: first}\n    - {note: thanks, id: thanks}\n"
    assert told(resolved(old), resolved(ends), inside).joins == {("thanks", None): 40, (None,): 50}


def test_who_jumps_back_joins_at_once_where_the_new_version_has_the_step() -> None:
    old = "    - {note: one, id: one}\n    - {wait: 1 day, id: pause}\n    - {go_to: one, max_times: 2, id: again}\n"
    own, live = versions(old, "    - {note: another, id: one}\n    - {note: end, id: end}\n")
    assert after(own, live, "again", "target") == ("one", True)
    assert arrivals(own, live, "pause") == {"one", None}


def test_a_test_that_was_given_another_name_keeps_those_who_are_in_its_variants() -> None:
    split = """    - split:
        variants:
          - {name: short, share: 50%%, steps: [{wait: 2 days, id: pause}, {note: a, id: a}]}
          - {name: long, share: 50%%, steps: [{note: b, id: b}]}
        goal: {event: order_paid, within: 10 days}
        decide: {after: 14 days, at_latest: 30 days}
      id: %s
"""
    own, live = versions(split % "length", split % "programme_length")
    assert after(own, live, "pause") == ("a", True)
    assert after(own, live, "length", "variant:short") == ("pause", True)
    assert begins_as(own, live, own.steps["pause"]) == "pause"
