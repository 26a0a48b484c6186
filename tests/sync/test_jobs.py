"""The plugins' regular work: once per turn, not by two workers at once, later and later while it fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.db import db, reading, writing
from panel.issues.models import Issue
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.operations import save_settings
from panel.sync import jobs
from panel.sync.erasing import erase_everywhere

COUNTING = """
from panel.sdk.context import Record
from panel.sdk.errors import Misconfigured, TryLater

@hookimpl
def sync(ctx):
    with ctx.unit() as unit:
        before = unit.get("runs", "n")
        unit.put(Record("runs", "n", {"n": (before.data["n"] if before else 0) + 1}))
    {then}
"""


@pytest.fixture
def counting(plugin):
    def make(then="pass"):
        manager = plugin(COUNTING.replace("{then}", then))

        def runs():
            with manager.context("helper").unit() as unit:
                record = unit.get("runs", "n")
                return record.data["n"] if record else 0

        return manager, runs

    return make


def due_now():
    with db.engine.connect() as connection:
        return [one for one in jobs.due(connection, clock.now()) if one != jobs.TELL]


def health():
    with reading() as session:
        return session.get(PluginState, "helper").health


def test_work_is_due_once_in_its_time(counting):
    _, runs = counting()
    now = clock.now()
    assert due_now() == ["helper"]
    jobs.run(2, "helper")
    jobs.run(2, "helper")
    assert (runs(), due_now(), health()["state"]) == (1, [], "ok")
    with clock.hold(now + timedelta(seconds=70)):
        assert due_now() == ["helper"]
        jobs.run(2)
        assert runs() == 2


def test_two_workers_do_not_run_one_plugin_at_once(counting):
    manager, runs = counting()
    assert jobs._claim("helper", clock.now(), False)
    assert not jobs.run_sync(manager, "helper")
    assert due_now() == []
    with clock.hold(clock.now() + timedelta(hours=1)):
        assert jobs.run_sync(manager, "helper"), "a dead worker's lease runs out"
    assert runs() == 1


def test_failing_work_is_told_once_and_tried_later_and_later(counting, session):
    _, runs = counting("raise RuntimeError('boom')")
    now = clock.now()
    jobs.run(2, "helper")
    assert (health()["state"], "boom" in health()["detail"]) == ("failing", True)
    with clock.hold(now + timedelta(seconds=61)):
        jobs.run(2, "helper")
        assert runs() == 1, "the first pause is longer than the usual one"
    with clock.hold(now + timedelta(seconds=130)):
        jobs.run(2, "helper")
        assert runs() == 2
    (issue,) = session.scalars(select(Issue))
    assert (issue.code, issue.count) == ("plugin_sync_failed", 2)


def test_a_service_that_asks_for_patience_is_obeyed(counting, session):
    _, runs = counting("raise TryLater('full', after=__import__('datetime').timedelta(hours=2))")
    now = clock.now()
    jobs.run(2, "helper")
    for minutes, expected in ((119, 1), (121, 2)):
        with clock.hold(now + timedelta(minutes=minutes)):
            jobs.run(2, "helper")
            assert runs() == expected
    assert session.scalars(select(Issue)).all() == []


def test_a_wrong_connection_pauses_until_the_settings_are_saved(counting, session):
    manager, runs = counting("raise Misconfigured('token', 'the key was revoked')")
    now = clock.now()
    jobs.run(2, "helper")
    assert health()["state"] == "paused"
    with clock.hold(now + timedelta(days=30)):
        jobs.run(2, "helper")
        assert runs() == 1
        with writing() as opened:
            save_settings(opened, "helper", [], {}, manager.secrets)
        jobs.run(2, "helper")
        assert runs() == 2
    assert [issue.code for issue in session.scalars(select(Issue))] == ["plugin_misconfigured"]


ERASING = """
from panel.sdk.context import Record

@hookimpl
def erase_contact(ctx, unit, contact_id):
    for record in unit.records("letters", contact_id=contact_id):
        unit.put(Record("letters", record.key, {}, contact_id=contact_id))
    {then}
"""


def test_erasing_a_contact_reaches_the_plugins(plugin, contact):
    ctx = plugin(ERASING.replace("{then}", "pass")).context("helper")
    from panel.sdk.context import Record

    with ctx.unit() as unit:
        unit.put(Record("letters", "1", {"text": "private"}, contact_id=contact))
    assert erase_everywhere(contact)
    assert not erase_everywhere(contact)
    with ctx.unit() as unit:
        assert unit.get("letters", "1").data == {}


def test_a_plugin_that_fails_to_erase_is_told_and_says_which_contact(plugin, contact, session):
    plugin(ERASING.replace("{then}", "raise OSError('disk')"))
    assert erase_everywhere(contact)
    (issue,) = session.scalars(select(Issue))
    assert (issue.code, issue.params["contact"]) == ("plugin_erase_failed", contact)
