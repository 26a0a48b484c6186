"""The page of tasks, tasks on the contact's page, and the bell."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.origin import By
from panel.contacts.scores import change_scores
from panel.db import writing
from panel.staff.models import Notice, User
from panel.staff.notices import notify
from panel.staff.people import Meant
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_task
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


def give(contact_id: int, who: Meant, title: str = "Call her", **more) -> int:
    with writing() as session:
        return create_task(session, NewTask(contact_id, title, who=who, **more))


def stored_task(stored, id_: int) -> Task:
    stored.rollback()
    return stored.scalars(select(Task).where(Task.id == id_).execution_options(populate_existing=True)).one()


def test_the_page_shows_whose_task_it_is_about_whom_and_why(stored, logged_in, make_user, contact):
    person = logged_in("support")
    me = user_id(stored, person)
    give(contact[0], Meant(user_id=me), due_at=clock.now() - timedelta(hours=2), text="She asked twice")
    give(contact[0], Meant(role="marketing"), "Plan the fair")
    text = person.text("/admin/tasks/")
    assert "Call her" in text
    assert "She asked twice" in text
    assert f"/admin/contact/{contact[1]}" in text
    assert "late:" in text
    assert "Plan the fair" not in text
    assert "Plan the fair" in person.text("/admin/tasks/?view=team")
    assert "Call her" in person.text("/admin/tasks/?view=overdue")


def user_id(stored, person) -> int:
    stored.rollback()
    return stored.scalar(select(User.id).where(User.email == person.email))


def test_done_with_words_and_undo(stored, logged_in, contact):
    person = logged_in("support")
    id_ = give(contact[0], Meant(role="support"))
    answer = person.post(f"/admin/tasks/{id_}/done", outcome="She is happy", url="/admin/tasks/")
    assert answer.status_code == 303
    done = stored_task(stored, id_)
    assert (done.state, done.outcome, done.closed_by) == ("done", "She is happy", user_id(stored, person))
    page = person.text("/admin/tasks/")
    assert "/admin/tasks/undo" in page
    assert "She is happy" in person.text("/admin/tasks/?view=done")
    person.post(f"/admin/tasks/{id_}/reopen")
    assert stored_task(stored, id_).state == "open"


def test_pressing_twice_changes_once(stored, logged_in, contact):
    person = logged_in("support")
    id_ = give(contact[0], Meant(role="support"))
    person.post(f"/admin/tasks/{id_}/done")
    person.post(f"/admin/tasks/{id_}/done", outcome="again")
    assert stored_task(stored, id_).outcome == ""
    assert "Somebody was quicker" in person.text("/admin/tasks/")


def test_snooze_is_on_the_clock_of_whoever_snoozes(stored, logged_in, contact):
    person = logged_in("support", time_zone="Asia/Tehran")
    id_ = give(contact[0], Meant(role="support"))
    person.post(f"/admin/tasks/{id_}/snooze", until="tomorrow")
    until = stored_task(stored, id_).snoozed_until
    there = until.astimezone(ZoneInfo("Asia/Tehran"))
    assert (there.hour, there.minute) == (9, 0)
    assert there.date() == (clock.now().astimezone(ZoneInfo("Asia/Tehran")) + timedelta(days=1)).date()


def test_a_task_is_given_from_the_contacts_page(stored, logged_in, contact):
    person = logged_in("support", time_zone="Asia/Jerusalem")
    page = f"/admin/contact/{contact[1]}"
    assert "Until when?" in person.text(page)
    person.post(
        "/admin/tasks/new", contact=contact[1], title="Send the contract", who="", due="15.1.2031 9:30", remind="60",
        url=page,
    )  # fmt: skip
    stored.rollback()
    task = stored.scalars(select(Task)).one()
    assert (task.contact_id, task.assignee_id) == (contact[0], user_id(stored, person))
    assert task.due_at == datetime.fromisoformat("2031-01-15T07:30+00:00")
    assert task.remind_at == datetime.fromisoformat("2031-01-15T06:30+00:00")
    shown = person.text(page)
    assert shown.count("Send the contract") >= 3  # beside, above the line of now, and in the history
    person.post(f"/admin/tasks/{task.id}/done", contact=contact[1], url=page)
    assert "Undo" in person.text(page)


def test_an_empty_task_and_an_unreadable_time_are_refused_in_words(stored, logged_in, contact):
    person = logged_in("support")
    empty = person.post("/admin/tasks/new", contact=contact[1], title="  ")
    assert "Say what is to be done." in empty.text or empty.status_code in (302, 303)
    person.post("/admin/tasks/new", contact=contact[1], title="x", due="the day after")
    stored.rollback()
    assert stored.scalars(select(Task)).all() == []


def test_a_viewer_sees_tasks_and_changes_nothing(stored, logged_in, contact):
    person = logged_in("viewer")
    id_ = give(contact[0], Meant(role="support"))
    text = person.text("/admin/tasks/?view=team")
    assert "Call her" in text
    assert f"/admin/tasks/{id_}/done" not in text
    assert person.post(f"/admin/tasks/{id_}/done").status_code == 403
    assert person.post("/admin/tasks/new", contact=contact[1], title="x").status_code == 403


def test_the_bell_counts_what_is_new_and_everybody_reads_their_own(stored, logged_in, make_user, contact):
    person = logged_in("support")
    other = make_user("marketing")
    with writing() as session:
        notify(session, person.email, "Could not reach <Emma>", contact_id=contact[0])
        notify(session, other.email, "Not for you")
    page = person.text("/admin/notices/")
    assert "Could not reach &lt;Emma&gt;" in page
    assert "Not for you" not in page
    assert 'class="dot">' in page
    foreign = stored.scalar(select(Notice.id).where(Notice.user_id == other.id))
    stored.rollback()
    person.post("/admin/notices/read", notice=foreign)
    assert stored.scalar(select(Notice.read_at).where(Notice.id == foreign)) is None
    stored.rollback()
    person.post("/admin/notices/read")
    assert 'class="dot">' not in person.text("/admin/notices/")


def test_the_score_stands_on_the_contacts_page(logged_in, contact):
    with writing() as session:
        change_scores(session, {contact[0]: 12}, by=By())
    text = logged_in("support").text(f"/admin/contact/{contact[1]}")
    assert "Score changed by" in text
    assert ">12<" in text


@pytest.mark.parametrize("language", ["he", "fa"])
def test_the_pages_speak_the_readers_language(stored, logged_in, contact, language):
    person = logged_in("support", language=language)
    assert "Nothing to do here" not in person.text("/admin/tasks/")
    assert "Nothing new" not in person.text("/admin/notices/")
    give(contact[0], Meant(role="support"), due_at=clock.now() + timedelta(days=1))
    for word in ("Hand over", "Put off", "How did it go"):
        assert word not in person.text("/admin/tasks/")
