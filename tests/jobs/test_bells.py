"""Ringing: cheap, never in the way, never more than needed."""

import pytest
import redis

from panel import jobs
from panel.jobs import bells, work
from panel.jobs.broker import connect, connect_waiting
from panel.jobs.drains import DRAINS, Drain
from panel.jobs.rings import QUEUE, Ring, RingQueue
from panel.processes.embedded import embedded_socket

CALLS: list[tuple] = []


def drain_a_little(limit_seconds, *arguments):
    CALLS.append((limit_seconds, *arguments))
    return len(CALLS) < 3


def break_down(limit_seconds):
    raise RuntimeError("poison")


@pytest.fixture(autouse=True)
def _drains(monkeypatch):
    CALLS.clear()
    bells._resting_until.clear()
    work._stopping.clear()
    monkeypatch.setitem(DRAINS, "count", Drain("count", f"{__name__}:drain_a_little"))
    monkeypatch.setitem(DRAINS, "poison", Drain("poison", f"{__name__}:break_down"))


def queue(url):
    return RingQueue(QUEUE, connection=connect(url))


def work_off(url):
    work.Worker(connect_waiting(url)).work(burst=True, logging_level="ERROR")


def test_a_ring_makes_a_worker_drain_until_nothing_is_due(redis_url):
    assert jobs.wake("count", url=redis_url)
    work_off(redis_url)
    assert len(CALLS) == 3


def test_an_argument_reaches_the_drain(redis_url):
    jobs.wake("count", "accounting", url=redis_url)
    work_off(redis_url)
    assert CALLS[0][1:] == ("accounting",)


def test_rings_that_wait_are_not_piled_up(redis_url):
    for _ in range(50):
        jobs.wake("count", url=redis_url)
    assert queue(redis_url).count == 1


def test_a_ring_during_the_work_is_a_new_one(redis_url, monkeypatch):
    def ring_again(limit_seconds):
        CALLS.append((limit_seconds,))
        if len(CALLS) == 1:
            jobs.wake("again", url=redis_url)

    monkeypatch.setitem(globals(), "ring_again", ring_again)
    monkeypatch.setitem(DRAINS, "again", Drain("again", f"{__name__}:ring_again"))
    jobs.wake("again", url=redis_url)
    work_off(redis_url)
    assert len(CALLS) == 2


def test_a_finished_ring_leaves_nothing_behind(redis_url):
    jobs.wake("count", url=redis_url)
    work_off(redis_url)
    assert not [key for key in connect(redis_url).keys() if key.startswith(b"rq:job:")]  # noqa: SIM118


def test_a_ring_is_stale_after_a_minute_and_never_tried_twice(redis_url):
    jobs.wake("count", url=redis_url)
    (job,) = queue(redis_url).jobs
    assert (job.ttl, job.timeout, job.result_ttl, job.retries_left) == (60, 1800, 0, None)


def test_what_a_ring_carries_is_json_and_only_names(redis_url):
    jobs.wake("count", "a", url=redis_url)
    (job,) = queue(redis_url).jobs
    assert job.kwargs == {"name": "count", "argument": "a", "slot": 0}
    assert job.data.startswith(b"[")


def test_a_drain_that_fails_does_not_take_the_worker_with_it(redis_url):
    jobs.wake("poison", url=redis_url)
    jobs.wake("count", url=redis_url)
    work_off(redis_url)
    assert len(CALLS) == 3


def test_only_what_is_in_the_table_can_be_rung(redis_url):
    with pytest.raises(KeyError, match="route"):
        jobs.wake("rout", url=redis_url)


def test_whoever_rings_does_not_notice_that_the_broker_is_down(tmp_path):
    assert jobs.wake("count", url=f"unix://{tmp_path}/nobody.sock") is False
    assert jobs.wake("count", url="redis://127.0.0.1:1/0") is False


def test_a_broker_that_is_down_is_not_asked_again_at_once(tmp_path, monkeypatch):
    url = f"unix://{tmp_path}/nobody.sock"
    jobs.wake("count", url=url)
    monkeypatch.setattr(bells, "connect", lambda url: pytest.fail("asked again"))
    assert jobs.wake("count", url=url) is False


def test_a_full_broker_is_not_the_callers_trouble(redis_url, monkeypatch):
    def full(*_):
        raise redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'")

    monkeypatch.setattr(bells, "_ring", full)
    assert jobs.wake("count", url=redis_url) is False


def foreign(url, *, function, kwargs=None, args=(), **options):
    """A job as somebody else would write it, with RQ's own classes."""
    from rq import Queue

    return Queue(QUEUE, connection=connect(url), **options).enqueue_call(function, args=args, kwargs=kwargs or {})


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_a_foreign_function_never_runs(redis_url, tmp_path, serializer, caplog):
    target = tmp_path / "owned"
    job = foreign(redis_url, function="os.system", args=(f"touch {target}",), serializer=serializer)
    jobs.wake("count", url=redis_url)
    work_off(redis_url)
    assert not target.exists()
    assert "not ours was dropped" in caplog.text
    assert not Ring.exists(job.id, connect(redis_url))
    assert len(CALLS) == 3, "and the work behind it is done"


@pytest.mark.parametrize(
    "kwargs",
    [
        {"name": "os.system", "argument": "true", "slot": 0},
        {"name": "count", "argument": ["x"], "slot": 0},
        {"name": ["count"], "argument": "", "slot": 0},
        {"name": "count", "argument": "", "slot": 0, "more": 1},
        {},
    ],
)
def test_our_function_with_foreign_arguments_does_not_run_either(redis_url, kwargs):
    foreign(redis_url, function=Ring.FUNCTION, kwargs=kwargs, serializer="json")
    work_off(redis_url)
    assert CALLS == []


def test_callbacks_and_webhooks_named_in_the_broker_are_ignored(redis_url, tmp_path):
    target = tmp_path / "owned"
    jobs.wake("count", url=redis_url)
    (job,) = queue(redis_url).jobs
    connect(redis_url).hset(
        job.key,
        mapping={"success_callback_name": "os.system", "failure_callback_name": "os.system", "webhooks": "[]"},
    )
    work_off(redis_url)
    assert not target.exists()
    assert len(CALLS) == 3


def test_an_instance_folder_with_a_long_path_still_has_a_socket(tmp_path):
    short, deep = embedded_socket(tmp_path / "i"), embedded_socket(tmp_path / ("x" * 120))
    assert short.parent.parent == tmp_path / "i"
    assert len(bytes(deep)) <= 107
    assert deep == embedded_socket(tmp_path / ("x" * 120)), "every process must find the same"
