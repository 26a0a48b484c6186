"""Taking back what was done with tasks and journeys from their pages: once, and only while nothing has come of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.journeys.models import Enrolment
from panel.staff.models import Notice
from panel.staff.people import Meant
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_task, snooze
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.web.seen import serious
from tests.web.story import make_contact
from tests.web.test_run_page import JOURNEY, run, status, url_of  # noqa: F401

AWAITED = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps:
    - task: {title: Call her, for: support, wait_until_done: yes}
    - send: one
"""
TAKEN = "Taken back: everything is as it was."
LATE = "Too late: something has happened in the meantime."


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


def kept(stored, id_: int) -> tuple:
    stored.rollback()
    task = stored.scalars(select(Task).where(Task.id == id_).execution_options(populate_existing=True)).one()
    return (task.state, task.snoozed_until, task.remind_at, task.reminded_at, task.assignee_id, task.assignee_role)


def offered(person, page: str, field: str = "seal") -> dict[str, str]:
    """The form behind "Undo", which the next look at the page no longer has."""
    text = person.text(page)
    toast = text[text.index("data-undo") :]
    action = re.search('action="([^"]+)"', toast)[1]
    value = re.search(f'name="{field}" value="([^"]*)"', toast)[1]
    assert "data-undo" not in person.text(page)
    return {"path": action, field: value}


@pytest.mark.parametrize("page", ["tasks", "card"])
@pytest.mark.parametrize(
    ("what", "given"), [("snooze", {"until": "tomorrow"}), ("assign", {"who": "role:marketing"}), ("done", {})]
)
def test_what_was_done_with_a_task_is_taken_back_once(stored, logged_in, make_user, contact, page, what, given):
    make_user("marketing")
    person = logged_in("support")
    card = f"/admin/contact/{contact[1]}"
    with writing() as session:
        due = clock.now() + timedelta(hours=3)
        id_ = create_task(session, NewTask(contact[0], "Call", who=Meant(role="support"), due_at=due))
    before = kept(stored, id_)
    where = {"contact": contact[1], "url": card} if page == "card" else {}
    person.post(f"/admin/tasks/{id_}/{what}", **where, **given)
    changed = kept(stored, id_)
    assert changed != before
    form = offered(person, card if page == "card" else "/admin/tasks/")
    answer = person.post(**form)
    assert answer.location.endswith(card if page == "card" else "/admin/tasks/")
    assert kept(stored, id_) == before
    assert TAKEN in person.text(answer.location)
    person.post(**form)
    assert kept(stored, id_) == before
    if what != "done":  # the same again, by somebody else: the old offer does not touch it
        person.post(f"/admin/tasks/{id_}/{what}", **given)
        with writing() as session:
            snooze(session, [id_], clock.now() + timedelta(days=3))
            if what == "assign":
                session.get(Task, id_).assignee_role = "owner"
        changed = kept(stored, id_)
    person.post(**form)
    assert LATE in person.text("/admin/tasks/")
    assert kept(stored, id_) == changed or what == "done"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("language", "calendar", "words", "day"),
    [("he", "hebrew", "יום ראשון 14:30", "כסלו"), ("fa", "solar_hijri", "یکشنبه ۱۴:۳۰", "آذر")],
)
def test_in_the_browser_a_task_is_put_off_by_the_name_of_a_day_and_comes_back(
    browse, stored, contact, language, calendar, words, day
):
    with clock.hold(datetime(2026, 11, 22, 20, tzinfo=UTC)):
        with writing() as session:
            due = clock.now() - timedelta(hours=3)
            id_ = create_task(session, NewTask(contact[0], "Call", who=Meant(role="support"), due_at=due))
        before = kept(stored, id_)
        page = browse(
            "/admin/tasks/", role="support", language=language, calendar=calendar, digits="local", time_zone="UTC"
        )
        page.set_viewport_size({"width": 390, "height": 844})
        expect(page.locator(".tasks-many")).to_be_hidden()
        page.locator(".task-choose").check()
        expect(page.locator(".tasks-many")).to_be_visible()
        page.locator(".task-choose").uncheck()
        page.locator(f"#task-{id_}").focus()
        page.keyboard.press("s")
        page.locator(f"#task-{id_} input[name=until]").fill(words)
        page.keyboard.press("Enter")
        expect(page.locator("[data-undo]")).to_contain_text(day)
        assert kept(stored, id_)[1] == datetime(2026, 11, 29, 14, 30, tzinfo=UTC)
        assert serious(page) == []
        page.locator("[data-undo] button").click()
        expect(page.locator("[data-undo]")).to_have_count(0)
        assert kept(stored, id_) == before


@pytest.mark.databases("sqlite")
def test_hands_that_lose_a_task_again_are_not_told_of_it(stored, logged_in, make_user, contact):
    yossi = make_user("marketing", name="Yossi")
    person = logged_in("support")
    with writing() as session:
        ids = [create_task(session, NewTask(contact[0], f"No. {n}", who=Meant(role="support"))) for n in range(12)]
    person.post("/admin/tasks/many/assign", task=ids, who=f"user:{yossi.id}")
    mine = select(Notice.read_at).where(Notice.user_id == yossi.id)
    assert list(stored.scalars(mine)) == [None] * 12
    person.post(**offered(person, "/admin/tasks/?view=team"))
    assert {kept(stored, id_)[4:] for id_ in ids} == {(None, "support")}
    assert None not in stored.scalars(mine).all()
    other = logged_in("owner")
    person.post("/admin/tasks/many/snooze", task=ids, until="week")
    form = offered(person, "/admin/tasks/")
    assert other.post(**form).status_code == 403
    assert other.post("/admin/tasks/undo", seal=form["seal"] + "x").status_code == 400
    assert kept(stored, ids[0])[1] is not None


def test_a_task_that_a_journey_waits_for_is_taken_back_while_the_journey_stands(stored, logged_in, world):  # noqa: F811
    person = logged_in("support")
    world.now = clock.now() - timedelta(hours=1)
    world.template("one", text="Hello")
    world.publish(AWAITED)
    public_id = stored.scalar(select(Contact.public_id).where(Contact.id == world.contact("Emma")))
    stored.rollback()
    card = f"/admin/contact/{public_id}"
    person.post(f"{card}/start", journey="series")
    assert "The journey has started for this contact." in person.text(card)
    world.now = clock.now() + timedelta(seconds=11)
    world.work()
    [task] = world.rows(Task)
    person.post(f"/admin/tasks/{task.id}/done")
    world.now = clock.now()
    world.work()
    form = offered(person, "/admin/tasks/")
    assert world.sent() == []  # the journey rests a little
    person.post(**form)
    assert kept(stored, task.id)[0] == "open"
    world.now += timedelta(minutes=1)
    world.work()
    assert world.sent() == []
    person.post(f"/admin/tasks/{task.id}/done")
    form = offered(person, "/admin/tasks/")
    world.now += timedelta(minutes=1)
    world.work()
    assert len(world.sent()) == 1
    person.post(**form)
    assert kept(stored, task.id)[0] == "done"
    assert LATE in person.text("/admin/tasks/")


def test_skipping_moving_and_starting_offer_the_way_back(stored, logged_in, run, world):  # noqa: F811
    person = logged_in("support")
    card = url_of(stored, run)
    page = f"{card}/journey/{run.id}"
    for what, more in (("skip", {"confirmed": "1"}), ("move", {"step": "send_two"})):
        before = stored.get(Enrolment, run.id, populate_existing=True)
        place = (before.step_id, before.seq, before.due_at, before.phase, before.wait)
        stored.rollback()
        for _ in range(2):  # a double click is one click
            person.post(f"{page}/{what}", page=page, seen=place[1], **more)
        form = offered(person, card, "confirmed")
        assert form["path"].endswith("/step_back")
        person.post(page=card, **form)
        after = stored.get(Enrolment, run.id, populate_existing=True)
        assert (after.step_id, after.seq, after.due_at, after.phase, after.wait) == place
        stored.rollback()
        assert "at the same place" in person.text(card)
    person.post(f"{page}/skip", page=page, seen=place[1], confirmed="1")
    form = offered(person, card, "confirmed")
    world.now = clock.now() + timedelta(minutes=1)
    world.work()
    assert len(world.sent()) == 2
    person.post(page=card, **form)
    assert "Too late: the journey has gone on in the meantime." in person.text(card)
    assert status(stored, run)[0] == "finished"

    person.post(f"{card}/start", journey="series")
    form = offered(person, card, "confirmed")
    person.post(page=card, **form)
    assert "was taken back" in person.text(card)
    [_, again] = world.runs()
    assert (again.status, again.reason) == ("removed", "start_taken_back")
    assert "a colleague took the start back" in person.text(card)
