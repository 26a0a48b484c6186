"""The calendar of a colleague's tasks, as calendar programs read it: here through another reader of iCalendar files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.staff.models import User
from panel.staff.people import Meant
from panel.tasks import operations
from panel.tasks.calendar import calendar_of
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_task
from tests.tasks.conftest import NOW

TITLES = {
    "he": 'להתקשר לנועה; לשאול, ואז\\לכתוב: "היי" ' + "א" * 70,
    "fa": "تماس با مریم رضایی، بعد یادداشت بنویس می\u200cخواهم ۱۲۳ " + "ب" * 70,
    "en": "Call 👩‍👩‍👧‍👧 " + "😀" * 40,
}
DUE = datetime(2026, 12, 1, 7, 30, tzinfo=UTC)


@pytest.fixture
def me(session: Session, colleague) -> User:
    user = session.get_one(User, colleague("Dana Levi", handle="dana"))
    user.time_zone = "Asia/Jerusalem"
    return user


def read(session: Session, me: User, now: datetime = NOW) -> dict[str, Any]:
    """The events by the number of their task."""
    body = calendar_of(session, me, now, "https://panel.example.com:8443/x")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert body.decode().count("\n") == body.count(b"\r\n")
    calendar = Calendar.from_ical(body)
    assert (calendar["version"], calendar["method"], calendar["calscale"]) == ("2.0", "PUBLISH", "GREGORIAN")
    assert "refresh-interval" in calendar
    for one in calendar.events:
        assert not one.errors
        assert {"UID", "DTSTAMP", "DTSTART", "SUMMARY", "LAST-MODIFIED", "SEQUENCE", "STATUS"} <= set(one)
    return {str(one["uid"]).removeprefix("task-").partition("@")[0]: one for one in calendar.events}


@pytest.mark.parametrize("language", ["he", "fa", "en"])
def test_every_text_arrives_as_it_was_written(session: Session, me: User, contact: int, language: str) -> None:
    session.get_one(Contact, contact).name = "נועה; ,\\בר"
    more = "first line\nsecond; line, with \\n and a bell\x07"
    id_ = create_task(
        session, NewTask(contact, TITLES[language], more, Meant(me.id), DUE, DUE - timedelta(hours=1)), now=NOW
    )
    event = read(session, me)[str(id_)]
    assert event["summary"] == f"{session.get_one(Task, id_).title} – נועה; ,\\בר"
    assert (
        "first line\nsecond; line, with \\n and a bell\nhttps://panel.example.com:8443/x/admin/contact/"
        in (event["description"])
    )
    assert event["url"].startswith("https://panel.example.com:8443/x/admin/contact/")
    assert str(event["uid"]) == f"task-{id_}@panel.example.com"
    assert event.decoded("dtstart") == DUE
    assert event.decoded("dtend") > DUE
    assert event["dtstart"].to_ical() == b"20261201T073000Z"
    [alarm] = event.walk("VALARM")
    assert (alarm["action"], alarm.decoded("trigger")) == ("DISPLAY", timedelta(hours=-1))
    assert event["transp"] == "TRANSPARENT"


def test_a_day_without_an_hour_is_a_whole_day_on_ones_own_clock(session: Session, me: User, contact: int) -> None:
    midnight_there = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
    id_ = create_task(session, NewTask(contact, "x", who=Meant(me.id), due_at=midnight_there), now=NOW)
    event = read(session, me)[str(id_)]
    assert event.decoded("dtstart") == date(2026, 12, 1)
    assert event.decoded("dtend") == date(2026, 12, 2)
    me.time_zone = "Europe/London"
    assert read(session, me)[str(id_)].decoded("dtstart") == midnight_there


def test_every_change_counts_up_and_closing_cancels(session: Session, me: User, contact: int) -> None:
    id_ = create_task(session, NewTask(contact, "x", who=Meant(me.id), due_at=DUE), now=NOW)
    assert id_ is not None
    event = read(session, me)[str(id_)]
    first = (event["uid"], event["sequence"], event.decoded("last-modified"))
    assert first[1:] == (0, NOW)

    later = NOW + timedelta(hours=1)
    before = operations.before(session, [id_], "snooze")
    operations.snooze(session, [id_], DUE + timedelta(days=1), now=later)
    event = read(session, me, later)[str(id_)]
    assert (event["uid"], event["sequence"], event.decoded("last-modified")) == (first[0], 1, later)
    assert event.decoded("dtstart") == DUE + timedelta(days=1)

    left = operations.before(session, [id_], "snooze")[id_]
    again = later + timedelta(minutes=1)
    operations.put_back(session, [operations.Before(id_, before[id_], left)], "snooze", now=again)
    event = read(session, me, again)[str(id_)]
    assert (event["sequence"], event.decoded("dtstart"), event["status"]) == (2, DUE, "CONFIRMED")

    operations.cancel(session, [id_], now=again)
    event = read(session, me, again)[str(id_)]
    assert (event["uid"], event["sequence"], event["status"]) == (first[0], 3, "CANCELLED")
    assert event.walk("VALARM") == []
    assert read(session, me, again + timedelta(days=15)) == {}
    session.rollback()


def test_only_ones_own_tasks_that_have_a_time(session: Session, me: User, colleague, contact: int) -> None:
    other = colleague("Yossi Katz")
    mine = create_task(session, NewTask(contact, "mine", who=Meant(role="support"), due_at=DUE), now=NOW)
    create_task(session, NewTask(contact, "his", who=Meant(other), due_at=DUE), now=NOW)
    create_task(session, NewTask(contact, "some day", who=Meant(me.id)), now=NOW)
    assert list(read(session, me)) == [str(mine)]
