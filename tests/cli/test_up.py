"""`panel up` with real processes: it starts, it heals, it ends, and nothing of it stays behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.fixtures.processes import start, stop, wait_until

COMMAND = [sys.executable, "-m", "panel", "up"]


def processes_of(instance: Path) -> dict[int, str]:
    """All living processes that belong to this instance: by their environment, or, for the broker (which overwrites its
    own with its title), by the folder it works in."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                named = f"PANEL_INSTANCE={instance}\0".encode() in (entry / "environ").read_bytes() + b"\0"
                if named or instance in (entry / "cwd").readlink().parents:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return found


class Up:
    def __init__(self, instance: Path, *options: str, **environment: str) -> None:
        self.instance = instance
        self.output = instance.with_suffix(".out")
        variables = {"PANEL_INSTANCE": str(instance), "PANEL_PORT": "0", "PANEL_MAILBOX_PORT": "0"} | environment
        with self.output.open("wb") as out:
            self.process = start(
                [*COMMAND, "--no-demo", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **variables},
                cwd=Path(__file__).parents[2],
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match:
        def look():
            if found := re.search(pattern, self.text, re.MULTILINE):
                return found
            assert self.process.poll() is None, self.text
            return None

        return wait_until(look, seconds=seconds, what=f"{pattern!r} in the output")

    @property
    def url(self) -> str:
        return self.wait_for(r"Open this address +(http://\S+)").group(1)

    def ended(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)


@contextmanager
def running(instance: Path, *options: str, **environment: str):
    up = Up(instance, *options, **environment)
    try:
        yield up
    finally:
        stop(up.process)
        wait_until(lambda: not processes_of(instance), what="the end of all processes")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("up") / "instance") as up:
        assert up.url
        yield up


def refused(*options: str, **environment: str) -> str:
    """Run a `panel up` that must refuse to start; give its words."""
    done = subprocess.run(
        [*COMMAND, "--no-demo", *options],
        env={**os.environ, "PANEL_PORT": "0", "PANEL_MAILBOX_PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    words = (done.stdout + done.stderr).strip()
    assert done.returncode == 1, words
    assert "Traceback" not in words
    assert len(words.splitlines()) == 1, words
    return words


def test_it_prints_where_to_go_and_how_to_get_in(up):
    assert get(up.url + "/livez") == "ok\n"
    up.wait_for(r"Log in as +\S+@\S+")
    up.wait_for(r"One-time password +\S{8,}")


def test_all_parts_run(up):
    commands = " ".join(processes_of(up.instance).values())
    for part in ("panel up", "panel web", "panel.worker worker 1", "panel.worker worker 2", "panel.worker ticker"):
        assert part in commands
    assert wait_until(lambda: "broker: ok" in get(up.url + "/readyz"), what="the broker")


def test_the_development_mailbox_runs_beside_them(up):
    wait_until(lambda: "mailbox_server" in " ".join(processes_of(up.instance).values()), what="the mailbox")


def test_what_the_parts_say_is_in_one_file_too(up):
    assert (up.instance / "logs" / "panel.log").exists()


def test_nobody_else_may_enter_the_brokers_folder(up):
    (sock,) = (up.instance / "broker").glob("*.sock") if (up.instance / "broker" / "broker.sock").exists() else [None]
    if sock is not None:
        assert sock.stat().st_mode & 0o077 == 0
    assert (up.instance / "broker").stat().st_mode & 0o077 == 0


def test_a_second_one_on_the_same_instance_says_so(up):
    words = refused(PANEL_INSTANCE=str(up.instance))
    assert "running already" in words
    assert up.url in words
    assert get(up.url + "/livez") == "ok\n"


def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = refused(PANEL_INSTANCE=str(tmp_path / "i"), PANEL_PORT=str(port))
        assert f"Port {port} is taken" in words
        assert "PANEL_PORT=" in words
        words = refused(PANEL_INSTANCE=str(tmp_path / "i"), PANEL_MAILBOX_PORT=str(port))
        assert "PANEL_MAILBOX_PORT=" in words
    assert processes_of(tmp_path / "i") == {}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    words = refused(PANEL_INSTANCE=str(tmp_path / "file" / "instance"))
    assert "cannot write" in words
    assert "PANEL_INSTANCE=" in words


def test_a_number_that_is_none_is_one_line(tmp_path):
    assert "PANEL_WORKERS" in refused(PANEL_INSTANCE=str(tmp_path / "i"), PANEL_WORKERS="two")


def test_a_database_that_cannot_be_reached_is_one_line(tmp_path):
    url = f"postgresql+psycopg://nobody@/nowhere?host={tmp_path}"
    assert "PANEL_DATABASE_URL" in refused(PANEL_INSTANCE=str(tmp_path / "i"), PANEL_DATABASE_URL=url)
    assert processes_of(tmp_path / "i") == {}


def test_a_half_installed_environment_is_one_line(tmp_path):
    (tmp_path / "flask_admin.py").write_text("raise ModuleNotFoundError('gone', name='flask_admin')")
    words = refused(PANEL_INSTANCE=str(tmp_path / "i"), PYTHONPATH=str(tmp_path))
    assert "flask_admin" in words
    assert "make setup" in words


def test_it_speaks_the_users_language(tmp_path):
    (tmp_path / "file").write_text("")
    words = refused(PANEL_INSTANCE=str(tmp_path / "file" / "i"), PANEL_LANGUAGE="he")
    assert re.search("[א-ת]", words)


def test_a_killed_worker_comes_back(up):
    before = {pid for pid, command in processes_of(up.instance).items() if "worker 1" in command}
    os.kill(before.pop(), signal.SIGKILL)
    up.wait_for(r"worker-1 ended \(killed by SIGKILL\); starting it again")
    wait_until(lambda: any("worker 1" in command for command in processes_of(up.instance).values()))


def test_a_killed_broker_comes_back_and_the_workers_find_it(up):
    def pids():
        return [pid for pid, command in processes_of(up.instance).items() if "unixsocket:" in command]

    (before,) = pids()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pids() not in ([], [before]), what="a new broker")
    wait_until(lambda: "broker: ok" in get(up.url + "/readyz"), what="the broker's answer")


def test_ctrl_c_ends_all_of_it_and_the_next_start_keeps_the_data(tmp_path):
    instance = tmp_path / "instance"
    with running(instance) as first:
        assert first.url
        first.process.send_signal(signal.SIGINT)
        assert first.ended() == 0
        assert processes_of(instance) == {}
        assert "Traceback" not in first.text
        key = (instance / "secret_key").read_text()
    with running(instance) as second:
        assert second.url
        assert "One-time password" not in second.text
        assert (instance / "secret_key").read_text() == key


@pytest.mark.parametrize("moment", ["running", "starting"])
def test_nothing_outlives_a_supervisor_killed_with_9(tmp_path, moment):
    instance = tmp_path / "instance"
    with running(instance) as up:
        if moment == "running":
            assert up.url
        else:
            wait_until(lambda: len(processes_of(instance)) > 1, what="the first child")
        up.process.kill()
        up.process.wait()
        wait_until(lambda: not processes_of(instance), seconds=15, what="the end of the orphans")


@pytest.mark.databases("postgresql")
def test_it_runs_on_postgresql_too(tmp_path, database_url):
    with running(tmp_path / "instance", PANEL_DATABASE_URL=database_url) as up:
        assert get(up.url + "/livez") == "ok\n"
        wait_until(lambda: heartbeats(database_url) == {"worker", "ticker"}, what="signs of life of all")


def heartbeats(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {name.partition(":")[0] for name in connection.scalars(text("SELECT name FROM heartbeats"))}
    finally:
        engine.dispose()


def test_a_deep_instance_folder_is_no_trouble_for_the_brokers_socket(tmp_path):
    instance = tmp_path / ("deep" * 20) / ("deeper" * 15) / "instance"
    instance.parent.mkdir(parents=True)
    with running(instance) as up:
        wait_until(lambda: "broker: ok" in get(up.url + "/readyz"), what="the broker")


def test_the_lock_names_its_holder(up):
    assert json.loads((up.instance / "up.lock").read_text())["url"] == up.url


def test_a_full_disk_takes_lines_from_the_log_and_ends_nothing(tmp_path):
    from panel.cli._console import Log

    path = tmp_path / "panel.log"
    path.symlink_to("/dev/full")
    log = Log(path)
    for number in range(3):
        log.write("worker-1", f"lost {number}")
    path.unlink()
    log.write("worker-1", "kept")
    log.close()
    log.write("worker-1", "after the end")
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == ["worker-1 kept"]
