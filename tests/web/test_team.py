"""Colleagues together: who is looking, tasks in one's own calendar, several tasks at once, mentions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.staff.models import Notice, User
from panel.staff.people import Meant
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_task
from panel.web.admin.tasks import next_working_day
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


def test_two_colleagues_on_one_page_see_each_other(logged_in, contact):
    url = f"/admin/presence/{contact[1]}"
    dana, yossi = logged_in("support", name="Dana"), logged_in("owner", name="Yossi <i>")
    assert dana.post(url).status_code == 204
    assert "Dana" in yossi.post(url, writing="1").text
    said = dana.post(url).text
    assert "Yossi &lt;i&gt;" in said
    assert "is writing" in said


def test_a_mention_reaches_the_colleague_and_a_wrong_one_is_said(stored, logged_in, make_user, contact):
    dana = make_user("owner", name="Dana", handle="dana")
    person = logged_in("support", name="Yossi")
    person.post(f"/admin/contact/{contact[1]}/notes", text="@dana please call, @nobody too")
    assert "nobody here is called that" in person.text(f"/admin/contact/{contact[1]}")
    [notice] = stored.scalars(select(Notice).where(Notice.user_id == dana.id)).all()
    assert notice.kind == "mention"


def test_the_calendar_is_read_by_whoever_has_the_address_until_it_is_switched_off(app, logged_in, stored, contact):
    person = logged_in("support")
    title = "Call; ask, then\nwrite אאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאאא"
    with writing() as session:
        me = session.scalar(select(User.id).where(User.email == person.email))
        due = datetime(2030, 1, 2, 7, tzinfo=UTC)
        create_task(session, NewTask(contact[0], title, "a\\b", Meant(me), due))
        create_task(session, NewTask(contact[0], "without a time", who=Meant(me)))
    person.post("/admin/calendar/make")
    address = re.search(r"/calendar/[\w-]+\.ics", person.text("/admin/calendar/"))[0]
    assert address not in person.text("/admin/calendar/")
    answer = app.test_client().get(address)
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert max(len(line) for line in answer.data.split(b"\r\n")) <= 75
    text = answer.data.decode().replace("\r\n ", "")
    assert "SUMMARY:Call\\; ask\\, then write" in text
    assert "DTSTART:20300102T070000Z" in text
    assert "a\\\\b" in text
    assert text.count("BEGIN:VEVENT") == text.count("BEGIN:VALARM") == 1
    person.post("/admin/calendar/revoke")
    assert app.test_client().get(address).status_code == 404


def test_several_tasks_at_once_and_all_taken_back(stored, logged_in, contact):
    person = logged_in("support")
    with writing() as session:
        ids = [create_task(session, NewTask(contact[0], f"No. {n}", who=Meant(role="support"))) for n in range(3)]
    person.post("/admin/tasks/many/done", task=ids[:2])
    stored.rollback()
    assert list(stored.scalars(select(Task.state).order_by(Task.id))) == ["done", "done", "open"]
    assert person.text("/admin/tasks/").count('name="task" value') == 1
    person.post("/admin/tasks/many/reopen", task=ids[:2])
    person.post("/admin/tasks/many/snooze", task=ids, until="workday")
    stored.rollback()
    assert all(stored.scalars(select(Task.snoozed_until)))
    assert "It comes back with a reminder" in person.text("/admin/tasks/")
    assert "<ul" in person.text(f"/admin/tasks/{ids[0]}/preview")


def test_the_next_working_day_is_that_of_the_readers_own_week():
    zone = ZoneInfo("Asia/Jerusalem")
    thursday = datetime(2026, 11, 26, 10, tzinfo=UTC)
    days = {
        language: next_working_day(thursday, zone, language).astimezone(zone).isoweekday()
        for language in ("he", "fa", "en")
    }
    assert days == {"he": 7, "fa": 6, "en": 5}
    assert next_working_day(thursday, zone, "en") - thursday < timedelta(days=1)
