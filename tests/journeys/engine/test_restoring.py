"""After a restored backup nothing that was due in the lost time goes out, and nobody moves, before a person decides."""

from __future__ import annotations

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask, current_app

from panel import clock
from panel.db import db, reading, writing
from panel.errors import UserError
from panel.installation.queries import get_setting
from panel.issues.models import Issue
from panel.journeys import restoring
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import marks, watchdog
from panel.journeys.engine.advance import advance
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.marks import Mark, judge
from panel.journeys.engine.message_ids import message_id
from panel.journeys.engine.programs import forget
from panel.journeys.engine.spreading import moments
from tests.journeys.engine.conftest import SUNDAY
from tests.journeys.engine.world import World

JOURNEY = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}, {event: order_paid}]
  re_enter: always
  review_after: 1 year
  too_late_after: 2 days
  steps:
    - {wait: 1 hour, id: pause}
    - send: one
    - {wait: 2 days, id: later}
    - send: two
"""
MINUTE = timedelta(minutes=1)


def begin(world: World, people: int = 3) -> list[int]:
    for name in ("one", "two"):
        world.template(name)
    world.publish(JOURNEY)
    contacts = [world.contact(f"Contact {number}") for number in range(people)]
    for contact in contacts:
        world.do(start_by_hand, contact, "series", now=world.now)
    world.work()
    return contacts


def look(world: World) -> marks.Judgement:
    with clock.hold(world.now):
        return marks.look(Path(current_app.instance_path))


def backup(tmp_path: Path) -> Path:
    """A copy of the database, as `panel backup` makes it."""
    copy = tmp_path / "backup.sqlite"
    with db.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
    return copy


def restore(copy: Path) -> None:
    path = Path(db.engine.url.database or "")
    db.engine.dispose()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copyfile(copy, path)
    forget()


def subjects(world: World) -> list[str]:
    return [one.splitlines()[0] for one in world.sent()]


def test_marks_say_what_happened_to_the_database() -> None:
    here, now = "here", SUNDAY
    fresh, mine = Mark(here, 5, now - MINUTE), Mark(here, 4, now - MINUTE)
    assert judge(None, {}, here, now).kind == "fine"
    assert judge(fresh, {here: fresh}, here, now).kind == "fine"
    assert judge(fresh, {here: mine}, here, now).why == "older_than_file"
    assert judge(mine, {here: fresh}, here, now).kind == "fine"  # killed between the database and the file
    assert judge(fresh, {}, here, now).why == "older_than_file"
    assert judge(fresh, {"there": fresh}, here, now).why == "older_than_file"
    assert judge(Mark("there", 5, now), {"there": fresh}, here, now).why == "copied"
    assert judge(None, {"there": fresh}, here, now).kind == "fine"  # a second ticker joins
    assert judge(None, {"there": Mark("there", 5, now - timedelta(hours=1))}, here, now).why == "no_file"
    outage = Mark(here, 5, now - timedelta(hours=4))
    assert judge(outage, {here: outage}, here, now).kind == "outage"
    assert judge(fresh, {here: Mark(here, 5, now + timedelta(days=1))}, here, now).kind == "fine"  # the clock went back


@pytest.mark.databases("sqlite")
def test_r23_a_restored_backup_sends_nothing_until_a_person_decides(world: World, tmp_path: Path) -> None:
    begin(world)
    look(world)
    copy = backup(tmp_path)
    world.now += timedelta(hours=2)
    world.work()
    look(world)
    assert subjects(world) == ["one"] * 3
    restore(copy)
    world.now += timedelta(hours=1)
    found = look(world)
    assert (found.kind, found.why) == ("restored", "older_than_file")
    world.play(timedelta(days=5))
    assert subjects(world) == ["one"] * 3
    assert [one.code for one in world.rows(Issue, state="open")] == ["restored"]
    with reading() as session:
        [group] = restoring.groups(session, world.now)
    assert (group.kind, group.step_id, group.count, group.leads_to) == ("people", "pause", 3, "send_one")
    with reading() as session:
        named = restoring.whom(session, group, world.now, 2)
        assert [name for _, name in named] == ["Contact 0", "Contact 1"]
        assert [name for _, name in restoring.whom(session, group, world.now, 2, 2)] == ["Contact 2"]
    with pytest.raises(UserError, match="not decided"):
        world.do(restoring.resume_sending, now=world.now)
    world.do(restoring.decide, [group.key], "already", now=world.now)
    world.do(restoring.resume_sending, now=world.now)
    world.play(timedelta(hours=3))
    assert subjects(world) == ["one"] * 3
    assert {(one.status, one.reason) for one in world.messages()} == {("sent", "settled_sent")}
    # What comes after the next wait is of the time that we know.
    world.play(timedelta(days=3))
    assert subjects(world) == ["one"] * 3 + ["two"] * 3
    assert {one.status for one in world.runs()} == {"finished"}
    assert not world.rows(Issue, state="open")


@pytest.mark.databases("sqlite")
def test_r23_a_copy_of_the_instance_taken_under_load_boots_paused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, 6)
    world.now += timedelta(hours=2)
    look(world)
    with clock.hold(world.now):
        advance(limit=random.Random(7).randint(1, 5))
        deliver("email", limit=2)
    went = len(world.sent())
    here = Path(current_app.instance_path)
    shutil.copyfile(here / marks.FILE, tmp_path / marks.FILE)
    monkeypatch.setattr(current_app._get_current_object(), "instance_path", str(tmp_path))  # type: ignore[attr-defined]
    assert look(world).why == "copied"
    world.play(timedelta(days=1))
    assert len(world.sent()) == went


@pytest.mark.databases("sqlite")
def test_a_database_that_goes_back_under_a_running_worker_is_noticed_before_the_next_message(
    world: World, tmp_path: Path
) -> None:
    begin(world)
    look(world)
    copy = backup(tmp_path)
    world.now += timedelta(minutes=5)
    look(world)
    world.work()
    restore(copy)
    world.now += timedelta(hours=2)
    with clock.hold(world.now), writing() as session:
        assert not marks.may_send(session)
    world.work()
    assert world.sent() == []


def paused(world: World, point: datetime) -> None:
    world.do(marks.pause, "went_back", point, world.now)


def test_messages_that_waited_are_decided_one_group_at_a_time(world: World) -> None:
    begin(world)
    world.channels["email"].answer = lambda _: 1 / 0  # nothing shall leave before the restore
    world.now += timedelta(hours=2)
    with clock.hold(world.now):
        advance()
    paused(world, world.now - timedelta(hours=1))
    world.channels["email"].answer = type(world.channels["email"])().answer
    with reading() as session:
        [group] = restoring.groups(session, world.now)
    assert (group.kind, group.step_id, group.channel, group.count) == ("messages", "send_one", "email", 3)
    with reading() as session:
        named = restoring.whom(session, group, world.now, 9)
        assert [name for _, name in named] == ["Contact 0", "Contact 1", "Contact 2"]
    world.do(restoring.decide, [group.key], "send", 3, now=world.now)
    world.do(restoring.resume_sending, now=world.now)
    turns = sorted(one.not_before for one in world.messages())
    assert turns == [world.now + timedelta(hours=hour) for hour in range(3)]
    world.play(timedelta(hours=4))
    assert subjects(world) == ["one"] * 3


def test_what_shall_be_skipped_is_skipped_and_the_journey_goes_on(world: World) -> None:
    begin(world)
    world.now += timedelta(hours=2)
    paused(world, world.now - timedelta(hours=1))
    with reading() as session:
        keys = [one.key for one in restoring.groups(session, world.now)]
    world.do(restoring.decide, keys, "skip", now=world.now)
    world.do(restoring.resume_sending, now=world.now)
    world.play(timedelta(days=4))
    assert subjects(world) == ["two"] * 3
    assert [one.reason for one in world.messages(status="skipped")] == ["settled_not_sent"] * 3


def test_providers_settle_what_they_know(world: World) -> None:
    begin(world)
    world.now += timedelta(hours=2)
    with clock.hold(world.now):
        advance()
    paused(world, world.now)
    with reading() as session:
        asked = restoring.ask_providers(session, world.now)
    assert len(asked) == 3
    assert world.do(restoring.providers_said, [asked[0][0]], now=world.now) == 1
    with reading() as session:
        assert sum(one.count for one in restoring.groups(session, world.now) if one.kind == "messages") == 2


def test_what_is_reported_late_about_the_lost_time_is_held_for_a_person(world: World) -> None:
    [contact] = begin(world, 1)
    world.now += timedelta(hours=2)
    point = world.now - timedelta(hours=1)
    paused(world, point)
    with reading() as session:
        keys = [one.key for one in restoring.groups(session, world.now)]
    world.do(restoring.decide, keys, "already", now=world.now)
    world.do(restoring.resume_sending, now=world.now)
    other = world.contact("Reported Late")
    world.event(other, "order_paid", at=point + timedelta(minutes=10))
    world.play(timedelta(days=2))
    [run] = world.runs(contact_id=other)
    assert (run.status, run.reason) == ("held", "held_restored")
    world.event(contact, "order_paid")
    world.play(timedelta(days=9))
    assert {one.status for one in world.runs(contact_id=contact)} == {"finished"}


def test_an_outage_spreads_what_is_overdue_and_pauses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "FEW", 2)
    begin(world)
    look(world)
    world.now += timedelta(hours=4)
    assert look(world).kind == "outage"
    assert [one.code for one in world.rows(Issue, state="open")] == ["outage"]
    start = world.now + marks.GRACE
    assert sorted(one.due_at for one in world.runs()) == moments(start, 3, timedelta(hours=2))
    with reading() as session:
        assert get_setting(session, "sending_paused") == {}
    with clock.hold(world.now), writing() as session:
        watchdog.watch(session, world.now)
    assert [one.code for one in world.rows(Issue, state="open")] == ["outage"]
    world.play(timedelta(hours=3))
    assert subjects(world) == ["one"] * 3
    # Everybody has had a turn: there is nothing left to tell.
    with clock.hold(world.now), writing() as session:
        watchdog.watch(session, world.now)
    assert world.rows(Issue, state="open") == []


def test_three_days_off_skip_what_is_too_late_and_send_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "FEW", 2)
    begin(world)
    look(world)
    world.now += timedelta(days=3, hours=2)
    look(world)
    world.play(timedelta(hours=6))
    assert subjects(world) == []
    assert [one.reason for one in world.messages()] == ["skipped_too_late"] * 3
    world.play(timedelta(days=3))
    assert subjects(world) == ["two"] * 3


def test_the_number_of_a_message_is_derived(world: World) -> None:
    begin(world, 1)
    world.now += timedelta(hours=2)
    world.work()
    [message] = world.messages()
    [run] = world.runs()
    with reading() as session:
        key = bytes.fromhex(get_setting(session, "installation")["key"])
    assert message.our_message_id == message_id(key, f"{run.id}:1", run.contact_id, run.entered_at)
    assert message.our_message_id != message_id(key, f"{run.id}:1", run.contact_id + 1, run.entered_at)
    assert message.our_message_id != message_id(b"another", f"{run.id}:1", run.contact_id, run.entered_at)


def test_the_marks_survive_a_broken_file(world: World, app: Flask) -> None:
    look(world)
    (Path(app.instance_path) / marks.FILE).write_text("{broken")
    world.now += MINUTE
    assert look(world).kind == "fine"
    world.now += timedelta(hours=1)
    (Path(app.instance_path) / marks.FILE).unlink()
    assert look(world).why == "no_file"
