"""Run several programs as one: start, watch, start again, stop all. One thread, no database, no broker.

Not a service manager for production (that is systemd's work): it serves `panel up`, where one terminal is the machine.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panel.processes import lifeline

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
IDLE_SECONDS = 3.0
# A program that ran so long is taken for healthy: its next failure is its first.
HEALTHY_AFTER = 30.0


@dataclass(frozen=True)
class Program:
    """`sign` is what the kernel sends it when the supervisor dies; `stage` orders the end: lower numbers stop first.

    `patience` is how long it may take to stop before it is killed.
    """

    name: str
    command: Sequence[str]
    sign: int = signal.SIGTERM
    stage: int = 0
    patience: float = 10.0
    pass_fds: Sequence[int] = ()


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    since: float
    rest: bytes = b""


@dataclass
class Supervisor:
    """`tell(name, line)` gets every line of output; `gone(name, code, wait)` hears that a program ended by itself and
    is started again after `wait` seconds."""

    environment: Mapping[str, str]
    tell: Callable[[str, str], None]
    gone: Callable[[str, int, float], None]
    folder: Path = field(default_factory=Path.cwd)
    _running: dict[str, _Running] = field(default_factory=dict)
    _waiting: dict[str, tuple[float, Program]] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _signals: list[int] = field(default_factory=list)
    _stopping: bool = False
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start(self, program: Program) -> None:
        """Start it now. From the main thread only: the kernel ties a child to the thread that made it."""
        parent = os.getpid()

        def tie() -> None:
            lifeline.tie(program.sign)
            if os.getppid() != parent:
                os._exit(1)

        process = subprocess.Popen(
            list(program.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.environment, lifeline.PARENT: str(parent)},
            cwd=self.folder,
            # A group of its own: Ctrl-C in the terminal reaches the supervisor only, which stops the others in order.
            start_new_session=True,
            pass_fds=program.pass_fds,
            preexec_fn=tie,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        running = _Running(program, process, time.monotonic())
        self._running[program.name] = running
        self._selector.register(process.stdout, selectors.EVENT_READ, running)

    def run(self, idle: Callable[[], None] = lambda: None) -> int:
        """Watch until a signal asks to stop, and return that signal's number. Stops nothing. `idle` is called every
        few seconds, from this thread."""
        idle_at = 0.0
        with _Signals(self._signals):
            while not self._signals:
                self._look(0.25)
                self._start_again()
                if time.monotonic() >= idle_at:
                    idle()
                    idle_at = time.monotonic() + IDLE_SECONDS
        return self._signals[0]

    def replace(self, prefix: str, programs: Sequence[Program]) -> None:
        """Let exactly these programs run among those whose names begin with `prefix`: a changed one is started anew."""
        wanted = {program.name: program for program in programs}
        present = {name: each.program for name, each in self._running.items()}
        present |= {name: program for name, (_, program) in self._waiting.items()}
        for name, program in present.items():
            if name.startswith(prefix) and wanted.get(name) != program:
                self._waiting.pop(name, None)
                if name in self._running:
                    self._stop_stage([self._running[name]])
        for name, program in wanted.items():
            if name not in self._running and name not in self._waiting:
                self._failures.pop(name, None)
                self.start(program)

    def stop(self) -> None:
        """Stop all, stage by stage: a kind word, patience, then the end. A second signal cuts the patience short."""
        self._stopping = True
        self._waiting.clear()
        self._signals.clear()
        with _Signals(self._signals):
            for stage in sorted({each.program.stage for each in self._running.values()}):
                self._stop_stage([each for each in self._running.values() if each.program.stage == stage])

    def _stop_stage(self, stage: list[_Running]) -> None:
        for each in stage:
            with suppress(ProcessLookupError):
                each.process.terminate()
        started = time.monotonic()
        while left := [each for each in stage if each.program.name in self._running]:
            for each in left:
                if self._signals or time.monotonic() - started > each.program.patience:
                    with suppress(ProcessLookupError):
                        each.process.kill()
            self._look(0.1, ending=stage)

    def _look(self, seconds: float, *, ending: Sequence[_Running] = ()) -> None:
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for each in list(self._running.values()):
            if each.process.poll() is not None:
                self._ended(each, restart=not self._stopping and each not in ending)

    def _read(self, each: _Running) -> None:
        assert each.process.stdout is not None
        try:
            got = os.read(each.process.stdout.fileno(), 65_536)
        except BlockingIOError:
            return
        if not got:
            with suppress(KeyError):
                self._selector.unregister(each.process.stdout)
            return
        *lines, each.rest = (each.rest + got).split(b"\n")
        for line in lines:
            self.tell(each.program.name, line.decode("utf-8", "replace").rstrip())

    def _ended(self, each: _Running, *, restart: bool) -> None:
        assert each.process.stdout is not None
        self._read(each)
        if each.rest:
            self.tell(each.program.name, each.rest.decode("utf-8", "replace"))
        with suppress(KeyError):
            self._selector.unregister(each.process.stdout)
        each.process.stdout.close()
        name = each.program.name
        del self._running[name]
        if not restart:
            return
        failures = 0 if time.monotonic() - each.since > HEALTHY_AFTER else self._failures.get(name, 0)
        self._failures[name] = failures + 1
        wait = min(FIRST_WAIT * 2**failures, LONGEST_WAIT)
        self._waiting[name] = (time.monotonic() + wait, each.program)
        self.gone(name, each.process.returncode, wait)

    def _start_again(self) -> None:
        for name, (at, program) in list(self._waiting.items()):
            if time.monotonic() >= at:
                del self._waiting[name]
                self.start(program)

    @property
    def processes(self) -> dict[str, int]:
        """The process ids by name."""
        return {name: each.process.pid for name, each in self._running.items()}


class _Signals:
    """Collect the signals that ask to stop while the block runs, and put the old handlers back."""

    def __init__(self, into: list[int]) -> None:
        self.into = into
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.before[number] = signal.signal(number, lambda got, _frame: self.into.append(got))

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
