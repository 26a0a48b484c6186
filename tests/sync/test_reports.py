"""What comes back about a message may come twice, late, in any order; the ledger's word only grows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from panel import clock
from panel.db import writing
from panel.messages.models import Message
from panel.messages.reports import latest_to, report


def tell(state, **options):
    with writing() as session:
        values = {"key": "m1", "state": state, "at": clock.now(), "source": "sms"} | options
        return report(session, **values) is not None


def now_of(session, message_id):
    session.expire_all()
    session.rollback()
    return session.get(Message, message_id)


def test_a_delivery_report_counts_once(make_message, session, kinds):
    id_ = make_message()
    for _ in range(3):
        assert tell("delivered")
    assert now_of(session, id_).status == "delivered"
    assert now_of(session, id_).delivered_at is not None
    assert kinds().count("message_delivered") == 1


def test_a_report_for_a_message_we_do_not_know_changes_nothing(make_message, kinds):
    make_message()
    assert not tell("delivered", key="somebody-elses")
    assert not tell("delivered", key=None, provider_id="nothing")
    assert not tell("delivered", key=None)
    assert "message_delivered" not in kinds()


def test_a_message_that_never_left_cannot_have_arrived(make_message, kinds):
    make_message(status="queued", wire_at=None, sent_at=None)
    assert not tell("delivered")
    assert "message_delivered" not in kinds()


def test_a_report_finds_its_message_by_the_providers_id(make_message, session):
    id_ = make_message(provider_message_id="p-77")
    assert tell("failed", key=None, provider_id="p-77", detail="number off")
    message = now_of(session, id_)
    assert (message.status, message.reason, message.detail["report"]) == ("failed", "failed_provider", "number off")


@pytest.mark.parametrize(
    ("state", "status", "settled"),
    [("delivered", "delivered", "sent"), ("failed", "failed", "failed"), ("replied", "delivered", "sent")],
)
def test_a_report_settles_a_doubt(state, status, settled, make_message, session, kinds):
    id_ = make_message(status="unknown", sent_at=None)
    tell(state)
    message = now_of(session, id_)
    assert (message.status, message.settled_by) == (status, "report")
    assert (message.sent_at is not None) == (settled == "sent")
    assert kinds().count("message_settled") == 1


def test_a_report_before_our_own_result_leaves_the_result_to_the_worker(make_message, session):
    id_ = make_message(status="on_wire", sent_at=None, lease_until=clock.now() + timedelta(minutes=5))
    tell("delivered")
    message = now_of(session, id_)
    assert message.status == "on_wire", "the worker's own result must still find its row"
    assert message.delivered_at is not None


def test_a_report_for_a_dead_workers_message_settles_it(make_message, session):
    id_ = make_message(status="on_wire", sent_at=None, lease_until=clock.now() - timedelta(minutes=5))
    tell("delivered")
    assert now_of(session, id_).status == "delivered"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("order", list(permutations(["delivered", "failed", "replied", "complained"])))
def test_the_order_of_reports_does_not_matter(order, make_message, session, kinds):
    id_ = make_message()
    for state in order:
        tell(state)
    message = now_of(session, id_)
    assert message.status == "delivered"
    assert all((message.delivered_at, message.replied_at))
    assert len(set(kinds())) == len(kinds())


def test_times_that_cannot_be_are_kept_but_not_believed(make_message, session, contact):
    id_ = make_message()
    far = datetime(2126, 1, 1, tzinfo=UTC)
    tell("delivered", at=far)
    assert now_of(session, id_).delivered_at <= clock.now()
    tell("replied", at=datetime(1970, 1, 1, tzinfo=UTC), detail="hello")
    assert now_of(session, id_).replied_at > datetime(2020, 1, 1, tzinfo=UTC)


def test_two_replies_are_two_events_and_one_told_twice_is_one(make_message, kinds):
    make_message()
    at = clock.now()
    tell("replied", at=at, detail="yes")
    tell("replied", at=at, detail="yes")
    tell("replied", at=at, detail="no")
    assert kinds().count("message_replied") == 2


def test_the_latest_message_to_a_number_is_the_one_a_reply_answers(make_message, session):
    make_message(our_message_id="older", wire_at=clock.now() - timedelta(days=1))
    newest = make_message(our_message_id="newer")
    make_message(our_message_id="planned", wire_at=None, status="queued")
    assert latest_to(session, "sms", "+972521234567").id == newest
    assert latest_to(session, "email", "+972521234567") is None


def test_a_message_reported_while_its_worker_still_seemed_alive_is_not_in_doubt_afterwards(make_message, session):
    from panel.journeys.engine.reap import reap

    lease = clock.now() + timedelta(minutes=1)
    id_ = make_message(status="on_wire", sent_at=None, lease_until=lease, attempt_token="dead:1")
    tell("delivered")
    with clock.hold(clock.now() + timedelta(minutes=30)):
        reap()
    message = now_of(session, id_)
    assert message.status in ("sent", "delivered")
    assert message.settled_by is not None


def test_one_report_told_by_many_at_once_counts_once(app, make_message, session, kinds):
    id_ = make_message()
    start = threading.Barrier(8)
    failed = []

    def told():
        with app.app_context():
            try:
                start.wait(20)
                tell("delivered")
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=told) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert now_of(session, id_).status == "delivered"
    assert kinds().count("message_delivered") == 1
