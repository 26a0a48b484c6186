"""Kill real workers at every named point and at random, break what they stand on, and let the mail server judge.

Real worker processes, a real Valkey, a real SQLite or PostgreSQL, a real SMTP conversation with a sink in a process of
its own. Each contact shall get two mails unless a stop came before. Afterwards: nothing lost, nothing twice, nobody
mailed after a stop, ledger and sink agree row by row, every trace is whole, and what is in doubt is `unknown`, at most
one message per kill.

    make bench BENCH=crash KILLS=2000         (SEED= repeats a run's choices, MINUTES= ends it early,
                                               FRESH=1 starts a new interpreter each time)
"""

from __future__ import annotations

import math
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.crash_report import Report, accepted_by, faults_of, judge
from bench.crash_stage import POINTS, Stage
from bench.result import Result, peak_mb

TICK = 0.02
RANDOM_SHARE = 0.4  # of the workers are killed at a moment of no importance, the others at a named point
# How often each fault comes, per kill.
FAULTS = {
    "flushed": 0.05,  # R12
    "broker_killed": 0.02,  # R11
    "terminated": 0.04,  # R17
    "database_killed": 0.02,  # R16
    "suspended": 0.02,  # R10
}
BROKER_AWAY = (0.0, 1.0)
LEASE = 3.0  # seconds, instead of minutes, so that a suspended worker outlives it


def run(url: str) -> Result:
    """KILLS (default 100) says how many workers to kill, SEED which choices to make."""
    kills = int(os.environ.get("KILLS") or 100)
    seed = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))
    minutes = float(os.environ.get("MINUTES") or math.inf)
    kind = url.partition(":")[0].partition("+")[0]
    report = crash(kind, kills=kills, seed=seed, fresh=bool(os.environ.get("FRESH")), minutes=minutes, tell=_tell)
    for name, found in report.wrong.items():
        sys.stderr.write(f"crash: {name}: {found}\n")
    more = {
        **{name: value for name, value in vars(report).items() if name not in ("kills", "faults", "sink_faults")},
        **{name: dict(getattr(report, name)) for name in ("kills", "faults", "sink_faults")},
        "wrong": report.wrong,
    }
    doubt = f"{report.unknown_by_kill} in doubt by kills, {report.unknown_by_sink} by the sink"
    name = f"lost or twice of {report.messages} mails ({doubt}; seed {seed}, {report.seconds:.0f} s)"
    wrong = len(report.lost) + len(report.twice)
    sound = 0.0 if report.wrong else 1.0
    return Result("crash", kind, wrong, name, report.killed, "kills", sound, peak_mb(), more)


def _tell(report: Report) -> None:
    if report.killed % 100 == 0:
        sys.stderr.write(f"crash: {report.killed} kills, faults {dict(report.faults)}\n")


def crash(
    kind: str,
    *,
    kills: int,
    seed: int,
    workers: int = 2,
    fresh: bool = False,
    points: Mapping[str, float] = POINTS,
    minutes: float = math.inf,
    tell: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Run the whole thing on `kind` (sqlite or postgresql); see the module. Each of `points` is hit at least once."""
    sys.stderr.write(f"crash: {kind}, {kills} kills, SEED={seed}\n")
    report = Report(seed)
    started = time.monotonic()
    with Stage(kind, seed, lease=LEASE, fresh=fresh) as stage:
        Fire(stage, report, workers, points, tell).burn(kills, started + minutes * 60)
        calm(stage, report, workers)
        judge(report, stage.sink.log, stage.contacts, stage.stopped)
    report.seconds = time.monotonic() - started
    return report


@dataclass
class Slot:
    """A worker's place, and what shall end it."""

    number: int
    point: str
    dies_at: float
    wakes_at: float | None = None


class Fire:
    """Keeps workers running and ends them."""

    def __init__(
        self, stage: Stage, report: Report, workers: int, points: Mapping[str, float], tell: Callable[[Report], None]
    ) -> None:
        self.stage, self.report, self.tell = stage, report, tell
        self.random = random.Random(stage.seed)
        self.slots: list[Slot | None] = [None] * workers
        self.points, self.names = points, list(points)
        self.spawned = 0
        self.broker_back_at: float | None = None
        self.alarms: list[threading.Timer] = []  # of the suspended

    def burn(self, kills: int, until: float) -> None:
        end = time.monotonic() + 60 + kills * 10
        self.stage.sink.switch.touch()
        # Every point at least once, whatever the number asked for.
        while (self.report.killed < kills and time.monotonic() < until) or any(
            not self.report.kills[one] for one in self.names
        ):
            assert time.monotonic() < end, f"only {dict(self.report.kills)} of {kills} kills came about"
            for place in range(len(self.slots)):
                self._look_at(place)
            self._bring_the_broker_back()
            self.stage.keep_going(self.random)
            self.stage.ring()
            time.sleep(TICK)
        self.stage.sink.switch.unlink()
        if self.broker_back_at is not None:
            self.stage.valkey.start()
        for alarm in self.alarms:
            alarm.cancel()
            alarm.join()
        for slot in self.slots:
            if slot is not None:
                self.stage.workers.signal(slot.number, signal.SIGCONT)
                self.stage.workers.signal(slot.number, signal.SIGKILL)

    def _look_at(self, place: int) -> None:
        slot = self.slots[place]
        now = time.monotonic()
        if slot is not None:
            status = self.stage.workers.status(slot.number)
            if status is not None:
                slot = None
                if status == -signal.SIGKILL:
                    self._count(self.slots[place])
                else:
                    self.report.faults["ended_by_itself"] += 1
                self.stage.valkey.forget_marks()
            elif slot.wakes_at is not None:
                if now >= slot.wakes_at:
                    slot.wakes_at, slot.dies_at = None, now + self.random.uniform(0.2, 1.0)
            elif now >= slot.dies_at:
                slot.point = "random"
                self.stage.workers.signal(slot.number, signal.SIGKILL)
                slot.dies_at = now + 5
        self.slots[place] = slot or self._spawn()

    def _spawn(self) -> Slot:
        self.spawned += 1
        now = time.monotonic()
        if self.random.random() < RANDOM_SHARE:
            slot = Slot(self.spawned, "random", now + self.random.uniform(0.05, 0.6) * self.stage.slowness)
            armed = ""
        else:
            missing = [name for name in self.names if not self.report.kills[name]]
            point = self.random.choice(missing or self.names)
            # A point that is not passed in time: this one dies at random too.
            slot = Slot(self.spawned, point, now + 3.0 * self.stage.slowness)
            armed = f"{point}:{self.points[point]}"
        self.stage.workers.start(self.spawned, self.random.getrandbits(32), PANEL_CRASH_AT=armed)
        return slot

    def _count(self, slot: Slot | None) -> None:
        assert slot is not None
        self.report.kills[slot.point] += 1
        self.tell(self.report)
        for name, share in FAULTS.items():
            if self.random.random() < share:
                self._break(name)

    def _break(self, name: str) -> None:
        stage = self.stage
        database = stage.postgresql
        if name in ("terminated", "database_killed") and database is None:
            return
        if name in ("flushed", "broker_killed") and self.broker_back_at is not None:
            return
        if name == "flushed":
            stage.valkey.flush()
        elif name == "broker_killed":
            stage.valkey.kill()
            self.broker_back_at = time.monotonic() + self.random.uniform(*BROKER_AWAY)
        elif name == "terminated" and database is not None:
            database.terminate_all()
        elif name == "database_killed" and database is not None:
            database.kill()
            time.sleep(self.random.uniform(0, 0.5))
            database.start()
        elif name == "suspended":
            awake = [one for one in self.slots if one is not None and one.wakes_at is None]
            if not awake:
                return
            slot = self.random.choice(awake)
            stage.workers.signal(slot.number, signal.SIGSTOP)
            seconds = LEASE * self.random.uniform(1.1, 1.6)
            slot.wakes_at = time.monotonic() + seconds
            # By another thread: on SQLite it may sleep with the only write lock in its hands, and we wait for that.
            self.alarms.append(threading.Timer(seconds, stage.workers.signal, (slot.number, signal.SIGCONT)))
            self.alarms[-1].start()
        self.report.faults[name] += 1

    def _bring_the_broker_back(self) -> None:
        if self.broker_back_at is not None and time.monotonic() >= self.broker_back_at:
            self.broker_back_at = None
            self.stage.valkey.start()


def calm(stage: Stage, report: Report, workers: int) -> None:
    """No more faults: everything comes to rest, then a person settles what is in doubt."""
    numbers = [1_000_000 + n for n in range(workers)]
    for number in numbers:
        stage.workers.start(number, number)
    stage.rest("the engine's rest")
    accepted = {key for key, mails in accepted_by(stage.sink.log).items() if mails}
    by_sink = faults_of(stage.sink.log)[1]
    doubtful = stage.doubtful()
    really = [key for key in doubtful.values() if key in accepted]
    report.unknown_really_sent = len(really)
    report.unknown_by_sink = sum(key in by_sink for key in doubtful.values())
    report.unknown_by_kill = len(doubtful) - report.unknown_by_sink
    stage.settle_doubts(doubtful, accepted)
    stage.rest("the engine's rest after the doubt")
    report.held = stage.retried
    for number in numbers:
        stage.workers.signal(number, signal.SIGTERM)
