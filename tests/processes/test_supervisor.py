"""The supervisor with small real programs."""

import os
import signal
import threading

import pytest

from panel.processes.services import ServicesReader, services_file, write_services
from panel.processes.supervisor import Program, Supervisor
from tests.fixtures.processes import wait_until

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


class Watched(Supervisor):
    """One that is looked at between the steps of the test instead of running in its own loop."""

    def __init__(self, folder):
        self.lines: list[tuple[str, str]] = []
        self.ends: list[tuple[str, int, float]] = []
        super().__init__(
            dict(os.environ),
            lambda name, line: self.lines.append((name, line)),
            lambda name, code, wait: self.ends.append((name, code, wait)),
            folder,
        )

    def until(self, ask, what):
        def step():
            self._look(0.02)
            self._start_again()
            return ask()

        return wait_until(step, seconds=30, what=what)


@pytest.fixture
def supervisor(tmp_path):
    watched = Watched(tmp_path)
    yield watched
    watched.stop()


def shell(name, script, **options):
    return Program(name, ("/bin/sh", "-c", script), **options)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_line_is_told_with_its_programs_name(supervisor):
    supervisor.start(shell("a", "echo one; echo two >&2; printf three; exec sleep 60"))
    supervisor.until(lambda: len(supervisor.lines) >= 2, "two lines")
    assert supervisor.lines[:2] == [("a", "one"), ("a", "two")]


def test_a_last_line_without_its_end_is_told_too(supervisor):
    supervisor.start(shell("a", "printf 'half a line'"))
    supervisor.until(lambda: supervisor.ends, "the end")
    assert supervisor.lines == [("a", "half a line")]


def test_bytes_that_are_no_text_do_no_harm(supervisor):
    supervisor.start(shell("a", r"printf '\377\376\n'; exec sleep 60"))
    supervisor.until(lambda: supervisor.lines, "a line")


def test_a_program_that_keeps_failing_is_started_ever_more_slowly(supervisor):
    supervisor.start(shell("a", "exit 3"))
    supervisor.until(lambda: len(supervisor.ends) >= 3, "three ends")
    assert supervisor.ends[:3] == [("a", 3, 0.5), ("a", 3, 1.0), ("a", 3, 2.0)]


def test_one_that_does_not_listen_is_killed_after_its_patience(supervisor):
    supervisor.start(shell("a", STUBBORN, patience=0.3))
    supervisor.until(lambda: supervisor.lines, "a line")
    pid = supervisor.processes["a"]
    supervisor.stop()
    assert not alive(pid)
    assert supervisor.ends == [], "an end that was asked for is not told as an accident"


def test_a_second_signal_cuts_the_patience_short(supervisor):
    supervisor.start(shell("a", STUBBORN, patience=600))
    supervisor.until(lambda: supervisor.lines, "a line")
    pid = supervisor.processes["a"]
    impatient = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    impatient.start()
    supervisor.stop()
    impatient.join()
    assert not alive(pid)


def test_the_later_stage_ends_last(supervisor, tmp_path):
    order = tmp_path / "order"
    script = "trap 'echo {0} >> {1}; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    supervisor.start(shell("broker", script.format("broker", order), stage=1))
    supervisor.start(shell("web", script.format("web", order)))
    supervisor.until(lambda: len(supervisor.lines) == 2, "both lines")
    supervisor.stop()
    assert order.read_text().split() == ["web", "broker"]


def test_a_signal_ends_the_watch(supervisor):
    # The signal comes once the watch has begun: before it, it would mean the test run itself.
    supervisor.start(shell("a", f"sleep 1; kill -TERM {os.getpid()}; exec sleep 60"))
    before = signal.getsignal(signal.SIGTERM)
    assert supervisor.run() == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_programs_of_a_kind_can_be_exchanged_while_the_others_run(supervisor):
    supervisor.start(shell("web", "exec sleep 60"))
    supervisor.replace("+", [shell("+a", "exec sleep 60"), shell("+b", "exec sleep 61")])
    before = supervisor.processes
    assert set(before) == {"web", "+a", "+b"}
    supervisor.replace("+", [shell("+b", "exec sleep 62"), shell("+c", "exec sleep 60")])
    after = supervisor.processes
    assert set(after) == {"web", "+b", "+c"}
    assert after["web"] == before["web"]
    assert after["+b"] != before["+b"], "what changed is started anew"
    assert not alive(before["+a"])


def test_a_service_that_is_taken_away_while_it_waits_does_not_come_back(supervisor):
    supervisor.replace("+", [shell("+a", "exit 1")])
    supervisor.until(lambda: supervisor.ends, "its end")
    supervisor.replace("+", [])
    supervisor._start_again()
    assert supervisor.processes == {}


def test_the_list_of_services_is_read_when_it_changes(tmp_path):
    reader = ServicesReader(tmp_path)
    assert reader.changed() is None
    assert write_services(tmp_path, {"email.mailbox": ("plugins.email.mailbox_server", "--port", "1")})
    assert reader.changed() == {"email.mailbox": ["plugins.email.mailbox_server", "--port", "1"]}
    assert reader.changed() is None
    assert not write_services(tmp_path, {"email.mailbox": ("plugins.email.mailbox_server", "--port", "1")})
    services_file(tmp_path).write_text("{half")
    assert reader.changed() is None
