"""A real worker process: how it ends, and how it lives through a broker that comes and goes."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from rq.worker.base import StopRequested

from panel import jobs
from panel.jobs import bells, work
from panel.processes import embedded
from tests.fixtures.processes import short_folder, start, stop, wait_until
from tests.jobs import process


@pytest.fixture(autouse=True)
def _drains(monkeypatch):
    bells._resting_until.clear()
    for name, drain in process.OURS.items():
        monkeypatch.setitem(process.DRAINS, name, drain)
    yield
    bells._resting_until.clear()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "work"
    path.write_text("")
    return path


@contextmanager
def worker(url):
    command = [sys.executable, "-m", "tests.jobs.process", url]
    running = start(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        stop(running)


@pytest.fixture
def broker(tmp_path):
    """A broker that can be killed and started again: `broker.start()`, `broker.kill()`."""

    class Broker:
        def __init__(self, folder):
            self.instance = folder
            self.socket = embedded.prepare(folder)
            self.url = f"unix://{self.socket}"
            self.process = None

        def start(self):
            program = embedded._packaged()
            assert program
            self.process = start(embedded.command(program, self.instance, self.socket))
            wait_until(self.answers, what="the broker's start")

        def answers(self):
            with redis.Redis.from_url(self.url) as client:
                try:
                    return client.ping()
                except redis.RedisError:
                    return False

        def kill(self):
            self.process.kill()
            self.process.wait()

    with short_folder("panel-broker-") as folder:
        broker = Broker(folder)
        yield broker
        if broker.process is not None:
            broker.kill()


def ring_until_heard(name, file, url):
    def heard():
        bells._resting_until.clear()
        jobs.wake(name, str(file), url=url)
        return file.read_text()

    return wait_until(heard, seconds=30, what="an answer to the ring")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_after_the_slice_in_its_hands(redis_url, file, sign):
    with worker(redis_url) as running:
        ring_until_heard("long", file, redis_url)
        running.send_signal(sign)
        assert running.wait(15) == 0
        lines = file.read_text().split()
        assert lines.count("begin") == lines.count("end")
        assert len(lines) < 20, "it did not work its whole turn"


def test_asked_to_stop_while_it_waits_it_ends_at_once(redis_url, file):
    with worker(redis_url) as running:
        ring_until_heard("short", file, redis_url)
        wait_until(lambda: registered(redis_url), what="the worker's registration")
        running.send_signal(signal.SIGTERM)
        assert running.wait(5) == 0


def test_asked_to_stop_before_it_has_begun_it_ends_well(tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    environment = {**os.environ, "PANEL_INSTANCE": str(tmp_path / "instance"), "PANEL_DATABASE_URL": url}
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "panel.worker", "worker", "1"]
        running = start(command, cwd=Path(__file__).parents[2], env=environment, stdout=out, stderr=out)
    wait_until(lambda: "waiting for panel db upgrade" in log.read_text(), seconds=30, what="its waiting for tables")
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0


def test_a_request_to_stop_that_was_lost_on_its_way_is_found_at_the_next_sign_of_life(redis_url, monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(work, "_stopping", asked)
    with redis.Redis.from_url(redis_url) as client:
        idle = work.Worker(client)
        idle.heartbeat()
        asked.set()
        with pytest.raises(StopRequested):
            idle.heartbeat()


def registered(url):
    with redis.Redis.from_url(url) as client:
        return client.scard("rq:workers")


def test_it_waits_for_a_broker_that_is_not_there_yet(broker, file):
    with worker(broker.url):
        broker.start()
        ring_until_heard("short", file, broker.url)


def test_a_broker_that_dies_and_comes_back_is_found_again(broker, file):
    broker.start()
    with worker(broker.url) as running:
        ring_until_heard("short", file, broker.url)
        broker.kill()
        file.write_text("")
        broker.start()
        ring_until_heard("short", file, broker.url)
        assert running.poll() is None


def test_a_broker_that_lost_everything_is_no_loss(broker, file):
    broker.start()
    with worker(broker.url):
        ring_until_heard("short", file, broker.url)
        with redis.Redis.from_url(broker.url) as client:
            client.flushall()
        file.write_text("")
        ring_until_heard("short", file, broker.url)
