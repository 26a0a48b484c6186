"""What is missing, vanished or wrong is held or refused, with an issue that names the place and the fix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import current_app

from panel.contacts.memberships import add_tag, create_list
from panel.contacts.typed import create_field
from panel.db import reading
from panel.errors import UserError
from panel.issues.models import Issue
from panel.journeys import usage
from panel.journeys.by_hand import retry, start_by_hand
from panel.journeys.engine import verbs
from panel.journeys.engine.plan import plan
from panel.journeys.models import Journey, StepRun
from panel.journeys.usage import refuse_if_used
from panel.plugin_manager import manager
from panel.sdk.testing import RecordingChannel
from tests.journeys.engine.world import World

HEAD = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  review_after: 1 year
  steps:
"""


def start(world: World, steps: str, head: str = HEAD) -> int:
    world.template("one")
    world.publish(head + steps)
    contact = world.contact()
    assert world.do(start_by_hand, contact, "series", now=world.now).code == "entered"
    return contact


def issues(world: World) -> dict[str, str]:
    return {one.code: one.sentence % one.params for one in world.rows(Issue, state="open")}


def test_a_missing_template_names_journey_step_and_template(world: World) -> None:
    start(world, "    - {send: nowhere, id: greeting}\n")
    world.work()
    words = issues(world)["held_missing_template"]
    assert all(one in words for one in ("series", "greeting", "nowhere"))


def test_r28_a_vanished_channel_lets_its_messages_wait_visibly_and_the_others_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(world, "    - send: one\n    - {wait: 1 hour, id: pause}\n    - {send: one, id: again}\n")
    world.play(timedelta(minutes=5))
    assert len(world.sent()) == 1
    gone = world.channels
    monkeypatch.setattr(type(manager.current()), "channels", lambda _self: {})
    world.play(timedelta(hours=2))
    assert "held_plugin" in issues(world)
    assert "email" in issues(world)["held_plugin"]
    monkeypatch.setattr(type(manager.current()), "channels", lambda _self: gone)
    world.do(retry, [one.id for one in world.runs(status="held")], now=world.now)
    world.play(timedelta(hours=2))
    assert len(world.sent()) == 2
    assert isinstance(gone["email"], RecordingChannel)


def test_x3_a_clock_set_back_makes_late_and_never_twice(world: World) -> None:
    start(world, "    - send: one\n    - {wait: 1 day, id: pause}\n    - {send: one, id: again}\n")
    world.play(timedelta(hours=1))
    world.now -= timedelta(days=3)
    world.play(timedelta(days=2))
    assert len(world.sent()) == 1
    world.play(timedelta(days=4))
    assert len(world.sent()) == 2
    assert {one.status for one in world.runs()} == {"finished"}


def test_two_journeys_that_start_each_other_end_by_themselves(world: World) -> None:
    for here, there in (("a", "b"), ("b", "a")):
        world.publish(f"""
{here}:
  name: {here}
  purpose: service
  start_when: [{{tag_added: {here}}}]
  re_enter: always
  review_after: 1 year
  steps:
    - {{untag: {there}, id: off}}
    - {{tag: {there}, id: on}}
    - {{untag: {here}, id: off_again}}
""")
    contact = world.contact()
    world.do(add_tag, contact, "a", now=world.now)
    world.work()
    assert len(world.runs()) < 40
    assert {one.status for one in world.runs()} == {"finished"}


def test_r30_a_poison_contact_is_held_and_the_others_finish(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(HEAD + "    - {note: hello, id: note}\n")
    people = [world.contact(f"Contact {number}") for number in range(20)]
    for contact in people:
        world.do(start_by_hand, contact, "series", now=world.now)
    real = verbs.VERBS["note"]

    def poisoned(batch: Any, step: Any, group: Any) -> None:
        if any(run.contact_id == people[3] for run in group):
            raise ValueError("poison")
        real(batch, step, group)

    monkeypatch.setitem(verbs.VERBS, "note", poisoned)
    world.work()
    assert [one.contact_id for one in world.runs(status="held")] == [people[3]]
    assert len(world.runs(status="finished")) == 19
    assert "note" in issues(world)["held_error"]


def test_what_a_journey_uses_is_not_deleted_and_the_refusal_names_the_journey(world: World) -> None:
    world.publish("""
series:
  name: Spring letters
  purpose: service
  start_when: [{tag_added: vip}, {joins_list: Letters}]
  only_if: {field: budget, more_than: 5}
  review_after: 1 year
  steps:
    - if: {has_tag: late}
      then: [{add_to_list: Slow}]
    - set: {colour: red}
    - send: greeting
""")
    world.do(lambda session: setattr(session.get_one(Journey, "series"), "name", "Spring letters"))
    with reading() as session:
        for kind, names in {
            "tag": ("vip", "late"),
            "list": ("Letters", "Slow"),
            "field": ("budget", "colour"),
            "template": ("greeting",),
        }.items():
            for name in names:
                with pytest.raises(UserError, match="Spring letters"):
                    refuse_if_used(session, kind, name)
            refuse_if_used(session, kind, "something else")
    world.do(lambda session: setattr(session.get_one(Journey, "series"), "state", "ended"))
    with reading() as session:
        refuse_if_used(session, "tag", "vip")


BROKEN = {
    "send: nowhere": "nowhere",
    "send: {text: 'Your code is [[code]]', via: email}": "code",
    "add_to_list: Nobody": "Nobody",
    "start_journey: vanished": "vanished",
    "call: nobody.does_this": "nobody.does_this",
}


def test_on_error_continue_goes_on_without_what_cannot_be_carried_out_and_issues_tell(world: World) -> None:
    world.do(create_field, "code", now=world.now)
    steps = "".join(
        f"    - {broken}\n      id: broken_{n}\n      on_error: continue\n" for n, broken in enumerate(BROKEN)
    )
    contact = start(world, steps + "    - {note: after, id: after}\n")
    world.play(timedelta(days=1))
    assert [one.status for one in world.runs()] == ["finished"]
    assert world.trace() == [*((f"broken_{n}", "failed") for n in range(5)), ("after", "done")]
    told = {one.step_id: one.params["error"] for one in world.rows(Issue, code="step_failed")}
    assert all(name in told[f"broken_{n}"] for n, name in enumerate(BROKEN.values()))
    assert [one.status for one in world.messages()] == ["skipped"]
    assert world.timeline(contact).count("message_skipped") == 1


def test_on_error_stop_lets_a_contact_leave_where_a_step_cannot_be_carried_out(world: World) -> None:
    world.do(create_field, "code", now=world.now)
    start(world, "    - send: {text: 'Your code is [[code]]', via: email}\n      id: broken\n      on_error: stop\n")
    world.play(timedelta(days=1))
    assert [(one.status, one.reason) for one in world.runs()] == [("error", "step_failed")]
    assert world.trace() == [("broken", "failed")]
    assert "broken" in issues(world)["step_failed"]


def test_a_step_that_breaks_is_named_and_those_before_it_are_done(world: World) -> None:
    start(world, "    - {note: hello, id: hello}\n    - {add_to_list: Nobody, id: enlist}\n    - {note: x, id: bye}\n")
    world.work()
    assert "enlist" in issues(world)["held_error"]
    assert world.trace() == [("hello", "done")]
    world.do(create_list, "Nobody", now=world.now)
    world.do(retry, [one.id for one in world.runs(status="held")], now=world.now)
    world.work()
    assert world.trace() == [("hello", "done"), ("enlist", "done"), ("bye", "done")]


def test_a_date_that_cannot_be_read_has_not_passed(world: World) -> None:
    world.publish("""
visit:
  name: Visit
  purpose: service
  start_when: [{event: booked}]
  review_after: 1 year
  steps:
    - wait: {until: {field: event.day, offset: 1 day before}, at: 18:00}
    - {note: See you tomorrow, id: remind}
""")
    for name, day in (
        ("ISO", "2026-12-01T15:30"),
        ("Shamsi", "۱۴۰۵/۰۹/۱۰"),
        ("Words", "after the holidays"),
        ("No", ""),
    ):
        world.event(world.contact(name), "booked", day=day)
    world.play(timedelta(days=1))
    assert [one.status for one in world.runs()] == ["active", "active", "held", "finished"]
    assert "after the holidays" in issues(world)["held_error"]
    world.play(timedelta(days=9))
    assert [one.ended_at.isoformat()[:16] for one in world.rows(StepRun, outcome="time_came")] == [
        "2026-11-30T16:00"
    ] * 2


def test_a_channel_without_a_text_in_the_template_is_passed_over_or_named(world: World) -> None:
    start(
        world, "    - send: {message: one, via: [sms, email]}\n    - send: {message: one, via: sms}\n      id: by_sms\n"
    )
    world.work()
    assert len(world.sent()) == 1
    words = issues(world)["held_missing_template"]
    assert all(one in words for one in ("by_sms", "the template one", "sms"))


def test_a_field_that_only_stands_in_a_text_of_a_journey_is_used_by_it(world: World) -> None:
    world.do(create_field, "voice", labels={"en": "Voice", "he": "קול"})
    world.do(create_field, "town")
    world.publish(
        """
choir:
  name: Choir
  purpose: service
  start_when: [{event: asked}]
  review_after: 1 year
  steps:
    - send: {via: email, subject: Hello, text: "You sing [[קול|]]"}
"""
    )
    with reading() as session:
        assert usage.journeys_using(session, "field", "voice") == ["choir"]
        assert usage.journeys_using(session, "field", "town") == []


def test_a_channel_that_a_plugin_brings_is_no_mistake_in_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = current_app.config["PANEL"].journeys_file
    path.write_text(
        """language: 1
journeys:
  pigeons:
    name: Pigeons
    purpose: service
    start_when: [{event: asked}]
    review_after: 1 year
    steps: [{send: {via: pigeon, text: coo}}]
""",
        encoding="utf-8",
    )
    plan()
    assert [one.code for one in world.rows(Issue, state="open")] == ["unknown_channel"]
    offered = {**world.channels, "pigeon": RecordingChannel("pigeon")}
    monkeypatch.setattr(type(manager.current()), "channels", lambda _self: offered)
    path.write_text(path.read_text(encoding="utf-8") + "# seen again\n", encoding="utf-8")
    plan()
    assert world.rows(Issue, state="open") == []
