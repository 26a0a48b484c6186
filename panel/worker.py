"""The background processes: `python -m panel.worker worker|ticker [NUMBER]`.

Each opens its own connections. Started under `panel up`, it dies with the supervisor (see `panel.processes.lifeline`).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from panel import config as configuration
from panel.bare import bare_app
from panel.jobs import ticker, versions, work
from panel.jobs.broker import redis_url
from panel.jobs.heartbeats import Heart
from panel.journeys.engine import marks
from panel.plugin_manager.manager import current
from panel.processes import lifeline
from panel.processes.services import write_services


def main(arguments: list[str]) -> int:
    kind = arguments[0] if arguments else "worker"
    number = arguments[1] if len(arguments) > 1 else str(os.getpid())
    # Asked to stop before it has begun anything, it ends as well as later; what runs sets its own handlers.
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, lambda *_: sys.exit(0))
    lifeline.hold()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its own parts
    config = configuration.load()
    app = bare_app(config)

    @contextmanager
    def around() -> Iterator[None]:
        with app.app_context():
            yield

    with app.app_context():
        if code := versions.settle():
            return code
        # Before anything is done: a restored database must not send what its lost time has sent already.
        marks.look(config.instance)
    if kind == "ticker":

        def note_services() -> None:
            services = current().services()
            commands = {name: (service.module, *service.args) for name, service in services.items()}
            write_services(config.instance, commands)
            marks.look(config.instance)

        ticker.run(redis_url(config), config.workers, number, around, each_tick=note_services)
    elif kind == "worker":
        work.run(redis_url(config), heart=Heart("worker", number, around), around=around)
    else:
        sys.stderr.write(f"usage: python -m panel.worker worker|ticker [NUMBER], not {kind!r}\n")
        return 2
    return versions.code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
