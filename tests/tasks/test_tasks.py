"""Giving, closing, handing over, putting off, reminding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.erasing import erase
from panel.contacts.origin import By
from panel.errors import UserError
from panel.staff.models import Notice, User
from panel.staff.notices import mark_read, notify, unread_query
from panel.staff.people import Directory, Meant
from panel.tasks import operations, queries
from panel.tasks.models import Task
from panel.tasks.operations import NewTask
from panel.tasks.reminding import remind_due
from panel.timeline.models import Event
from tests.tasks.conftest import NOW

Make = Callable[..., int]


@pytest.fixture(autouse=True)
def _at() -> Any:
    with clock.hold(NOW):
        yield


def give(session: Session, contact: int, who: Meant, **more: Any) -> int:
    id_ = operations.create_task(session, NewTask(contact, more.pop("title", "Call her"), who=who, **more), now=NOW)
    assert id_ is not None
    return id_


def task(session: Session, id_: int) -> Task:
    return session.scalars(select(Task).where(Task.id == id_).execution_options(populate_existing=True)).one()


def kinds(session: Session, contact: int) -> list[str]:
    return list(session.scalars(select(Event.kind).where(Event.contact_id == contact).order_by(Event.id)))


def told(session: Session, user: int) -> list[str]:
    rows = session.scalars(select(Notice).where(Notice.user_id == user).order_by(Notice.id))
    return [one.sentence % one.params for one in rows]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dana", "Dana Levi"),
        ("Dana Levi", "Dana Levi"),
        ("DANA.LEVI@example.com", "Dana Levi"),
        ("דנה", "support"),  # nobody here is called so
        ("sales", "support"),
        ("מכירות", "support"),
        ("فروش", "support"),
        ("שיווק", "marketing"),
        (None, "owner"),
    ],
)
def test_a_name_of_a_journey_means_a_colleague_or_a_role(
    session: Session, colleague: Make, name: str | None, expected: str
) -> None:
    colleague("Dana Levi", handle="dana")
    meant = Directory(session).meant(name)
    if expected == "Dana Levi":
        assert meant.user_id == session.scalar(select(User.id).where(User.name == "Dana Levi"))
    elif name == "דנה":
        assert (meant.role, meant.asked_for) == ("owner", "דנה")
    else:
        assert (meant.role, meant.asked_for) == (expected, "")


def test_whoever_left_or_is_one_of_two_is_replaced_by_the_owners_with_a_note(session: Session, colleague: Make) -> None:
    owner = colleague("Boss One", "owner")
    colleague("Gone Away", handle="gone", active=False)
    colleague("Dana Levi")
    colleague("Dana Cohen")
    directory = Directory(session)
    for name in ("gone", "Dana"):
        meant = directory.meant(name)
        assert (meant.role, meant.asked_for) == ("owner", name)
        assert directory.members(meant) == [owner]


def test_a_task_is_told_to_its_assignee_and_stands_on_the_timeline(
    session: Session, colleague: Make, contact: int
) -> None:
    dana = colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana), due_at=NOW + timedelta(days=1))
    assert told(session, dana) == ["New task: Call her"]
    assert kinds(session, contact)[-1] == "task_created"
    assert task(session, id_).remind_at == NOW + timedelta(days=1)


def test_whoever_gives_a_task_to_themselves_is_not_told(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    operations.create_task(session, NewTask(contact, "Call", who=Meant(user_id=dana)), by=By(user_id=dana), now=NOW)
    assert told(session, dana) == []


def test_a_repeat_makes_no_second_task(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    new = NewTask(contact, "Call", who=Meant(user_id=dana), dedupe_key="enrolment:1:2")
    first = operations.create_tasks(session, [new, new], now=NOW)
    assert [one is None for one in first] == [False, True]
    assert operations.create_task(session, new, now=NOW) is None
    assert kinds(session, contact).count("task_created") == 1
    assert len(told(session, dana)) == 1


def test_many_tasks_of_one_step_are_told_once_a_day(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    new = [
        NewTask(
            contact, f"Call {n}", who=Meant(user_id=dana), journey_id="win_back", step_id="call", dedupe_key=f"e:{n}"
        )
        for n in range(30)
    ]
    operations.create_tasks(session, new, now=NOW)
    assert told(session, dana) == ["New task: Call 0"]


def test_done_is_done_once_and_can_be_taken_back(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana))
    by = By(user_id=dana)
    assert operations.complete(session, [id_], outcome="She will pay", by=by, now=NOW) == [id_]
    assert operations.complete(session, [id_], by=by, now=NOW) == []
    done = task(session, id_)
    assert (done.state, done.outcome, done.closed_by) == ("done", "She will pay", dana)
    assert operations.reopen(session, [id_], by=by, now=NOW) == [id_]
    assert task(session, id_).state == "open"
    assert kinds(session, contact)[-3:] == ["task_created", "task_done", "task_reopened"]


def test_handing_over_tells_the_new_hands(session: Session, colleague: Make, contact: int) -> None:
    dana, yossi = colleague("Dana Levi"), colleague("Yossi Peretz")
    id_ = give(session, contact, Meant(user_id=dana))
    assert operations.assign(session, [id_], Meant(user_id=yossi), by=By(user_id=dana), now=NOW) == [id_]
    assert operations.assign(session, [id_], Meant(user_id=yossi), by=By(user_id=dana), now=NOW) == []
    assert told(session, yossi) == ["New task: Call her"]
    assert task(session, id_).assignee_id == yossi


def test_a_reminder_is_given_once_and_again_after_a_snooze(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana), due_at=NOW + timedelta(days=2), remind_at=NOW + timedelta(days=1))
    assert remind_due(session, NOW) == 0
    assert remind_due(session, NOW + timedelta(days=1)) == 1
    assert remind_due(session, NOW + timedelta(days=1)) == 0
    operations.snooze(session, [id_], NOW + timedelta(days=3), now=NOW)
    assert remind_due(session, NOW + timedelta(days=3)) == 1
    assert told(session, dana) == ["New task: Call her", "Reminder: Call her", "Reminder: Call her"]
    with pytest.raises(UserError):
        operations.snooze(session, [id_], NOW - timedelta(hours=1), now=NOW)


def test_many_reminders_at_once_are_one_line(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    for n in range(6):
        give(session, contact, Meant(user_id=dana), title=f"Call {n}", due_at=NOW)
    assert remind_due(session, NOW) == 6
    assert told(session, dana)[-1] == "6 tasks are due"


def test_a_closed_task_reminds_nobody(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana), due_at=NOW)
    operations.cancel(session, [id_], reason="not needed", now=NOW)
    assert remind_due(session, NOW) == 0


def test_the_tasks_of_a_colleague_who_left_are_the_owners(session: Session, colleague: Make, contact: int) -> None:
    boss, dana = colleague("Boss One", "owner"), colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana), due_at=NOW)
    session.get_one(User, dana).active = False
    session.flush()
    assert [one.id for one in queries.tasks_of(session, session.get_one(User, boss), "mine", NOW)] == [id_]
    remind_due(session, NOW)
    assert told(session, boss) == ["Reminder: Call her"]


def test_mine_team_overdue_today_done(session: Session, colleague: Make, contact: int) -> None:
    dana, yossi = colleague("Dana Levi"), colleague("Yossi Peretz", "marketing")
    late = give(session, contact, Meant(user_id=dana), due_at=NOW - timedelta(hours=3))
    today = give(session, contact, Meant(role="support"), due_at=NOW + timedelta(hours=3))
    later = give(session, contact, Meant(user_id=yossi), due_at=NOW + timedelta(days=3))
    some_day = give(session, contact, Meant(user_id=dana))
    done = give(session, contact, Meant(user_id=dana))
    operations.complete(session, [done], by=By(user_id=dana), now=NOW)
    user = session.get_one(User, dana)

    def view(name: str) -> list[int]:
        return [one.id for one in queries.tasks_of(session, user, name, NOW)]

    assert view("mine") == [late, today, some_day]
    assert view("team") == [late, today, later, some_day]
    assert view("overdue") == [late]
    assert view("today") == [late, today]
    assert view("done") == [done]
    assert queries.counts(session, user, NOW) == {"mine": 3, "team": 4, "overdue": 1, "today": 2, "week": 2}
    operations.snooze(session, [late], NOW + timedelta(days=2), now=NOW)
    assert view("overdue") == []
    assert view("today") == [today]


def test_a_notice_is_told_once_counted_and_read(session: Session, colleague: Make) -> None:
    dana = colleague("Dana Levi", handle="dana")
    boss = colleague("Boss One", "owner")
    for _ in range(2):
        notify(session, "dana", "Look at this", dedupe_key="enrolment:7:3", now=NOW)
    notify(session, "rivka", "Who is this for?", now=NOW)
    assert session.scalar(unread_query(dana)) == 1
    assert told(session, boss) == ["Who is this for? (for rivka, whom nobody here is called)"]
    assert mark_read(session, dana, now=NOW) == 1
    assert session.scalar(unread_query(dana)) == 0


def test_erasing_a_contact_empties_what_tasks_and_notices_say(session: Session, colleague: Make, contact: int) -> None:
    dana = colleague("Dana Levi")
    id_ = give(session, contact, Meant(user_id=dana), title="Call Noa Bar", text="about her illness")
    erase(session, contact, now=NOW)
    gone = task(session, id_)
    assert (gone.title, gone.text, gone.state) == ("", "", "cancelled")
    assert "Noa" not in " ".join(told(session, dana))
