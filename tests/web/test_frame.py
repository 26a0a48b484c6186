"""The frame of every page: its numbers are right at each look, and cost one statement."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import current_app
from sqlalchemy import literal, select

from panel import clock
from panel.db import writing
from panel.experiments.models import Experiment
from panel.installation.models import Heartbeat, Setting
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.models import Enrolment
from panel.journeys.reasons import PAUSED
from panel.staff.models import User
from panel.staff.notices import mark_read, notify
from panel.tasks.models import Task
from tests.web.statements import asked_anew, counted
from tests.web.story import make_story


def numbers(text: str) -> dict[str, str]:
    """What the menu says: address -> number."""
    links = re.findall(r'class="side-link" href="([^"]+)"[^>]*>(.*?)</a>', text, re.S)
    found = {url: re.search(r'side-count">.*?(\d+)', words, re.S) for url, words in links}
    return {url.rstrip("/").rpartition("/")[2]: one[1] for url, one in found.items() if one}


def bell(text: str) -> str | None:
    found = re.search(r'Your notices</span>(?:<span class="dot">.*?(\d+))?', text, re.S)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("role", ["owner", "marketing", "support", "viewer"])
def test_a_plain_page_asks_who_looks_and_once_for_the_frame(logged_in, role):
    person = logged_in(role)
    person.text("/preferences")
    asked_anew()
    with counted() as statements:
        person.text("/preferences")
    assert len(statements) <= 3, statements  # who is looking, whether plugins changed, the frame


def test_every_number_is_that_of_this_moment(session, logged_in):
    person, now = logged_in("owner"), clock.now()
    before = person.text("/preferences")
    assert (numbers(before), bell(before)) == ({}, None)
    with writing() as writer:
        contact_id = make_story(writer, now, "en")
        run = writer.scalars(select(Enrolment).where(Enrolment.contact_id == contact_id)).one()
        run.status, run.reason = "held", "template_missing"
        raise_issue(writer, "key", code="some", sentence="Something is wrong")
        raise_issue(writer, "other", code="some", sentence="Something else is wrong", severity="warning")
        notify(writer, "owner", "Look at this")
        writer.add(Task(contact_id=contact_id, title="Call", assignee_role="owner", due_at=now, created_at=now))
        for number, state in ((1, "asked"), (2, "running")):  # asked once, and begun anew since
            writer.add(experiment("first", number, state, now))
        writer.add(experiment("second", 1, "asked", now))
    then = person.text("/preferences")
    assert numbers(then) == {"tasks": "1", "held": "1", "experiments": "1", "issues": "2"}
    assert bell(then) == "1"
    with writing() as writer:
        resolve_issue(writer, "key")
        mark_read(writer, writer.scalars(select(User.id)).one())
        writer.get_one(Enrolment, run.id).reason = PAUSED
        writer.scalars(select(Task)).one().state = "done"
    after = person.text("/preferences")
    assert numbers(after) == {"experiments": "1", "issues": "1"}
    assert bell(after) is None


def experiment(split: str, number: int, state: str, now) -> Experiment:
    return Experiment(
        journey_id="welcome", split_id=split, round=number, fingerprint="x", version_id=1, state=state, created_at=now
    )


def test_an_alarm_stands_on_the_next_page_and_is_gone_when_it_is_over(logged_in):
    person, now = logged_in("viewer"), clock.now()
    silent, paused = "The ticker gives no sign of life", "All sending is paused"
    assert silent not in person.text("/preferences")  # none ever ran here
    with writing() as session:
        session.add(Heartbeat(name="ticker:here:1", at=now - timedelta(minutes=5)))
        session.add(Heartbeat(name="worker:here:1", at=now))
    assert silent in person.text("/preferences")
    with writing() as session:
        session.add(Heartbeat(name="ticker:there:1", at=now))
        session.add(Setting(name="sending_paused", value={"since": now.isoformat()}))
    text = person.text("/preferences")
    assert silent not in text
    assert paused in text
    with writing() as session:
        session.get_one(Setting, "sending_paused").value = {}
    assert paused not in person.text("/preferences")


@pytest.mark.databases("sqlite")
def test_a_screen_may_count_in_the_database_or_in_python(logged_in, monkeypatch):
    views = {one.endpoint: one for one in current_app.extensions["panel_admin"]._views}
    monkeypatch.setattr(views["tags"], "menu_query", lambda: select(literal(7)), raising=False)
    monkeypatch.setattr(views["lists"], "menu_count", lambda: 8, raising=False)
    assert numbers(logged_in("owner").text("/preferences")) == {"tags": "7", "lists": "8"}
