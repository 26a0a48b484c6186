"""What journeys ask of colleagues: tasks (waited for or not), notices, scores."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from panel import clock
from panel.contacts.memberships import add_tag
from panel.contacts.models import Contact
from panel.contacts.origin import By
from panel.db import connection_of
from panel.journeys.by_hand import take_out
from panel.journeys.engine.plan import plan
from panel.journeys.engine.watchdog import findings
from panel.journeys.language import check
from panel.journeys.models import Enrolment, StepRun
from panel.journeys.names import vocabulary
from panel.staff.models import Notice, User
from panel.staff.operations import ensure_roles
from panel.tasks.models import Task
from panel.tasks.operations import cancel, complete, reopen
from tests.journeys.engine.world import HEADER, World

COLLECT = """
collect:
  name: Collect
  purpose: service
  owner: yossi
  start_when: [{event: complaint_opened}]
  stop_when: [{tag_added: settled}]
  review_after: 1 year
  steps:
    - task: {title: "Phone [[full name]]", for: bookkeeper, due: 2 days, remind: 1 day, wait_until_done: yes}
      id: phone
    - tag: phoned
    - wait: 1 day
"""


def colleague(world: World, name: str, role: str, handle: str | None = None) -> int:
    def make(session):
        user = User(email=f"{handle or name}@example.com", name=name, handle=handle, fs_uniquifier=name, active=True)
        user.roles = [ensure_roles(session)[role]]
        session.add(user)
        session.flush()
        return user.id

    return world.do(make)


def started(world: World, body: str = COLLECT, name: str = "Dana Levi") -> int:
    world.publish(body)
    contact = world.contact(name)
    world.event(contact, "complaint_opened")
    world.work()
    return contact


def told(world: World, user: int) -> list[str]:
    return [one.sentence % one.params for one in world.rows(Notice, user_id=user)]


def test_a_run_stands_at_its_task_until_it_is_done(world: World) -> None:
    keeper = colleague(world, "Ruth Katz", "support", "bookkeeper")
    contact = started(world)
    [task] = world.rows(Task)
    assert (task.title, task.assignee_id, task.is_awaited) == ("Phone Dana Levi", keeper, True)
    assert task.due_at == world.now + timedelta(days=2)
    assert task.remind_at == world.now + timedelta(days=1)
    [run] = world.runs()
    assert (run.phase, run.wait["kind"], run.step_id) == ("waiting", "task", "phone")
    world.play(timedelta(days=5))
    assert world.runs()[0].step_id == "phone"
    world.do(complete, [task.id], outcome="will pay", by=By(user_id=keeper), now=world.now)
    assert world.runs()[0].due_at == world.now  # woken by the closing itself
    world.work()
    assert "tag_added" in world.timeline(contact)
    [step] = world.rows(StepRun, step_id="phone")
    assert (step.outcome, step.reason, step.detail["result"]) == ("done", None, "will pay")
    assert step.detail["closed_by"] == keeper


def test_a_task_that_is_taken_back_lets_the_run_go_on_with_the_reason(world: World) -> None:
    started(world)
    [task] = world.rows(Task)
    world.do(cancel, [task.id], reason="called already", now=world.now)
    world.work()
    [step] = world.rows(StepRun, step_id="phone")
    assert (step.reason, step.detail["result"]) == ("task_cancelled", "called already")


def test_a_closing_whose_wake_was_lost_is_found_within_a_day(world: World) -> None:
    started(world)
    [task] = world.rows(Task)
    # As if the row had been changed behind our back.
    world.do(lambda session: connection_of(session).execute(update(Task).values(state="done")) and None)
    world.work()
    assert world.runs()[0].step_id == "phone"
    world.play(timedelta(days=1))
    assert world.rows(StepRun, step_id="phone")[0].detail["task"] == task.id


def test_a_closing_that_is_taken_back_at_once_keeps_the_run_waiting(world: World) -> None:
    started(world)
    [task] = world.rows(Task)
    world.do(complete, [task.id], now=world.now)
    world.do(reopen, [task.id], now=world.now)
    world.work()
    assert world.runs()[0].phase == "waiting"
    assert world.rows(StepRun, step_id="phone") == []


def test_a_run_at_a_task_is_never_stranded(world: World) -> None:
    started(world)
    world.play(timedelta(days=3))
    found = world.do(lambda session: {one.key: one.count for one in findings(connection_of(session), world.now)})
    assert found["watchdog_stranded"] == 0
    assert found["watchdog_late"] == 0


def test_a_run_that_is_stopped_takes_its_task_back_and_says_so(world: World) -> None:
    boss = colleague(world, "Boss", "owner", "boss")
    contact = started(world)
    world.do(add_tag, contact, "settled", now=world.now)
    world.work()
    [task] = world.rows(Task)
    assert (task.state, task.outcome) == ("cancelled", "stopped")
    assert told(world, boss)[-1] == "Taken back, the journey has ended: Phone Dana Levi"
    assert "task_cancelled" in world.timeline(contact)


def test_a_task_nobody_waits_for_outlives_its_run(world: World) -> None:
    started(world, COLLECT.replace(", wait_until_done: yes", ""))
    [run] = world.runs()
    world.do(take_out, run.id, now=world.now)
    assert world.rows(Task)[0].state == "open"


def test_a_name_that_nobody_has_goes_to_the_owners_with_a_note(world: World) -> None:
    boss = colleague(world, "Boss", "owner", "boss")
    started(world)
    [task] = world.rows(Task)
    assert (task.assignee_role, task.asked_for) == ("owner", "bookkeeper")
    assert told(world, boss) == ["New task: Phone Dana Levi (for bookkeeper, whom nobody here is called)"]


@pytest.mark.parametrize("who", ["sales", "מכירות", "فروش", "owner", "bookkeeper", "Ruth"])
def test_the_checker_knows_everybody_whom_a_task_can_reach(world: World, who: str) -> None:
    colleague(world, "Ruth Katz", "support", "bookkeeper")
    text = HEADER + "".join(f"  {line}\n" for line in COLLECT.replace("for: bookkeeper", f"for: {who}").splitlines())
    words = world.do(vocabulary)

    def unknown(journey: str) -> list[str]:
        return [one.params["name"] for one in check(journey, words).warnings if one.code == "unknown_person"]

    assert unknown(text) == ["yossi"]
    assert "zebra" in unknown(text.replace(f"for: {who}", "for: zebra"))


@pytest.mark.parametrize(("who", "role"), [("sales", "support"), ("מכירות", "support"), ("פלוני", "owner")])
def test_a_short_task_and_roles_in_any_language(world: World, who: str, role: str) -> None:
    body = COLLECT.replace("for: bookkeeper", f"for: {who}")
    started(world, body)
    assert world.rows(Task)[0].assignee_role == role


def test_a_task_of_one_line_is_for_the_owner_of_the_journey(world: World) -> None:
    yossi = colleague(world, "Yossi Peretz", "marketing", "yossi")
    started(world, COLLECT[: COLLECT.index("    - task")] + '    - task: "Call [[first name]]"\n')
    [task] = world.rows(Task)
    assert (task.title, task.assignee_id, task.due_at) == ("Call Dana", yossi, None)
    assert world.runs()[0].status == "finished"


def test_a_repeat_of_the_step_makes_no_second_task(world: World) -> None:
    contact = started(world)
    [run] = world.runs()
    # The trace and the position were lost, as after a restored backup: the step is taken again under the same key.
    world.do(
        lambda session: (
            connection_of(session).execute(update(Enrolment).values(phase="", wait={}, due_at=world.now)) and None
        )
    )
    world.work()
    assert len(world.rows(Task)) == 1
    assert world.runs()[0].phase == "waiting"
    assert world.timeline(contact).count("task_created") == 1
    assert run.id == world.runs()[0].id


NOTIFY = """
tell:
  name: Tell
  purpose: service
  start_when: [{event: complaint_opened}]
  review_after: 1 year
  steps:
    - notify: {who: yossi, text: "Could not reach [[full name]] on any channel"}
"""


def test_notify_tells_a_colleague_once(world: World) -> None:
    yossi = colleague(world, "Yossi Peretz", "support", "yossi")
    contact = started(world, NOTIFY)
    assert told(world, yossi) == ["Could not reach Dana Levi on any channel"]
    [notice] = world.rows(Notice)
    assert (notice.contact_id, notice.enrolment_id) == (contact, world.runs()[0].id)
    assert world.trace() == [(world.rows(StepRun)[0].step_id, "done")]


def test_notify_reaches_everybody_in_a_role_and_the_owners_for_an_unknown_name(world: World) -> None:
    boss = colleague(world, "Boss", "owner", "boss")
    both = [colleague(world, name, "support") for name in ("Ann", "Ben")]
    started(world, NOTIFY.replace("yossi", "support"))
    assert [told(world, one) for one in both] == [["Could not reach Dana Levi on any channel"]] * 2
    world.publish(NOTIFY.replace("tell:", "tell_2:"))
    world.event(world.contact("Noa Bar"), "complaint_opened")
    world.work()
    assert told(world, boss)[-1] == "Could not reach Noa Bar on any channel (for yossi, whom nobody here is called)"


SCORE = """
warm:
  name: Warm
  purpose: service
  start_when: [{event: order_paid}]
  re_enter: always
  review_after: 1 year
  steps:
    - score: "+10"
    - if: {field: score, more_than: "15"}
      then:
        - tag: hot
    - score: "-3"
"""


def test_a_score_is_raised_seen_by_conditions_and_shown_on_the_timeline(world: World) -> None:
    world.publish(SCORE)
    contact = world.contact("Dana Levi")
    other = world.contact("Noa Bar")
    for _ in range(2):
        world.event(contact, "order_paid")
        world.event(other, "order_paid") if world.runs() == [] else None
        world.work()
        world.play(timedelta(hours=1))
    scores = {one.id: one.score for one in world.rows(Contact)}
    assert scores == {contact: 14, other: 7}
    assert world.timeline(contact).count("score_changed") == 4
    assert world.timeline(contact).count("tag_added") == 1
    assert "tag_added" not in world.timeline(other)


def test_reminders_are_given_by_the_plan(world: World) -> None:
    boss = colleague(world, "Boss", "owner", "boss")
    started(world)
    with clock.hold(world.now + timedelta(days=1, minutes=1)):
        plan()
        plan()
    assert told(world, boss)[1:] == ["Reminder: Phone Dana Levi"]
