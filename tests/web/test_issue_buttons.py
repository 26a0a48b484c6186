"""“Try again” on the page of issues does what it promises for each kind of trouble, and closes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys.models import Journey
from panel.plugin_manager import manager
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.operations import set_health
from panel.sdk.context import NewContact
from panel.staff.models import Notice
from panel.staff.people import Meant
from panel.staff.rules import RoleName
from panel.sync.erasing import erase_everywhere
from panel.tasks.models import Task
from panel.tasks.operations import NewTask, create_task
from panel.web.issues import issue_words
from tests.web.conftest import logged_in, make_user  # noqa: F401 - fixtures

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def owner(app, logged_in):  # noqa: F811
    return logged_in(RoleName.OWNER)


def raised(code: str, key: str = "k", **params: Any) -> int:
    with writing() as session:
        sentence = params.pop("sentence", "x")
        return raise_issue(session, key, code=code, sentence=sentence, params=params).id


def state(number: int) -> str:
    with reading() as session:
        return session.get_one(Issue, number).state


def try_again(owner, number: int) -> str:
    owner.post("/admin/issues/action/", action="retry", rowid=number)
    return owner.text("/admin/issues/")


def test_erasing_that_failed_is_done_again_and_the_issue_stays_until_it_is(owner, app, monkeypatch):
    with writing() as session:
        dana = create_contact(session, NewContact(name="Dana", emails=["dana@example.com"]), how="manual")
    plugins, asked, fails = manager.current(), [], [True]
    real = plugins.invoke

    def invoke(plugin_id, hook, **given):
        if hook != "erase_contact":
            return real(plugin_id, hook, **given)
        asked.append(plugin_id)
        if fails and plugin_id == "accounting":
            raise RuntimeError("locked")
        return None

    monkeypatch.setattr(plugins, "invoke", invoke)
    erase_everywhere(dana)
    with reading() as session:
        [number] = session.scalars(select(Issue.id).where(Issue.code == "plugin_erase_failed"))
    assert "not erased" in try_again(owner, number)
    assert state(number) == "open"
    fails.clear()
    asked.clear()
    assert "erased there now" in try_again(owner, number)
    assert (asked, state(number)) == (["accounting"], "resolved")


@pytest.mark.parametrize("code", ["plugin_sync_failed", "plugin_misconfigured"])
def test_the_regular_work_of_a_plugin_is_due_at_once(owner, code):
    later = clock.now() + timedelta(hours=6)
    with writing() as session:
        set_health(session, "accounting", "paused", "wrong folder", sync={"due_at": later.isoformat(), "failed": 9})
    try_again(owner, raised(code, "plugin:accounting:sync", plugin="accounting"))
    with reading() as session:
        health = session.scalars(select(PluginState.health).where(PluginState.plugin_id == "accounting")).one()
    assert health["state"] != "paused"
    assert health["sync"]["due_at"] <= clock.now().isoformat()


@pytest.mark.parametrize(
    "code",
    ["check_away", "source_stale", "held_calendar", "hours_never_open", "watchdog_ticker", "plugin_failed",
     "message_unknown", "experiment_asks", "review_due", "schedule_missed", "plugin_hook_failed"],
)  # fmt: skip
def test_what_only_reports_a_cause_is_not_closed_by_trying_again(owner, code):
    number = raised(code, what="x", plugin="sms")
    assert "There is nothing to try again here" in try_again(owner, number)
    assert state(number) == "open"


@pytest.mark.parametrize(
    ("language", "journey", "channel", "plugin"),
    [("en", "Welcome series", "Email", "SMS"), ("he", "Welcome series", "אימייל", "SMS"),
     ("fa", "Welcome series", "ایمیل", "پیامک")],
)  # fmt: skip
def test_an_issue_calls_journeys_channels_and_plugins_by_their_names(app, owner, language, journey, channel, plugin):
    with writing() as session:
        now = clock.now()
        session.add(Journey(id="welcome", name="Welcome series", state="live", created_at=now, updated_at=now))
    number = raised(
        "channel_in_trouble", sentence="%(journey)s|%(channel)s|%(plugin)s|%(detail)s", journey="welcome",
        channel="email", plugin="sms", detail="email",
    )  # fmt: skip
    with app.test_request_context(), reading() as session:
        words = issue_words(session.get_one(Issue, number), language)
    plain = words.translate({0x2068: None, 0x2069: None})
    assert plain == f"{journey}|{channel}|{plugin}|email"


def test_the_tasks_of_a_colleague_who_may_not_log_in_any_more_go_to_the_owners_who_are_told(owner, make_user):  # noqa: F811
    """A journey may stand there until the task is done, and nobody would ever see it."""
    mira = make_user("support", name="Mira")
    with writing() as session:
        dana = create_contact(session, NewContact(name="Dana"), how="manual")
        number = create_task(session, NewTask(dana, "Call Dana", who=Meant(mira.id)))
    page = f"/admin/users/edit/?id={mira.id}"
    owner.post(page, page, name="Mira", role="support", active="y")
    with reading() as session:
        assert session.get_one(Task, number).assignee_id == mira.id
    owner.post(page, page, name="Mira", role="support")
    assert "1 open task went to the owners." in owner.text("/admin/users/")
    with reading() as session:
        task = session.get_one(Task, number)
        assert (task.assignee_id, task.assignee_role, task.asked_for, task.state) == (None, "owner", "Mira", "open")
        assert [one.task_id for one in session.scalars(select(Notice))][-1] == number
