"""What can go wrong when a message leaves: a worker that sleeps, a full disk, a channel that misbehaves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy import update

from panel import clock
from panel.db import reading, writing
from panel.issues.models import Issue
from panel.jobs import bells
from panel.journeys.by_hand import settle, start_by_hand
from panel.journeys.engine import breaker, marking, persisting, wire
from panel.journeys.engine import deliver as delivering
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.reap import reap
from panel.messages.models import Message
from panel.sdk.channels import Deferred, Outgoing, Result, Sent, Unknown, Wire
from panel.sdk.errors import Misconfigured, TryLater
from panel.timeline.models import Event
from panel.timeline.operations import record
from tests.journeys.engine.world import World

JOURNEY = """
letters:
  name: Letters
  purpose: service
  start_when: [{manual: yes}]
  stop_when: [{event: order_paid}]
  review_after: 1 year
  steps: [{send: letter}]
"""


@pytest.fixture
def queued(world: World) -> Callable[[int], list[int]]:
    """Queue a message for each of so many contacts and give the contacts."""
    world.template("letter", "Hello [[first name]]")
    world.publish(JOURNEY)

    def make(count: int) -> list[int]:
        contacts = [world.contact(f"Contact{n} Levi") for n in range(count)]
        for one in contacts:
            world.do(start_by_hand, one, "letters", now=world.now)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delivering, "claim", lambda *_: [])
            world.work()
        assert [one.status for one in world.messages()] == ["queued"] * count
        return contacts

    return make


def others_take_over(world: World) -> None:
    """The lease is over and another worker reaps, while this one still sleeps."""
    with clock.hold(world.now + timedelta(hours=1)):
        reap()


def sleep_past_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    late = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: late)


def test_r10_a_worker_that_slept_past_its_lease_gives_back_what_it_had_not_begun(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(3)
    real = delivering.hand_over

    def sleepy(*arguments: Any) -> Any:
        others_take_over(world)
        assert {one.status for one in world.messages()} == {"unknown"}
        with pytest.MonkeyPatch.context() as patch:
            sleep_past_the_lease(patch)
            return real(*arguments)

    monkeypatch.setattr(delivering, "hand_over", sleepy)
    with clock.hold(world.now):
        deliver("email")
    assert world.sent() == []
    assert {one.status for one in world.messages()} == {"queued"}
    monkeypatch.undo()


def test_r10_it_goes_on_when_nobody_has_taken_its_messages(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(3)
    real = delivering.hand_over

    def slow(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            sleep_past_the_lease(patch)
            return real(*arguments)

    monkeypatch.setattr(delivering, "hand_over", slow)
    with clock.hold(world.now):
        deliver("email")
    assert len(world.sent()) == 3


def test_r10_a_late_yes_settles_the_doubt_that_its_lease_made(world: World, queued: Callable[[int], list[int]]) -> None:
    queued(1)

    def answer(_: Outgoing) -> Result:
        others_take_over(world)
        return Sent("p1")

    world.channels["email"].answer = answer
    world.work()
    [message] = world.messages()
    assert (message.status, message.provider_message_id) == ("sent", "p1")
    assert world.runs()[0].status == "finished"


@pytest.mark.parametrize("decision", ["send_again", "skip"])
def test_r10_a_late_yes_counts_even_after_a_person_decided_otherwise(
    world: World, queued: Callable[[int], list[int]], decision: Any
) -> None:
    queued(1)

    def answer(_: Outgoing) -> Result:
        others_take_over(world)
        world.do(settle, [world.messages()[0].id], decision, now=world.now)
        return Sent("p1")

    world.channels["email"].answer = answer
    world.work()
    world.play(timedelta(days=1))
    assert [one.status for one in world.messages()] == ["sent"]
    assert len(world.sent()) == 1


def test_r10_a_late_no_of_a_lost_attempt_changes_nothing(world: World, queued: Callable[[int], list[int]]) -> None:
    queued(1)

    def answer(_: Outgoing) -> Result:
        others_take_over(world)
        with writing() as session:  # another worker has it on the wire by now
            session.execute(update(Message).values(status="on_wire", attempt_token="another"))
        return Unknown("late")

    world.channels["email"].answer = answer
    with clock.hold(world.now):
        deliver("email")
    [message] = world.messages()
    assert (message.status, message.attempt_token) == ("on_wire", "another")


def test_r19_nothing_is_handed_over_that_the_wire_journal_could_not_note(
    world: World, queued: Callable[[int], list[int]]
) -> None:
    queued(3)
    journal = wire.wire_journal()
    real, journal._file = journal._file, os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.MonkeyPatch.context() as patch, clock.hold(world.now):
            patch.setattr(journal, "clear", lambda: None)
            deliver("email")
    finally:
        os.close(journal._file)
        journal._file = real
    assert world.sent() == []
    assert {one.status for one in world.messages()} == {"queued"}
    assert [one.code for one in world.rows(Issue)] == ["disk_failing"]
    world.play(timedelta(hours=1))
    assert len(world.sent()) == 3


@pytest.mark.databases("sqlite")
def test_r19_a_full_database_sends_nothing_and_goes_on_when_there_is_room(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(2)
    with writing() as session:
        connection = session.connection()
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        filler = "x" * 4000
        asked: list[float] = []

    def room_again(seconds: float) -> None:
        asked.append(seconds)
        assert world.sent() == []
        with writing() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count=1000000")

    real = marking.decide

    def growing(session: Any, *arguments: Any) -> Any:
        if not asked:
            session.connection().exec_driver_sql(
                "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
                f" SELECT '{filler}' AS text FROM n"
            )
        return real(session, *arguments)

    monkeypatch.setattr(marking, "decide", growing)
    monkeypatch.setattr(persisting.time, "sleep", room_again)
    world.work()
    assert asked, "the database was full once"
    assert len(world.sent()) == 2


def test_r28_messages_of_a_plugin_that_is_gone_wait_visibly_and_the_others_go(
    world: World, queued: Callable[[int], list[int]]
) -> None:
    contacts = queued(2)
    world.template("text", channels=("sms",))
    world.publish("""
texts:
  name: Texts
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps: [{send: {message: text, via: sms}}]
""")
    gone = world.channels.pop("email")  # type: ignore[attr-defined]
    with clock.hold(world.now):
        deliver("email")
    assert [one.status for one in world.messages(channel="email")] == ["queued", "queued"]
    assert [one.code for one in world.rows(Issue, state="open")] == ["held_plugin"]
    world.do(start_by_hand, contacts[0], "texts", now=world.now)
    world.work()
    assert len(world.sent("sms")) == 1
    world.channels["email"] = gone  # type: ignore[index]
    world.play(timedelta(hours=1))
    assert len(world.sent()) == 2


class Odd:
    """What a broken channel does in the middle of a batch of three, after the first message is out."""

    def __init__(self, channel: Any, how: Callable[[], Any]) -> None:
        self.channel, self.how = channel, how

    def __call__(self, batch: Sequence[Outgoing], wire: Wire) -> Any:
        first = batch[0]
        wire.begin(first)
        self.channel.sent.append(first)
        wire.accepted(first, "p")
        return self.how()


def leave(error: BaseException) -> Callable[[], Any]:
    def raising() -> Any:
        raise error

    return raising


@pytest.mark.parametrize(
    "how",
    [
        leave(RuntimeError("broken")),
        leave(SystemExit(1)),
        leave(JobTimeoutException("hung for half an hour")),
        leave(TryLater("it says it sent nothing")),
        lambda: None,
        lambda: ["junk", 7, None],
        lambda: [],
        lambda: [Sent(7, None), Sent("x" * 3_000_000, "x" * 3_000_000), Sent(object(), 5)],  # type: ignore[arg-type]
        lambda: [Sent(), Deferred(None, "later"), Deferred("", timedelta.max)],  # type: ignore[arg-type]
        lambda: [Sent(), Deferred("", timedelta(days=-9)), Unknown(None)],  # type: ignore[arg-type]
        leave(TryLater(None, after="soon")),  # type: ignore[arg-type]
    ],
    ids=["raises", "sys.exit", "hangs", "lies", "none", "junk", "nothing", "odd yes", "odd pause", "past", "odd later"],
)
def test_r29_a_channel_that_misbehaves_hurts_nobody_but_itself(
    world: World, queued: Callable[[int], list[int]], how: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(3)
    channel = world.channels["email"]
    with pytest.MonkeyPatch.context() as patch, clock.hold(world.now):
        patch.setattr(channel, "send", Odd(channel, how))
        deliver("email")
    first, *others = world.messages()
    assert first.status in ("sent", "unknown"), "it went out, so it is never sent again by itself"
    world.play(timedelta(days=1))
    keys = [one.key for one in channel.sent]
    assert len(keys) == len(set(keys)), "nobody got it twice"
    assert all(one.status in ("sent", "unknown") for one in world.messages())


def test_r29_what_hangs_is_broken_into_but_never_before_a_mail_server_must_have_answered() -> None:
    assert timedelta(seconds=bells.JOB_TIMEOUT) > marking.WIRE_LEASE > timedelta(minutes=10)


def test_r30_a_row_that_cannot_be_written_is_held_and_all_others_go_in_the_same_turn(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(40)
    channel = world.channels["email"]

    def poisoned(coding: str, value: str) -> bytes:
        if value == "Contact7":
            raise RuntimeError("poison")
        return value.encode()

    monkeypatch.setattr(channel, "encode", poisoned)
    with clock.hold(world.now):
        deliver("email")
    assert len(world.sent()) == 39
    [held] = world.messages(status="held")
    assert world.runs(id=held.enrolment_id)[0].status == "held"


def test_r30_a_row_that_kills_its_worker_takes_no_other_with_it(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim dies with everybody in it once; from then on each of them is claimed alone."""
    queued(20)
    channel = world.channels["email"]
    poison = world.messages()[7].id
    turns = 0
    monkeypatch.setattr("panel.journeys.engine.reap.living_journals", lambda _: set())
    while world.messages(status="queued"):
        turns += 1
        assert turns < 60
        with clock.hold(world.now):
            claimed = delivering.claim("email", 200)
            if poison in {one.row["id"] for one in claimed}:
                with writing() as session:
                    session.execute(update(Message).where(Message.status == "claimed").values(lease_until=world.now))
                world.now += timedelta(seconds=1)
                world.reap()
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(delivering, "claim", lambda *_, claimed=claimed: claimed)
                deliver("email")
    assert len(channel.sent) == 19
    assert [one.id for one in world.messages(status="held")] == [poison]


def test_a_stop_that_was_committed_while_the_mark_was_made_still_stops(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite nobody can write while the mark is made; there it comes just before it."""
    [contact, _] = queued(2)
    real = marking.decide
    told: list[bool] = []

    def meanwhile(session: Any, *arguments: Any) -> Any:
        def stop(by: Any) -> None:
            record(by, contact_id=contact, kind="order_paid", occurred_at=world.now, source="test")

        if not told and session.get_bind().dialect.name == "sqlite":
            told.append(True)
            stop(session)
        decided = real(session, *arguments)
        if not told:
            told.append(True)
            with writing() as other:
                stop(other)
        return decided

    monkeypatch.setattr(marking, "decide", meanwhile)
    world.work()
    assert len(world.sent()) == 1
    assert sorted(one.status for one in world.runs()) == ["finished", "stopped"]
    assert world.messages(contact_id=contact)[0].wire_at is None


def test_w10_a_revoked_password_stops_the_channel_at_once_and_burns_nothing(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(5)
    calls = refuse(world, monkeypatch, Misconfigured("password", "535 5.7.8 refused"))
    world.work()
    world.work()
    assert len(calls) == 1, "one question, then the channel rests"
    assert {one.status for one in world.messages()} == {"queued"}
    assert [(one.code, one.severity) for one in world.rows(Issue, state="open")] == [("channel_in_trouble", "error")]


def test_w11_a_channel_in_trouble_is_asked_once_per_pause_and_closes_again(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(5)
    with pytest.MonkeyPatch.context() as patch:
        calls = refuse(world, patch, TryLater("busy"))
        for _ in range(600):  # ten minutes, asked every second
            world.now += timedelta(seconds=1)
            with clock.hold(world.now):
                deliver("email")
        pauses = [later - earlier for earlier, later in zip(calls, calls[1:], strict=False)]
        assert len(calls) < 10
        assert pauses == sorted(pauses), "the pauses grow"
    world.play(timedelta(hours=2))
    assert len(world.sent()) == 5
    assert world.rows(Issue, state="open") == []


def test_w11_after_hours_of_trouble_everything_goes_within_the_channels_own_pause(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(3)
    with pytest.MonkeyPatch.context() as patch:
        refuse(world, patch, TryLater("busy"))
        for _ in range(7 * 60):  # seven hours
            world.now += timedelta(minutes=1)
            with clock.hold(world.now):
                deliver("email")
    assert max(one.not_before for one in world.messages()) <= world.now + breaker.LONGEST_PAUSE


def test_w11_a_person_who_says_that_it_is_mended_need_not_wait_and_a_clock_set_back_ends_a_rest(
    world: World, queued: Callable[[int], list[int]]
) -> None:
    queued(3)
    with pytest.MonkeyPatch.context() as patch:
        refuse(world, patch, Misconfigured("password", "535 5.7.8 refused"))
        world.work()
    with reading() as session:
        assert breaker.resting_until(session, "email", world.now) is not None
        assert breaker.resting_until(session, "email", world.now - timedelta(days=365)) is None
    world.do(breaker.end_rest, "email", world.now)
    world.work()
    assert len(world.sent()) == 3


def refuse(world: World, patch: pytest.MonkeyPatch, error: Exception) -> list[Any]:
    calls: list[Any] = []

    def broken(batch: Sequence[Outgoing], wire: Wire) -> Any:
        calls.append(clock.now())
        raise error

    patch.setattr(world.channels["email"], "send", broken)
    return calls


@pytest.mark.parametrize("changed", [{"contact_id": 1}, {"address": None}, {"status": "unknown"}])
def test_what_others_changed_while_messages_were_on_the_wire_is_read_again_before_results_are_stored(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    """A merge, an erasure, a reaper: the message is sent, once, and stands where it belongs by now."""
    contacts = queued(3)
    if "contact_id" in changed:
        changed = {"contact_id": contacts[0]}
    last = world.messages()[-1].id
    real = delivering.hand_over

    def meanwhile(*arguments: Any) -> Any:
        given = real(*arguments)
        with writing() as session:
            session.execute(update(Message).where(Message.id == last).values(**changed))
        return given

    monkeypatch.setattr(delivering, "hand_over", meanwhile)
    with clock.hold(world.now):
        deliver("email")
    assert [one.status for one in world.messages()] == ["sent"] * 3
    [event] = [one for one in world.rows(Event, kind="message_sent") if one.message_id == last]
    assert event.contact_id == changed.get("contact_id", contacts[-1])
    assert event.data["address"] == (changed["address"] if "address" in changed else world.messages()[-1].address)
    assert len(world.rows(Event, kind="message_sent")) == 3


def test_a_message_that_was_taken_away_between_writing_and_the_mark_is_left_alone_and_the_others_go(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(3)
    taken = world.messages()[1].id
    real = delivering.mark

    def late(session: Any, ready: Any) -> Any:
        session.execute(update(Message).where(Message.id == taken).values(status="queued", attempt_token=None))
        return real(session, ready)

    monkeypatch.setattr(delivering, "mark", late)
    with clock.hold(world.now):
        deliver("email")
    assert [one.status for one in world.messages()] == ["sent", "queued", "sent"]
    assert len(world.sent()) == 2


def test_a_channel_whose_code_fails_is_named_to_a_person_until_it_works_again(
    world: World, queued: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(2)
    channel = world.channels["email"]
    with pytest.MonkeyPatch.context() as patch, clock.hold(world.now):
        patch.setattr(channel, "send", lambda batch, wire: 1 / 0)
        deliver("email", 1)
    assert [(one.code, one.state) for one in world.rows(Issue, key="channel_failed:email")] == [
        ("channel_failed", "open")
    ]
    with clock.hold(world.now):
        deliver("email")
    assert [one.state for one in world.rows(Issue, key="channel_failed:email")] == ["resolved"]
