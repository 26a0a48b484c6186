"""The ticker: reads the truth, rings, and depends on nobody."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from panel import clock
from panel.jobs import bells, heartbeats
from panel.jobs.broker import connect
from panel.jobs.drains import DRAINS, Drain
from panel.jobs.rings import QUEUE, RingQueue
from panel.jobs.ticker import Ticker

DUE: dict[str, object] = {}


def nothing(limit_seconds):
    return False


def due(connection, now):
    connection.execute(text("SELECT 1"))
    return DUE["count"]


def broken(connection, now):
    return connection.execute(text("SELECT * FROM no_such_table"))


@pytest.fixture(autouse=True)
def _drains(monkeypatch):
    bells._resting_until.clear()
    monkeypatch.setattr("panel.jobs.ticker.DRAINS", DRAINS)
    for name in list(DRAINS):
        monkeypatch.delitem(DRAINS, name)
    monkeypatch.setitem(DRAINS, "bad", Drain("bad", f"{__name__}:nothing", f"{__name__}:broken"))
    monkeypatch.setitem(DRAINS, "gone", Drain("gone", f"{__name__}:nothing", f"{__name__}:no_such_function"))
    monkeypatch.setitem(DRAINS, "count", Drain("count", f"{__name__}:nothing", f"{__name__}:due", batch=100))


@pytest.fixture
def ticker(app, redis_url):
    return Ticker(redis_url, 3, app.app_context)


def rung(url):
    return [(job.kwargs["name"], job.kwargs["argument"]) for job in RingQueue(QUEUE, connection=connect(url)).jobs]


@pytest.mark.parametrize(("backlog", "rings"), [(0, 0), (1, 1), (100, 1), (101, 2), (100_000, 3)])
def test_it_rings_once_per_batch_and_at_most_once_per_worker(ticker, redis_url, backlog, rings):
    DUE["count"] = backlog
    ticker.tick()
    assert rung(redis_url) == [("count", "")] * rings


def test_it_rings_for_each_argument_that_is_due(ticker, redis_url):
    DUE["count"] = ["accounting", "crm"]
    ticker.tick()
    assert rung(redis_url) == [("count", "accounting"), ("count", "crm")]


def test_a_backlog_by_argument_is_shared_among_the_workers(ticker, redis_url):
    DUE["count"] = {"email": 250, "sms": 1}
    assert ticker.tick() == {"count": 251}
    assert rung(redis_url) == [("count", "email")] * 3 + [("count", "sms")]


def test_two_tickers_ring_no_more_than_one(ticker, app, redis_url):
    DUE["count"] = 100_000
    ticker.tick()
    Ticker(redis_url, 3, app.app_context).tick()
    assert len(rung(redis_url)) == 3


def test_a_drain_that_cannot_be_asked_is_told_once_and_stops_no_other(ticker, redis_url, caplog):
    DUE["count"] = 1
    assert ticker.tick() == {"count": 1}
    ticker.next_at.clear()
    ticker.tick()
    assert caplog.text.count("bad could not be asked") == 1
    assert caplog.text.count("gone could not be asked") == 1


@pytest.mark.databases("sqlite")
def test_with_the_broker_down_it_goes_on_and_rings_when_it_is_back(app, redis_url, tmp_path):
    DUE["count"] = 1
    ticker = Ticker(f"unix://{tmp_path}/nobody.sock", 1, app.app_context)
    assert ticker.tick() == {"count": 1}
    ticker.url = redis_url
    ticker.next_at.clear()
    ticker.tick()
    assert rung(redis_url) == [("count", "")]


def test_a_heartbeat_is_seen_and_grows_old(app, session):
    heart = heartbeats.Heart("worker", "1", app.app_context)
    heart.beat(jobs=7)
    (sign,) = heartbeats.signs(session, clock.now())
    assert (sign.kind, sign.alive, sign.data["jobs"]) == ("worker", True, 7)
    (sign,) = heartbeats.signs(session, clock.now() + timedelta(seconds=90))
    assert not sign.alive
    session.rollback()
    heart.stop()
    assert heartbeats.signs(session, clock.now()) == []


def test_old_heartbeats_are_forgotten(app, session):
    heartbeats.Heart("worker", "1", app.app_context).beat()
    heartbeats.forget_old(session, clock.now() + timedelta(days=2))
    session.commit()
    assert session.scalar(text("SELECT count(*) FROM heartbeats")) == 0
