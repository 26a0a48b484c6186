"""A parent that has imported everything and forks real workers: `python -m bench.crash_parent`.

A worker's start is nearly all imports, so a kill costs a tenth of what it would with a fresh interpreter. The child
runs the same `panel.worker.main` with its own environment; the parent never holds a connection, a journal or a thread.

Commands come as JSON lines on stdin, answers go out as JSON lines on stdout:
    {"start": 7, "kind": "worker", "environment": {...}, "seed": 1}  -> {"started": 7, "pid": 1234}
    {"signal": 7, "sign": 9}                       -> nothing; only a child that was not yet buried gets it
                                                      {"ended": 7, "status": -9} when a child ends
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import threading
import traceback
from typing import Any

from panel import config as configuration
from panel import worker
from panel.bare import bare_app
from panel.db import db
from panel.jobs import drains
from panel.journeys.engine import crash
from panel.plugin_manager.manager import current
from tests.fixtures.processes import die_with_parent

BURY_SECONDS = 0.02


class Parent:
    def __init__(self) -> None:
        self.children: dict[int, int] = {}  # number -> pid
        self.rest = b""

    def run(self) -> None:
        """Until stdin closes; then every child is killed."""
        self.say(ready=True)
        try:
            while True:
                readable, _, _ = select.select([0], [], [], BURY_SECONDS)
                if readable:
                    more = os.read(0, 65536)
                    if not more:
                        return
                    *lines, self.rest = (self.rest + more).split(b"\n")
                    for line in lines:
                        self.obey(json.loads(line))
                self.bury()
        finally:
            for pid in self.children.values():
                os.kill(pid, signal.SIGKILL)
                os.kill(pid, signal.SIGCONT)

    def say(self, **answer: Any) -> None:
        os.write(1, json.dumps(answer).encode() + b"\n")

    def obey(self, command: dict[str, Any]) -> None:
        if "start" in command:
            pid = os.fork()
            if pid == 0:
                live(command)
            self.children[command["start"]] = pid
            self.say(started=command["start"], pid=pid)
        elif command["signal"] in self.children:
            os.kill(self.children[command["signal"]], command["sign"])

    def bury(self) -> None:
        for number, pid in list(self.children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.children[number]
                self.say(ended=number, status=os.waitstatus_to_exitcode(status))


def live(command: dict[str, Any]) -> None:
    """The child: what `python -m panel.worker worker NUMBER` does after its imports. Never returns."""
    status = 1
    try:
        die_with_parent()
        os.dup2(2, 1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.environ.update(command["environment"])
        random.seed(command["seed"])
        crash.forget()
        status = worker.main([command["kind"], str(command["start"])])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def warm_up() -> None:
    """Import all that a worker will need, plugins and drains too, and leave nothing open behind."""
    app = bare_app(configuration.load())
    missing = drains.missing()  # and with that all others are imported
    assert not missing.keys() & {"route", "advance", "deliver", "reap"}, missing
    with app.app_context():
        current().channels()
        db.engine.dispose()
    assert threading.active_count() == 1, threading.enumerate()


if __name__ == "__main__":
    warm_up()
    Parent().run()
